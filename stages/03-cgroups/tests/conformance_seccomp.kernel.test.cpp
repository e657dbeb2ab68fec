// Seccomp beyond the plain actions: who is asked, and by which ABI.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/state.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "bundle_fixture.hpp"
#include "conformance_bundle.hpp"
#include "life.hpp"

using drydock::check;
using drydock::Child;
using drydock::UniqueFd;
using nlohmann::json;
using namespace drydock::testing;

namespace {

json profile(const char* action, const std::vector<std::string>& names) {
    return {{"defaultAction", "SCMP_ACT_ALLOW"},
            {"syscalls", json::array({{{"names", names}, {"action", action}}})}};
}

UniqueFd listen_at(const std::filesystem::path& path) {
    UniqueFd socket(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket()"));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    check(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "bind()");
    check(::listen(socket.get(), 1), "listen()");
    return socket;
}

bool is_readable(int fd) {
    pollfd event{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, 20000) == 1;
}

/// What a container sends to its agent.
struct Told {
    json message{};
    UniqueFd listener{};
};
Told receive_told(int socket) {
    std::array<char, 65536> text{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec part{.iov_base = text.data(), .iov_len = text.size()};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    packet.msg_control = control.data();
    packet.msg_controllen = control.size();
    const ssize_t length = check(::recvmsg(socket, &packet, MSG_CMSG_CLOEXEC), "recvmsg()");
    int fd = -1;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&packet)) {
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    }
    return {.message = json::parse(text.data(), text.data() + length, nullptr, false),
            .listener = UniqueFd(fd)};
}

/// The next one that comes to the agent.
Told next_told(const UniqueFd& listening) {
    REQUIRE(is_readable(listening.get()));
    const UniqueFd connection(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(is_readable(connection.get()));
    Told told = receive_told(connection.get());
    REQUIRE(told.listener);
    return told;
}

/// Lets the next call that is asked about fail.
void answer(const UniqueFd& listener, int error) {
    REQUIRE(is_readable(listener.get()));
    seccomp_notif asked{};
    REQUIRE(::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &asked) == 0);
    seccomp_notif_resp answer{};
    answer.id = asked.id;
    answer.error = -error;
    REQUIRE(::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0);
}

}  // namespace

TEST_CASE("config-linux.md, Seccomp: SCMP_ACT_TRACE without a tracer is ENOSYS",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["seccomp"] = profile("SCMP_ACT_TRACE", {"mkdir", "mkdirat"});
    bundle.shell("mkdir /tmp/x");
    CHECK_THAT(bundle.run().err, ContainsSubstring("Function not implemented"));
}

TEST_CASE("config-linux.md, Seccomp: flags are taken, and unknown ones are an error",
          "[03][conformance]") {
    for (const char* flag : {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                             "SECCOMP_FILTER_FLAG_TSYNC"}) {
        CAPTURE(flag);
        ConformanceBundle bundle;
        bundle.linux_part()["seccomp"] = profile("SCMP_ACT_ERRNO", {"mkdir", "mkdirat"});
        bundle.linux_part()["seccomp"]["flags"] = {flag};
        bundle.shell("mkdir /tmp/x || echo refused");
        const Outcome outcome = bundle.run();
        INFO(outcome.err);
        CHECK(outcome.out == "refused\n");
    }
    ConformanceBundle bundle;
    bundle.linux_part()["seccomp"] = profile("SCMP_ACT_ERRNO", {"mkdir"});
    bundle.linux_part()["seccomp"]["flags"] = {"SECCOMP_FILTER_FLAG_MAYBE"};
    CHECK(bundle.run().status != 0);
}

TEST_CASE("config-linux.md, Seccomp: SCMP_ACT_NOTIFY asks who listens at listenerPath",
          "[03][conformance]") {
    ConformanceBundle bundle;
    const auto path = bundle.host("agent") / "socket";
    const UniqueFd listening = listen_at(path);
    json seccomp = profile("SCMP_ACT_NOTIFY", {"mkdir", "mkdirat"});
    seccomp["listenerPath"] = path.native();
    seccomp["listenerMetadata"] = "for the agent";
    bundle.linux_part()["seccomp"] = seccomp;
    bundle.shell("exec 2>/tmp/said; mkdir /tmp/x");
    bundle.write();
    const std::string id = ConformanceBundle::id();
    Child runtime = start_program(bundle.command({"run", "-b", bundle.directory().native(), id}));
    const Told told = next_told(listening);
    CHECK(told.message.at("fds") == json({"seccompFd"}));
    CHECK(told.message.at("metadata") == "for the agent");
    CHECK(told.message.at("state").at("id") == id);
    CHECK(drydock::parent_of(told.message.at("pid").get<pid_t>()) == runtime.pid());
    answer(told.listener, ENOSPC);
    CHECK(runtime.wait() == 1);
    CHECK_THAT(drydock::read_file(bundle.rootfs() / "tmp/said"),
               ContainsSubstring("No space left on device"));
}

