// cp: files between us and a container.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/tar_reader.hpp"
#include "07-compose/cli/tar_writer.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr int kGone = 404;

/// "NAME:PATH"; no container for a path of ours, which may also be "./a:b" or "/a:b".
struct Place {
    std::string container{};
    std::string path{};
};
Place parse_place(const std::string& text) {
    const auto colon = text.find(':');
    if (text == "-" || text.starts_with('.') || text.starts_with('/') ||
        colon == std::string::npos) {
        return {.path = text};
    }
    if (colon == 0 || colon + 1 == text.size()) {
        throw InputError(fmt::format("\"{}\": expected CONTAINER:PATH", text));
    }
    return {.container = text.substr(0, colon), .path = text.substr(colon + 1)};
}

bool wants_content(const std::string& path) {
    return path == "." || path.ends_with("/.");
}

/// The last part of a path, without a "/" at its end.
std::string last_part(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) {
        path.pop_back();
    }
    return path.substr(path.rfind('/') + 1);
}

std::string decoded_base64(std::string_view text) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    unsigned group = 0;
    unsigned bits = 0;
    for (const char c : text) {
        const auto value = kLetters.find(c);
        if (value == std::string_view::npos) {
            break;
        }
        group = group << 6U | static_cast<unsigned>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes += static_cast<char>((group >> bits) & 0xFFU);
        }
    }
    return bytes;
}

struct RemoteStat {
    bool directory = false;
    std::string link_target{};
};
RemoteStat remote_stat(const ResponseHead& head) {
    const json stat = json::parse(decoded_base64(head.field("x-docker-container-path-stat")));
    constexpr unsigned kDirectoryBit = 31;
    return {.directory = (stat.at("mode").get<std::uint32_t>() >> kDirectoryBit) != 0,
            .link_target = stat.value("linkTarget", "")};
}

/// Nothing when there is nothing. Follows a link, once.
std::optional<RemoteStat> stat_remote(const Engine& engine, const std::string& container,
                                      const std::string& path) {
    // Not by Engine::stream(): an answer to HEAD has no body, not even one that says what is wrong.
    Exchange answer(engine.host(), {.method = "HEAD",
                                    .target = path_of({"containers", container, "archive"}) +
                                              query_string({{"path", path}})});
    const ResponseHead& head = answer.head();
    if (head.status == kGone) {
        return std::nullopt;
    }
    constexpr int kFirstRefusal = 400;
    if (head.status >= kFirstRefusal) {
        throw EngineError(head.status, fmt::format("{}:{}: {}", container, path, head.reason));
    }
    RemoteStat stat = remote_stat(head);
    if (!stat.link_target.empty() && !wants_content(path)) {
        return stat_remote(engine, container, path + "/.");
    }
    return stat;
}

/// Unpacks below a directory of ours what a container sends, which is nobody we trust: nothing is
/// written outside the directory, through no link that came with the archive.
class LocalUnpacker {
  public:
    /// @param top the archive's first part; @param name what it is called here, "": it is
    /// `directory`
    LocalUnpacker(UniqueFd directory, std::string top, std::string name)
        : directory_(std::move(directory)), top_(std::move(top)), name_(std::move(name)) {}

    void begin(const TarItem& item) {
        file_ = UniqueFd();
        auto parts = parts_of(item.name);
        if (parts.empty()) {
            return;
        }
        const std::string last = std::exchange(parts.back(), "");
        parts.pop_back();
        const UniqueFd parent = open_parent(parts);
        make(item, parent.get(), last);
    }

    void data(std::string_view bytes) const {
        if (file_) {
            write_all(file_.get(), bytes, "copied file");
        }
    }

