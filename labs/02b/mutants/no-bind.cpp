// file: rootfs.cpp
// fails: root
// error: pivot_root
// says: pivot_root(2) wants a mount point (EINVAL): a directory becomes one when it is bound on itself
// says-zh: pivot_root(2) 要求新根是挂载点（否则 EINVAL）：把目录绑定到自己身上就成了挂载点

// [region: mount-rootfs]
void mount_rootfs([[maybe_unused]] const Rootfs& rootfs) {
    // A directory is good enough.
}
// [/region]
