#include "seccomp_agent.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {

std::string seccomp_agent_message(pid_t pid, const std::string& metadata,
                                  const std::string& state) {
    nlohmann::ordered_json json = {
        {"ociVersion", kOciVersion}, {"fds", {"seccompFd"}}, {"pid", pid}};
    if (!metadata.empty()) {
        json["metadata"] = metadata;
    }
    json["state"] = nlohmann::ordered_json::parse(state);
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void send_to_seccomp_agent(int socket, const std::string& message, int listener) {
    iovec text{.iov_base = const_cast<char*>(message.data()), .iov_len = message.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr packet{};
    packet.msg_iov = &text;
    packet.msg_iovlen = 1;
    packet.msg_control = control.data();
    packet.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof listener);
    std::memcpy(CMSG_DATA(header), &listener, sizeof listener);
    check(::sendmsg(socket, &packet, MSG_NOSIGNAL), "sendmsg(seccomp agent, SCM_RIGHTS)");
}

pid_t pid_on_host() {
    std::array<char, 16> text{};
    const ssize_t length =
        check(::readlink("/proc/self", text.data(), text.size()), "readlink(/proc/self)");
    pid_t pid = 0;
    std::from_chars(text.data(), text.data() + length, pid);
    return pid;
}

}  // namespace drydock
