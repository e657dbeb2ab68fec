// file: escape.cpp
// fails: escape
// error: /FLAG: No such file
// says: going up with ".." stops at the root of the process as long as the walk passes it; the root has to be moved out of the way first
// says-zh: 只要往上走会路过进程的根，“..” 就停在那里；必须先把根挪开

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace {

/// Makes the root outside the root of this process.
/// @return 0, or -1 with errno
int escape() {
    for (int i = 0; i < 1000; ++i) {
        if (::chdir("..") == -1) {
            return -1;
        }
    }
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
