#pragma once

#include <cstdint>
#include <string_view>

namespace drydock {

struct RequestedRange {
    enum class Kind { Whole, Part, Unsatisfiable };
    Kind kind = Kind::Whole;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

/// What a Range header asks of a file of `size` bytes. A header that is malformed, has another unit
/// or several parts is to be ignored (RFC 9110, 14.2): Whole.
RequestedRange requested_range(std::string_view header, std::uint64_t size);

}  // namespace drydock
