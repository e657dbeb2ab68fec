#include "07-compose/cli/container_spec.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/progress.hpp"

#include "mount_spec.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

/// A decimal number and what stands behind it; nothing when `text` does not begin with one.
std::optional<std::pair<double, std::string_view>> split_number(std::string_view text) {
    double value = 0;
    const auto parsed =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (parsed.ec != std::errc() || !std::isfinite(value)) {
        return std::nullopt;
    }
    return std::pair(value, text.substr(static_cast<std::size_t>(parsed.ptr - text.data())));
}

/// What a unit multiplies by: "", "b", "k", "kb", "KiB", ...; 0 when there is no such unit.
double factor_of(std::string unit) {
    std::ranges::transform(unit, unit.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    if (unit.empty() || unit == "b") {
        return 1;
    }
    constexpr std::string_view kUnits = "kmgt";
    const auto power = kUnits.find(unit.front());
    const std::string rest = unit.substr(1);
    if (power == std::string_view::npos || !(rest.empty() || rest == "b" || rest == "ib")) {
        return 0;
    }
    return std::pow(1024.0, static_cast<double>(power + 1));
}

void put(json& object, const char* key, const std::string& value) {
    if (!value.empty()) {
        object[key] = value;
    }
}

void put(json& object, const char* key, std::int64_t value) {
    if (value != 0) {
        object[key] = value;
    }
}

void put(json& object, const char* key, bool value) {
    if (value) {
        object[key] = true;
    }
}

json annotations_of(const ContainerSpec& spec) {
    json annotations = json::object();
    if (spec.explain) {
        annotations["drydock.explain"] = "1";
    }
    if (!spec.without.empty()) {
        annotations["drydock.without"] = fmt::format("{}", fmt::join(spec.without, ","));
    }
    return annotations;
}

json host_config_of(const ContainerSpec& spec) {
    json host = json::object();
    put(host, "NetworkMode", spec.network);
    put(host, "Memory", spec.memory_bytes);
    put(host, "NanoCpus", spec.nano_cpus);
    put(host, "PidsLimit", spec.pids);
    put(host, "ReadonlyRootfs", spec.read_only);
    put(host, "Init", spec.init);
    put(host, "AutoRemove", spec.auto_remove);
    if (!spec.restart.policy.empty() && spec.restart.policy != "no") {
        host["RestartPolicy"] = {{"Name", spec.restart.policy},
                                 {"MaximumRetryCount", spec.restart.retries}};
    }
    if (const auto size = terminal_size(STDOUT_FILENO); spec.streams.tty && size.rows != 0) {
        host["ConsoleSize"] = {size.rows, size.columns};
    }
    if (json annotations = annotations_of(spec); !annotations.empty()) {
        host["Annotations"] = std::move(annotations);
    }
    put_isolation(host, spec.isolation);
    return host;
}

json health_json(const HealthSpec& health) {
    json check = json::object();
    if (!health.test.empty()) {
        check["Test"] = health.test;
    }
    put(check, "Interval", health.interval);
    put(check, "Timeout", health.timeout);
    put(check, "StartPeriod", health.start_period);
    put(check, "StartInterval", health.start_interval);
    put(check, "Retries", std::int64_t{health.retries});
    return check;
}

}  // namespace

