#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace drydock {

/// Bytes one after the other.
class ByteStream {
  public:
    ByteStream() = default;
    virtual ~ByteStream() = default;
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;
    ByteStream(ByteStream&&) = delete;
    ByteStream& operator=(ByteStream&&) = delete;

    /// The next bytes, valid until the next call; none at the end.
    virtual std::span<const std::byte> next() = 0;
};

/// The bytes of an open file, from its position on.
class FileStream : public ByteStream {
  public:
    /// @param more as ApplyOptions::more
    FileStream(int fd, std::string name, std::function<bool(std::uint64_t)> more = {});
    std::span<const std::byte> next() override;
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// Gives back the last `count` bytes of the block that next() gave last.
    void unread(std::size_t count) noexcept { unread_ = count; }

  private:
    int fd_;
    std::string name_;
    std::function<bool(std::uint64_t)> more_;
    std::unique_ptr<std::byte[]> buffer_;
    std::size_t size_ = 0;
    std::size_t unread_ = 0;
    std::uint64_t bytes_ = 0;
};

/// The bytes of `file` as they were before compression: with gzip, zstd, xz or bzip2, told by the
/// first bytes, or not at all. The stream's checks are looked at: it gives all of the right bytes,
/// or an error.
/// @throws InputError naming the file, the offset in it and what is wrong; NotImplemented
/// when libarchive was built without that compression
std::unique_ptr<ByteStream> decompressed(FileStream& file);

}  // namespace drydock
