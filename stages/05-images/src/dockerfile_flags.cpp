#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"

#include "dockerfile_place.hpp"

namespace drydock {
namespace {

/// How many characters differ, are missing or are too many; two exchanged neighbours count once.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1,
                                               std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                                   cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
    }
    return cost[a.size()][b.size()];
}

}  // namespace

void DockerfilePlace::refuse(std::string_view what) const {
    throw InputError(fmt::format("{}:{}: {}: {}", file, raw.line, raw.name, what));
}

void DockerfilePlace::not_implemented(std::string_view what) const {
    throw NotImplemented(fmt::format("{} ({}:{})", what, file, raw.line));
}

std::string nearest(std::string_view typed, const std::vector<std::string_view>& known) {
    std::string result;
    std::size_t best = typed.size() < 3 ? 1 : 2;
    for (const std::string_view name : known) {
        if (const std::size_t d = distance(typed, name); d <= best && d < name.size()) {
            if (d < best || result.empty()) {
                result = name;
            }
            best = d;
        }
    }
    return result;
}

/// Takes the leading "--name=value" words off `text`.
WrittenFlags take_flags(std::string_view& text, std::span<const std::string_view> known,
                        const DockerfilePlace& place) {
    WrittenFlags flags;
    while (text.starts_with("--")) {
        const std::string_view word = text.substr(0, text.find_first_of(" \t"));
        text.remove_prefix(word.size());
        text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
        if (word == "--") {
            break;
        }
        const std::size_t equals = word.find('=');
        const std::string_view name = word.substr(2, equals - 2);
        if (std::ranges::find(known, name) == known.end()) {
            const std::string near = nearest(name, {known.begin(), known.end()});
            place.refuse(fmt::format(
                "unknown flag \"--{}\"{}", name,
                near.empty() ? known.empty()
                                   ? std::string("; it takes none")
                                   : fmt::format("; expected --{}", fmt::join(known, ", --"))
                             : fmt::format("; did you mean --{}?", near)));
        }
        flags.emplace_back(name,
                           equals == std::string_view::npos ? "true" : word.substr(equals + 1));
    }
    return flags;
}

}  // namespace drydock
