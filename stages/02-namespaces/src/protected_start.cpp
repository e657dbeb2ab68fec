// The first instructions of a program that gets into containers: protect_own_program()
// (own_program.hpp) before the C library has begun. Its start takes longer than a container's
// namespaces; whoever executes itself again must not pay for it twice.
//
// Nothing of the C library works yet: no errno, no memcpy, no stack protector. A failure of any
// kind goes on to main(), which tries again and says what is wrong.
//
// A program has this start when it is linked with --entry=drydock_protected_start. It says in
// `drydock_protected_verbs` for which of its arguments.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include <climits>

#if defined(__x86_64__)

extern "C" const char* const drydock_protected_verbs[];
extern "C" [[gnu::used]] void drydock_protect(long* stack) noexcept;

// The stack is as the kernel made it (System V ABI, "Initial Process Stack"): argc, argv, the
// environment. _start has to find it, and rdx, so.
asm(R"(
    .text
    .globl drydock_protected_start
    .type drydock_protected_start, @function
drydock_protected_start:
    endbr64
    xor %ebp, %ebp
    mov %rdx, %r12
    mov %rsp, %rbx
    mov %rsp, %rdi
    and $-16, %rsp
    call drydock_protect
    mov %rbx, %rsp
    mov %r12, %rdx
    jmp _start
    .size drydock_protected_start, . - drydock_protected_start
)");

namespace {

constexpr const char* kProgramLink = "/proc/self/exe";
constexpr const char* kDirectory = "DRYDOCK_PROGRAMS=";  // as in own_program.cpp
constexpr std::size_t kMaxEnvironment = 4096;

// In memory that begins as zeros, and costs nothing where it is not touched.
std::array<char, PATH_MAX> directory_variable;
std::array<char*, kMaxEnvironment> new_environment;

long system_call(long number, long a, long b, long c, long d, long e) noexcept {
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    long result = number;
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                 : "rcx", "r11", "memory");
    return result;
}

long address(const void* pointer) noexcept {
    return reinterpret_cast<long>(pointer);
}

bool same(const char* one, const char* other) noexcept {
    while (*one != '\0' && *one == *other) {
        ++one;
        ++other;
    }
    return *one == *other;
}

bool begins_with(const char* text, const char* with) noexcept {
    while (*with != '\0' && *text == *with) {
        ++text;
        ++with;
    }
    return *with == '\0';
}

bool is_asked_for(long argc, char** argv) noexcept {
    if (drydock_protected_verbs[0] == nullptr) {
        return true;
    }
    for (long i = 1; i < argc; ++i) {
        for (const char* const* verb = drydock_protected_verbs; *verb != nullptr; ++verb) {
            if (same(argv[i], *verb)) {
                return true;
            }
        }
    }
    return false;
}

/// DRYDOCK_PROGRAMS=the directory in which the program lies. @return whether it fits
bool name_directory() noexcept {
    std::size_t used = 0;
    for (const char* c = kDirectory; *c != '\0'; ++c) {
        directory_variable[used++] = *c;
    }
    const std::size_t room = directory_variable.size() - used;
    const long length =
        system_call(SYS_readlink, address(kProgramLink), address(directory_variable.data() + used),
                    static_cast<long>(room), 0, 0);
    if (length <= 0 || static_cast<std::size_t>(length) >= room) {
        return false;
    }
    std::size_t end = used + static_cast<std::size_t>(length);
    while (end > used + 1 && directory_variable[end - 1] != '/') {
        --end;
    }
    directory_variable[end > used + 1 ? end - 1 : end] = '\0';
    return true;
}

/// The environment with the program's directory in it. @return null when it does not fit
char** environment_with_directory(char** environment) noexcept {
    std::size_t used = 0;
    for (; environment[used] != nullptr; ++used) {
        if (begins_with(environment[used], kDirectory)) {
            return environment;
        }
        if (used + 2 >= kMaxEnvironment) {
            return nullptr;
        }
        new_environment[used] = environment[used];
    }
    if (!name_directory()) {
        return nullptr;
    }
    new_environment[used] = directory_variable.data();
    return new_environment.data();
}

}  // namespace

void drydock_protect(long* stack) noexcept {
    const long argc = stack[0];
    auto** argv = reinterpret_cast<char**>(stack + 1);
    if (!is_asked_for(argc, argv)) {
        return;
    }
    const long program =
        system_call(SYS_openat, AT_FDCWD, address(kProgramLink), O_RDONLY | O_CLOEXEC, 0, 0);
    if (program < 0) {
        return;
    }
    struct statfs status{};
    const bool is_readonly = system_call(SYS_fstatfs, program, address(&status), 0, 0, 0) == 0 &&
                             (status.f_flags & ST_RDONLY) != 0;
    char** const environment = is_readonly ? nullptr : environment_with_directory(argv + argc + 1);
    if (environment != nullptr) {
        const long tree = system_call(SYS_open_tree, program, address(""),
                                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH, 0, 0);
        mount_attr attributes{};
        attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
        if (tree >= 0 && system_call(SYS_mount_setattr, tree, address(""), AT_EMPTY_PATH,
                                     address(&attributes), sizeof attributes) == 0) {
            system_call(SYS_execveat, tree, address(""), address(argv), address(environment),
                        AT_EMPTY_PATH);
        }
        system_call(SYS_close, tree, 0, 0, 0, 0);
    }
    system_call(SYS_close, program, 0, 0, 0, 0);
}

#endif
