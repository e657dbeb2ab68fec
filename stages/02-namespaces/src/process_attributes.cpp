#include "02-namespaces/process_attributes.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/personality.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

/// A directory of a real procfs: some files of it swallow whatever is written there.
UniqueFd own_directory() {
    UniqueFd self = open_file("/proc/self", O_PATH | O_DIRECTORY);
    struct statfs status{};
    check(::fstatfs(self.get(), &status), "fstatfs(/proc/self)");
    if (status.f_type != PROC_SUPER_MAGIC) {
        throw InputError("/proc: expected a proc filesystem");
    }
    return self;
}

bool is_there(const char* path) {
    return ::access(path, F_OK) == 0;
}

}  // namespace

void set_attributes(const ProcessAttributes& attributes) {
    if (attributes.oom_score_adj) {
        set_oom_score_adj(*attributes.oom_score_adj);
    }
    if (attributes.io_priority) {
        set_io_priority(*attributes.io_priority);
    }
    if (attributes.scheduling) {
        set_scheduling(*attributes.scheduling);
    }
    if (!attributes.personality.empty()) {
        set_personality(attributes.personality);
    }
    if (!attributes.apparmor_profile.empty()) {
        set_apparmor_profile(attributes.apparmor_profile);
    }
    if (!attributes.selinux_label.empty()) {
        set_selinux_label(attributes.selinux_label);
    }
}

void set_oom_score_adj(int score) {
    write_once(own_directory().get(), "oom_score_adj", std::to_string(score));
}

int own_oom_score_adj() {
    return std::atoi(  // NOLINT(cert-err34-c): the kernel's own number
        read_file("/proc/self/oom_score_adj").c_str());
}

void require_apparmor(std::string_view what) {
    if (!is_there("/sys/module/apparmor") || !is_there("/sys/kernel/security/apparmor")) {
        throw InputError(fmt::format("{}: this kernel runs without AppArmor; leave it out", what));
    }
}

void require_selinux(std::string_view what) {
    if (!is_there("/sys/fs/selinux/enforce")) {
        throw InputError(fmt::format("{}: this kernel runs without SELinux; leave it out", what));
    }
}

void set_apparmor_profile(std::string_view profile) {
    // Beside other security modules AppArmor has a directory of its own (Linux 5.8).
    const bool own = is_there("/proc/self/attr/apparmor/exec");
    write_once(own_directory().get(), own ? "attr/apparmor/exec" : "attr/exec",
               fmt::format("exec {}", profile));
}

void set_selinux_label(std::string_view label) {
    write_once(own_directory().get(), "attr/exec", label);
}

void set_personality(std::string_view domain) {
    if (domain != "LINUX" && domain != "LINUX32") {
        throw InputError(
            fmt::format("personality \"{}\": expected \"LINUX\" or \"LINUX32\"", domain));
    }
    const unsigned long number = domain == "LINUX32" ? PER_LINUX32 : PER_LINUX;
    check(::personality(number), "personality({})", domain);
}

}  // namespace drydock
