// Range: what is served lies inside the file.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "http_range.hpp"
#include "oracle.hpp"

namespace {

using drydock::RequestedRange;

/// As RFC 9110, 14.1.2 says it, for numbers of at most nine digits.
RequestedRange slowly(const std::string& header, std::uint64_t size) {
    const std::size_t dash = header.find('-');
    const auto digits = [](const std::string& text) {
        return text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
    };
    if (header.rfind("bytes=", 0) != 0 || dash == std::string::npos) {
        return {};
    }
    const std::string first = header.substr(6, dash - 6);
    const std::string last = header.substr(dash + 1);
    if (!digits(first) || !digits(last) || (first.empty() && last.empty())) {
        return {};
    }
    using Kind = RequestedRange::Kind;
    if (first.empty()) {
        const std::uint64_t length = std::min<std::uint64_t>(std::stoull(last), size);
        return length == 0
                   ? RequestedRange{.kind = Kind::Unsatisfiable}
                   : RequestedRange{.kind = Kind::Part, .offset = size - length, .length = length};
    }
    const std::uint64_t begin = std::stoull(first);
    if (!last.empty() && std::stoull(last) < begin) {
        return {};
    }
    if (begin >= size) {
        return {.kind = Kind::Unsatisfiable};
    }
    const std::uint64_t end =
        last.empty() ? size : std::min<std::uint64_t>(std::stoull(last) + 1, size);
    return {.kind = Kind::Part, .offset = begin, .length = end - begin};
}

/// Whether the slow way knows: numbers are short.
bool is_short(const std::string& header) {
    std::size_t run = 0;
    for (const char c : header) {
        run = c >= '0' && c <= '9' ? run + 1 : 0;
        if (run > 9) {
            return false;
        }
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    std::uint64_t file = 0;
    if (size < sizeof file) {
        return 0;
    }
    std::memcpy(&file, data, sizeof file);
    const std::string header(reinterpret_cast<const char*>(data) + sizeof file, size - sizeof file);
    for (const std::uint64_t bytes : {file, file % 100, std::uint64_t{0}}) {
        const RequestedRange range = drydock::requested_range(header, bytes);
        if (range.kind == RequestedRange::Kind::Part) {
            HOLDS(range.length > 0 && range.offset < bytes);
            HOLDS(range.length <= bytes - range.offset);
        }
        if (is_short(header)) {
            const RequestedRange model = slowly(header, bytes);
            HOLDS(model.kind == range.kind);
            HOLDS(model.kind != RequestedRange::Kind::Part ||
                  (model.offset == range.offset && model.length == range.length));
        }
    }
    return 0;
}
