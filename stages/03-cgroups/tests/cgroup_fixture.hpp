#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/cgroup.hpp"

#include "waiting.hpp"

namespace drydock::testing {

/// Every form of cgroups that this machine offers: v1 or hybrid or v2, on a hybrid also v1 alone
/// and the v2 tree by itself, with the few controllers that it has.
inline std::vector<Hierarchy> offered_hierarchies() {
    std::vector<Hierarchy> list = {find_hierarchy()};
    if (list[0].kind == HierarchyKind::Hybrid) {
        Hierarchy v1_alone = list[0];
        v1_alone.kind = HierarchyKind::V1;
        v1_alone.unified.clear();
        list.push_back(v1_alone);
        list.push_back(find_hierarchy(list[0].root / "unified"));
    }
    return list;
}

inline bool offers(const Hierarchy& hierarchy, const char* controller) {
    return std::ranges::find(hierarchy.controllers, controller) != hierarchy.controllers.end();
}

/// Those with all of these controllers.
inline std::vector<Hierarchy> hierarchies_with(const std::vector<const char*>& controllers) {
    std::vector<Hierarchy> list = offered_hierarchies();
    std::erase_if(list, [&](const Hierarchy& hierarchy) {
        return !std::ranges::all_of(controllers,
                                    [&](const char* c) { return offers(hierarchy, c); });
    });
    return list;
}

inline std::string unique_group_name() {
    static int count = 0;
    return "test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

/// Memory that parent and child share.
class SharedCounter {
  public:
    SharedCounter()
        : at_(static_cast<std::atomic<std::int64_t>*>(::mmap(nullptr, sizeof(std::int64_t),
                                                             PROT_READ | PROT_WRITE,
                                                             MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
    ~SharedCounter() { ::munmap(at_, sizeof(std::int64_t)); }
    SharedCounter(const SharedCounter&) = delete;
    SharedCounter& operator=(const SharedCounter&) = delete;
    SharedCounter(SharedCounter&&) = delete;
    SharedCounter& operator=(SharedCounter&&) = delete;
    std::atomic<std::int64_t>& operator*() const { return *at_; }

  private:
    std::atomic<std::int64_t>* at_;
};

/// A process in the group that does `body` and ends with what it gives back.
inline Child joined(Cgroup& cgroup, const std::function<int()>& body, bool born_inside = false) {
    Child child = clone_child(0, born_inside ? cgroup.clone_fd() : -1);
    if (!child) {
        try {
            cgroup.join(born_inside && cgroup.clone_fd() >= 0);
            ::_exit(body());
        } catch (const std::exception& e) {
            static_cast<void>(std::fprintf(stderr, "%s\n", e.what()));
            ::_exit(125);
        }
    }
    return child;
}

inline int sleep_forever() {
    for (;;) {
        ::pause();
    }
}

inline int eat_memory() {
    for (;;) {
        constexpr std::size_t kStep = std::size_t{1} << 20U;
        auto* block = static_cast<char*>(std::malloc(kStep));
        if (block != nullptr) {
            std::memset(block, 1, kStep);
        }
    }
}

inline bool all_gone(const std::vector<std::filesystem::path>& paths) {
    return std::ranges::none_of(
        paths, [](const std::filesystem::path& path) { return std::filesystem::exists(path); });
}

/// The first of the group's directories that has `file`; its text without the newline, "" for none.
inline std::string text_in(const Cgroup& cgroup, const std::string& file) {
    for (const std::filesystem::path& directory : cgroup.directories()) {
        if (std::filesystem::exists(directory / file)) {
            std::string text = read_file(directory / file);
            text.erase(std::min(text.find('\n'), text.size()));
            return text;
        }
    }
    return "";
}

}  // namespace drydock::testing
