// file: rootfs.cpp
// fails-root: root
// fails-user: nothing
// error: Invalid argument
// says: MS_PRIVATE without MS_REC changes the mount at "/" alone; what is mounted below it (/home, /var) is shared as before
// says-zh: 没有 MS_REC 的 MS_PRIVATE 只改变 “/” 这一个挂载；下面的挂载（/home、/var）仍是 shared

// [region: make-mounts-private]
void make_mounts_private() {
    check(::mount(nullptr, "/", nullptr, MS_PRIVATE, nullptr), "mount(target=/, flags=MS_PRIVATE)");
}
// [/region]
