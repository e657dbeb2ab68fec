#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace drydock {

/// Something a person wrote (a flag, a file, a document) is not what it should be. The text names
/// the thing, the place (file and line, JSON pointer or byte offset) and what would be right.
class InputError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What the user asked for is right, but Drydock cannot do it yet: "not implemented: X".
class NotImplemented : public std::runtime_error {
  public:
    explicit NotImplemented(std::string_view what);
};

/// A container could not be started. code() is the errno of the call that failed, exit_status()
/// what the program that was asked to start it ends with: 125, or 126 and 127 when it was the
/// command itself (exit_status.hpp).
class SetupError : public std::runtime_error {
  public:
    SetupError(const std::string& what, std::error_code code, int exit_status);

    [[nodiscard]] const std::error_code& code() const noexcept { return code_; }
    [[nodiscard]] int exit_status() const noexcept { return exit_status_; }

  private:
    std::error_code code_;
    int exit_status_;
};

/// The last border of every program: prints "program: what" for the exception being handled as one
/// line on stderr. To be called in a catch block only.
/// @return the exit status for it: SetupError's own, else 125.
int report_current_exception(std::string_view program) noexcept;

}  // namespace drydock
