#include "07-compose/engine/signal_name.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {

int parse_signal(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size() && number > 0 && number < NSIG) {
        return number;
    }
    std::string name(text);
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (name.starts_with("SIG")) {
        name.erase(0, 3);
    }
    for (int signal = 1; signal < NSIG; ++signal) {
        const char* its_name = ::sigabbrev_np(signal);
        if (its_name != nullptr && name == its_name) {
            return signal;
        }
    }
    throw InputError(fmt::format("Invalid signal: {}", text));
}

}  // namespace drydock
