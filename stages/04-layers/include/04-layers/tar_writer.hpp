#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "04-layers/tar_entry.hpp"

namespace drydock {

/// Writes a tar archive: ustar headers, and a PAX header before them for what does not fit (long or
/// non-ASCII names, large numbers, nanoseconds, extended attributes). The same entries always give
/// the same bytes, on every machine and with every library version: digests depend on it.
/// @see pax(1), "ustar Interchange Format", "pax Extended Header"
class TarWriter {
  public:
    using Sink = std::function<void(std::span<const std::byte>)>;
    explicit TarWriter(Sink sink);

    /// Writes the entry's header. `entry.size` bytes of data() follow for a File, none for other
    /// types.
    void begin(const TarEntry& entry);
    void data(std::span<const std::byte> bytes);
    /// A whole file of a few bytes.
    void add(TarEntry entry, std::string_view bytes = {});
    /// Writes the end marker. Once, last.
    void finish();

  private:
    Sink sink_;
    std::uint64_t left_ = 0;     ///< bytes of data that the current entry still lacks
    std::uint64_t padding_ = 0;  ///< zeros after it, to the next multiple of 512
};

}  // namespace drydock
