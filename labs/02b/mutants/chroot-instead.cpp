// file: rootfs.cpp
// fails: escape
// says: chroot(2) moves the root of one process and leaves the old root mounted: root inside walks out (lab 01)
// says-zh: chroot(2) 只移动一个进程的根，旧根仍然挂着：里面的 root 走得出去（实验 01）

// [region: pivot-root]
void pivot_to(const std::filesystem::path& new_root) {
    check(::chroot(new_root.c_str()), "chroot({})", new_root.native());
    check(::chdir("/"), "chdir(/)");
}
// [/region]
