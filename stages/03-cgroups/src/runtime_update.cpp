#include "runtime_update.hpp"

#include <charconv>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/container_control.hpp"
#include "03-cgroups/limits.hpp"
#include "03-cgroups/oci_config.hpp"

namespace drydock {
namespace {

/// The flags that are there to set one value each, as the place of that in "resources".
struct UpdateFlag {
    const char* name;
    const char* section;
    const char* key;
    enum class Kind { Bytes, Number, Text } kind;
};
using Kind = UpdateFlag::Kind;
constexpr UpdateFlag kUpdateFlags[] = {
    {"--memory", "memory", "limit", Kind::Bytes},
    {"--memory-reservation", "memory", "reservation", Kind::Bytes},
    {"--memory-swap", "memory", "swap", Kind::Bytes},
    {"--kernel-memory", "memory", "kernel", Kind::Bytes},
    {"--kernel-memory-tcp", "memory", "kernelTCP", Kind::Bytes},
    {"--cpu-period", "cpu", "period", Kind::Number},
    {"--cpu-quota", "cpu", "quota", Kind::Number},
    {"--cpu-burst", "cpu", "burst", Kind::Number},
    {"--cpu-share", "cpu", "shares", Kind::Number},
    {"--cpu-rt-period", "cpu", "realtimePeriod", Kind::Number},
    {"--cpu-rt-runtime", "cpu", "realtimeRuntime", Kind::Number},
    {"--cpu-idle", "cpu", "idle", Kind::Number},
    {"--cpuset-cpus", "cpu", "cpus", Kind::Text},
    {"--cpuset-mems", "cpu", "mems", Kind::Text},
    {"--blkio-weight", "blockIO", "weight", Kind::Number},
    {"--pids-limit", "pids", "limit", Kind::Number},
};

std::int64_t whole_number(const std::string& text, const char* name) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
        throw InputError(fmt::format("{} {}: expected a number", name, text));
    }
    return number;
}

nlohmann::json value_of(const UpdateFlag& flag, const std::string& text) {
    switch (flag.kind) {
        case Kind::Text:
            return text;
        case Kind::Bytes:
            return text == "-1" ? std::int64_t{-1} : parse_size(text, flag.name);
        case Kind::Number:
            break;
    }
    return whole_number(text, flag.name);
}

struct UpdateRequest {
    std::string id{};
    std::string resources_file{};
    nlohmann::json resources = nlohmann::json::object();
};

std::string resources_text(const UpdateRequest& request) {
    if (request.resources_file.empty()) {
        return request.resources.dump();
    }
    constexpr std::size_t kMost = std::size_t{1} << 20U;
    return request.resources_file == "-" ? read_all(0, kMost, "standard input")
                                         : read_file(request.resources_file, kMost);
}

}  // namespace

void add_update(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* update = app.add_subcommand("update", "change the limits of a container");
    auto request = std::make_shared<UpdateRequest>();
    update->add_option("ID", request->id)->required()->type_name("");
    update
        ->add_option("-r,--resources", request->resources_file,
                     "a JSON file with what config.json has as \"resources\"; -: standard input")
        ->type_name("FILE");
    for (const UpdateFlag& flag : kUpdateFlags) {
        update->add_option_function<std::string>(
            flag.name,
            [request, &flag](const std::string& text) {
                request->resources[flag.section][flag.key] = value_of(flag, text);
            },
            fmt::format("resources.{}.{}", flag.section, flag.key));
    }
    update->callback([&flags, &command, request] {
        command = [&flags, request] {
            const std::string name = request->resources_file.empty()
                                         ? "update"
                                         : "--resources " + request->resources_file;
            const oci::ReadResources read = oci::parse_resources(resources_text(*request), name);
            for (const std::string& warning : read.warnings) {
                warn(warning);
            }
            update_container(flags.root, request->id, read.linux_.limits, read.linux_.device_rules);
            return 0;
        };
    });
}

std::chrono::milliseconds duration_from(const std::string& text) {
    double total = 0;
    std::string_view rest = text;
    while (!rest.empty()) {
        double number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        const auto next = std::min(rest.find_first_of("0123456789."), rest.size());
        const std::string_view unit = rest.substr(0, next);
        const double factor = unit == "ms"  ? 1
                              : unit == "s" ? 1e3
                              : unit == "m" ? 60e3
                              : unit == "h" ? 3600e3
                                            : 0;
        if (error != std::errc() || factor == 0) {
            total = 0;
            break;
        }
        total += number * factor;
        rest.remove_prefix(next);
    }
    if (total < 1) {
        throw InputError(fmt::format("duration \"{}\": expected something like 5s or 100ms", text));
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

}  // namespace drydock
