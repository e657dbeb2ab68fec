#include "04-layers/tar_reader.hpp"

#include <locale.h>
#include <sys/stat.h>

#include <algorithm>
#include <new>
#include <string_view>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

#include "byte_stream.hpp"
#include "quoted.hpp"

namespace drydock {
namespace {

/// The locale "C" for this thread. libarchive converts names to the locale's character set, and to
/// UTF-8 it does more: it composes letters and accents, so that a file would get another name. To
/// "C" it cannot convert what is not ASCII, and gives the bytes as they are, with a warning.
class NamesAsBytes {
  public:
    NamesAsBytes() : before_(::uselocale(plain())) {}
    ~NamesAsBytes() { ::uselocale(before_); }
    NamesAsBytes(const NamesAsBytes&) = delete;
    NamesAsBytes& operator=(const NamesAsBytes&) = delete;
    NamesAsBytes(NamesAsBytes&&) = delete;
    NamesAsBytes& operator=(NamesAsBytes&&) = delete;

  private:
    static locale_t plain() {
        static const locale_t locale = ::newlocale(LC_ALL_MASK, "C", nullptr);
        return locale;
    }

    locale_t before_;
};

std::string text_or_empty(const char* text) {
    return text != nullptr ? text : "";
}

std::optional<TarType> type_of(archive_entry* entry) {
    if (::archive_entry_hardlink(entry) != nullptr) {
        return TarType::HardLink;
    }
    switch (::archive_entry_filetype(entry)) {
        case AE_IFREG:
            return TarType::File;
        case AE_IFDIR:
            return TarType::Directory;
        case AE_IFLNK:
            return TarType::Symlink;
        case AE_IFIFO:
            return TarType::Fifo;
        case AE_IFCHR:
            return TarType::CharDevice;
        case AE_IFBLK:
            return TarType::BlockDevice;
        default:
            return std::nullopt;
    }
}

void copy_attributes(archive_entry* from, TarEntry& to) {
    to.xattrs.clear();
    ::archive_entry_xattr_reset(from);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (::archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
        to.xattrs.push_back(
            {.name = name, .value = std::string(static_cast<const char*>(value), size)});
    }
    std::sort(to.xattrs.begin(), to.xattrs.end());
}

void copy_entry(archive_entry* from, TarEntry& to) {
    to.path = text_or_empty(::archive_entry_pathname(from));
    to.link_target = text_or_empty(to.type == TarType::HardLink ? ::archive_entry_hardlink(from)
                                                                : ::archive_entry_symlink(from));
    to.mode = ::archive_entry_perm(from) & 07777U;
    to.uid = ::archive_entry_uid(from);
    to.gid = ::archive_entry_gid(from);
    to.size = to.type == TarType::File ? ::archive_entry_size(from) : 0;
    to.mtime = {.tv_sec = ::archive_entry_mtime(from),
                .tv_nsec = std::clamp(::archive_entry_mtime_nsec(from), 0L, 999'999'999L)};
    to.device_major = static_cast<unsigned>(::archive_entry_rdevmajor(from));
    to.device_minor = static_cast<unsigned>(::archive_entry_rdevminor(from));
    copy_attributes(from, to);
}

struct FreeArchive {
    void operator()(archive* a) const noexcept { ::archive_read_free(a); }
};

}  // namespace

struct TarReader::State {
    State(int fd, std::string name, TarLimits limits_, std::function<bool(std::uint64_t)> more)
        : file(fd, std::move(name), std::move(more)), limits(limits_) {}

    std::span<const std::byte> next_of_stream();
    static la_ssize_t read_stream(archive* a, void* self, const void** bytes);
    void open();
    /// @return `result`, if reading can go on with it
    int require(int result);
    [[noreturn]] void fail(std::string_view what) const;
    void check_entry();

