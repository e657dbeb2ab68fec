#include "shim_memory.hpp"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace drydock {
namespace {

/// Only whole pages, and only what nobody can have written to: that would be lost.
int drop_readonly_segments(dl_phdr_info* program, std::size_t /*size*/, void* /*nothing*/) {
    constexpr std::uintptr_t kPage = 4096;
    for (int i = 0; i < program->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = program->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) {
            continue;
        }
        const std::uintptr_t start = program->dlpi_addr + segment.p_vaddr;
        const std::uintptr_t begin = (start + kPage - 1) & ~(kPage - 1);
        const std::uintptr_t end = (start + segment.p_memsz) & ~(kPage - 1);
        if (begin < end) {
            // Only a hint: where it fails the shim is larger.
            static_cast<void>(
                ::madvise(reinterpret_cast<void*>(begin),  // NOLINT(performance-no-int-to-ptr)
                          end - begin, MADV_DONTNEED));
        }
    }
    return 1;  // a static program has one entry, and a second would be the vDSO
}

}  // namespace

void become_small() noexcept {
    ::malloc_trim(0);
    ::dl_iterate_phdr(drop_readonly_segments, nullptr);
}

}  // namespace drydock
