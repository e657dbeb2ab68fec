#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace drydock::cli {

/// An entry of a tar archive.
struct TarItem {
    std::string name{};
    std::string link{};
    char type = '0';  ///< '0' file, '1' hard link, '2' symbolic link, '5' directory, …
    unsigned mode = 0;
    std::uint64_t size = 0;
    std::int64_t mtime = 0;  ///< seconds since 1970
};

/// Takes a tar archive (ustar, with pax headers) apart as its bytes come.
class TarReader {
  public:
    struct Handler {
        std::function<void(const TarItem&)> begin{};
        std::function<void(std::string_view)> data{};  ///< of the item that began last
    };
    explicit TarReader(Handler handler) : handler_(std::move(handler)) {}

    /// @throws InputError for what is no archive
    void feed(std::string_view bytes);
    /// @throws InputError when the archive is not at an end
    void finish() const;

  private:
    bool step();
    void read_header(std::string_view block);
    void end_of_data();

    Handler handler_;
    std::string pending_{};
    TarItem item_{};
    std::string extended_{};  ///< the data of a pax header, while it is read
    std::string next_name_{};
    std::string next_link_{};
    std::uint64_t left_ = 0;
    std::size_t padding_ = 0;
    bool in_data_ = false;
    bool ended_ = false;
};

}  // namespace drydock::cli