  private:
    /// Behind the top of the archive, with our name for that.
    [[nodiscard]] std::vector<std::string> parts_of(const std::string& path) const {
        std::vector<std::string> parts;
        bool first = true;
        for (std::size_t at = 0; at < path.size();) {
            const auto end = std::min(path.find('/', at), path.size());
            const std::string part = path.substr(at, end - at);
            at = end + 1;
            if (part == "..") {
                throw InputError(
                    fmt::format("the container sent \"{}\", which leads out; nothing "
                                "of it is taken",
                                printable(path)));
            }
            if (part.empty() || (part == "." && !first)) {
                continue;
            }
            if (std::exchange(first, false) && part == top_) {
                if (!name_.empty()) {
                    parts.push_back(name_);
                }
            } else if (part != ".") {
                parts.push_back(part);
            }
        }
        return parts;
    }

    [[nodiscard]] UniqueFd open_parent(const std::vector<std::string>& parts) const {
        UniqueFd at = open_at(directory_.get(), ".", O_RDONLY | O_DIRECTORY);
        for (const std::string& part : parts) {
            at = open_at(at.get(), part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        }
        return at;
    }

    void make(const TarItem& item, int parent, const std::string& name) {
        struct stat there{};
        const bool exists = ::fstatat(parent, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
        if (item.type == '5') {
            if (!exists) {
                check(::mkdirat(parent, name.c_str(), (item.mode & 0777U) | 0700U), "mkdir({})",
                      name);
            } else if (!S_ISDIR(there.st_mode)) {
                throw InputError(fmt::format("{}: cannot copy a directory over a file", name));
            }
            return;
        }
        if (exists && S_ISDIR(there.st_mode)) {
            throw InputError(fmt::format("{}: cannot copy a file over a directory", name));
        }
        if (exists) {
            check(::unlinkat(parent, name.c_str(), 0), "unlink({})", name);
        }
        if (item.type == '2') {
            check(::symlinkat(item.link.c_str(), parent, name.c_str()), "symlink({})", name);
        } else if (item.type == '1') {
            auto parts = parts_of(item.link);
            const std::string target = parts.empty() ? "" : std::exchange(parts.back(), "");
            parts.resize(parts.empty() ? 0 : parts.size() - 1);
            check(::linkat(open_parent(parts).get(), target.c_str(), parent, name.c_str(), 0),
                  "link({})", name);
        } else if (item.type == '0' || item.type == '7') {
            file_ =
                open_at(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, item.mode & 0777U);
        }
    }

    UniqueFd directory_;
    std::string top_;
    std::string name_;
    UniqueFd file_{};
};

int copy_out(const Engine& engine, const Place& from, const std::string& to) {
    const std::string whole = from.path.starts_with('/') ? from.path : "/" + from.path;
    Exchange answer =
        engine.stream("GET", path_of({"containers", from.container, "archive"}), {{"path", whole}});
    if (to == "-") {
        while (const auto bytes = answer.read_some()) {
            write_all(STDOUT_FILENO, *bytes, "standard output");
        }
        return 0;
    }
    const RemoteStat stat = remote_stat(answer.head());
    const bool into = fs::is_directory(to);
    if (!into && to.ends_with('/')) {
        throw InputError(fmt::format("{}: there is no such directory", to));
    }
    if (stat.directory && fs::exists(to) && !into) {
        throw InputError(fmt::format("{}: cannot copy a directory over a file", to));
    }
    const bool content = wants_content(whole);
    const std::string top = content ? "." : last_part(whole);
    fs::path directory = into ? fs::path(to) : fs::path(to).parent_path();
    std::string name = into ? top : last_part(to);
    if (content) {
        if (!into) {
            fs::create_directory(to);
        }
        directory = to;
        name = "";
    }
    LocalUnpacker unpacker(
        open_file(directory.empty() ? "." : directory.native(), O_RDONLY | O_DIRECTORY), top, name);
    TarReader reader({.begin = [&](const TarItem& item) { unpacker.begin(item); },
                      .data = [&](std::string_view bytes) { unpacker.data(bytes); }});
    while (const auto bytes = answer.read_some()) {
        reader.feed(*bytes);
    }
    reader.finish();
    return 0;
}

void send_file(TarWriter& tar, const fs::path& path, const std::string& name, unsigned mode) {
    const UniqueFd file = open_file(path, O_RDONLY | O_NOFOLLOW);
    struct stat status{};
    check(::fstat(file.get(), &status), "fstat({})", path.native());
    auto left = static_cast<std::uint64_t>(status.st_size);
    tar.file(name, mode, left);
    std::string block(std::size_t{64} << 10U, '\0');
    while (left > 0) {
        const auto got = static_cast<std::size_t>(
            check(::read(file.get(), block.data(), std::min<std::uint64_t>(block.size(), left)),
                  "read({})", path.native()));
        if (got == 0) {
            throw InputError(fmt::format("{}: became shorter while it was copied", path.native()));
        }
        tar.data(std::string_view(block).substr(0, got));
        left -= got;
    }
}

void send_tree(TarWriter& tar, const fs::path& path, const std::string& name) {
    const fs::file_status status = fs::symlink_status(path);
    const auto mode = static_cast<unsigned>(status.permissions());
    if (fs::is_symlink(status)) {
        tar.symlink(name, fs::read_symlink(path));
    } else if (fs::is_directory(status)) {
        tar.directory(name, mode);
        for (const auto& entry : fs::directory_iterator(path)) {
            send_tree(tar, entry.path(), name + "/" + entry.path().filename().native());
        }
    } else if (fs::is_regular_file(status)) {
        send_file(tar, path, name, mode);
    }
}

int copy_in(const Engine& engine, const std::string& from, const Place& to) {
    const std::string whole = to.path.starts_with('/') ? to.path : "/" + to.path;
    const auto send = [&](const std::string& directory,
                          const std::function<void(Exchange&)>& write_body) {
        engine.upload(path_of({"containers", to.container, "archive"}),
                      {{"path", directory}, {"noOverwriteDirNonDir", "true"}}, write_body, "PUT");
        return 0;
    };
    if (from == "-") {
        return send(whole, [](Exchange& exchange) {
            std::string block(std::size_t{64} << 10U, '\0');
            while (const auto got = check(::read(STDIN_FILENO, block.data(), block.size()),
                                          "read(standard input)")) {
                exchange.write_body(
                    std::string_view(block).substr(0, static_cast<std::size_t>(got)));
            }
        });
    }
    if (!fs::exists(fs::symlink_status(from))) {
        throw InputError(fmt::format("{}: there is no such file or directory", from));
    }
    const auto target = stat_remote(engine, to.container, whole);
    const bool directory = fs::is_directory(fs::symlink_status(from));
    if (directory && target && !target->directory) {
        throw InputError(fmt::format("cannot copy directory {} over a file", from));
    }
    if (!directory && !target && whole.ends_with('/')) {
        throw InputError(fmt::format("{}:{}: there is no such directory", to.container, to.path));
    }
    const bool into = target && target->directory;
    const std::string parent = whole.substr(0, whole.rfind('/') + 1);
    const std::string name = !into ? last_part(whole)
                             : wants_content(from)
                                 ? "."
                                 : last_part(fs::absolute(from).lexically_normal());
    return send(into ? whole : parent, [&](Exchange& exchange) {
        TarWriter tar([&](std::string_view bytes) { exchange.write_body(bytes); });
        send_tree(tar, from, name);
        tar.finish();
    });
}

}  // namespace

int run_cp(const Invocation& invocation) {
    CLI::App app("Copies files between us and a container, which need not run");
    prepare(app, invocation);
    std::string from;
    std::string to;
    bool quiet = false;
    app.add_flag("-q,--quiet", quiet, "as it is anyway");
    app.add_option("FROM", from, "CONTAINER:PATH, a path of ours, or - for a tar archive")
        ->required()
        ->type_name("");
    app.add_option("TO", to, "the same")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Place source = parse_place(from);
    const Place target = parse_place(to);
    if (source.container.empty() == target.container.empty()) {
        throw InputError(
            source.container.empty()
                ? "cp: one of the two is to be CONTAINER:PATH"
                : "cp: between two containers is not possible; copy to us, then there");
    }
    const Engine engine = invocation.engine();
    return source.container.empty() ? copy_in(engine, from, target) : copy_out(engine, source, to);
}

}  // namespace drydock::cli
