// file: rootfs.cpp
// fails-root: mounts proc
// fails-user: mounts proc
// says: there is no /proc: ps, free and many a program read it, and it shows the PID namespace it was mounted in
// says-zh: 没有 /proc：ps、free 和许多程序都要读它，它显示的是挂载它时所在的 PID 命名空间

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
