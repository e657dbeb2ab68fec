#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "02-namespaces/ip_address.hpp"
#include "07-compose/names/dns_message.hpp"

namespace drydock {

/// Whom the name server asks. Called on its thread; must not throw.
struct NameSource {
    /// The addresses that `name` has for that container; nothing when nobody in its networks is
    /// called so.
    std::function<std::optional<std::vector<IpAddress>>(const std::string& container,
                                                        const std::string& name)>
        addresses{};
    /// The name of who has that address, "" when nobody in the container's networks does.
    std::function<std::string(const std::string& container, const IpAddress& address)> name{};
    /// Who knows all other names; empty for a container that may not reach the outside.
    std::function<std::vector<IpAddress>(const std::string& container)> servers{};
};

/// Answers at 127.0.0.11, port 53, UDP and TCP, inside of each container that was added; passes on,
/// from the host's network, what it does not know. One thread for all of them.
class NameServer {
  public:
    explicit NameServer(NameSource source);
    ~NameServer();
    NameServer(const NameServer&) = delete;
    NameServer& operator=(const NameServer&) = delete;
    NameServer(NameServer&&) = delete;
    NameServer& operator=(NameServer&&) = delete;

    /// It answers there from now on, in the place of where it did.
    /// @param udp, tcp sockets in the container's network; do not wait, and the second listens
    void add(const std::string& container, UniqueFd udp, UniqueFd tcp);
    void remove(const std::string& container);

  private:
    using Clock = std::chrono::steady_clock;
    /// A socket, and whose it is.
    struct Served {
        std::string container{};
        UniqueFd socket{};
        enum class Kind { Udp, Listener, Connection } kind = Kind::Udp;
        Bytes received{};          ///< of a connection: what is no whole message yet
        Clock::time_point last{};  ///< of a connection: when something came
    };
    /// Where an answer goes.
    struct Asker {
        int socket = -1;  ///< of the container; a connection when `address` is empty
        Bytes address{};
    };
    /// A question that was passed on; over TCP when it came over TCP.
    struct Passed {
        std::string container{};
        Asker asker{};
        Bytes query{};
        std::vector<IpAddress> servers{};  ///< still to be tried, the first is being asked
        UniqueFd socket{};
        Clock::time_point deadline{};
        bool connecting = false;  ///< over TCP, and the question is not sent yet
        Bytes received{};         ///< over TCP: what is no whole answer yet
    };

    void run();
    void watch(int socket, bool writable = false);
    void serve(int socket);
    void receive_datagrams(Served& served);
    void accept_connection(Served& listener);
    void receive_stream(int socket);
    void answer(const std::string& container, const Asker& asker, Bytes query);
    void pass_on(Passed passed);
    void receive_answer(int socket);
    void receive_answer_over_tcp(int socket);
    void try_next(int socket);
    void expire();
    void reply(const Asker& asker, const Bytes& bytes, std::size_t most_bytes);

    NameSource source_;
    UniqueFd epoll_;
    UniqueFd stop_;
    std::mutex mutex_{};  ///< guards all below
    std::map<int, Served> served_{};
    std::map<int, Passed> passed_{};
    std::thread thread_{};
};

}  // namespace drydock
