#include <zlib.h>

#include <algorithm>
#include <new>
#include <string_view>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "byte_stream.hpp"

namespace drydock {
namespace {

constexpr std::size_t kInflateBlock = std::size_t{256} << 10U;

[[noreturn]] void throw_damaged(const FileStream& file, std::uint64_t offset,
                                std::string_view what) {
    throw InputError(fmt::format("{}: damaged at byte {}: {}", file.name(), offset, what));
}

/// zlib's own reader and not libarchive's, because that one does not look at the CRC at the end.
class GzipStream : public ByteStream {
  public:
    explicit GzipStream(FileStream& file)
        : file_(file), buffer_(std::make_unique<std::byte[]>(kInflateBlock)) {
        // 16: a gzip header and trailer, nothing else.
        if (::inflateInit2(&zlib_, MAX_WBITS + 16) != Z_OK) {
            throw std::bad_alloc();
        }
    }
    ~GzipStream() override { ::inflateEnd(&zlib_); }
    GzipStream(const GzipStream&) = delete;
    GzipStream& operator=(const GzipStream&) = delete;
    GzipStream(GzipStream&&) = delete;
    GzipStream& operator=(GzipStream&&) = delete;

    std::span<const std::byte> next() override {
        zlib_.next_out = reinterpret_cast<Bytef*>(buffer_.get());
        zlib_.avail_out = kInflateBlock;
        while (zlib_.avail_out != 0 && fill()) {
            step();
        }
        return {buffer_.get(), kInflateBlock - zlib_.avail_out};
    }

  private:
    /// @return false at the end of the file, which must be the end of a member
    bool fill() {
        if (zlib_.avail_in != 0) {
            return true;
        }
        const auto bytes = file_.next();
        zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
        zlib_.avail_in = static_cast<uInt>(bytes.size());
        if (bytes.empty() && in_member_) {
            throw_damaged(file_, file_.bytes(), "gzip: the file ends too early");
        }
        return !bytes.empty();
    }

    void step() {
        if (!in_member_) {
            start_member();
        }
        const int result = ::inflate(&zlib_, Z_NO_FLUSH);
        if (result == Z_STREAM_END) {
            in_member_ = false;
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            throw_damaged(
                file_, file_.bytes() - zlib_.avail_in,
                fmt::format("gzip: {}", zlib_.msg != nullptr ? zlib_.msg : "unexpected data"));
        }
    }

    /// Members follow one another, as with gzip -c a b; pigz and eStargz write such.
    void start_member() {
        ::inflateReset(&zlib_);
        in_member_ = true;
    }

    FileStream& file_;
    std::unique_ptr<std::byte[]> buffer_;
    z_stream zlib_{};
    bool in_member_ = true;
};

/// Whatever libarchive has a filter for. Only filters that it has built in: else it starts
/// programs.
class FilterStream : public ByteStream {
  public:
    FilterStream(FileStream& file, int (*filter)(archive*), std::string_view filter_name)
        : file_(file), filter_name_(filter_name), archive_(::archive_read_new()) {
        if (archive_ == nullptr) {
            throw std::bad_alloc();
        }
        if (filter(archive_.get()) != ARCHIVE_OK ||
            ::archive_read_support_format_raw(archive_.get()) != ARCHIVE_OK) {
            throw NotImplemented(
                fmt::format("{} layers: this libarchive was built without it", filter_name));
        }
        require(::archive_read_open(archive_.get(), this, nullptr, read_file, nullptr));
        archive_entry* entry = nullptr;
        at_end_ = require(::archive_read_next_header(archive_.get(), &entry)) == ARCHIVE_EOF;
    }

    std::span<const std::byte> next() override {
        const void* bytes = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0;
        while (!at_end_ && size == 0) {
            at_end_ = require(::archive_read_data_block(archive_.get(), &bytes, &size, &offset)) ==
                      ARCHIVE_EOF;
        }
        return {static_cast<const std::byte*>(bytes), at_end_ ? 0 : size};
    }

  private:
    struct Free {
        void operator()(archive* a) const noexcept { ::archive_read_free(a); }
    };

    static la_ssize_t read_file(archive* a, void* self, const void** bytes) {
        try {
            const auto block = static_cast<FilterStream*>(self)->file_.next();
            *bytes = block.data();
            return static_cast<la_ssize_t>(block.size());
        } catch (const std::exception& e) {
            ::archive_set_error(a, EIO, "%s", e.what());
            return -1;
        }
    }

    int require(int result) const {
        if (result != ARCHIVE_OK && result != ARCHIVE_EOF) {
            const char* what = ::archive_error_string(archive_.get());
            throw_damaged(
                file_, file_.bytes(),
                fmt::format("{}: {}", filter_name_, what != nullptr ? what : "unexpected data"));
        }
        return result;
    }

    FileStream& file_;
    std::string_view filter_name_;
    std::unique_ptr<archive, Free> archive_;
    bool at_end_ = false;
};

class PlainStream : public ByteStream {
  public:
    explicit PlainStream(FileStream& file) : file_(file) {}
    std::span<const std::byte> next() override { return file_.next(); }

  private:
    FileStream& file_;
};

}  // namespace

std::unique_ptr<ByteStream> decompressed(FileStream& file) {
    const auto first = file.next();
    file.unread(first.size());
    const std::string_view magic(reinterpret_cast<const char*>(first.data()),
                                 std::min<std::size_t>(first.size(), 6));
    using namespace std::string_view_literals;
    if (magic.starts_with("\x1f\x8b"sv)) {
        return std::make_unique<GzipStream>(file);
    }
    if (magic.starts_with("\x28\xb5\x2f\xfd"sv)) {
        return std::make_unique<FilterStream>(file, ::archive_read_support_filter_zstd, "zstd");
    }
    if (magic.starts_with("\xfd\x37zXZ"sv)) {
        return std::make_unique<FilterStream>(file, ::archive_read_support_filter_xz, "xz");
    }
    if (magic.starts_with("BZh"sv)) {
        return std::make_unique<FilterStream>(file, ::archive_read_support_filter_bzip2, "bzip2");
    }
    return std::make_unique<PlainStream>(file);
}

}  // namespace drydock
