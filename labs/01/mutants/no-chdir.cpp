// file: chroot.cpp
// fails: cwd unreachable
// says: chroot(2) does not change the working directory: it is still outside, and ".." from there goes up to the real root
// says-zh: chroot(2) 不改变工作目录：它还在外面，从那里用 “..” 可以一直走到真正的根

// [region: chroot-to]
void chroot_to(const std::filesystem::path& rootfs) {
    check(::chroot(rootfs.c_str()), "chroot(path={})", rootfs.native());
}
// [/region]
