#include "01-chroot/exit_status.hpp"

#include <cerrno>

namespace drydock {

int exit_status_of(const siginfo_t& ended) noexcept {
    // si_status is the exit code in one case and the signal in the others (CLD_KILLED, CLD_DUMPED):
    // waitid(2).
    return ended.si_code == CLD_EXITED ? ended.si_status : 128 + ended.si_status;
}

int exit_status_of_exec_error(int error) noexcept {
    return error == ENOENT || error == ENOTDIR ? kNotFound : kNotExecutable;
}

}  // namespace drydock
