// file: escape.cpp
// fails: escape
// error: escape: No such file
// says: /proc/1/root leads outside only where /proc is mounted, and in this root it is an empty directory
// says-zh: 只有挂载了 /proc，/proc/1/root 才通向外面；在这个根里它只是个空目录

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace {

/// Makes the root outside the root of this process.
/// @return 0, or -1 with errno
int escape() {
    // A path that used to lead outside.
    return ::chroot("/proc/1/root");
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
