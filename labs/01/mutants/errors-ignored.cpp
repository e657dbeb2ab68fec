// file: chroot.cpp
// fails: errors
// says: a failed call is not looked at, so the command runs in the host's root when chroot(2) is refused
// says-zh: 没有检查失败的调用，所以 chroot(2) 被拒绝时，命令就在宿主机的根里运行

// [region: chroot-to]
void chroot_to(const std::filesystem::path& rootfs) {
    if (::chroot(rootfs.c_str()) == 0) {
        check(::chdir("/"), "chdir(path=/)");
    }
}
// [/region]
