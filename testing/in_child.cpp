#include "testing/in_child.hpp"

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"

namespace drydock::testing {
namespace {

constexpr int kThrew = 125;

[[noreturn]] void leave_with(const std::function<int()>& body) noexcept {
    try {
        const int fact = body();
        ::_exit(fact);
    } catch (const std::exception& e) {
        static_cast<void>(std::fprintf(stderr, "in the child: %s\n", e.what()));
        ::_exit(kThrew);
    }
}

}  // namespace

int in_child(const std::function<int()>& body) {
    Child child = clone_child(0);
    if (!child) {
        leave_with(body);
    }
    return child.wait();
}

int in_mount_namespace(const std::function<int()>& body) {
    return in_child([&] {
        check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr),
              "mount(/, MS_REC|MS_PRIVATE)");
        return body();
    });
}

int in_child_as(unsigned id, const std::function<int()>& body) {
    return in_child([&] {
        check(::setgroups(0, nullptr), "setgroups()");
        check(::setresgid(id, id, id), "setresgid({})", id);
        check(::setresuid(id, id, id), "setresuid({})", id);
        return body();
    });
}

std::string text_from_child(const std::function<std::string()>& body) {
    Pipe pipe = make_pipe();
    Child child = clone_child(0);
    if (!child) {
        leave_with([&] {
            write_all(pipe.write.get(), body(), "pipe to the parent");
            return 0;
        });
    }
    pipe.write.close();
    std::string text = read_all(pipe.read.get(), std::size_t{64} << 20U, "pipe from the child");
    child.wait();
    return text;
}

}  // namespace drydock::testing
