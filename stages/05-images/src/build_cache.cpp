#include "build_cache.hpp"

#include <fcntl.h>

#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "05-images/image_config.hpp"
#include "05-images/strict_json.hpp"

namespace drydock {

BuildCache::BuildCache(const std::filesystem::path& data_root)
    : directory_(data_root / "build-cache") {
    std::filesystem::create_directories(directory_);
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
}

// [region: cache-key]
Digest BuildCache::key(std::string_view parent, std::string_view instruction,
                       std::string_view input) {
    Sha256 hash;
    // Lengths first, so that no text can be cut in another place.
    for (const std::string_view part :
         {std::string_view("drydock build step 1"), parent, instruction, input}) {
        hash.update(fmt::format("{}:", part.size()));
        hash.update(part);
    }
    return hash.finish();
}
// [/region]

std::optional<CachedStep> BuildCache::find(const Digest& key) const {
    return read(fmt::format("{}.json", key.hex()));
}

std::vector<CachedStep> BuildCache::list() const {
    std::vector<CachedStep> result;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
        if (entry.path().extension() == ".json") {
            if (auto step = read(entry.path().filename().native())) {
                result.push_back(*std::move(step));
            }
        }
    }
    return result;
}

std::size_t BuildCache::clear() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
        if (entry.path().extension() == ".json") {
            std::filesystem::remove(entry.path());
            ++count;
        }
    }
    return count;
}

std::optional<CachedStep> BuildCache::read(const std::string& name) const {
    try {
        const std::string text = read_file(directory_ / name, kMaxConfigSize * 2);
        const nlohmann::json parsed = parse_strict_json(text, name);
        const JsonPlace place(parsed, name);
        CachedStep step{.config = place.at("config").string()};
        if (place.has("layer")) {
            step.layer = read_descriptor(place.at("layer"));
        }
        return step;
    } catch (const std::system_error&) {
        return std::nullopt;
    } catch (const InputError&) {
        return std::nullopt;
    }
}

void BuildCache::put(const Digest& key, const CachedStep& step) const {
    nlohmann::json entry = {{"config", step.config}};
    if (step.layer) {
        entry["layer"] = to_json(*step.layer);
    }
    const UniqueFd directory = open_file(directory_, O_RDONLY | O_DIRECTORY);
    replace_file(directory.get(), fmt::format("{}.json", key.hex()), entry.dump());
}

}  // namespace drydock
