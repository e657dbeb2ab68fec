// Does nothing until it is killed: what an idle container runs.
extern "C" [[noreturn]] void _start() {
    for (;;) {
#if defined(__x86_64__)
        long number = 34;  // pause
        asm volatile("syscall" : "+a"(number) : : "rcx", "r11", "memory");
#elif defined(__aarch64__)
        register long number asm("x8") = 73;  // ppoll without descriptors or end
        register long first asm("x0") = 0;
        register long second asm("x1") = 0;
        register long third asm("x2") = 0;
        register long fourth asm("x3") = 0;
        asm volatile("svc 0"
                     : "+r"(first)
                     : "r"(number), "r"(second), "r"(third), "r"(fourth)
                     : "memory");
#endif
    }
}
