#include "07-compose/cli/tar_reader.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::cli {
namespace {

constexpr std::size_t kTarBlock = 512;
constexpr std::size_t kMostExtended = std::size_t{1} << 20U;

/// A field that ends with a NUL or the field.
std::string field_text(std::string_view block, std::size_t at, std::size_t size) {
    const std::string_view field = block.substr(at, size);
    return std::string(field.substr(0, field.find('\0')));
}

std::uint64_t octal_number(std::string_view block, std::size_t at, std::size_t size) {
    std::string text = field_text(block, at, size);
    text.erase(0, text.find_first_not_of(' '));
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 8);
    return value;
}

bool checksum_is_right(std::string_view block) {
    constexpr std::size_t kAt = 148;
    constexpr std::size_t kSize = 8;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kTarBlock; ++i) {
        sum += i >= kAt && i < kAt + kSize ? ' ' : static_cast<unsigned char>(block[i]);
    }
    return sum == octal_number(block, kAt, kSize);
}

bool is_extension(char type) {
    return type == 'x' || type == 'g' || type == 'L' || type == 'K';
}

/// "path" and "linkpath" of pax records, "30 path=…\n" each.
void read_records(std::string_view text, std::string& path, std::string& link) {
    while (!text.empty()) {
        std::size_t length = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
        const auto used = static_cast<std::size_t>(end - text.data());
        if (error != std::errc() || length <= used + 1 || length > text.size()) {
            throw InputError("archive: a damaged pax header");
        }
        const std::string_view record = text.substr(used + 1, length - used - 2);
        const auto equals = record.find('=');
        const std::string_view key = record.substr(0, equals);
        if (key == "path") {
            path = record.substr(equals + 1);
        } else if (key == "linkpath") {
            link = record.substr(equals + 1);
        } else if (key == "size") {
            throw NotImplemented("a file of 8 GiB or more in an archive");
        }
        text.remove_prefix(length);
    }
}

}  // namespace

void TarReader::feed(std::string_view bytes) {
    pending_ += bytes;
    while (!ended_ && step()) {
    }
}

void TarReader::finish() const {
    if (!ended_) {
        throw InputError("archive: it ends in the middle");
    }
}

bool TarReader::step() {
    if (!in_data_) {
        if (pending_.size() < kTarBlock) {
            return false;
        }
        const std::string block = pending_.substr(0, kTarBlock);
        pending_.erase(0, kTarBlock);
        read_header(block);
        return true;
    }
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, pending_.size()));
    if (take > 0) {
        const std::string_view bytes = std::string_view(pending_).substr(0, take);
        if (is_extension(item_.type)) {
            extended_ += bytes;
        } else {
            handler_.data(bytes);
        }
        pending_.erase(0, take);
        left_ -= take;
    }
    if (left_ > 0 || pending_.size() < padding_) {
        return false;
    }
    pending_.erase(0, padding_);
    end_of_data();
    return true;
}

void TarReader::read_header(std::string_view block) {
    if (std::ranges::all_of(block, [](char c) { return c == '\0'; })) {
        ended_ = true;
        return;
    }
    if (!checksum_is_right(block)) {
        throw InputError("archive: a damaged header; expected a tar archive");
    }
    const std::string prefix = field_text(block, 345, 155);
    const std::string name = field_text(block, 0, 100);
    item_ = {.name = prefix.empty() ? name : prefix + "/" + name,
             .link = field_text(block, 157, 100),
             .type = block[156] == '\0' ? '0' : block[156],
             .mode = static_cast<unsigned>(octal_number(block, 100, 8)),
             .size = octal_number(block, 124, 12),
             .mtime = static_cast<std::int64_t>(octal_number(block, 136, 12))};
    const bool has_data = item_.type == '0' || item_.type == '7' || is_extension(item_.type);
    left_ = has_data ? item_.size : 0;
    padding_ = (kTarBlock - left_ % kTarBlock) % kTarBlock;
    in_data_ = true;
    if (is_extension(item_.type)) {
        if (item_.size > kMostExtended) {
            throw InputError("archive: a pax header of more than 1 MiB");
        }
        extended_.clear();
        return;
    }
    item_.name = next_name_.empty() ? item_.name : std::exchange(next_name_, "");
    item_.link = next_link_.empty() ? item_.link : std::exchange(next_link_, "");
    handler_.begin(item_);
}

void TarReader::end_of_data() {
    in_data_ = false;
    if (item_.type == 'x') {
        read_records(extended_, next_name_, next_link_);
    } else if (item_.type == 'L') {
        next_name_ = extended_.substr(0, extended_.find('\0'));
    } else if (item_.type == 'K') {
        next_link_ = extended_.substr(0, extended_.find('\0'));
    }
}

}  // namespace drydock::cli
