#include "07-compose/cli/http_response.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::cli {
namespace {

constexpr std::size_t kLongestHead = std::size_t{64} << 10U;
constexpr std::size_t kLongestLine = 4096;

[[noreturn]] void throw_no_http(std::uint64_t offset, std::string_view what) {
    throw InputError(fmt::format(
        "the answer is not HTTP: {} at byte {}; is this a Docker Engine API?", what, offset));
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return result;
}

std::string_view trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    const auto end = text.find_last_not_of(" \t");
    return begin == std::string_view::npos ? std::string_view()
                                           : text.substr(begin, end - begin + 1);
}

/// The whole of `text` as a number of that base; nothing when it is not one.
std::optional<std::uint64_t> number(std::string_view text, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc() && end == text.data() + text.size() && !text.empty()
               ? std::optional(value)
               : std::nullopt;
}

ResponseHead parse_head(std::string_view text, std::uint64_t offset) {
    ResponseHead head;
    const std::string_view status_line = text.substr(0, text.find("\r\n"));
    const auto status =
        number(status_line.substr(std::min<std::size_t>(9, status_line.size()), 3), 10);
    if (!status_line.starts_with("HTTP/1.") || !status) {
        throw_no_http(offset, "no status line");
    }
    head.status = static_cast<int>(*status);
    head.reason = trimmed(status_line.substr(std::min<std::size_t>(12, status_line.size())));
    text.remove_prefix(std::min(text.size(), status_line.size() + 2));
    while (!text.empty()) {
        const auto end = std::min(text.find("\r\n"), text.size());
        const std::string_view line = text.substr(0, end);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) {
            throw_no_http(offset, "a header line without \":\"");
        }
        head.fields.emplace_back(lower(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
        text.remove_prefix(std::min(text.size(), end + 2));
    }
    return head;
}

}  // namespace

std::string ResponseHead::field(std::string_view name) const {
    const auto found =
        std::ranges::find_if(fields, [&](const auto& field) { return field.first == name; });
    return found == fields.end() ? "" : found->second;
}

void ResponseParser::feed(std::string_view bytes) {
    pending_ += bytes;
    offset_ += bytes.size();
    while (step()) {
    }
}

void ResponseParser::end() {
    if (state_ == State::UntilEnd) {
        state_ = State::Complete;
    }
    if (state_ != State::Complete) {
        throw InputError(
            state_ == State::Head
                ? "the daemon closed the connection without an answer; its log says why"
                : "the daemon closed the connection in the middle of an answer; its log says why");
    }
}

bool ResponseParser::step() {
    switch (state_) {
        case State::Head:
            return read_head();
        case State::Length:
            return read_counted(State::Complete);
        case State::UntilEnd:
            body_ += std::exchange(pending_, {});
            return false;
        case State::ChunkSize:
            return read_chunk_size();
        case State::ChunkData:
            return read_counted(State::ChunkEnd);
        case State::ChunkEnd: {
            const auto line = take_line();
            if (line && !line->empty()) {
                throw_no_http(offset_, "a chunk longer than its size");
            }
            state_ = line ? State::ChunkSize : state_;
            return line.has_value();
        }
        case State::Trailer: {
            const auto line = take_line();
            state_ = line && line->empty() ? State::Complete : state_;
            return line.has_value();
        }
        case State::Complete:
            return false;
    }
    return false;
}

bool ResponseParser::read_head() {
    const auto end = pending_.find("\r\n\r\n");
    if (end == std::string::npos) {
        if (pending_.size() > kLongestHead ||
            (pending_.size() >= 5 && !pending_.starts_with("HTTP/"))) {
            throw_no_http(offset_, "no status line and header fields");
        }
        return false;
    }
    head_ = parse_head(std::string_view(pending_).substr(0, end), offset_);
    pending_.erase(0, end + 4);
    constexpr int kFirstFinal = 200;
    if (head_.status < kFirstFinal && head_.status != 101) {
        return true;  // "100 Continue": the real one follows
    }
    choose_framing();
    return true;
}

void ResponseParser::choose_framing() {
    constexpr int kNoContent = 204;
    constexpr int kNotModified = 304;
    const std::string length = head_.field("content-length");
    if (head_.status == kNoContent || head_.status == kNotModified) {
        state_ = State::Complete;
    } else if (lower(head_.field("transfer-encoding")).ends_with("chunked")) {
        state_ = State::ChunkSize;
    } else if (!length.empty()) {
        const auto bytes = number(length, 10);
        if (!bytes) {
            throw_no_http(offset_, "a Content-Length that is no number");
        }
        left_ = *bytes;
        state_ = State::Length;
    } else {
        state_ = State::UntilEnd;
    }
}

bool ResponseParser::read_counted(State next) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, pending_.size()));
    body_.append(pending_, 0, taken);
    pending_.erase(0, taken);
    left_ -= taken;
    if (left_ == 0) {
        state_ = next;
    }
    return left_ == 0;
}

bool ResponseParser::read_chunk_size() {
    const auto line = take_line();
    if (!line) {
        return false;
    }
    const auto size = number(trimmed(std::string_view(*line).substr(0, line->find(';'))), 16);
    if (!size) {
        throw_no_http(offset_, "a chunk without its size");
    }
    left_ = *size;
    state_ = left_ == 0 ? State::Trailer : State::ChunkData;
    return true;
}

std::optional<std::string> ResponseParser::take_line() {
    const auto end = pending_.find("\r\n");
    if (end == std::string::npos) {
        if (pending_.size() > kLongestLine) {
            throw_no_http(offset_, "a line without an end");
        }
        return std::nullopt;
    }
    std::string line = pending_.substr(0, end);
    pending_.erase(0, end + 2);
    return line;
}

}  // namespace drydock::cli
