// The smallest program: ends with status 0. What a container costs is what is left when the command
// costs nothing.
extern "C" [[noreturn]] void _start() {
#if defined(__x86_64__)
    asm volatile("syscall" : : "a"(231), "D"(0) : "rcx", "r11", "memory");  // exit_group(0)
#elif defined(__aarch64__)
    register long number asm("x8") = 94;
    register long status asm("x0") = 0;
    asm volatile("svc 0" : : "r"(number), "r"(status) : "memory");
#endif
    __builtin_unreachable();
}
