#include "04-layers/tar_writer.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include <fmt/format.h>

namespace drydock {
namespace {

constexpr std::size_t kTarBlock = 512;

/// A header as POSIX lays it out: each number in octal digits, zero-filled.
struct Ustar {
    std::array<char, 100> name{};
    std::array<char, 8> mode{};
    std::array<char, 8> uid{};
    std::array<char, 8> gid{};
    std::array<char, 12> size{};
    std::array<char, 12> mtime{};
    std::array<char, 8> checksum{};
    char type = '0';
    std::array<char, 100> link{};
    std::array<char, 8> magic_and_version{'u', 's', 't', 'a', 'r', '\0', '0', '0'};
    std::array<char, 32> user_name{};
    std::array<char, 32> group_name{};
    std::array<char, 8> device_major{};
    std::array<char, 8> device_minor{};
    std::array<char, 155> prefix{};
    std::array<char, 12> unused{};
};
static_assert(sizeof(Ustar) == kTarBlock);

template <std::size_t N>
constexpr std::int64_t largest_octal(const std::array<char, N>& /*field*/) {
    return (std::int64_t{1} << (3 * (N - 1))) - 1;
}

/// @return whether the number fits; zero is written when it does not, and the PAX header has it
template <std::size_t N>
bool put_octal(std::array<char, N>& field, std::int64_t number) {
    const bool fits = number >= 0 && number <= largest_octal(field);
    const std::string text = fmt::format("{:0{}o}", fits ? number : 0, N - 1);
    std::copy(text.begin(), text.end(), field.begin());
    return fits;
}

template <std::size_t N>
bool put_text(std::array<char, N>& field, std::string_view text) {
    const bool fits = text.size() <= N && std::all_of(text.begin(), text.end(),
                                                      [](char c) { return c > 0x1f && c < 0x7f; });
    std::string ascii(text.substr(0, N));
    std::replace_if(ascii.begin(), ascii.end(), [](char c) { return c <= 0x1f || c >= 0x7f; }, '_');
    std::copy(ascii.begin(), ascii.end(), field.begin());
    return fits;
}

char type_flag(TarType type) {
    switch (type) {
        case TarType::File:
            return '0';
        case TarType::HardLink:
            return '1';
        case TarType::Symlink:
            return '2';
        case TarType::CharDevice:
            return '3';
        case TarType::BlockDevice:
            return '4';
        case TarType::Directory:
            return '5';
        case TarType::Fifo:
            return '6';
    }
    return '0';
}

/// "27 path=...\n": the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;  // blank, '=', newline
    std::size_t length = rest + 1;
    while (length != rest + fmt::formatted_size("{}", length)) {
        length = rest + fmt::formatted_size("{}", length);
    }
    return fmt::format("{} {}={}\n", length, key, value);
}

std::string pax_time(const timespec& time) {
    // No fraction before 1970: readers do not agree on which way it counts there.
    if (time.tv_nsec == 0 || time.tv_sec < 0) {
        return std::to_string(time.tv_sec);
    }
    const std::string text = fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
    return text.substr(0, text.find_last_not_of('0') + 1);
}

/// Fills `header` and gives back the records for what it has no room for.
std::string fill(Ustar& header, const TarEntry& entry) {
    std::string pax;
    if (!put_text(header.name, entry.path)) {
        pax += pax_record("path", entry.path);
    }
    if (!put_text(header.link, entry.link_target)) {
        pax += pax_record("linkpath", entry.link_target);
    }
    put_octal(header.mode, entry.mode);
    if (!put_octal(header.uid, entry.uid)) {
        pax += pax_record("uid", std::to_string(entry.uid));
    }
    if (!put_octal(header.gid, entry.gid)) {
        pax += pax_record("gid", std::to_string(entry.gid));
    }
    if (!put_octal(header.size, entry.size)) {
        pax += pax_record("size", std::to_string(entry.size));
    }
    if (!put_octal(header.mtime, entry.mtime.tv_sec) || entry.mtime.tv_nsec != 0) {
        pax += pax_record("mtime", pax_time(entry.mtime));
    }
    put_octal(header.device_major, entry.device_major);
    put_octal(header.device_minor, entry.device_minor);
    for (const ExtendedAttribute& attribute : entry.xattrs) {
        pax += pax_record("SCHILY.xattr." + attribute.name, attribute.value);
    }
    header.type = type_flag(entry.type);
    return pax;
}

/// The sum of the header's bytes, those of the sum itself counted as blanks.
void put_checksum(Ustar& header) {
    header.checksum.fill(' ');
    const auto bytes = std::as_bytes(std::span(&header, 1));
    unsigned sum = 0;
    for (const std::byte byte : bytes) {
        sum += std::to_integer<unsigned>(byte);
    }
    const std::string text = fmt::format("{:06o}", sum);
    std::copy(text.begin(), text.end(), header.checksum.begin());
    header.checksum[6] = '\0';
}

}  // namespace

TarWriter::TarWriter(Sink sink) : sink_(std::move(sink)) {}

void TarWriter::begin(const TarEntry& entry) {
    assert(left_ == 0);
    Ustar header;
    TarEntry checked = entry;
    checked.size = entry.type == TarType::File ? entry.size : 0;
    const std::string pax = fill(header, checked);
    if (!pax.empty()) {
        Ustar extended;
        fill(extended, {.path = "PaxHeaders/entry",
                        .mode = 0644,
                        .size = static_cast<std::int64_t>(pax.size())});
        extended.type = 'x';
        put_checksum(extended);
        sink_(std::as_bytes(std::span(&extended, 1)));
        left_ = pax.size();
        padding_ = (kTarBlock - pax.size() % kTarBlock) % kTarBlock;
        data(std::as_bytes(std::span(pax)));
    }
    put_checksum(header);
    sink_(std::as_bytes(std::span(&header, 1)));
    left_ = static_cast<std::uint64_t>(checked.size);
    padding_ = (kTarBlock - left_ % kTarBlock) % kTarBlock;
}

void TarWriter::data(std::span<const std::byte> bytes) {
    assert(bytes.size() <= left_);
    sink_(bytes);
    left_ -= bytes.size();
    if (left_ == 0) {
        static constexpr std::array<std::byte, kTarBlock> kZeros{};
        sink_(std::span(kZeros).first(std::exchange(padding_, 0)));
    }
}

void TarWriter::add(TarEntry entry, std::string_view bytes) {
    entry.size = static_cast<std::int64_t>(bytes.size());
    begin(entry);
    data(std::as_bytes(std::span(bytes)));
}

void TarWriter::finish() {
    assert(left_ == 0);
    static constexpr std::array<std::byte, 2 * kTarBlock> kZeros{};
    sink_(kZeros);
}

}  // namespace drydock
