// file: chroot.cpp
// region: chroot-to
// says: the working directory first, then the root where it is: "." is inside afterwards

void chroot_to(const std::filesystem::path& rootfs) {
    check(::chdir(rootfs.c_str()), "chdir(path={})", rootfs.native());
    check(::chroot("."), "chroot(path=.)");
}
