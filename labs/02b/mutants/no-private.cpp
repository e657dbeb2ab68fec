// file: rootfs.cpp
// fails-root: root
// fails-user: nothing
// error: Invalid argument
// says: the mounts of the host are shared (systemd makes them so), and pivot_root(2) gives EINVAL when the new root's parent mount is; MS_REC|MS_PRIVATE on "/" comes first. In a user namespace the kernel does it by itself, so a user does not notice
// says-zh: 宿主机的挂载是 shared 的（systemd 的默认），新根的父挂载是 shared 时 pivot_root(2) 返回 EINVAL；要先对 “/” 设 MS_REC|MS_PRIVATE。在用户命名空间里内核会自己做，所以普通用户看不出来

// [region: make-mounts-private]
void make_mounts_private() {
    // Nothing: the mount namespace is our own already.
}
// [/region]
