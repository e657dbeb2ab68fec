#include "shim_memory.hpp"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "01-chroot/unique_fd.hpp"

namespace drydock {
namespace {

constexpr std::uintptr_t kPage = 4096;

struct Range {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
};

/// What can be dropped, found out before any of it is.
struct Ranges {
    std::array<Range, 16> all{};
    std::size_t count = 0;

    void add(std::uintptr_t begin, std::uintptr_t end) noexcept {
        if (begin < end && count < all.size()) {
            all[count++] = {begin, end};
        }
    }
};

std::uintptr_t whole_pages_from(std::uintptr_t address) {
    return (address + kPage - 1) & ~(kPage - 1);
}
std::uintptr_t whole_pages_to(std::uintptr_t address) {
    return address & ~(kPage - 1);
}

/// Of pages that could be written to, those that never were: they are still the file's.
/// @see proc_pid_pagemap(5): bit 61, the page is a file's
void add_untouched(Ranges& ranges, std::uintptr_t begin, std::uintptr_t end) noexcept {
    constexpr std::uint64_t kOfFile = std::uint64_t{1} << 61U;
    std::array<std::uint64_t, 64> pages{};
    const std::size_t count = std::min<std::size_t>((end - begin) / kPage, pages.size());
    const UniqueFd map(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    const auto bytes = static_cast<ssize_t>(count * sizeof pages[0]);
    if (!map || ::pread(map.get(), pages.data(), static_cast<std::size_t>(bytes),
                        static_cast<off_t>(begin / kPage * sizeof pages[0])) != bytes) {
        return;
    }
    for (std::size_t i = 0; i < count;) {
        std::size_t next = i;
        while (next < count && (pages[next] & kOfFile) != 0) {
            ++next;
        }
        ranges.add(begin + i * kPage, begin + next * kPage);
        i = next + 1;
    }
}

int add_segments(dl_phdr_info* program, std::size_t /*size*/, void* data) {
    auto& ranges = *static_cast<Ranges*>(data);
    for (int i = 0; i < program->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = program->dlpi_phdr[i];
        const std::uintptr_t start = program->dlpi_addr + segment.p_vaddr;
        const std::uintptr_t end = start + segment.p_memsz;
        if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) == 0) {
            ranges.add(whole_pages_from(start), whole_pages_to(end));
        } else if (segment.p_type == PT_GNU_RELRO) {
            add_untouched(ranges, whole_pages_from(start), whole_pages_to(end));
        }
    }
    return 1;  // a static program has one entry, and a second would be the vDSO
}

#if defined(__x86_64__)
/// A call that needs no page of the program but the one that makes it.
[[gnu::always_inline]] inline long bare_call(long number, std::uintptr_t a, std::uintptr_t b,
                                             std::uintptr_t c) noexcept {
    long result = number;
    asm volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
#else
inline long bare_call(long number, std::uintptr_t a, std::uintptr_t b, std::uintptr_t c) noexcept {
    const long result = ::syscall(number, a, b, c);
    return result == -1 ? -errno : result;
}
#endif

/// From the first drop on, every function that runs brings sixteen pages back: all is done here.
[[gnu::noinline]] long drop_and_poll(const Ranges& ranges, std::span<pollfd> events,
                                     int timeout_ms) noexcept {
    // The stack that deeper calls have used, some way below this one's.
    constexpr std::uintptr_t kInUse = 1024;
    constexpr std::uintptr_t kDeepest = 32 * kPage;
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    const std::uintptr_t top = whole_pages_to(here - kInUse);
    bare_call(SYS_madvise, top - kDeepest, kDeepest, MADV_DONTNEED);
    for (std::size_t i = 0; i < ranges.count; ++i) {
        const Range& range = ranges.all[i];
        // Only a hint: where it fails the shim is larger.
        bare_call(SYS_madvise, range.begin, range.end - range.begin, MADV_DONTNEED);
    }
    return bare_call(SYS_poll, reinterpret_cast<std::uintptr_t>(events.data()), events.size(),
                     static_cast<std::uintptr_t>(static_cast<std::intptr_t>(timeout_ms)));
}

}  // namespace

int poll_small(std::span<pollfd> events, int timeout_ms) noexcept {
    ::malloc_trim(0);
    Ranges ranges;
    ::dl_iterate_phdr(add_segments, &ranges);
    const long ready = drop_and_poll(ranges, events, timeout_ms);
    if (ready < 0) {
        errno = static_cast<int>(-ready);
        return -1;
    }
    return static_cast<int>(ready);
}

}  // namespace drydock
