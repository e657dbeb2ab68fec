#include "api/log_stream.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/engine/engine_error.hpp"

namespace drydock::api {

std::string shown(const LogLine& line, const LogRequest& request) {
    std::string text = line.text;
    if (request.timestamps) {
        // Always nine digits, whatever the writer of the file thought enough.
        const auto time = parse_time(line.time);
        text = (time ? to_text(time) : line.time) + " " + text;
    }
    if (!request.framed) {
        return text;
    }
    const auto size = static_cast<std::uint32_t>(text.size());
    std::string frame = {static_cast<char>(line.stream == "stderr" ? 2 : 1), 0, 0, 0};
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
        frame += static_cast<char>((size >> shift) & 0xFFU);
    }
    return frame + text;
}

LogStream::LogStream(Engine& engine, std::string id, LogRequest request)
    : engine_(engine),
      id_(std::move(id)),
      request_(request),
      files_(engine.keep_files(id_)),
      directory_(open_file(engine.store().directory(id_), O_RDONLY | O_DIRECTORY)),
      // By the open directory, wherever it is moved to.
      reader_(fmt::format("/proc/self/fd/{}/{}", directory_.get(),
                          engine.store().log_file(id_).filename().native())) {
    if (request_.follow) {
        changes_ = UniqueFd(check(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
                                  "inotify_init1(IN_CLOEXEC|IN_NONBLOCK)"));
        // The log grows in this directory, and state.json is replaced here when the container
        // starts and ends.
        const auto directory = engine.store().directory(id_);
        check(::inotify_add_watch(changes_.get(), directory.c_str(),
                                  IN_MODIFY | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF),
              "inotify_add_watch({})", directory.native());
    }
    if (request_.tail) {
        reader_.skip_to_last(*request_.tail);
    }
    before_ = engine.find(id_).state;
}

bool LogStream::wants(const LogLine& line) const {
    if (!(line.stream == "stderr" ? request_.err : request_.out)) {
        return false;
    }
    if (!request_.since && !request_.until) {
        return true;
    }
    const auto time = parse_time(line.time);
    return !time || ((!request_.since || *time >= *request_.since) &&
                     (!request_.until || *time <= *request_.until));
}

bool LogStream::may_go_on() const {
    try {
        const ContainerStatus state = engine_.find(id_).state;
        if (is_up(state)) {
            return true;
        }
        // The log of a container that had ended is complete; one that was only made is waited for.
        return before_.status == Status::Created && state.started_at == before_.started_at &&
               state.finished_at == before_.finished_at;
    } catch (const EngineError&) {
        return false;  // it was removed
    }
}

void LogStream::drain(const std::function<void(std::string_view)>& send) {
    while (const auto line = reader_.next()) {
        if (wants(*line)) {
            send(shown(*line, request_));
        }
    }
}

void LogStream::run(const std::function<void(std::string_view)>& send,
                    const std::function<bool(int)>& await) {
    bool go_on = request_.follow;
    while (true) {
        // First whether it runs, then its lines: the shim has written them all when it has ended.
        go_on = go_on && may_go_on();
        drain(send);
        if (!go_on || !await(changes_.get())) {
            return;
        }
        std::array<char, 4096> events{};
        while (::read(changes_.get(), events.data(), events.size()) > 0) {
        }
    }
}

}  // namespace drydock::api
