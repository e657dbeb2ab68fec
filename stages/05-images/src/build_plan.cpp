#include "build_plan.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "05-images/descriptor.hpp"
#include "05-images/expand.hpp"

namespace drydock {
namespace {

LookUpVariable variables_of(const std::map<std::string, std::string>& args) {
    return [&args](const std::string& name) -> std::optional<std::string> {
        const auto found = args.find(name);
        return found == args.end() ? std::nullopt : std::optional(found->second);
    };
}

std::map<std::string, std::string> declared_args(const Dockerfile& file, const BuildArgs& given) {
    std::map<std::string, std::string> args;
    const oci::Platform platform = host_platform();
    for (const char* side : {"TARGET", "BUILD"}) {
        args[fmt::format("{}PLATFORM", side)] =
            fmt::format("{}/{}", platform.os, platform.architecture);
        args[fmt::format("{}OS", side)] = platform.os;
        args[fmt::format("{}ARCH", side)] = platform.architecture;
        args[fmt::format("{}VARIANT", side)] = platform.variant;
    }
    for (const Instruction& instruction : file.global_args) {
        for (const auto& [name, by_default] : instruction.pairs) {
            const auto value = given.find(name);
            if (value != given.end() && value->second) {
                args[name] = *value->second;
            } else if (by_default) {
                args[name] = expand(*by_default, variables_of(args), file.escape);
            }
        }
    }
    return args;
}

void check_platform(const std::string& platform, const BuildStage& stage, const Dockerfile& file) {
    const oci::Platform own = host_platform();
    const std::string native = fmt::format("{}/{}", own.os, own.architecture);
    if (!platform.empty() && platform != native &&
        platform != fmt::format("{}/{}", native, own.variant)) {
        throw NotImplemented(fmt::format("FROM --platform={} on {} ({}:{})", platform, native,
                                         file.name, stage.line));
    }
}

std::string base_of(const BuildStage& stage, const Dockerfile& file,
                    const std::map<std::string, std::string>& args) {
    try {
        const std::string base = expand(stage.base, variables_of(args), file.escape);
        if (base.empty()) {
            throw InputError(
                fmt::format("\"{}\" is empty; expected the name of an image", stage.base));
        }
        check_platform(expand(stage.platform, variables_of(args), file.escape), stage, file);
        return base;
    } catch (const InputError& e) {
        throw InputError(fmt::format("{}:{}: FROM: {}", file.name, stage.line, e.what()));
    }
}

/// What an instruction takes files from: --from of COPY, from= of RUN --mount.
std::vector<std::string> sources_of(const Instruction& instruction) {
    std::vector<std::string> result;
    if (const auto flag = instruction.flags.find("from"); flag != instruction.flags.end()) {
        result.push_back(flag->second);
    }
    for (const std::string& text : instruction.mounts) {
        try {
            const RunMount mount =
                parse_run_mount(text, [](const std::string& value) { return value; });
            result.push_back(mount.from);
        } catch (const InputError&) {
            continue;  // it depends on variables: what it needs is built when it is clear
        }
    }
    return result;
}

}  // namespace

std::optional<std::size_t> stage_named(const Dockerfile& file, const std::string& name,
                                       std::size_t before) {
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (std::size_t i = 0; i < before; ++i) {
        if (!lower.empty() && file.stages[i].name == lower) {
            return i;
        }
    }
    return std::nullopt;
}

std::optional<std::size_t> stage_named_or_numbered(const Dockerfile& file, const std::string& name,
                                                   std::size_t before) {
    if (const auto found = stage_named(file, name, before)) {
        return found;
    }
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool whole = error == std::errc{} && end == name.data() + name.size();
    return whole && number < before ? std::optional(number) : std::nullopt;
}

void need_stage(BuildPlan& plan, const Dockerfile& file, std::size_t number) {
    if (plan.needed[number]) {
        return;
    }
    plan.needed[number] = true;
    const BuildStage& stage = file.stages[number];
    plan.bases[number] = base_of(stage, file, plan.global_args);
    plan.steps += 1 + static_cast<int>(stage.instructions.size());
    if (const auto base = stage_named(file, plan.bases[number], number)) {
        need_stage(plan, file, *base);
    }
    for (const Instruction& instruction : stage.instructions) {
        for (const std::string& name : sources_of(instruction)) {
            if (const auto source = stage_named_or_numbered(file, name, number)) {
                need_stage(plan, file, *source);
            }
        }
    }
}

// [region: plan-build]
BuildPlan plan_build(const Dockerfile& file, const std::string& target, const BuildArgs& args) {
    BuildPlan plan{.global_args = declared_args(file, args), .target = file.stages.size() - 1};
    if (!target.empty()) {
        const auto stage = stage_named_or_numbered(file, target, file.stages.size());
        if (!stage) {
            throw InputError(fmt::format("{}: target stage \"{}\": there is no stage of that name",
                                         file.name, target));
        }
        plan.target = *stage;
    }
    plan.needed.assign(file.stages.size(), false);
    plan.bases.assign(file.stages.size(), "");
    plan.steps = static_cast<int>(file.global_args.size());
    need_stage(plan, file, plan.target);
    return plan;
}
// [/region]

}  // namespace drydock
