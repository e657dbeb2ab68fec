#include "07-compose/engine/names.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr std::array<std::string_view, 48> kLeft = {
    "able",   "agile", "amber", "ample", "azure", "bold",  "brave",  "brisk", "calm",   "clever",
    "crisp",  "eager", "early", "fair",  "fleet", "fond",  "gentle", "glad",  "grand",  "happy",
    "hardy",  "jolly", "keen",  "kind",  "lucid", "merry", "mild",   "neat",  "nimble", "noble",
    "plain",  "proud", "quick", "quiet", "ready", "sharp", "sleek",  "smart", "solid",  "spry",
    "steady", "stout", "sunny", "swift", "tidy",  "vivid", "warm",   "witty"};
constexpr std::array<std::string_view, 48> kRight = {
    "anchor",   "ballast", "barge", "beacon",  "bollard",  "bosun",   "bow",     "bridge",
    "buoy",     "cabin",   "canoe", "capstan", "cleat",    "clipper", "compass", "cutter",
    "deck",     "dinghy",  "ferry", "fender",  "frigate",  "galley",  "hatch",   "helm",
    "hull",     "jetty",   "kayak", "keel",    "ketch",    "launch",  "lighter", "mast",
    "mooring",  "oar",     "pilot", "pier",    "porthole", "quay",    "rudder",  "sail",
    "schooner", "sextant", "sloop", "stern",   "tiller",   "trawler", "tug",     "yawl"};

std::uint32_t random_number() {
    std::uint32_t number = 0;
    check(::getrandom(&number, sizeof(number), 0), "getrandom({} bytes)", sizeof(number));
    return number;
}

}  // namespace

std::string new_container_name(const std::function<bool(const std::string&)>& taken) {
    std::string name = fmt::format("{}_{}", kLeft[random_number() % kLeft.size()],
                                   kRight[random_number() % kRight.size()]);
    while (taken(name)) {
        name += std::to_string(random_number() % 10);
    }
    return name;
}

std::string checked_container_name(std::string_view name) {
    if (name.starts_with('/')) {
        name.remove_prefix(1);
    }
    const auto letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    const auto allowed = [&](char c) { return letter(c) || c == '_' || c == '.' || c == '-'; };
    if (name.size() < 2 || !letter(name.front()) || !std::ranges::all_of(name, allowed)) {
        throw InputError(
            fmt::format("Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, "
                        "two of them at least",
                        name));
    }
    return std::string(name);
}

}  // namespace drydock
