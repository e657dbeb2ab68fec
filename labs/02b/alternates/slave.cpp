// file: rootfs.cpp
// says: slave instead of private: mounts of the host come in, ours do not go out

// [region: make-mounts-private]
void make_mounts_private() {
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr),
          "mount(target=/, flags=MS_REC|MS_SLAVE)");
}
// [/region]
