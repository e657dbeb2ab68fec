// Cheap exceptions in static programs. GCC links them with a crtbeginT.o that registers all unwind
// tables, and the first throw then sorts them: 25 million instructions here, more than a
// container's whole start. Without the registration the unwinder finds PT_GNU_EH_FRAME by
// dl_iterate_phdr(3), which is sorted already (--eh-frame-hdr), as in any dynamic program. The
// linker leads the calls here (--wrap).
extern "C" {
[[gnu::used]] void __wrap___register_frame_info(const void*, void*) {}
[[gnu::used]] void* __wrap___deregister_frame_info(const void*) {
    return nullptr;
}
}
