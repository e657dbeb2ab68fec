#include "03-cgroups/program_memory.hpp"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace drydock {
namespace {

/// The segments that nobody writes to: code, constants, tables of symbols.
int release_segments(dl_phdr_info* object, std::size_t /*size*/, void* /*data*/) {
    constexpr std::uintptr_t kPageSize = 4096;
    for (int i = 0; i < object->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = object->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) {
            continue;
        }
        const std::uintptr_t start = (object->dlpi_addr + segment.p_vaddr) & ~(kPageSize - 1);
        const std::uintptr_t end = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
        // Only a hint: where it fails (the vDSO, say), we are larger.
        static_cast<void>(::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED));
    }
    return 0;
}

}  // namespace

void release_program_pages() noexcept {
    ::malloc_trim(0);
    ::dl_iterate_phdr(release_segments, nullptr);
}

}  // namespace drydock
