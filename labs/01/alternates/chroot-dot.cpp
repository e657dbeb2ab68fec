// file: chroot.cpp
// says: the working directory first, then the root where it is: "." is inside afterwards

// [region: chroot-to]
void chroot_to(const std::filesystem::path& rootfs) {
    check(::chdir(rootfs.c_str()), "chdir(path={})", rootfs.native());
    check(::chroot("."), "chroot(path=.)");
}
// [/region]
