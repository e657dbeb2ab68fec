// Requests whose connection becomes a container's, or a further command's, standard streams.
#include <sys/socket.h>

#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/detach_keys.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "api/create_body.hpp"
#include "api/log_stream.hpp"
#include "api/websocket.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

const char* stream_type(const Call& call, bool framed, bool upgrade) {
    return framed && upgrade && call.version >= 42 ? "application/vnd.docker.multiplexed-stream"
                                                   : "application/vnd.docker.raw-stream";
}

/// dockerode sends its options as a body too: it is no input of the container's.
void discard_body(Call& call) {
    std::array<std::byte, 4096> block{};
    while (call.http.read_some(block) > 0) {
    }
}

/// The client's connection, which speaks HTTP no longer: 101 for who asked to upgrade, else 200.
Hijacked take_connection(Call& call, bool framed) {
    discard_body(call);
    const bool upgrade = same_letters(call.http.request().header("Upgrade"), "tcp");
    HttpHeaders headers = {{"Content-Type", stream_type(call, framed, upgrade)}};
    if (upgrade) {
        headers.push_back({"Connection", "Upgrade"});
        headers.push_back({"Upgrade", "tcp"});
    }
    return call.http.hijack(upgrade ? 101 : 200, headers);
}

/// What the container has written so far.
void replay(Call& call, const Container& container, int socket) {
    LogStream log(
        call.engine, container.id,
        {.out = call.flag("stdout"), .err = call.flag("stderr"), .framed = !container.config.tty});
    log.run([&](std::string_view bytes) { write_all(socket, bytes, "attached client"); },
            [](int) { return false; });
}

/// What the client asks for, but for its socket.
Attachment attachment_for(Call& call, const Container& container) {
    if (!call.flag("stream") && !call.flag("logs")) {
        throw InputError("Bad parameters: at least one of stream and logs must be chosen");
    }
    const bool tty = container.config.tty;
    Attachment attachment{.in = call.flag("stdin") && container.config.open_stdin,
                          .out = call.flag("stdout"),
                          .err = call.flag("stderr"),
                          .framed = !tty};
    if (tty) {
        attachment.detach_keys = parse_detach_keys(call.parameter("detachKeys"));
        attachment.out = attachment.out || attachment.err;
    }
    return attachment;
}

// [region: attach]
void attach(Call& call) {
    const Container container = call.engine.find(call.name());
    Attachment attachment = attachment_for(call, container);
    const bool tty = container.config.tty;
    Hijacked connection;
    const bool stream = call.flag("stream");
    if (call.flag("logs") || !stream) {
        connection = take_connection(call, !tty);
        replay(call, container, connection.socket.get());
    }
    if (stream) {
        call.engine.attach(container.id, [&] {
            if (!connection.socket) {
                connection = take_connection(call, !tty);
            }
            attachment.socket = std::move(connection.socket);
            attachment.already_read = std::move(connection.already_read);
            return std::move(attachment);
        });
    }
}
// [/region]

std::pair<UniqueFd, UniqueFd> make_stream_pair() {
    std::array<int, 2> ends{};
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()),
          "socketpair(AF_UNIX, SOCK_STREAM)");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

HttpHeaders websocket_headers(Call& call) {
    const HttpRequest& request = call.http.request();
    const std::string_view key = request.header("Sec-WebSocket-Key");
    if (!same_letters(request.header("Upgrade"), "websocket") || key.empty()) {
        throw InputError(
            "expected the handshake of a WebSocket: Upgrade: websocket, Sec-WebSocket-Key");
    }
    if (request.header("Sec-WebSocket-Version") != "13") {
        throw InputError("Sec-WebSocket-Version: expected 13");
    }
    return {{"Upgrade", "websocket"},
            {"Connection", "Upgrade"},
            {"Sec-WebSocket-Accept", websocket_accept(key)}};
}

