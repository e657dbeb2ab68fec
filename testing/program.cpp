#include "testing/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"

namespace fs = std::filesystem;

namespace drydock::testing {
namespace {

std::string directory_of_programs() {
    const char* directory = std::getenv("DRYDOCK_BIN");  // NOLINT(concurrency-mt-unsafe)
    return directory != nullptr
               ? directory
               : (fs::read_symlink("/proc/self/exe").parent_path() / "../bin").native();
}

[[noreturn]] void become(const std::vector<std::string>& argv, const std::vector<std::string>& env,
                         int out, int err) {
    const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ::dup2(null.get(), 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    for (const std::string& variable : env) {
        ::putenv(const_cast<char*>(variable.c_str()));  // NOLINT(concurrency-mt-unsafe)
    }
    std::vector<char*> pointers;
    for (const std::string& argument : argv) {
        pointers.push_back(const_cast<char*>(argument.c_str()));
    }
    pointers.push_back(nullptr);
    ::execvp(pointers[0], pointers.data());
    ::_exit(127);
}

void drain(std::array<pollfd, 2>& ends, std::array<std::string*, 2> texts) {
    std::array<char, 65536> buffer{};
    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        check(::poll(ends.data(), ends.size(), -1), "poll()");
        for (std::size_t i = 0; i < ends.size(); ++i) {
            if (ends[i].revents != 0) {
                const ssize_t n = ::read(ends[i].fd, buffer.data(), buffer.size());
                if (n <= 0) {
                    ends[i].fd = -1;
                } else {
                    texts[i]->append(buffer.data(), static_cast<std::size_t>(n));
                }
            }
        }
    }
}

}  // namespace

fs::path program_path(const std::string& name) {
    return fs::path(directory_of_programs()) / name;
}

Outcome run_program(const std::vector<std::string>& argv, const std::vector<std::string>& env) {
    std::vector<std::string> resolved = argv;
    if (resolved.front().find('/') == std::string::npos &&
        fs::exists(program_path(resolved.front()))) {
        resolved.front() = program_path(resolved.front()).native();
    }
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    Child child = clone_child(0);
    if (!child) {
        become(resolved, env, out.write.get(), err.write.get());
    }
    out.write.close();
    err.write.close();
    Outcome outcome;
    std::array<pollfd, 2> ends{{{.fd = out.read.get(), .events = POLLIN, .revents = 0},
                                {.fd = err.read.get(), .events = POLLIN, .revents = 0}}};
    drain(ends, {&outcome.out, &outcome.err});
    outcome.status = child.wait();
    return outcome;
}

void make_test_rootfs(const fs::path& directory) {
    for (const char* name : {"bin", "etc", "tmp", "proc", "dev", "sys"}) {
        fs::create_directories(directory / name);
    }
    fs::copy_file("/bin/busybox", directory / "bin/busybox", fs::copy_options::overwrite_existing);
    for (const char* applet :
         {"sh",     "cat",  "echo", "ls",   "true", "false",   "id",    "hostname",
          "sleep",  "kill", "ps",   "env",  "pwd",  "touch",   "mkdir", "mount",
          "umount", "ip",   "head", "grep", "stat", "readlink"}) {
        std::error_code ignored;
        fs::create_symlink("busybox", directory / "bin" / applet, ignored);
    }
    std::ofstream(directory / "etc/passwd")
        << "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
    std::ofstream(directory / "etc/group") << "root:x:0:\nnobody:x:65534:\n";
    fs::copy_file(program_path("drydock-probe"), directory / "probe",
                  fs::copy_options::overwrite_existing);
}

}  // namespace drydock::testing
