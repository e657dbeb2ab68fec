#include "07-compose/cli/build_context.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "06-registry/base64.hpp"
#include "06-registry/stored_credentials.hpp"
#include "07-compose/cli/ignore_rules.hpp"
#include "07-compose/cli/progress.hpp"
#include "07-compose/cli/tar_writer.hpp"

namespace drydock::cli {
namespace {

namespace fs = std::filesystem;
constexpr unsigned kPermissions = 07777;

struct Walker {
    const IgnoreRules& rules;
    const std::string& dockerfile;
    TarWriter& tar;

    [[nodiscard]] bool skips(const std::string& name) const {
        return name != dockerfile && name != ".dockerignore" && rules.ignores(name);
    }

    void file(const fs::path& path, const std::string& name, const struct stat& status) const {
        const UniqueFd fd = open_file(path, O_RDONLY | O_NOFOLLOW);
        tar.file(name, status.st_mode & kPermissions, static_cast<std::uint64_t>(status.st_size));
        std::array<char, 65536> buffer{};
        auto left = static_cast<std::size_t>(status.st_size);
        while (left > 0) {
            const ssize_t n = check(::read(fd.get(), buffer.data(), std::min(left, buffer.size())),
                                    "read({})", path.native());
            if (n == 0) {
                throw InputError(
                    fmt::format("{}: became shorter while it was read", path.native()));
            }
            tar.data({buffer.data(), static_cast<std::size_t>(n)});
            left -= static_cast<std::size_t>(n);
        }
    }

    void entry(const fs::path& path, const std::string& name) const {
        struct stat status{};
        check(::lstat(path.c_str(), &status), "lstat({})", path.native());
        const bool skipped = skips(name);
        if (S_ISDIR(status.st_mode)) {
            if (!skipped) {
                tar.directory(name, status.st_mode & kPermissions);
            }
            // A "!" rule, or a Dockerfile in a folder that is ignored, may want something below.
            if (!skipped || rules.has_exceptions() || dockerfile.starts_with(name + "/")) {
                directory(path, name + "/");
            }
        } else if (!skipped && S_ISREG(status.st_mode)) {
            file(path, name, status);
        } else if (!skipped && S_ISLNK(status.st_mode)) {
            tar.symlink(name, fs::read_symlink(path).native());
        }
    }

    void directory(const fs::path& path, const std::string& prefix) const {
        std::vector<std::string> names;
        for (const auto& found : fs::directory_iterator(path)) {
            names.push_back(found.path().filename().native());
        }
        std::ranges::sort(names);
        for (const std::string& name : names) {
            entry(path / name, prefix + name);
        }
    }
};

Query query_of(const BuildRequest& request) {
    Query query = {{"version", "1"}, {"rm", "1"}, {"dockerfile", request.dockerfile}};
    for (const std::string& tag : request.tags) {
        query.emplace_back("t", tag);
    }
    const auto add_map = [&](const char* name, const std::map<std::string, std::string>& values) {
        if (!values.empty()) {
            query.emplace_back(name, nlohmann::json(values).dump());
        }
    };
    add_map("buildargs", request.build_args);
    add_map("labels", request.labels);
    const auto add_flag = [&](const char* name, bool value) {
        if (value) {
            query.emplace_back(name, "1");
        }
    };
    add_flag("nocache", request.no_cache);
    add_flag("pull", request.pull);
    if (!request.network.empty()) {
        query.emplace_back("networkmode", request.network);
    }
    if (request.explain_cache) {
        query.emplace_back("explain", "cache");
    }
    if (!request.target.empty()) {
        query.emplace_back("target", request.target);
    }
    return query;
}

}  // namespace

void write_context(const fs::path& directory, const std::string& dockerfile,
                   const std::function<void(std::string_view)>& sink) {
    const fs::path ignore_file = directory / ".dockerignore";
    const IgnoreRules rules(fs::is_regular_file(ignore_file) ? read_file(ignore_file)
                                                             : std::string());
    TarWriter tar(sink);
    Walker{.rules = rules, .dockerfile = dockerfile, .tar = tar}.directory(directory, "");
    tar.finish();
}

namespace {

void expect_files(const BuildRequest& request) {
    if (!fs::is_directory(request.context)) {
        throw InputError(
            fmt::format("build context {}: no such directory", request.context.native()));
    }
    if (!fs::is_regular_file(request.context / request.dockerfile)) {
        throw InputError(
            fmt::format("{}: no such file; -f names a Dockerfile elsewhere in the context",
                        (request.context / request.dockerfile).native()));
    }
}

/// What the daemon reads before the context. Secrets travel here, in no parameter and no header.
std::string first_line(const BuildRequest& request) {
    nlohmann::json secrets = nlohmann::json::object();
    for (const auto& [id, secret] : request.secrets) {
        secrets[id] = to_base64(secret);
    }
    return nlohmann::json{{"secrets", secrets}}.dump() + "\n";
}

}  // namespace

std::string build_image(const Engine& engine, const BuildRequest& request, int fd) {
    expect_files(request);
    const bool own = !request.secrets.empty() || request.explain_cache;
    const char* const path = own ? "/drydock/build" : "/build";  // the latter any engine has
    const auto write = [&](Exchange& upload) {
        std::string buffer = own ? first_line(request) : "";  // many small blocks make one chunk
        constexpr std::size_t kChunk = 65536;
        write_context(request.context, request.dockerfile, [&](std::string_view bytes) {
            buffer += bytes;
            if (buffer.size() >= kChunk) {
                upload.write_body(std::exchange(buffer, {}));
            }
        });
        upload.write_body(buffer);
    };
    Exchange answer = engine.upload_build(path, query_of(request), write, registry_config_header());
    const nlohmann::json aux = show_progress(answer, fd, request.quiet);
    const std::string id = aux.value("ID", "");
    if (id.empty()) {
        throw InputError(
            "the daemon ended the build without an image and without an error; its log says why");
    }
    return id;
}

BuildCheck check_build(const Engine& engine, const BuildRequest& request) {
    expect_files(request);
    Query query = query_of(request);
    query.emplace_back("check", "1");
    const auto write = [&](Exchange& upload) {
        std::string body = first_line(request);
        TarWriter tar([&](std::string_view bytes) { body += bytes; });
        for (const std::string& name : {request.dockerfile, request.dockerfile + ".dockerignore",
                                        std::string(".dockerignore")}) {
            if (fs::is_regular_file(request.context / name)) {
                const std::string text = read_file(request.context / name);
                tar.file(name, 0644, text.size());
                tar.data(text);
            }
        }
        tar.finish();
        upload.write_body(body);
    };
    Exchange answer = engine.upload_build("/drydock/build", query, write, registry_config_header());
    const nlohmann::json check = parse_answer(answer.read_all());
    return {.text = check.value("Text", ""), .warnings = check["Warnings"].size()};
}

}  // namespace drydock::cli
