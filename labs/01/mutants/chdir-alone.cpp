// file: chroot.cpp
// fails: root unreachable errors
// says: the working directory changed, the root did not: every path that begins with "/" still begins at the host's root
// says-zh: 只改变了工作目录，没有改变根：以 “/” 开头的路径仍从宿主机的根开始

// [region: chroot-to]
void chroot_to(const std::filesystem::path& rootfs) {
    check(::chdir(rootfs.c_str()), "chdir(path={})", rootfs.native());
}
// [/region]