/// The streams of a container as messages, for browsers. A thread of ours stands between both, so
/// unlike attach() it ends with the daemon.
void attach_websocket(Call& call) {
    const Container container = call.engine.find(call.name());
    Attachment attachment = attachment_for(call, container);
    attachment.framed = false;
    const HttpHeaders headers = websocket_headers(call);
    constexpr int kBinarySince = 28;
    const Opcode kind = call.version >= kBinarySince ? Opcode::Binary : Opcode::Text;
    auto [ours, containers] = make_stream_pair();
    Hijacked connection;
    const auto begin = [&] { connection = call.http.hijack(101, headers); };
    if (call.flag("logs")) {
        begin();
        LogStream log(call.engine, container.id,
                      {.out = attachment.out, .err = attachment.err, .framed = false});
        log.run(
            [&](std::string_view bytes) {
                write_all(connection.socket.get(), websocket_frame(kind, bytes), "WebSocket");
            },
            [](int) { return false; });
    }
    if (call.flag("stream")) {
        call.engine.attach(container.id, [&] {
            if (!connection.socket) {
                begin();
            }
            attachment.socket = std::move(containers);
            return std::move(attachment);
        });
    }
    containers = UniqueFd();
    relay_websocket(connection.socket.get(), connection.already_read, ours.get(), kind,
                    [&] { return !call.engine.waiting_ended(); });
    static_cast<void>(::shutdown(connection.socket.get(), SHUT_RDWR));
}

void resize(Call& call) {
    call.engine.resize(call.name(), static_cast<unsigned>(call.number("h").value_or(0)),
                       static_cast<unsigned>(call.number("w").value_or(0)));
    respond_empty(call, 200);
}

void create_exec(Call& call) {
    const json body = json_body(call);
    const std::string id = call.engine.create_exec(call.name(), read_exec_body(body));
    respond_json(call, 201, {{"Id", id}});
}

void start_exec(Call& call) {
    const json body = json_body(call);
    const std::string& id = call.name();
    const ExecSpec spec = call.engine.find_exec(id).spec;
    if (const auto [rows, columns] = read_console_size(body);
        rows != 0 && columns != 0 && !call.engine.find_exec(id).started) {
        call.engine.resize_exec(id, rows, columns);
    }
    if (body.value("Detach", false)) {
        call.engine.start_exec(id, [] { return std::nullopt; });
        respond_empty(call, 200);
        return;
    }
    // Framing is as the start says, not as the exec was made: docker's rule.
    const bool framed = !body.value("Tty", false);
    call.engine.start_exec(id, [&]() -> std::optional<Attachment> {
        Hijacked connection = take_connection(call, framed);
        return Attachment{.socket = std::move(connection.socket),
                          .in = spec.attach_stdin,
                          .out = spec.attach_stdout,
                          .err = spec.attach_stderr,
                          .framed = framed,
                          .detach_keys = spec.tty ? spec.detach_keys : "",
                          .already_read = std::move(connection.already_read)};
    });
}

void resize_exec(Call& call) {
    call.engine.resize_exec(call.name(), static_cast<unsigned>(call.number("h").value_or(0)),
                            static_cast<unsigned>(call.number("w").value_or(0)));
    respond_empty(call, 200);
}

void inspect_exec(Call& call) {
    const ExecRecord record = call.engine.find_exec(call.name());
    const ExecSpec& spec = record.spec;
    const json arguments(std::vector<std::string>(spec.command.begin() + 1, spec.command.end()));
    respond_json(call, 200,
                 {{"ID", record.id},
                  {"Running", record.started && !record.exit_code},
                  {"ExitCode", record.exit_code ? json(*record.exit_code) : json(nullptr)},
                  {"ProcessConfig",
                   {{"tty", spec.tty},
                    {"entrypoint", spec.command.front()},
                    {"arguments", arguments},
                    {"privileged", spec.privileged},
                    {"user", spec.user}}},
                  {"OpenStdin", spec.attach_stdin},
                  {"OpenStdout", spec.attach_stdout},
                  {"OpenStderr", spec.attach_stderr},
                  {"CanRemove", false},
                  {"ContainerID", record.container_id},
                  {"DetachKeys", ""},
                  {"Pid", record.pid}});
}

constexpr std::array kAttachRoutes = std::to_array<Route>({
    {"POST", "/containers/{}/attach", attach},
    {"GET", "/containers/{}/attach/ws", attach_websocket},
    {"POST", "/containers/{}/resize", resize},
    {"POST", "/containers/{}/exec", create_exec},
    {"POST", "/exec/{}/start", start_exec},
    {"POST", "/exec/{}/resize", resize_exec},
    {"GET", "/exec/{}/json", inspect_exec},
});

}  // namespace

std::span<const Route> attach_routes() {
    return kAttachRoutes;
}

}  // namespace drydock::api
