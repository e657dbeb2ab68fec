#pragma once

#include <zlib.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace drydock {

/// Compresses bytes as they pass by. The header holds neither a name nor a time, so the same bytes
/// give the same bytes.
class GzipWriter {
  public:
    using Sink = std::function<void(std::span<const std::byte>)>;
    GzipWriter(Sink sink, int level);
    ~GzipWriter();
    GzipWriter(const GzipWriter&) = delete;
    GzipWriter& operator=(const GzipWriter&) = delete;
    GzipWriter(GzipWriter&&) = delete;
    GzipWriter& operator=(GzipWriter&&) = delete;

    void write(std::span<const std::byte> bytes);
    /// Once, last.
    void finish();

  private:
    void deflate(int flush);

    Sink sink_;
    std::unique_ptr<std::byte[]> buffer_;
    z_stream zlib_{};
};

}  // namespace drydock
