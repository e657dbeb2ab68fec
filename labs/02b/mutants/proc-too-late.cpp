// file: rootfs.cpp
// fails-root: nothing
// fails-user: root
// error: Operation not permitted
// says: in a user namespace proc may be mounted only while another proc, without anything over it, is to be seen: before the old root goes
// says-zh: 在用户命名空间里，只有还能看见另一个没有被遮盖的 proc 时才允许挂载 proc：要在旧根消失之前

// [region: mount-proc-dev-sys]
void mount_inside(const std::filesystem::path& rootfs, std::span<const MountSpec> mounts,
                  std::span<const UniqueFd> prepared) {
    const UniqueFd root = open_file(rootfs, O_PATH | O_DIRECTORY);
    const UniqueFd none;
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        if (mounts[i].target != "/proc") {
            mount_one(root.get(), mounts[i], i < prepared.size() ? prepared[i] : none);
        }
    }
}
// [/region]

// [region: pivot-root]
void pivot_to(const std::filesystem::path& new_root) {
    check(::chdir(new_root.c_str()), "chdir({})", new_root.native());
    check(::syscall(SYS_pivot_root, ".", "."), "pivot_root({})", new_root.native());
    check(::umount2(".", MNT_DETACH), "umount2(old root, MNT_DETACH)");
    check(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr),
          "mount(target=/proc, type=proc)");
}
// [/region]
