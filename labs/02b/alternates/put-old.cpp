// file: rootfs.cpp
// says: a directory for the old root, removed afterwards

// [region: pivot-root]
void pivot_to(const std::filesystem::path& new_root) {
    const std::string old = new_root.native() + "/.old";
    check(::mkdir(old.c_str(), 0700), "mkdir({})", old);
    check(::syscall(SYS_pivot_root, new_root.c_str(), old.c_str()), "pivot_root({})", old);
    check(::chdir("/"), "chdir(/)");
    check(::umount2("/.old", MNT_DETACH), "umount2(/.old, MNT_DETACH)");
    check(::rmdir("/.old"), "rmdir(/.old)");
}
// [/region]