    FileStream file;
    TarLimits limits;
    std::unique_ptr<ByteStream> stream{};
    Sha256 hash{};
    std::uint64_t bytes = 0;
    std::uint64_t file_bytes = 0;
    std::exception_ptr stream_error{};
    std::unique_ptr<archive, FreeArchive> tar{};
    TarEntry entry{};
    std::uint64_t entries = 0;
    bool at_end = false;
};

void TarReader::State::fail(std::string_view what) const {
    throw InputError(entries == 0 ? fmt::format("{}: {}", file.name(), what)
                                  : fmt::format("{}: entry {} {}: {}", file.name(), entries,
                                                in_quotes(entry.path), what));
}

std::span<const std::byte> TarReader::State::next_of_stream() {
    if (!stream) {
        stream = decompressed(file);
    }
    const auto block = stream->next();
    hash.update(block);
    bytes += block.size();
    constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
    if (bytes > limits.bytes) {
        fail(fmt::format("unpacks to more than the limit of {} bytes", limits.bytes));
    }
    if (bytes > kGiB && bytes / limits.ratio > file.bytes()) {
        fail(fmt::format("unpacks to more than {} times its size", limits.ratio));
    }
    return block;
}

la_ssize_t TarReader::State::read_stream(archive* a, void* self, const void** bytes) {
    auto* state = static_cast<State*>(self);
    try {
        const auto block = state->next_of_stream();
        *bytes = block.data();
        return static_cast<la_ssize_t>(block.size());
    } catch (...) {
        // Through libarchive, which is C, no exception may pass: require() throws it on.
        state->stream_error = std::current_exception();
        ::archive_set_error(a, EIO, "the stream is damaged");
        return -1;
    }
}

void TarReader::State::open() {
    tar.reset(::archive_read_new());
    if (!tar) {
        throw std::bad_alloc();
    }
    // Only tar, and no filters: the stream arrives decompressed. More formats would be more to
    // attack.
    require(::archive_read_support_format_tar(tar.get()));
    require(::archive_read_open(tar.get(), this, nullptr, read_stream, nullptr));
}

int TarReader::State::require(int result) {
    if (stream_error) {
        std::rethrow_exception(std::exchange(stream_error, {}));
    }
    if (result == ARCHIVE_OK || result == ARCHIVE_EOF) {
        return result;
    }
    const std::string what = text_or_empty(::archive_error_string(tar.get()));
    // Just what NamesAsBytes is for.
    if (result == ARCHIVE_WARN && what.find("can't be converted") != std::string::npos) {
        return ARCHIVE_OK;
    }
    fail(what.empty() ? "not a tar archive" : "not a valid tar archive: " + what);
}

void TarReader::State::check_entry() {
    if (entries > limits.entries) {
        fail(fmt::format("more than the limit of {} entries", limits.entries));
    }
    if (entry.path.empty()) {
        fail("has no name");
    }
    if (entry.size < 0 || static_cast<std::uint64_t>(entry.size) >
                              limits.bytes - std::min(file_bytes, limits.bytes)) {
        fail(fmt::format("{} bytes; the files of the archive may have {} together", entry.size,
                         limits.bytes));
    }
    file_bytes += static_cast<std::uint64_t>(entry.size);
    const auto parts = std::count(entry.path.begin(), entry.path.end(), '/');
    if (parts > static_cast<std::ptrdiff_t>(limits.depth)) {
        fail(fmt::format("more than the limit of {} parts in its path", limits.depth));
    }
}

TarReader::TarReader(int fd, std::string name, TarLimits limits,
                     std::function<bool(std::uint64_t)> more)
    : state_(std::make_unique<State>(fd, std::move(name), limits, std::move(more))) {
    const NamesAsBytes names_as_bytes;
    state_->open();
}

TarReader::~TarReader() = default;
TarReader::TarReader(TarReader&&) noexcept = default;
TarReader& TarReader::operator=(TarReader&&) noexcept = default;

const TarEntry* TarReader::next() {
    const NamesAsBytes names_as_bytes;
    archive_entry* entry = nullptr;
    if (state_->at_end ||
        state_->require(::archive_read_next_header(state_->tar.get(), &entry)) == ARCHIVE_EOF) {
        state_->at_end = true;
        return nullptr;
    }
    ++state_->entries;
    state_->entry.path = text_or_empty(::archive_entry_pathname(entry));
    const auto type = type_of(entry);
    if (!type) {
        state_->fail("of a type that a layer cannot hold");
    }
    state_->entry.type = *type;
    copy_entry(entry, state_->entry);
    state_->check_entry();
    return &state_->entry;
}

std::optional<TarBlock> TarReader::next_block() {
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (size == 0) {
        if (state_->require(::archive_read_data_block(state_->tar.get(), &bytes, &size, &offset)) ==
            ARCHIVE_EOF) {
            return std::nullopt;
        }
    }
    const auto end = static_cast<std::uint64_t>(offset) + size;
    if (offset < 0 || end > static_cast<std::uint64_t>(state_->entry.size)) {
        state_->fail(fmt::format("has data beyond its size of {} bytes", state_->entry.size));
    }
    return TarBlock{.offset = static_cast<std::uint64_t>(offset),
                    .bytes = {static_cast<const std::byte*>(bytes), size}};
}

std::string TarReader::read(std::size_t limit) {
    if (static_cast<std::uint64_t>(state_->entry.size) > limit) {
        state_->fail(fmt::format("{} bytes; at most {} are read", state_->entry.size, limit));
    }
    std::string text(static_cast<std::size_t>(state_->entry.size), '\0');
    while (const auto block = next_block()) {
        std::copy_n(reinterpret_cast<const char*>(block->bytes.data()), block->bytes.size(),
                    text.begin() + static_cast<std::ptrdiff_t>(block->offset));
    }
    return text;
}

Digest TarReader::finish() {
    while (next() != nullptr) {
    }
    // libarchive stops at the end marker; the digest is of everything that was packed.
    while (!state_->next_of_stream().empty()) {
    }
    return state_->hash.finish();
}

std::uint64_t TarReader::uncompressed_bytes() const noexcept {
    return state_->bytes;
}
std::uint64_t TarReader::compressed_bytes() const noexcept {
    return state_->file.bytes();
}

std::string TarReader::where() const {
    return fmt::format("{}: entry {} {}", state_->file.name(), state_->entries,
                       in_quotes(state_->entry.path));
}

}  // namespace drydock
