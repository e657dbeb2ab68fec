#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/capabilities.hpp"

#include "cgroup_v1_group.hpp"
#include "cgroup_v2.hpp"
#include "device_filter.hpp"
#include "devices_v1.hpp"

namespace fs = std::filesystem;

namespace drydock {

fs::path base_in_unified(const Hierarchy& hierarchy, bool below_own) {
    return below_own ? hierarchy.unified / own_group("").value_or("") : hierarchy.unified;
}

CgroupFacts GroupV1::facts(const Limits& limits) const {
    CgroupFacts facts;
    const CgroupDirectory* memory = directory_of("memory");
    if (memory != nullptr && (limits.memory_bytes || limits.memory_swap_bytes)) {
        facts.memory_limit_bytes = read_number(*memory, "memory.limit_in_bytes");
        facts.counts_swap = has_file(*memory, "memory.memsw.limit_in_bytes");
        facts.has_swap = facts.counts_swap || machine_has_swap();
    }
    if (limits.io.any()) {
        const CgroupDirectory* blkio = directory_of("blkio");
        facts.has_bfq = blkio != nullptr && has_file(*blkio, "blkio.bfq.weight");
    }
    return facts;
}

/// On a hybrid the v2 tree may have what no v1 tree has: hugetlb, and keys of "unified".
void GroupV1::write_unified_settings(const Limits& limits, CgroupChanges& changes) {
    Limits of_v2;
    of_v2.unified = limits.unified;
    if (!offers("hugetlb")) {
        of_v2.hugetlb = limits.hugetlb;
    }
    if (!of_v2.any()) {
        return;
    }
    if (!unified_) {
        throw InputError(
            of_v2.unified.empty()
                ? "a hugetlb limit cannot be had: no tree of cgroups has the hugetlb controller"
                : fmt::format("unified \"{}\": a file of cgroup v2, which this machine does not "
                              "have",
                              of_v2.unified.begin()->first));
    }
    for (const CgroupSetting& setting : settings_v2(of_v2, {}).list) {
        delegate_controller(base_in_unified(hierarchy_, place_.below_own), unified_->path,
                            setting.controller);
        changes.write(*unified_, setting);
    }
}

std::vector<std::string> GroupV1::set(const Limits& limits, bool fresh) {
    Limits of_v1 = limits;
    if (!offers("hugetlb")) {
        of_v1.hugetlb.clear();
    }
    const CgroupDirectory* memory = directory_of("memory");
    if (limits.check_before_update && limits.memory_bytes && memory != nullptr) {
        refuse_below_use(*limits.memory_bytes, read_number(*memory, "memory.usage_in_bytes"));
    }
    CgroupSettings settings = settings_v1(of_v1, facts(limits));
    for (const CgroupSetting& setting : settings.list) {
        static_cast<void>(require(setting.controller, setting.what));
    }
    CgroupChanges changes(fresh);
    for (const CgroupSetting& setting : settings.list) {
        changes.write(require(setting.controller, setting.what), setting);
    }
    write_unified_settings(limits, changes);
    changes.keep();
    return std::move(settings.warnings);
}

void GroupV1::write_device_list(const CgroupDirectory& devices, std::span<const DeviceRule> rules) {
    const UniqueFd allow = open_at(devices.fd.get(), "devices.allow", O_WRONLY);
    const UniqueFd deny = open_at(devices.fd.get(), "devices.deny", O_WRONLY);
    for (const DeviceWrite& write : device_writes_v1(rules)) {
        check(::write((write.allow ? allow : deny).get(), write.text.data(), write.text.size()),
              "write({}/devices.{}, \"{}\")", devices.path.native(), write.allow ? "allow" : "deny",
              write.text);
    }
}

void GroupV1::set_devices(std::span<const DeviceRule> rules) {
    constexpr CapabilitySet kSysAdmin = CapabilitySet{1} << CAP_SYS_ADMIN;
    if (rules.empty() || !has_capabilities(kSysAdmin)) {
        return;
    }
    const CgroupDirectory* devices = directory_of("devices");
    if (devices == nullptr) {
        if (unified_) {
            attach_device_filter(unified_->fd.get(), rules);
        }
        return;
    }
    static_cast<void>(device_writes_v1(rules));  // before anything is touched
    // v1 has no way to replace a list at once: "a" takes all away, and until the last exception is
    // written even /dev/null is denied. Nobody who stands still sees that.
    const bool stop = !std::exchange(is_new_, false) && populated() && !frozen();
    if (stop) {
        freeze();
    }
    try {
        write_device_list(*devices, rules);
    } catch (...) {
        if (stop) {
            thaw();
        }
        throw;
    }
    if (stop) {
        thaw();
    }
}

}  // namespace drydock
