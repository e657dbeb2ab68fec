// Lab 01, part B: this program is started as root in a root of its own, by drydock-01. The root outside has a file
// /FLAG. Print what is in it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace {

/// Makes the root outside the root of this process.
/// @return 0, or -1 with errno
int escape() {
    std::fputs("to do: escape()\n", stderr);
    return -1;
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
