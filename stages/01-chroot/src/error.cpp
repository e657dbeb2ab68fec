#include "01-chroot/error.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "01-chroot/exit_status.hpp"
#include "01-chroot/printable.hpp"

namespace drydock {

NotImplemented::NotImplemented(std::string_view what)
    : std::runtime_error(fmt::format("not implemented: {}", what)) {}

SetupError::SetupError(const std::string& what, std::error_code code, int exit_status)
    : std::runtime_error(what), code_(code), exit_status_(exit_status) {}

int report_current_exception(std::string_view program) noexcept {
    const auto print = [&](const char* what) {
        // An error may be about a name that somebody else chose.
        static_cast<void>(std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(program.size()),
                                       program.data(), printable(what, true).c_str()));
    };
    try {
        throw;
    } catch (const SetupError& e) {
        print(e.what());
        return e.exit_status();
    } catch (const std::exception& e) {
        print(e.what());
    } catch (...) {
        print("unknown error");
    }
    return kSetupFailed;
}

}  // namespace drydock
