// file: rootfs.cpp
// fails-root: no-leak
// fails-user: nothing
// says: the mounts became private after the first one was made: that one was seen on the host too
// says-zh: 做了第一个挂载之后才变成 private：那个挂载在宿主机上也看得见

// [region: make-mounts-private]
void make_mounts_private() {
    // Later, just before it is needed.
}
// [/region]

// [region: pivot-root]
void pivot_to(const std::filesystem::path& new_root) {
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr),
          "mount(target=/, flags=MS_REC|MS_PRIVATE)");
    check(::chdir(new_root.c_str()), "chdir({})", new_root.native());
    check(::syscall(SYS_pivot_root, ".", "."), "pivot_root({})", new_root.native());
    check(::umount2(".", MNT_DETACH), "umount2(old root, MNT_DETACH)");
}
// [/region]
