#include "07-compose/cli/tar_writer.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::cli {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameField = 100;
constexpr std::uint64_t kLargestInOctal = (std::uint64_t{1} << 33U) - 1;  // eleven octal digits

using Block = std::array<char, kBlock>;

void put(Block& block, std::size_t offset, std::string_view text) {
    std::ranges::copy(text, block.begin() + static_cast<std::ptrdiff_t>(offset));
}

/// "30 mtime=1350244992.023960108\n": the number counts the whole record, itself too.
std::string pax_record(std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (length != rest + std::to_string(length).size()) {
        length = rest + std::to_string(length).size();
    }
    return fmt::format("{} {}={}\n", length, key, value);
}

}  // namespace

void TarWriter::file(const std::string& name, unsigned mode, std::uint64_t size) {
    entry({.name = name, .mode = mode, .size = size, .type = '0'});
    size_ = left_ = size;
}

void TarWriter::directory(const std::string& name, unsigned mode) {
    entry({.name = name + "/", .mode = mode, .type = '5'});
}

void TarWriter::symlink(const std::string& name, const std::string& target) {
    entry({.name = name, .link = target, .mode = 0777, .type = '2'});
}

void TarWriter::data(std::string_view bytes) {
    if (bytes.size() > left_) {
        throw InputError("a file grew while it was read");
    }
    sink_(bytes);
    left_ -= bytes.size();
    if (left_ == 0) {
        pad(size_);
    }
}

void TarWriter::finish() {
    sink_(std::string(2 * kBlock, '\0'));
}

void TarWriter::entry(const Entry& entry) {
    std::string records;
    if (entry.name.size() > kNameField) {
        records += pax_record("path", entry.name);
    }
    if (entry.link.size() > kNameField) {
        records += pax_record("linkpath", entry.link);
    }
    if (entry.size > kLargestInOctal) {
        records += pax_record("size", std::to_string(entry.size));
    }
    if (!records.empty()) {
        block({.name = "pax", .mode = 0644, .size = records.size(), .type = 'x'});
        sink_(records);
        pad(records.size());
    }
    block(entry);
}

void TarWriter::block(const Entry& entry) {
    Block header{};
    put(header, 0, std::string_view(entry.name).substr(0, kNameField));
    put(header, 100, fmt::format("{:07o}", entry.mode));
    put(header, 108, "0000000");
    put(header, 116, "0000000");
    put(header, 124, fmt::format("{:011o}", std::min(entry.size, kLargestInOctal)));
    put(header, 136, "00000000000");
    put(header, 148, "        ");  // the checksum counts itself as spaces
    header[156] = entry.type;
    put(header, 157, std::string_view(entry.link).substr(0, kNameField));
    put(header, 257, std::string_view("ustar\00000", 8));
    const unsigned sum = std::accumulate(
        header.begin(), header.end(), 0U,
        [](unsigned so_far, char c) { return so_far + static_cast<unsigned char>(c); });
    put(header, 148, fmt::format("{:06o}", sum));
    header[154] = '\0';
    sink_({header.data(), header.size()});
}

void TarWriter::pad(std::uint64_t size) {
    if (const std::size_t over = size % kBlock; over != 0) {
        sink_(std::string(kBlock - over, '\0'));
    }
}

}  // namespace drydock::cli
