#include "load_volumes.hpp"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::compose {
namespace {

namespace fs = std::filesystem;
using YAML::Node;

/// Reads `volumes` of one service.
class VolumeReader {
  public:
    VolumeReader(YamlReader& yaml, std::string what, const fs::path& directory)
        : yaml_(yaml), what_(std::move(what)), directory_(directory) {}

    std::vector<ServiceVolume> read(const Node& node) {
        if (!node.IsSequence()) {
            yaml_.fail(node, fmt::format("{}: expected a list", what_));
        }
        for (const auto& one : node) {
            if (one.IsMap()) {
                read_long_volume(one);
            } else {
                read_short_volume(one);
            }
        }
        return std::move(volumes_);
    }

  private:
    [[nodiscard]] std::string at(std::string_view key) const {
        return fmt::format("{}.{}", what_, key);
    }

    void expect_host_path_is_made(const Node& node) const {
        if (!yaml_.boolean(node, at("bind.create_host_path"))) {
            yaml_.not_implemented(node, fmt::format("{}: false", at("bind.create_host_path")));
        }
    }

    /// A path of the host as Compose writes it: from the file's folder, or from the home.
    [[nodiscard]] std::string host_path(const std::string& text) const {
        if (text == "~" || text.starts_with("~/")) {
            const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
            return std::string(home != nullptr ? home : "/") + text.substr(1);
        }
        std::string path = (directory_ / text).lexically_normal();
        while (path.size() > 1 && path.ends_with('/')) {
            path.pop_back();
        }
        return path;
    }

    void read_short_volume(const Node& node) {
        const std::string text = yaml_.text(node, what_);
        const auto first = text.find(':');
        if (first == std::string::npos) {
            volumes_.push_back({.type = "volume", .target = text});
            return;
        }
        const auto second = text.find(':', first + 1);
        ServiceVolume volume{.type = "volume",
                             .source = text.substr(0, first),
                             .target = text.substr(first + 1, second - first - 1)};
        if (second != std::string::npos) {
            volume.mode = text.substr(second + 1);
        }
        if (volume.source.starts_with('.') || volume.source.starts_with('/') ||
            volume.source.starts_with('~')) {
            volume.type = "bind";
            volume.source = host_path(volume.source);
        }
        volumes_.push_back(std::move(volume));
    }

    void read_long_volume(const Node& node) {
        ServiceVolume volume{.type = "volume"};
        const auto add_mode = [&](const std::string& word) {
            volume.mode += (volume.mode.empty() ? "" : ",") + word;
        };
        yaml_.map(
            node, what_,
            {{"type", [&](const Node& n) { volume.type = yaml_.text(n, at("type")); }},
             {"source", [&](const Node& n) { volume.source = yaml_.text(n, at("source")); }},
             {"target", [&](const Node& n) { volume.target = yaml_.text(n, at("target")); }},
             {"read_only",
              [&](const Node& n) {
                  if (yaml_.boolean(n, at("read_only"))) {
                      add_mode("ro");
                  }
              }},
             {"bind",
              [&](const Node& n) {
                  yaml_.map(
                      n, at("bind"),
                      {{"propagation",
                        [&](const Node& v) { add_mode(yaml_.text(v, at("bind.propagation"))); }},
                       {"create_host_path", [&](const Node& v) { expect_host_path_is_made(v); }}},
                      {"selinux", "recursive"});
              }},
             {"volume",
              [&](const Node& n) {
                  yaml_.map(n, at("volume"),
                            {{"nocopy",
                              [&](const Node& v) {
                                  if (yaml_.boolean(v, at("volume.nocopy"))) {
                                      add_mode("nocopy");
                                  }
                              }}},
                            {"subpath", "labels"});
              }},
             {"tmpfs",
              [&](const Node& n) {
                  yaml_.map(
                      n, at("tmpfs"),
                      {{"size",
                        [&](const Node& v) {
                            add_mode(fmt::format(
                                "size={}", cli::parse_bytes(yaml_.text(v, at("tmpfs.size")),
                                                            fmt::format("{}: {}", yaml_.where(v),
                                                                        at("tmpfs.size")))));
                        }},
                       {"mode", [&](const Node& v) {
                            add_mode("mode=" + yaml_.text(v, at("tmpfs.mode")));
                        }}});
              }}},
            {"consistency"});
        if (volume.target.empty() ||
            (volume.type != "bind" && volume.type != "volume" && volume.type != "tmpfs")) {
            yaml_.fail(
                node,
                fmt::format("{}: expected a target, and the type bind, volume or tmpfs", what_));
        }
        if (volume.type == "bind") {
            volume.source = host_path(volume.source);
        }
        volumes_.push_back(std::move(volume));
    }

    YamlReader& yaml_;
    std::string what_;
    const fs::path& directory_;
    std::vector<ServiceVolume> volumes_{};
};

}  // namespace

std::vector<ServiceVolume> read_volumes(YamlReader& yaml, const Node& node, const std::string& what,
                                        const fs::path& directory) {
    return VolumeReader(yaml, what, directory).read(node);
}

ProjectVolume read_project_volume(YamlReader& yaml, const std::string& key, const Node& node) {
    ProjectVolume volume{.key = key};
    const std::string prefix = "volumes." + key;
    if (node.IsNull()) {
        return volume;
    }
    yaml.map(node, prefix,
             {{"name", [&](const Node& n) { volume.name = yaml.text(n, prefix + ".name"); }},
              {"external",
               [&](const Node& n) { volume.external = yaml.boolean(n, prefix + ".external"); }},
              {"driver", [&](const Node& n) { volume.driver = yaml.text(n, prefix + ".driver"); }},
              {"driver_opts",
               [&](const Node& n) {
                   volume.driver_options = yaml.pairs(n, prefix + ".driver_opts", yaml.lookup());
               }},
              {"labels", [&](const Node& n) {
                   volume.labels = yaml.pairs(n, prefix + ".labels", [](const std::string&) {
                       return std::optional<std::string>("");
                   });
               }}});
    if (volume.external && volume.name.empty()) {
        volume.name = key;
    }
    return volume;
}

/// Every volume that a service names is one of the project's.
void check_volumes(const Project& project, const fs::path& file) {
    for (const Service& service : project.services) {
        for (const ServiceVolume& volume : service.volumes) {
            if (volume.type == "volume" && !volume.source.empty() &&
                std::ranges::find(project.volumes, volume.source, &ProjectVolume::key) ==
                    project.volumes.end()) {
                throw InputError(
                    fmt::format("{}: services.{} refers to the volume \"{}\", and there is none in "
                                "\"volumes:\"",
                                file.native(), service.name, volume.source));
            }
        }
    }
}

}  // namespace drydock::compose