TEST_CASE("config-linux.md, Seccomp: a listenerPath that nothing asks is left alone",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["seccomp"] = profile("SCMP_ACT_ERRNO", {"mkdir", "mkdirat"});
    bundle.linux_part()["seccomp"]["listenerPath"] = "/nowhere/at/all";
    bundle.shell("mkdir /tmp/x || echo refused");
    CHECK(bundle.run().out == "refused\n");
}

TEST_CASE("exec: SCMP_ACT_NOTIFY asks who listens at listenerPath", "[03][exec]") {
    for (const bool own_pids : {true, false}) {
        CAPTURE(own_pids);
        ConformanceBundle bundle;
        const auto path = bundle.host("agent") / "socket";
        const UniqueFd listening = listen_at(path);
        bundle.linux_part()["seccomp"] = profile("SCMP_ACT_NOTIFY", {"mkdir", "mkdirat"});
        bundle.linux_part()["seccomp"]["listenerPath"] = path.native();
        if (!own_pids) {
            bundle.linux_part()["namespaces"].erase(0);
        }
        bundle.shell("exec busybox sleep 1000");
        bundle.write();
        const std::string id = ConformanceBundle::id();
        REQUIRE(run_to_files(bundle.command({"run", "-d", "-b", bundle.directory().native(), id}))
                    .status == 0);
        const Told first = next_told(listening);
        std::vector<std::string> exec = {"exec"};
        if (own_pids) {
            // Its filter comes before it has the pid that the agent is to be told.
            const Outcome refused = run_program(bundle.command({"exec", id, "/bin/true"}));
            CHECK(refused.status != 0);
            CHECK_THAT(refused.err, ContainsSubstring("not implemented: exec without noNewPriv"));
            exec.emplace_back("--no-new-privs");
        }
        exec.insert(exec.end(), {id, "/bin/sh", "-c", "exec 2>/tmp/said; mkdir /tmp/x"});
        Child runtime = start_program(bundle.command(exec));
        const Told told = next_told(listening);
        CHECK(told.message.at("state").at("id") == id);
        CHECK(told.message.at("state").at("pid") == first.message.at("pid"));
        CHECK(drydock::parent_of(told.message.at("pid").get<pid_t>()) == runtime.pid());
        answer(told.listener, ENOSPC);
        CHECK(runtime.wait() == 1);
        CHECK_THAT(drydock::read_file(bundle.rootfs() / "tmp/said"),
                   ContainsSubstring("No space left on device"));
        CHECK(run_program(bundle.command({"delete", "--force", id})).status == 0);
    }
}

TEST_CASE("bad input: SCMP_ACT_NOTIFY without a listener, or about its own way, is refused",
          "[03][bad-input]") {
    ConformanceBundle bundle;
    bundle.linux_part()["seccomp"] = profile("SCMP_ACT_NOTIFY", {"mkdir"});
    bundle.shell("true");
    CHECK_THAT(bundle.run().err, ContainsSubstring("listenerPath"));
    bundle.linux_part()["seccomp"] = profile("SCMP_ACT_NOTIFY", {"sendmsg"});
    bundle.linux_part()["seccomp"]["listenerPath"] = "/nowhere";
    CHECK_THAT(bundle.run().err, ContainsSubstring("sendmsg"));
    bundle.linux_part()["seccomp"] = profile("SCMP_ACT_NOTIFY", {"mkdir"});
    bundle.linux_part()["seccomp"]["listenerPath"] = "/nowhere/at/all";
    CHECK_THAT(bundle.run().err, ContainsSubstring("/nowhere/at/all"));
}

TEST_CASE("config-linux.md, Seccomp: architectures says by which ABI calls may come",
          "[03][conformance]") {
    constexpr const char* kForeign = "int 0x80 socketcall AF_UNIX";
    for (const bool listed : {false, true}) {
        CAPTURE(listed);
        ConformanceBundle bundle;
        bundle.linux_part()["seccomp"] = profile("SCMP_ACT_ERRNO", {"mkdir"});
        bundle.linux_part()["seccomp"]["architectures"] = {"SCMP_ARCH_X86_64"};
        if (listed) {
            bundle.linux_part()["seccomp"]["architectures"].push_back("SCMP_ARCH_X86");
        }
        std::filesystem::copy_file(program_path("drydock-call-probe"),
                                   bundle.rootfs() / "call-probe");
        bundle.process()["args"] = {"/call-probe"};
        const Outcome outcome = bundle.run();
        INFO(outcome.out << outcome.err);
        CHECK(json::parse(outcome.out).at(kForeign) == (listed ? 0 : -SIGSYS));
    }
}
