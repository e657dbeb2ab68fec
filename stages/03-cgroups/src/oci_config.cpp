#include "03-cgroups/oci_config.hpp"

#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "oci_sections.hpp"

namespace drydock::oci {
namespace {

using Node = JsonNode;

constexpr Property<Root> kRoot[] = {
    {"path",
     [](const Node& n, Root& r) {
         r.path = n.text();
         if (r.path.empty()) {
             n.fail("a directory");
         }
     },
     kRequired},
    {"readonly", [](const Node& n, Root& r) { r.readonly = n.boolean(); }},
};

void read_version(const Node& node, Config& config) {
    config.oci_version = node.text();
    if (!config.oci_version.starts_with("1.")) {
        node.fail("a version 1.x of the specification");
    }
}

constexpr Property<Config> kConfig[] = {
    {"ociVersion", read_version, kRequired},
    {"process", [](const Node& n, Config& c) { read_process(n, c.process); }, kRequired},
    {"root", [](const Node& n, Config& c) { n.read(kRoot, c.root); }, kRequired},
    {"hostname", [](const Node& n, Config& c) { c.hostname = n.text(); }},
    {"domainname", [](const Node& n, Config& c) { c.domainname = n.text(); }},
    {"mounts", [](const Node& n, Config& c) { read_mounts(n, c.mounts); }},
    {"hooks", [](const Node& n, Config& c) { read_hooks(n, c.hooks); }},
    {"annotations", [](const Node& n, Config& c) { c.annotations = n.text_map(); }},
    {"linux", [](const Node& n, Config& c) { read_linux(n, c.linux_); }},
    {"vm", refuse},
    {"solaris", refuse},
    {"windows", refuse},
    {"zos", refuse},
    {"freebsd", refuse},
};

/// A whole document, and what there is to be said about it.
template <class Result>
Result parsed(std::string_view text, const std::string& name, void (*read)(const Node&, Result&)) {
    JsonDocument document(text, name);
    Result result;
    read(document.root(), result);
    result.warnings = std::move(document.warnings);
    return result;
}

}  // namespace

ReadConfig parse_config(std::string_view text, const std::string& name) {
    return parsed<ReadConfig>(text, name, [](const Node& root, ReadConfig& result) {
        root.read(kConfig, result.config);
    });
}

ReadProcess parse_process(std::string_view text, const std::string& name) {
    return parsed<ReadProcess>(text, name, [](const Node& root, ReadProcess& result) {
        read_process(root, result.process);
    });
}

ReadResources parse_resources(std::string_view text, const std::string& name) {
    return parsed<ReadResources>(text, name, [](const Node& root, ReadResources& result) {
        read_resources(root, result.linux_);
    });
}

std::string read_config_text(const std::filesystem::path& file) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored)) {
        throw InputError(fmt::format(
            "{}: no such file; expected an OCI bundle, a directory that holds one", file.native()));
    }
    return read_file(file, kMaxConfigBytes);
}

ReadConfig read_bundle(const std::filesystem::path& bundle) {
    const std::filesystem::path file = bundle / "config.json";
    return parse_config(read_config_text(file), file.native());
}

}  // namespace drydock::oci
