// file: rootfs.cpp
// fails: mounts old-root
// says: after pivot_root(2) the old root is still mounted, with all that is below it; umount2 with MNT_DETACH takes it away
// says-zh: pivot_root(2) 之后旧根连同下面的一切都还挂着；要用 umount2 加 MNT_DETACH 卸掉

// [region: pivot-root]
void pivot_to(const std::filesystem::path& new_root) {
    const std::string old = new_root.native() + "/.old";
    if (::mkdir(old.c_str(), 0700) == -1 && errno != EEXIST) {
        check(-1, "mkdir({})", old);
    }
    check(::syscall(SYS_pivot_root, new_root.c_str(), old.c_str()), "pivot_root({})", old);
    check(::chdir("/"), "chdir(/)");
}
// [/region]
