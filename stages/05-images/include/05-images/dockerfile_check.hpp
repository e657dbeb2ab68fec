#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "05-images/dockerfile.hpp"
#include "05-images/ignore_file.hpp"

namespace drydock {

/// Something in a Dockerfile that can be built, and is probably not meant so.
struct DockerfileWarning {
    std::string rule{};  ///< the name BuildKit has for it, where it has the rule
    int line = 0;
    std::string text{};
};

struct DockerfileCheck {
    std::vector<DockerfileWarning> warnings{};  ///< by line
    bool error = false;                         ///< the file says "# check=error=true"
};

struct CheckOptions {
    std::map<std::string, std::optional<std::string>> build_args{};
    const IgnoreRules* ignored = nullptr;  ///< of the context's .dockerignore; null: nothing is
};

/// Looks through a Dockerfile without building it. Rules that the file's own "# check=skip=RULE"
/// names are left out; "skip=all" leaves out all.
DockerfileCheck check_dockerfile(const Dockerfile& file, const CheckOptions& options);

/// "Dockerfile:3: WorkdirRelativePath: …" lines, and one that says how many there are.
std::string check_text(const DockerfileCheck& check, const std::string& file);

}  // namespace drydock