std::string create_body(const ContainerSpec& spec) {
    json body = {{"Image", spec.image}, {"HostConfig", host_config_of(spec)}};
    if (!spec.command.empty()) {
        body["Cmd"] = spec.command;
    }
    if (spec.entrypoint) {
        body["Entrypoint"] = *spec.entrypoint;
    }
    if (!spec.env.empty()) {
        body["Env"] = spec.env;
    }
    if (!spec.labels.empty()) {
        body["Labels"] = spec.labels;
    }
    put(body, "Tty", spec.streams.tty);
    put(body, "OpenStdin", spec.streams.interactive);
    put(body, "StdinOnce", spec.stdin_once);
    put(body, "AttachStdin", spec.attached.in);
    put(body, "AttachStdout", spec.attached.out);
    put(body, "AttachStderr", spec.attached.err);
    put(body, "WorkingDir", spec.workdir);
    put(body, "User", spec.user);
    put(body, "Hostname", spec.hostname);
    put_networks(body, spec.net, spec.network);
    put(body, "StopSignal", spec.stop_signal);
    if (spec.stop_timeout) {
        body["StopTimeout"] = *spec.stop_timeout;
    }
    put_mounts(body, body["HostConfig"], spec);
    if (spec.health) {
        body["Healthcheck"] = health_json(*spec.health);
    }
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<std::string> try_create(const Engine& engine, const ContainerSpec& spec) {
    try {
        Query query;
        if (!spec.name.empty()) {
            query.emplace_back("name", spec.name);
        }
        if (!spec.platform.empty()) {
            query.emplace_back("platform", spec.platform);
        }
        const json answer = engine.post("/containers/create", query, create_body(spec));
        for (const json& warning : answer.value("Warnings", json::array())) {
            static_cast<void>(
                std::fprintf(stderr, "WARNING: %s\n", warning.get<std::string>().c_str()));
        }
        return answer.at("Id").get<std::string>();
    } catch (const EngineError& e) {
        constexpr int kNotFound = 404;
        if (e.status() != kNotFound) {
            throw;
        }
        return std::nullopt;
    }
}

void pull_missing_image(const Engine& engine, const ContainerSpec& spec) {
    if (spec.pull == PullPolicy::Never) {
        throw InputError(fmt::format(
            "image {}: is not here, and --pull never forbids fetching it; 'drydock pull {}' does",
            spec.image, spec.image));
    }
    static_cast<void>(
        std::fprintf(stderr, "Unable to find image '%s' locally\n", spec.image.c_str()));
    pull_image(engine, spec.image, STDERR_FILENO, spec.quiet_pull, spec.platform);
}

std::string create_container(const Engine& engine, const ContainerSpec& spec) {
    auto id = try_create(engine, spec);
    if (!id) {
        pull_missing_image(engine, spec);
        id = try_create(engine, spec);
    }
    if (!id) {
        throw InputError(fmt::format("image {}: pulled, and yet not here", spec.image));
    }
    return *id;
}

std::int64_t parse_bytes(std::string_view text, std::string_view where) {
    const auto number = split_number(text);
    const double bytes = number ? number->first * factor_of(std::string(number->second)) : 0;
    constexpr double kMost = 9.2e18;
    if (!number || number->first < 0 || factor_of(std::string(number->second)) == 0 ||
        bytes > kMost) {
        throw InputError(fmt::format(
            "{}: \"{}\" is no size; expected a number and b, k, m or g, like 256m", where, text));
    }
    return static_cast<std::int64_t>(bytes);
}

std::int64_t parse_cpus(std::string_view text, std::string_view where) {
    const auto number = split_number(text);
    constexpr double kNano = 1e9;
    constexpr double kMost = 1e6;
    if (!number || !number->second.empty() || number->first < 0 || number->first > kMost) {
        throw InputError(
            fmt::format("{}: \"{}\" is no number of CPUs; expected one like 0.5", where, text));
    }
    return std::llround(number->first * kNano);
}

PullPolicy parse_pull_policy(std::string_view text, std::string_view where) {
    if (text == "always") {
        return PullPolicy::Always;
    }
    if (text == "never") {
        return PullPolicy::Never;
    }
    if (!text.empty() && text != "missing") {
        throw InputError(fmt::format("{}: \"{}\"; expected always, missing or never", where, text));
    }
    return PullPolicy::Missing;
}

RestartSpec parse_restart(std::string_view text, std::string_view where) {
    const auto colon = text.find(':');
    RestartSpec spec{.policy = std::string(text.substr(0, colon))};
    const bool known = spec.policy == "no" || spec.policy == "always" ||
                       spec.policy == "unless-stopped" || spec.policy == "on-failure";
    bool right = known && (colon == std::string_view::npos || spec.policy == "on-failure");
    if (right && colon != std::string_view::npos) {
        const std::string_view number = text.substr(colon + 1);
        const auto [end, error] =
            std::from_chars(number.data(), number.data() + number.size(), spec.retries);
        right = error == std::errc() && end == number.data() + number.size() && spec.retries >= 0;
    }
    if (!right) {
        throw InputError(fmt::format(
            "{}: \"{}\"; expected no, always, unless-stopped, on-failure or on-failure:3", where,
            text));
    }
    return spec;
}

std::int64_t parse_duration(std::string_view text, std::string_view where) {
    double total = 0;
    std::string_view rest = text;
    bool right = !rest.empty();
    while (right && !rest.empty()) {
        const auto number = split_number(rest);
        rest = number ? number->second : rest;
        const std::string_view unit = rest.substr(0, rest.find_first_of("0123456789."));
        const double factor = unit == "h"    ? 3600e9
                              : unit == "m"  ? 60e9
                              : unit == "s"  ? 1e9
                              : unit == "ms" ? 1e6
                              : unit == "us" ? 1e3
                              : unit == "ns" ? 1
                                             : 0;
        right = number && number->first >= 0 && (factor > 0 || number->first == 0);
        total += number ? number->first * factor : 0;
        rest.remove_prefix(unit.size());
    }
    constexpr double kMost = 9.2e18;
    if (!right || total > kMost) {
        throw InputError(fmt::format(
            "{}: \"{}\" is no duration; expected one like 30s, 1m30s or 500ms", where, text));
    }
    return std::llround(total);
}

std::optional<std::string> parse_env(const std::string& text, std::string_view where) {
    if (text.empty() || text.front() == '=') {
        throw InputError(
            fmt::format("{}: \"{}\" has no name; expected NAME=value or NAME", where, text));
    }
    if (text.find('=') != std::string::npos) {
        return text;
    }
    const char* value = std::getenv(text.c_str());  // NOLINT(concurrency-mt-unsafe)
    return value != nullptr ? std::optional(text + "=" + value) : std::nullopt;
}

}  // namespace drydock::cli
