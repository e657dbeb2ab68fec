#include "05-images/base_image.hpp"

#include <set>

#include "04-layers/tar_writer.hpp"

#include "embedded_busybox.hpp"

namespace drydock {
namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/:/bin/false\n"
    "www-data:x:33:33:www-data:/var/www:/bin/false\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n";
constexpr const char* kGroup =
    "root:x:0:\n"
    "daemon:x:1:\n"
    "tty:x:5:\n"
    "www-data:x:33:\n"
    "nogroup:x:65534:\n";
constexpr const char* kHosts = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";

/// Writes entries that belong to root and are from 1970: what the layer's digest depends on is
/// busybox alone.
class Tree {
  public:
    explicit Tree(TarWriter& tar) : tar_(tar) {}
    void directory(const char* path, mode_t mode = 0755) {
        tar_.add({.path = path, .type = TarType::Directory, .mode = mode});
    }
    void file(const char* path, std::string_view bytes, mode_t mode = 0644) {
        tar_.add({.path = path, .mode = mode, .size = static_cast<std::int64_t>(bytes.size())},
                 bytes);
    }
    void link(const std::string& path, const char* target) {
        tar_.add({.path = path, .type = TarType::Symlink, .link_target = target, .mode = 0777});
    }

  private:
    TarWriter& tar_;
};

void add_applets(Tree& tree) {
    std::set<std::string> names;
    std::string_view rest = embedded_applets();
    while (!rest.empty()) {
        const std::size_t end = rest.find_first_of("\n;");
        names.emplace(rest.substr(0, end));
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    }
    for (const std::string& name : names) {
        if (!name.empty() && name != "busybox" && name.find('/') == std::string::npos) {
            tree.link("bin/" + name, "busybox");
        }
    }
}

void write_root(TarWriter& tar) {
    Tree tree(tar);
    tree.directory("bin");
    tree.file("bin/busybox", embedded_busybox(), 0755);
    add_applets(tree);
    tree.directory("dev");
    tree.directory("etc");
    tree.file("etc/group", kGroup);
    tree.file("etc/hostname", "");
    tree.file("etc/hosts", kHosts);
    tree.file("etc/passwd", kPasswd);
    tree.file("etc/resolv.conf", "");
    tree.directory("home");
    tree.directory("proc", 0555);
    tree.directory("root", 0700);
    tree.directory("run");
    tree.link("sbin", "bin");
    tree.directory("sys", 0555);
    tree.directory("tmp", 01777);
    tree.directory("usr");
    tree.link("usr/bin", "../bin");
    tree.link("usr/sbin", "../bin");
    tree.directory("usr/share");
    tree.directory("usr/share/doc");
    tree.directory("usr/share/doc/busybox");
    tree.file("usr/share/doc/busybox/copyright", embedded_copyright());
    tree.directory("var");
    tree.directory("var/tmp", 01777);
    tar.finish();
}

}  // namespace

// [region: base-image]
Image ensure_base_image(ImageStore& store) {
    const Reference name = parse_reference(kBaseImage);
    if (std::optional<Image> image = store.find(name)) {
        return *std::move(image);
    }
    Ingest layer = store.content().begin();
    TarWriter tar([&](std::span<const std::byte> bytes) { layer.write(bytes); });
    write_root(tar);
    const std::uint64_t size = layer.size();
    const Digest digest = layer.commit();

    oci::ImageConfig config;
    config.created = embedded_busybox_time();
    config.platform = host_platform();
    config.config.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    config.config.cmd = std::vector<std::string>{"sh"};
    config.diff_ids = {digest};  // it is not compressed
    config.history = {{.created = config.created,
                       .created_by = "busybox-static of the distribution Drydock was built on"}};
    return store.put_image(
        config,
        {{.media_type = std::string(media_type::kOciLayer), .digest = digest, .size = size}}, name);
}
// [/region]

bool is_base_image(const Reference& reference) {
    return reference == parse_reference(kBaseImage);
}

}  // namespace drydock
