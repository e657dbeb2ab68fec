#include "04-layers/snapshotter.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/directory.hpp"
#include "04-layers/tar_apply.hpp"

#include "metadata.hpp"

namespace drydock {
namespace {

/// Owns a directory being filled; removes it through the trash unless released.
class Unfinished {
  public:
    Unfinished(int parent, std::string name, int trash)
        : parent_(parent), name_(std::move(name)), trash_(trash) {
        check(::mkdirat(parent_, name_.c_str(), 0700), "mkdir(tmp/{}, mode=0700)", name_);
    }
    ~Unfinished() {
        if (!name_.empty()) {
            try {
                remove_through_trash(parent_, name_, trash_);
            } catch (...) {  // NOLINT(bugprone-empty-catch): best effort, what stays in tmp/ is
                             // never seen
            }
        }
    }
    Unfinished(const Unfinished&) = delete;
    Unfinished& operator=(const Unfinished&) = delete;
    Unfinished(Unfinished&&) = delete;
    Unfinished& operator=(Unfinished&&) = delete;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    void release() noexcept { name_.clear(); }

  private:
    int parent_;
    std::string name_;
    int trash_;
};

/// Digits and small letters: 36 of them make short names.
std::string short_name(std::uint64_t number) {
    constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::string name;
    do {
        name.insert(name.begin(), kDigits[number % kDigits.size()]);
        number /= kDigits.size();
    } while (number != 0);
    return name;
}

/// The number after the highest one in use, so that a name is not given twice while an old mount
/// still has it.
std::uint64_t next_number(int layers) {
    std::uint64_t next = 0;
    for (const std::string& name : names_in(layers)) {
        constexpr int kBase = 36;
        next = std::max<std::uint64_t>(next, std::stoull(name, nullptr, kBase) + 1);
    }
    return next;
}

const std::string& checked_key(const std::string& key) {
    const auto is_alphanumeric = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    constexpr std::size_t kLongest = 200;
    if (key.empty() || key.size() > kLongest || !is_alphanumeric(key.front()) ||
        !std::all_of(key.begin(), key.end(), [&](char c) {
            return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
        })) {
        throw InputError(
            fmt::format("snapshot key \"{}\": expected [a-zA-Z0-9][a-zA-Z0-9_.-]*", key));
    }
    return key;
}

std::string hex_of(const Digest& chain) {
    return std::string(chain.hex());
}

/// "../l/1a", or nothing.
std::string read_chain_link(int chains, const Digest& chain) {
    std::array<char, 64> target{};
    const ssize_t length =
        ::readlinkat(chains, hex_of(chain).c_str(), target.data(), target.size());
    if (length == -1 && errno == ENOENT) {
        return {};
    }
    return {target.data(),
            static_cast<std::size_t>(check(length, "readlink(chains/{})", chain.hex()))};
}

}  // namespace

Snapshotter::Snapshotter(std::filesystem::path root) : root_(std::move(root)) {
    const UniqueFd fd = make_directory(root_);
    root_ = std::filesystem::canonical(
        root_);  // a container's mount is made from another working directory
    chains_ = make_directory_at(fd.get(), "chains");
    layers_ = make_directory_at(fd.get(), "l");
    active_ = make_directory_at(fd.get(), "active");
    temporary_ = make_directory_at(fd.get(), "tmp");
    trash_ = make_directory_at(fd.get(), "trash");
    make_directory_at(fd.get(), "empty");
}

bool Snapshotter::contains(const Digest& chain) const {
    return chain && !read_chain_link(chains_.get(), chain).empty();
}

std::filesystem::path Snapshotter::layer_directory(const Digest& chain) const {
    const std::string link = chain ? read_chain_link(chains_.get(), chain) : "";
    if (link.empty()) {
        throw InputError(fmt::format("layer {}: not unpacked in {}", chain.text(), root_.native()));
    }
    return (root_ / "chains" / link).lexically_normal();
}

Digest Snapshotter::commit_layer(const ContentStore& store, std::span<const Digest> parents,
                                 const Digest& blob, const Digest& diff_id,
                                 const std::function<void(std::uint64_t)>& progress) {
    if (Digest chain = chain_id(parents.empty() ? Digest() : parents.back(), diff_id);
        contains(chain)) {
        return chain;
    }
    const UniqueFd archive = store.open(blob);
    return commit_layer({.fd = archive.get(), .name = blob.text()}, parents, diff_id, progress);
}

Digest Snapshotter::commit_layer(const LayerBytes& bytes, std::span<const Digest> parents,
                                 const Digest& diff_id,
                                 const std::function<void(std::uint64_t)>& progress) {
    Digest chain = chain_id(parents.empty() ? Digest() : parents.back(), diff_id);
    if (contains(chain)) {
        return chain;
    }
    std::vector<UniqueFd> lowers;
    ApplyOptions options{
        .name = bytes.name, .limits = limits, .more = bytes.more, .progress = progress};
    for (auto parent = parents.rbegin(); parent != parents.rend(); ++parent) {
        lowers.push_back(open_file(layer_directory(*parent), O_RDONLY | O_DIRECTORY));
        options.lowers.push_back(lowers.back().get());
    }
    Unfinished unfinished(temporary_.get(), unused_name("layer-"), trash_.get());
    const UniqueFd directory = open_at(temporary_.get(), unfinished.name(), O_RDONLY | O_DIRECTORY);
    // The root of a stack without an entry for it: readable, as other engines make it.
    check(::fchmod(directory.get(), 0755), "fchmod(tmp/{}, 0755)", unfinished.name());
    const AppliedLayer applied = apply_layer(bytes.fd, directory.get(), options);
    if (applied.diff_id != diff_id) {
        throw InputError(fmt::format("{}: unpacks to {}; the image's config says {}", bytes.name,
                                     applied.diff_id.text(), diff_id.text()));
    }
    publish(temporary_.get(), unfinished.name(), chain);
    unfinished.release();
    return chain;
}

// [region: publish-layer]
void Snapshotter::publish(int from, const std::string& name, const Digest& chain) {
    // All of the files first, in one go: thousands of fsync(2) would take minutes.
    check(::syncfs(from), "syncfs({})", root_.native());
    std::uint64_t number = next_number(layers_.get());
    while (::renameat2(from, name.c_str(), layers_.get(), short_name(number).c_str(),
                       RENAME_NOREPLACE) == -1) {
        if (errno != EEXIST) {
            check(-1, "renameat2({}, l/{}, RENAME_NOREPLACE)", name, short_name(number));
        }
        ++number;  // somebody else took it meanwhile
    }
    check(::fsync(layers_.get()), "fsync(l)");
    const std::string target = "../l/" + short_name(number);
    if (::symlinkat(target.c_str(), chains_.get(), hex_of(chain).c_str()) == 0) {
        check(::fsync(chains_.get()), "fsync(chains)");
        return;
    }
    if (errno != EEXIST) {
        check(-1, "symlink({}, chains/{})", target, chain.hex());
    }
    // Somebody else has unpacked the same layer meanwhile: theirs stays.
    remove_through_trash(layers_.get(), short_name(number), trash_.get());
}
// [/region]

ActiveSnapshot Snapshotter::prepare(const std::string& key, std::span<const Digest> chains) {
    if (::faccessat(active_.get(), checked_key(key).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        throw InputError(fmt::format("snapshot {}: is there already in {}", key, root_.native()));
    }
    ActiveSnapshot snapshot =
        describe(key, chains);  // before anything is made: all layers must be there
    Unfinished unfinished(temporary_.get(), unused_name("active-"), trash_.get());
    const UniqueFd directory = open_at(temporary_.get(), unfinished.name(), O_RDONLY | O_DIRECTORY);
    check(::mkdirat(directory.get(), "upper", 0755), "mkdir({}/upper, mode=0755)", key);
    check(::mkdirat(directory.get(), "work", 0700), "mkdir({}/work, mode=0700)", key);
    // The root of an overlay looks like that of its upper directory.
    const UniqueFd upper = open_at(directory.get(), "upper", O_RDONLY | O_DIRECTORY);
    if (chains.empty()) {
        check(::fchmod(upper.get(), 0755), "fchmod({}/upper, 0755)", key);
    } else {
        copy_metadata(open_file(layer_directory(chains.back()), O_RDONLY | O_DIRECTORY).get(),
                      upper.get());
    }
    std::string parents;
    for (const Digest& chain : chains) {
        parents += chain.text() + "\n";
    }
    replace_file(directory.get(), "parents", parents);
    check(::renameat2(temporary_.get(), unfinished.name().c_str(), active_.get(), key.c_str(),
                      RENAME_NOREPLACE),
          "renameat2(tmp/{}, active/{}, RENAME_NOREPLACE)", unfinished.name(), key);
    unfinished.release();
    return snapshot;
}

ActiveSnapshot Snapshotter::active(const std::string& key) const {
    return describe(key, parents_of(key));
}

ActiveSnapshot Snapshotter::describe(const std::string& key, std::span<const Digest> chains) const {
    const std::filesystem::path directory = root_ / "active" / checked_key(key);
    ActiveSnapshot snapshot{
        .directory = directory, .upper = directory / "upper", .work = directory / "work"};
    Overlay overlay{.upper = snapshot.upper, .work = snapshot.work};
    for (auto chain = chains.rbegin(); chain != chains.rend(); ++chain) {
        overlay.lowers.push_back(layer_directory(*chain));
    }
    if (overlay.lowers.empty()) {
        overlay.lowers.push_back(root_ / "empty");
    }
    snapshot.overlay = overlay_mount(overlay);
    return snapshot;
}

std::vector<Digest> Snapshotter::parents_of(const std::string& key) const {
    const std::string path = checked_key(key) + "/parents";
    const UniqueFd fd(::openat(active_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT) {
        throw InputError(fmt::format("snapshot {}: not in {}", key, root_.native()));
    }
    const std::string text =
        read_all(check(fd.get(), "open(active/{})", path), std::size_t{1} << 20U, path);
    std::vector<Digest> parents;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = text.find('\n', begin);
        parents.push_back(parse_digest(std::string_view(text).substr(begin, end - begin), path));
        begin = end == std::string::npos ? text.size() : end + 1;
    }
    return parents;
}

Digest Snapshotter::commit(const std::string& key, const Digest& diff_id) {
    const std::vector<Digest> parents = parents_of(key);
    Digest chain = chain_id(parents.empty() ? Digest() : parents.back(), diff_id);
    if (!contains(chain)) {
        publish(open_at(active_.get(), key, O_RDONLY | O_DIRECTORY).get(), "upper", chain);
    }
    remove(key);
    return chain;
}

void Snapshotter::remove(const std::string& key) {
    remove_through_trash(active_.get(), checked_key(key), trash_.get());
}

void Snapshotter::remove_layer(const Digest& chain) {
    const std::string link = read_chain_link(chains_.get(), chain);
    if (link.empty()) {
        return;
    }
    // The name first: a layer that has one is whole.
    check(::unlinkat(chains_.get(), hex_of(chain).c_str(), 0), "unlink(chains/{})", chain.hex());
    check(::fsync(chains_.get()), "fsync(chains)");
    remove_through_trash(layers_.get(), link.substr(link.rfind('/') + 1), trash_.get());
}

std::vector<Digest> Snapshotter::list() const {
    std::vector<Digest> chains;
    for (const std::string& name : names_in(chains_.get())) {
        chains.push_back(parse_digest("sha256:" + name, (root_ / "chains").native()));
    }
    return chains;
}

std::vector<std::string> Snapshotter::list_active() const {
    return names_in(active_.get());
}

}  // namespace drydock
