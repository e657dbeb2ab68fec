// file: rootfs.cpp
// says: the newer calls: a detached copy of the tree, moved onto the directory it is a copy of

// [region: mount-rootfs]
void mount_rootfs(const Rootfs& rootfs) {
    const UniqueFd tree(check(::open_tree(AT_FDCWD, rootfs.directory.c_str(),
                                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE),
                              "open_tree({})", rootfs.directory.native()));
    check(::move_mount(tree.get(), "", AT_FDCWD, rootfs.directory.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
          "move_mount({})", rootfs.directory.native());
}
// [/region]
