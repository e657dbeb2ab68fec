#include "03-cgroups/state.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "03-cgroups/start_gate.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

constexpr std::size_t kMaxStateBytes = std::size_t{1} << 20U;
constexpr const char* kStateFile = "state.json";

/// The fields of /proc/PID/stat from the third on; empty when there is no such process.
std::vector<std::string> stat_fields(pid_t pid) {
    std::string text;
    try {
        text = read_file(fmt::format("/proc/{}/stat", pid), 4096);
    } catch (const std::system_error&) {
        return {};
    }
    // The second field is the program's name in parentheses, and may hold spaces and parentheses
    // itself.
    std::vector<std::string> fields;
    std::size_t begin = std::min(text.rfind(')'), text.size() - 1) + 2;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        fields.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return fields;
}

std::string field(pid_t pid, std::size_t number) {
    const std::vector<std::string> fields = stat_fields(pid);
    return fields.size() > number - 3 ? fields[number - 3] : "";
}

std::uint64_t to_unsigned(const std::string& text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

nlohmann::json to_json(const ProcessIdentity& process) {
    return {{"pid", process.pid}, {"start_time", process.start_time}};
}

ProcessIdentity process_from(const nlohmann::json& json) {
    return {.pid = json.at("pid").get<pid_t>(),
            .start_time = json.at("start_time").get<std::uint64_t>()};
}

}  // namespace

std::optional<ProcessIdentity> identify(pid_t pid) {
    constexpr std::size_t kStartTime = 22;
    const std::string start = field(pid, kStartTime);
    return start.empty()
               ? std::nullopt
               : std::optional(ProcessIdentity{.pid = pid, .start_time = to_unsigned(start)});
}

pid_t parent_of(pid_t pid) {
    constexpr std::size_t kParent = 4;
    return static_cast<pid_t>(to_unsigned(field(pid, kParent)));
}

bool alive(const ProcessIdentity& process) {
    constexpr std::size_t kState = 3;
    const std::string state = process.pid > 0 ? field(process.pid, kState) : "";
    return !state.empty() && state != "Z" && state != "X" && identify(process.pid) == process;
}

std::string_view status_of(const ContainerState& state) {
    if (state.boot_id != this_boot_id()) {
        return "stopped";
    }
    if (state.init.pid == 0) {
        return alive(state.keeper) ? "creating" : "stopped";
    }
    if (!alive(state.init)) {
        return "stopped";
    }
    return state.waits_for_start ? "created" : "running";
}

void check_container_id(std::string_view id) {
    constexpr std::size_t kMaxLength = 1024;
    const auto is_alnum = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    };
    const bool good =
        !id.empty() && id.size() <= kMaxLength && is_alnum(id.front()) &&
        std::ranges::all_of(id, [&](char c) {
            return is_alnum(c) || std::string_view("_+-.").find(c) != std::string_view::npos;
        });
    if (!good) {
        throw InputError(
            fmt::format("container ID \"{}\": expected letters, digits and _ + - . , beginning "
                        "with a letter or digit, at most {}",
                        id.substr(0, 64), kMaxLength));
    }
}

StateEntry::StateEntry(const fs::path& root, const std::string& id) {
    check_container_id(id);
    fs::create_directories(root);
    const fs::path directory = root / id;
    if (::mkdir(directory.c_str(), 0700) == -1) {
        if (errno == EEXIST) {
            throw InputError(
                fmt::format("container \"{}\" exists already in {}", id, root.native()));
        }
        check(-1, "mkdir({})", directory.native());
    }
    directory_ = directory;
}

StateEntry::~StateEntry() {
    try {
        remove();
    } catch (...) {  // NOLINT(bugprone-empty-catch): best effort; remove() is the checked twin
    }
}

StateEntry::StateEntry(StateEntry&& other) noexcept
    : directory_(std::exchange(other.directory_, {})) {}

StateEntry& StateEntry::operator=(StateEntry&& other) noexcept {
    std::swap(directory_, other.directory_);
    return *this;
}

void StateEntry::save(const ContainerState& state) const {
    const nlohmann::json json = {
        {"version", 1},
        {"id", state.id},
        {"bundle", state.bundle.native()},
        {"init", to_json(state.init)},
        {"keeper", to_json(state.keeper)},
        {"boot_id", state.boot_id},
        {"cgroup", {{"path", state.cgroup.path}, {"below_own", state.cgroup.below_own}}},
        {"created", state.created},
        {"rootfs", state.rootfs.native()},
        {"annotations", state.annotations}};
    const UniqueFd directory = open_file(directory_, O_RDONLY | O_DIRECTORY);
    replace_file(directory.get(), kStateFile,
                 json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", 0600,
                 Lasts::Kill);  // it tells of processes: after a reboot there are none
}

void StateEntry::remove() {
    if (!directory_.empty()) {
        remove_tree(std::exchange(directory_, {}));
    }
}

void throw_no_container(const fs::path& root, const std::string& id) {
    throw InputError(
        fmt::format("container \"{}\" does not exist: no such container in {}", id, root.native()));
}

ContainerState load_state(const fs::path& root, const std::string& id) {
    check_container_id(id);
    const fs::path directory = root / id;
    std::error_code ignored;
    if (!fs::is_directory(directory, ignored)) {
        throw_no_container(root, id);
    }
    const fs::path file = directory / kStateFile;
    try {
        const auto json = nlohmann::json::parse(read_file(file, kMaxStateBytes));
        const auto& cgroup = json.at("cgroup");
        return {.id = json.at("id").get<std::string>(),
                .bundle = json.at("bundle").get<std::string>(),
                .init = process_from(json.at("init")),
                .keeper = process_from(json.at("keeper")),
                .boot_id = json.at("boot_id").get<std::string>(),
                .cgroup = {.path = cgroup.at("path").get<std::string>(),
                           .below_own = cgroup.at("below_own").get<bool>()},
                .created = json.at("created").get<std::string>(),
                .rootfs = json.value("rootfs", std::string()),
                .annotations = json.value("annotations", std::map<std::string, std::string>()),
                .waits_for_start = fs::exists(directory / kStartGate, ignored)};
    } catch (const nlohmann::json::exception& e) {
        throw InputError(
            fmt::format("{}: {}; `delete --force {}` removes it", file.native(), e.what(), id));
    } catch (const std::system_error& e) {
        throw InputError(fmt::format(
            "{}; `delete --force {}` removes what is left of this container", e.what(), id));
    }
}

std::vector<ContainerState> list_states(const fs::path& root) {
    std::vector<ContainerState> states;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(root, ignored)) {
        try {
            states.push_back(load_state(root, entry.path().filename().native()));
        } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): being made, being removed,
                                       // or not ours
        }
    }
    std::ranges::sort(states, {}, &ContainerState::id);
    return states;
}

void remove_state(const fs::path& root, const std::string& id) {
    check_container_id(id);
    remove_tree(root / id);
}

std::string this_boot_id() {
    std::string id = read_file("/proc/sys/kernel/random/boot_id", 256);
    id.erase(std::min(id.find('\n'), id.size()));
    return id;
}

std::string timestamp() {
    timespec now{};
    check(::clock_gettime(CLOCK_REALTIME, &now), "clock_gettime(CLOCK_REALTIME)");
    // Not gmtime_r(3), which reads the file of the local time zone first.
    const std::chrono::sys_seconds seconds{std::chrono::seconds(now.tv_sec)};
    const auto day = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(seconds - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count(),
                       now.tv_nsec);
}

}  // namespace drydock
