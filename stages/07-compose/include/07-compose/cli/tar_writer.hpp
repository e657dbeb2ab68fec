#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace drydock::cli {

/// Writes a tar archive (POSIX ustar, with pax headers for what its fields are too short for),
/// entry by entry. Owners are 0 and times are 0: what the archive says depends on names, modes and
/// contents only.
/// @see pax(1), "ustar Interchange Format", "pax Extended Header"
class TarWriter {
  public:
    explicit TarWriter(std::function<void(std::string_view)> sink) : sink_(std::move(sink)) {}
    /// A regular file; its bytes follow by data(), exactly `size` of them.
    void file(const std::string& name, unsigned mode, std::uint64_t size);
    void data(std::string_view bytes);
    void directory(const std::string& name, unsigned mode);
    void symlink(const std::string& name, const std::string& target);
    /// The two blocks of zeros at the end.
    void finish();

  private:
    struct Entry {
        std::string name{};
        std::string link{};
        unsigned mode = 0;
        std::uint64_t size = 0;
        char type = '0';
    };
    void entry(const Entry& entry);
    void block(const Entry& entry);
    void pad(std::uint64_t size);

    std::function<void(std::string_view)> sink_;
    std::uint64_t size_ = 0;  ///< of the file that is being written
    std::uint64_t left_ = 0;  ///< what of it has not come yet
};

}  // namespace drydock::cli
