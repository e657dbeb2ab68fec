#include "03-cgroups/log_line.hpp"

#include <array>

#include <fmt/format.h>

#include "03-cgroups/state.hpp"

namespace drydock {
namespace {

unsigned char byte_at(std::string_view bytes, std::size_t i) {
    return static_cast<unsigned char>(bytes[i]);
}

bool is_continuation(unsigned char c) {
    return (c & 0xC0U) == 0x80U;
}

/// What a first byte announces: how long the sequence is, and where its second byte may lie, which
/// shuts out overlong forms, surrogates and what is beyond U+10FFFF (RFC 3629, section 4). Length
/// 0: no sequence begins so.
struct Lead {
    std::size_t length = 0;
    unsigned char second_least = 0x80;
    unsigned char second_most = 0xBF;
};
Lead lead_of(unsigned char c) {
    if (c < 0x80) {
        return {.length = 1};
    }
    if (c >= 0xC2 && c <= 0xDF) {
        return {.length = 2};
    }
    if (c >= 0xE0 && c <= 0xEF) {
        return {.length = 3,
                .second_least = static_cast<unsigned char>(c == 0xE0 ? 0xA0 : 0x80),
                .second_most = static_cast<unsigned char>(c == 0xED ? 0x9F : 0xBF)};
    }
    if (c >= 0xF0 && c <= 0xF4) {
        return {.length = 4,
                .second_least = static_cast<unsigned char>(c == 0xF0 ? 0x90 : 0x80),
                .second_most = static_cast<unsigned char>(c == 0xF4 ? 0x8F : 0xBF)};
    }
    return {};
}

/// The length of the UTF-8 sequence at the front of `bytes`; 0 when there is none.
std::size_t sequence_length(std::string_view bytes) {
    const Lead lead = lead_of(byte_at(bytes, 0));
    if (lead.length < 2 || bytes.size() < lead.length) {
        return lead.length == 1 ? 1 : 0;
    }
    const unsigned char second = byte_at(bytes, 1);
    bool good = second >= lead.second_least && second <= lead.second_most;
    for (std::size_t i = 2; i < lead.length; ++i) {
        good = good && is_continuation(byte_at(bytes, i));
    }
    return good ? lead.length : 0;
}

void append_ascii(char c, std::string& out) {
    constexpr unsigned char kSpace = 0x20;
    switch (c) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        default:
            if (static_cast<unsigned char>(c) < kSpace || c == '\x7f') {
                out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
            } else {
                out += c;
            }
    }
}

/// How much of `text` may go into one entry without cutting a character in two.
std::size_t cut(std::string_view text) {
    constexpr std::size_t kLongestSequence = 4;
    for (std::size_t back = 1; back < kLongestSequence && back <= text.size(); ++back) {
        const std::size_t begin = text.size() - back;
        if (!is_continuation(byte_at(text, begin))) {
            return lead_of(byte_at(text, begin)).length > back ? begin : text.size();
        }
    }
    return text.size();
}

}  // namespace

void append_json_escaped(std::string_view bytes, std::string& out) {
    while (!bytes.empty()) {
        const std::size_t length = sequence_length(bytes);
        if (length == 1) {
            append_ascii(bytes.front(), out);
        } else if (length == 0) {
            out += "\\ufffd";
        } else {
            out += bytes.substr(0, length);
        }
        bytes.remove_prefix(length == 0 ? 1 : length);
    }
}

void LogLines::add(std::string_view bytes, std::string& out) {
    while (!bytes.empty()) {
        const std::size_t room = kMaxLogText - pending_.size();
        const auto newline = bytes.find('\n');
        if (newline != std::string_view::npos && newline < room) {
            pending_ += bytes.substr(0, newline + 1);
            entry(pending_, out);
            pending_.clear();
            bytes.remove_prefix(newline + 1);
            continue;
        }
        const std::size_t taken = std::min(room, bytes.size());
        pending_ += bytes.substr(0, taken);
        bytes.remove_prefix(taken);
        if (pending_.size() == kMaxLogText) {
            const std::size_t length = cut(pending_);
            entry(std::string_view(pending_).substr(0, length), out);
            pending_.erase(0, length);
        }
    }
}

void LogLines::finish(std::string& out) {
    if (!pending_.empty()) {
        entry(pending_, out);
        pending_.clear();
    }
}

void LogLines::entry(std::string_view text, std::string& out) const {
    out += "{\"log\":\"";
    append_json_escaped(text, out);
    out += stream_ == Stream::Stdout ? "\",\"stream\":\"stdout\",\"time\":\""
                                     : "\",\"stream\":\"stderr\",\"time\":\"";
    out += timestamp();
    out += "\"}\n";
}

}  // namespace drydock
