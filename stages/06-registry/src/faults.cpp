#include "faults.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "http_range.hpp"

namespace drydock {
namespace {

std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

/// Of "name=rest".
std::pair<std::string_view, std::string_view> split_setting(std::string_view text) {
    const std::size_t equals = std::min(text.find('='), text.size());
    return {text.substr(0, equals), text.substr(std::min(equals + 1, text.size()))};
}

[[noreturn]] void refuse_fault(const std::string& text) {
    throw InputError(fmt::format(
        "--fault {}: expected flip=N, cut=N, stall=N, status=N (400 to 599) or ignore-range, and "
        "behind it ,times=K and ,for=TEXT",
        text));
}

Fault parse_kind(std::string_view first, const std::string& text) {
    const auto [name, value] = split_setting(first);
    if (first == "ignore-range") {
        return {.kind = Fault::Kind::IgnoreRange};
    }
    const auto number = number_in(value);
    if (!number) {
        refuse_fault(text);
    }
    if (name == "flip") {
        return {.kind = Fault::Kind::Flip, .value = *number};
    }
    if (name == "cut") {
        return {.kind = Fault::Kind::Cut, .value = *number};
    }
    if (name == "stall") {
        return {.kind = Fault::Kind::Stall, .value = *number};
    }
    if (name != "status" || *number < 400 || *number > 599) {
        refuse_fault(text);
    }
    return {.kind = Fault::Kind::Status, .value = *number};
}

/// Writes [offset, end) of the file, byte `flipped` of it changed.
void send_part(int socket, int fd, std::uint64_t offset, std::uint64_t end,
               std::optional<std::uint64_t> flipped) {
    std::string buffer(std::size_t{64} << 10U, '\0');
    while (offset < end) {
        const auto n = static_cast<std::uint64_t>(
            check(::pread(fd, buffer.data(), std::min<std::uint64_t>(buffer.size(), end - offset),
                          static_cast<off_t>(offset)),
                  "pread(blob)"));
        if (n == 0) {
            return;
        }
        if (flipped && *flipped >= offset && *flipped < offset + n) {
            buffer[*flipped - offset] = static_cast<char>(buffer[*flipped - offset] ^ 1);
        }
        write_all(socket, std::string_view(buffer).substr(0, n), "socket");
        offset += n;
    }
}

/// Sends the head of a right answer. @return the socket as it is
Hijacked take_socket(HttpExchange& exchange, const RequestedRange& range, std::uint64_t size,
                     HttpHeaders headers) {
    const bool part = range.kind == RequestedRange::Kind::Part;
    headers.push_back({.name = "Content-Length", .value = std::to_string(range.length)});
    headers.push_back({.name = "Connection", .value = "close"});
    if (part) {
        headers.push_back({.name = "Content-Range",
                           .value = fmt::format("bytes {}-{}/{}", range.offset,
                                                range.offset + range.length - 1, size)});
    }
    return exchange.hijack(part ? 206 : 200, headers);
}

}  // namespace

Fault parse_fault(const std::string& text) {
    if (text.ends_with(',')) {
        refuse_fault(text);
    }
    std::string_view rest = text;
    Fault fault;
    for (bool first = true; first || !rest.empty(); first = false) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        const std::string_view part = rest.substr(0, comma);
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        const auto [name, value] = split_setting(part);
        if (first) {
            fault = parse_kind(part, text);
        } else if (name == "times" && number_in(value)) {
            fault.times = number_in(value);
        } else if (name == "for" && !value.empty()) {
            fault.where = value;
        } else {
            refuse_fault(text);
        }
    }
    return fault;
}

Faults::Faults(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
        faults_.push_back(parse_fault(text));
    }
}

std::optional<Fault> Faults::next(const HttpRequest& request, bool of_blob) {
    const std::string line = request.method + " " + request.path;
    const std::lock_guard lock(mutex_);
    for (Fault& fault : faults_) {
        const bool hears_range = fault.kind == Fault::Kind::IgnoreRange;
        if ((fault.kind != Fault::Kind::Status) != of_blob || fault.times == 0U ||
            line.find(fault.where) == std::string::npos ||
            (hears_range && request.header("Range").empty())) {
            continue;
        }
        if (fault.times) {
            --*fault.times;
        }
        return fault;
    }
    return std::nullopt;
}

void Faults::refuse(const HttpRequest& request) {
    if (faults_.empty()) {
        return;
    }
    if (const auto fault = next(request, false)) {
        throw HttpError(static_cast<int>(fault->value), "a fault, as asked for\n",
                        {{.name = "Retry-After", .value = "1"}});
    }
}

// [region: answer-wrongly]
bool Faults::answer_blob(HttpExchange& exchange, int fd, std::uint64_t size,
                         const HttpHeaders& headers) {
    const HttpRequest& request = exchange.request();
    if (faults_.empty() || request.method != "GET") {
        return false;
    }
    const auto fault = next(request, true);
    if (!fault) {
        return false;
    }
    if (fault->kind == Fault::Kind::IgnoreRange) {
        exchange.respond_file(fd, 0, size, headers);
        return true;
    }
    RequestedRange range = requested_range(request.header("Range"), size);
    if (range.kind != RequestedRange::Kind::Part) {
        range = {.kind = RequestedRange::Kind::Whole, .offset = 0, .length = size};
    }
    const std::uint64_t end = range.offset + range.length;
    // A server that keeps its word about the length could not break it: so the bare socket.
    const Hijacked taken = take_socket(exchange, range, size, headers);
    const bool flip = fault->kind == Fault::Kind::Flip;
    const std::uint64_t stop = flip ? end : std::clamp(fault->value, range.offset, end);
    try {
        send_part(taken.socket.get(), fd, range.offset, stop,
                  flip ? std::optional(fault->value) : std::nullopt);
        while (fault->kind == Fault::Kind::Stall &&
               exchange.wait_for(-1, std::chrono::seconds(1)) == Wake::Timeout) {
        }
    } catch (const std::system_error&) {
        return true;  // the client had enough of it
    }
    return true;
}
// [/region]

}  // namespace drydock
