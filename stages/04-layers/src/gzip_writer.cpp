#include "gzip_writer.hpp"

#include <cassert>
#include <new>
#include <utility>

namespace drydock {
namespace {

constexpr std::size_t kDeflateBlock = std::size_t{128} << 10U;

}  // namespace

GzipWriter::GzipWriter(Sink sink, int level)
    : sink_(std::move(sink)), buffer_(std::make_unique<std::byte[]>(kDeflateBlock)) {
    constexpr int kGzip = 16;
    constexpr int kDefaultMemory = 8;
    if (::deflateInit2(&zlib_, level, Z_DEFLATED, MAX_WBITS + kGzip, kDefaultMemory,
                       Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::bad_alloc();
    }
}

GzipWriter::~GzipWriter() {
    ::deflateEnd(&zlib_);
}

void GzipWriter::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        constexpr std::size_t kMost = std::size_t{1} << 30U;  // zlib counts in 32 bits
        const auto now = bytes.first(std::min(bytes.size(), kMost));
        zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(now.data()));
        zlib_.avail_in = static_cast<uInt>(now.size());
        deflate(Z_NO_FLUSH);
        bytes = bytes.subspan(now.size());
    }
}

void GzipWriter::finish() {
    deflate(Z_FINISH);
}

void GzipWriter::deflate(int flush) {
    do {
        zlib_.next_out = reinterpret_cast<Bytef*>(buffer_.get());
        zlib_.avail_out = kDeflateBlock;
        const int result = ::deflate(&zlib_, flush);
        assert(result != Z_STREAM_ERROR);
        static_cast<void>(result);
        sink_({buffer_.get(), kDeflateBlock - zlib_.avail_out});
    } while (zlib_.avail_out == 0);
}

}  // namespace drydock
