#include "05-images/image_text.hpp"

#include <array>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/printable.hpp"

namespace drydock {
namespace {

using nlohmann::json;

std::string short_id(const Image& image) {
    return std::string(image.id.hex().substr(0, 12));
}

std::string line(const std::string& repository, const std::string& tag, const Image& image,
                 const std::string& age) {
    return fmt::format("{:<30} {:<12} {:<14} {:<20} {}\n", repository, tag, short_id(image), age,
                       human_size(image.size));
}

}  // namespace

std::string human_size(std::uint64_t bytes) {
    constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
    auto size = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (size >= 1000.0 && unit + 1 < kUnits.size()) {
        size /= 1000.0;
        ++unit;
    }
    return fmt::format("{:.3g}{}", size, kUnits.at(unit));
}

std::string human_age(std::string_view time) {
    std::tm parts{};
    const std::string text(time.substr(0, 19));
    if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) {
        return "N/A";
    }
    const std::int64_t seconds = std::time(nullptr) - ::timegm(&parts);
    struct Unit {
        std::int64_t length;
        std::int64_t from;  // how many of it before it is used
        const char* name;
    };
    constexpr std::array<Unit, 6> kUnits = {{{31'536'000, 2, "year"},
                                             {2'592'000, 2, "month"},
                                             {604'800, 2, "week"},
                                             {86'400, 2, "day"},
                                             {3600, 1, "hour"},
                                             {60, 1, "minute"}}};
    for (const Unit& unit : kUnits) {
        if (const std::int64_t n = seconds / unit.length; n >= unit.from) {
            return fmt::format("{} {}{} ago", n, unit.name, n == 1 ? "" : "s");
        }
    }
    return fmt::format("{} second{} ago", seconds, seconds == 1 ? "" : "s");
}

std::string images_table(const ImageStore& store) {
    std::string result = fmt::format("{:<30} {:<12} {:<14} {:<20} {}\n", "REPOSITORY", "TAG",
                                     "IMAGE ID", "CREATED", "SIZE");
    for (const Image& image : store.list()) {
        const std::string age = human_age(store.config(image).created);
        for (const Reference& name : image.references) {
            result +=
                line(familiar_repository(name), name.tag.empty() ? "<none>" : name.tag, image, age);
        }
        if (image.references.empty()) {
            result += line("<none>", "<none>", image, age);
        }
    }
    return result;
}

std::string history_table(const ImageStore& store, const Image& image) {
    const oci::ImageConfig config = store.config(image);
    const oci::Manifest manifest = store.manifest(image);
    std::string result;
    std::size_t layer = 0;
    for (std::size_t i = 0; i < config.history.size(); ++i) {
        const oci::History& step = config.history[i];
        std::uint64_t size = 0;
        if (!step.empty_layer && layer < manifest.layers.size()) {
            size = manifest.layers[layer++].size;
        }
        const std::string id = i + 1 == config.history.size() ? short_id(image) : "<missing>";
        result = fmt::format("{:<14} {:<20} {:<60} {}\n", id, human_age(step.created),
                             printable(step.created_by).substr(0, 60), human_size(size)) +
                 result;
    }
    return fmt::format("{:<14} {:<20} {:<60} {}\n", "IMAGE", "CREATED", "CREATED BY", "SIZE") +
           result;
}

std::string inspect_text(const ImageStore& store, const Image& image) {
    const json config = json::parse(store.config_text(image));
    json names = json::array();
    json digests = json::array();
    for (const Reference& name : image.references) {
        names.push_back(familiar(name));
        digests.push_back(
            fmt::format("{}@{}", familiar_repository(name), image.manifest.digest.text()));
    }
    const json layers = config.at("rootfs").at("diff_ids");
    const json result = {{"Id", image.id.text()},
                         {"RepoTags", std::move(names)},
                         {"RepoDigests", std::move(digests)},
                         {"Created", config.value("created", "")},
                         {"Author", config.value("author", "")},
                         {"Architecture", config.value("architecture", "")},
                         {"Os", config.value("os", "")},
                         {"Size", image.size},
                         {"Config", config.value("config", json::object())},
                         {"RootFS", {{"Type", "layers"}, {"Layers", layers}}}};
    return json::array({result}).dump(4) + "\n";
}

}  // namespace drydock
