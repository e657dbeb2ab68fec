#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace drydock::cli {

enum class Output { Stdout, Stderr };

/// Takes apart the two streams of a container without a terminal, which come in one: frames of
/// [1 stdout | 2 stderr, 0, 0, 0, length as 32 bits, big-endian] and so many bytes.
/// @see docker-engine API, "Stream format" of POST /containers/{id}/attach
class Demultiplexer {
  public:
    using Sink = std::function<void(Output, std::string_view)>;
    explicit Demultiplexer(Sink sink) : sink_(std::move(sink)) {}

    /// Gives every byte that belongs to a stream to the sink, at once: a frame may come in pieces.
    /// @throws InputError for a frame of an unknown type
    void feed(std::string_view bytes);

  private:
    void begin_frame();

    Sink sink_;
    std::string header_{};
    std::size_t left_ = 0;
    Output output_ = Output::Stdout;
};

/// Cuts a stream into lines and gives each, with its "\n", to the sink; flush() gives the last,
/// unfinished one.
class LineSplitter {
  public:
    explicit LineSplitter(std::function<void(std::string_view)> sink) : sink_(std::move(sink)) {}
    void feed(std::string_view bytes);
    void flush();

  private:
    std::function<void(std::string_view)> sink_;
    std::string line_{};
};

}  // namespace drydock::cli
