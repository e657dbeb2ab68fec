#include "embedded_busybox.hpp"

// .incbin, not a generated array: two megabytes of "0x7f,0x45," take a compiler half a minute.
// NOLINTBEGIN(hicpp-no-assembler)
#define DRYDOCK_EMBED(name, path)                   \
    asm(".pushsection .rodata." #name               \
        "\n"                                        \
        ".balign 16\n"                              \
        ".globl drydock_" #name                     \
        "_begin\n"                                  \
        "drydock_" #name                            \
        "_begin:\n"                                 \
        ".incbin \"" path                           \
        "\"\n"                                      \
        ".globl drydock_" #name                     \
        "_end\n"                                    \
        "drydock_" #name                            \
        "_end:\n"                                   \
        ".byte 0\n"                                 \
        ".popsection\n");                           \
    extern "C" const char drydock_##name##_begin[]; \
    extern "C" const char drydock_##name##_end[]

DRYDOCK_EMBED(busybox, DRYDOCK_BUSYBOX);
DRYDOCK_EMBED(copyright, DRYDOCK_COPYRIGHT);
DRYDOCK_EMBED(applets, DRYDOCK_APPLETS);
// NOLINTEND(hicpp-no-assembler)

namespace drydock {

std::string_view embedded_busybox() {
    return {drydock_busybox_begin, drydock_busybox_end};
}
std::string_view embedded_copyright() {
    return {drydock_copyright_begin, drydock_copyright_end};
}
std::string_view embedded_applets() {
    return {drydock_applets_begin, drydock_applets_end};
}
const char* embedded_busybox_time() noexcept {
    return DRYDOCK_BUSYBOX_TIME;
}

}  // namespace drydock
