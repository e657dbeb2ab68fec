#include "build_cache.hpp"

#include <fcntl.h>

#include <algorithm>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "05-images/image_config.hpp"
#include "05-images/strict_json.hpp"

namespace drydock {
namespace {

std::string_view verb_of(std::string_view instruction) {
    return instruction.substr(0, instruction.find(' '));
}

/// How much two keys have in common: an earlier state of the same line before the same line of
/// another file.
int nearness_of(const StepKey& a, const StepKey& b) {
    if (a.instruction.empty() || verb_of(a.instruction) != verb_of(b.instruction)) {
        return 0;
    }
    constexpr int kParent = 8;
    constexpr int kInstruction = 4;
    constexpr int kInput = 2;
    const int common =
        (a.parent == b.parent ? kParent : 0) + (a.instruction == b.instruction ? kInstruction : 0);
    return common == 0 ? 0 : common + (a.input == b.input ? kInput : 0);
}

/// The arguments of the canonical text of an instruction, one by one: it is a verb and a list.
nlohmann::json arguments_of(std::string_view instruction) {
    const std::size_t space = std::min(instruction.find(' '), instruction.size());
    return nlohmann::json::parse(instruction.substr(space), nullptr, false);
}

/// Which of the arguments are others, by name; the whole text when they have no names.
std::string changed_arguments(const std::string& before, const std::string& now) {
    static const std::vector<const char*> kRun = {"build arguments", "command", "network",
                                                  "mounts"};
    static const std::vector<const char*> kCopy = {"destination", "destination", "--parents",
                                                   "--chown",     "--chown",     "--chmod",
                                                   "sources",     "--unpack"};
    const nlohmann::json old_ones = arguments_of(before);
    const nlohmann::json new_ones = arguments_of(now);
    const bool is_run = verb_of(now) == "RUN";
    const bool is_copy = verb_of(now) == "COPY" || verb_of(now) == "ADD";
    const std::vector<const char*>& names = is_run ? kRun : kCopy;
    constexpr std::size_t kLongest = 200;
    if ((!is_run && !is_copy) || !old_ones.is_array() || !new_ones.is_array() ||
        old_ones.size() != names.size() || new_ones.size() != names.size()) {
        return fmt::format("it was \"{}\"", before.substr(0, kLongest));
    }
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (old_ones[i] != new_ones[i]) {
            text += fmt::format("{}its {} was {}", text.empty() ? "" : ", ", names[i],
                                old_ones[i].dump().substr(0, kLongest));
        }
    }
    return text;
}

/// What a person can do something about first.
std::string differences(const StepKey& before, const StepKey& now) {
    std::vector<std::string> parts;
    if (before.instruction != now.instruction) {
        parts.push_back(changed_arguments(before.instruction, now.instruction));
    }
    if (before.input != now.input) {
        parts.emplace_back("the files it reads are others");
    }
    if (before.epoch != now.epoch) {
        parts.push_back(fmt::format("SOURCE_DATE_EPOCH was {}",
                                    before.epoch.empty() ? "not set" : before.epoch));
    }
    if (before.parent != now.parent) {
        parts.emplace_back("what it stands on is another");
    }
    return parts.empty() ? "its entry cannot be read" : fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

BuildCache::BuildCache(const std::filesystem::path& data_root)
    : directory_(data_root / "build-cache") {
    std::filesystem::create_directories(directory_);
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
}

// [region: cache-key]
Digest StepKey::digest() const {
    Sha256 hash;
    // The time that a build is said to be of is part of what it makes.
    const std::string timed = epoch.empty() ? input : fmt::format("{} at {}", input, epoch);
    // Lengths first, so that no text can be cut in another place.
    for (const std::string_view part :
         {std::string_view("drydock build step 1"), std::string_view(parent),
          std::string_view(instruction), std::string_view(timed)}) {
        hash.update(fmt::format("{}:", part.size()));
        hash.update(part);
    }
    return hash.finish();
}
// [/region]

std::optional<CachedStep> BuildCache::find(const StepKey& key) const {
    return read(fmt::format("{}.json", key.digest().hex()));
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
        if (place.has("key")) {
            const JsonPlace key = place.at("key");
            step.key = {.parent = key.at("parent").string(),
                        .instruction = key.at("instruction").string(),
                        .input = key.at("input").string(),
                        .epoch = key.at("epoch").string()};
        }
        return step;
    } catch (const std::system_error&) {
        return std::nullopt;
    } catch (const InputError&) {
        return std::nullopt;
    }
}

void BuildCache::put(const StepKey& key, const CachedStep& step) const {
    nlohmann::json entry = {{"config", step.config},
                            {"key",
                             {{"parent", key.parent},
                              {"instruction", key.instruction},
                              {"input", key.input},
                              {"epoch", key.epoch}}}};
    if (step.layer) {
        entry["layer"] = to_json(*step.layer);
    }
    const UniqueFd directory = open_file(directory_, O_RDONLY | O_DIRECTORY);
    replace_file(directory.get(), fmt::format("{}.json", key.digest().hex()), entry.dump());
}

std::string BuildCache::explain_miss(const StepKey& key) const {
    const CachedStep* nearest = nullptr;
    int nearness = 0;
    const std::vector<CachedStep> steps = list();
    for (const CachedStep& step : steps) {
        if (const int near = nearness_of(step.key, key); near > nearness) {
            nearest = &step;
            nearness = near;
        }
    }
    return nearest == nullptr ? "no build before had such a step" : differences(nearest->key, key);
}

}  // namespace drydock
