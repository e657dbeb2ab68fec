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
    if (const auto size = terminal_size(STDOUT_FILENO); spec.streams.tty && size.rows != 0) {
        host["ConsoleSize"] = {size.rows, size.columns};
    }
    if (json annotations = annotations_of(spec); !annotations.empty()) {
        host["Annotations"] = std::move(annotations);
    }
    return host;
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
    put(body, "WorkingDir", spec.workdir);
    put(body, "User", spec.user);
    put(body, "Hostname", spec.hostname);
    put_networks(body, spec.net, spec.network);
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<std::string> try_create(const Engine& engine, const ContainerSpec& spec) {
    try {
        const json answer = engine.post("/containers/create",
                                        spec.name.empty() ? Query{} : Query{{"name", spec.name}},
                                        create_body(spec));
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

void pull_missing_image(const Engine& engine, const std::string& image) {
    static_cast<void>(std::fprintf(stderr, "Unable to find image '%s' locally\n", image.c_str()));
    pull_image(engine, image, STDERR_FILENO, false);
}

std::string create_container(const Engine& engine, const ContainerSpec& spec) {
    auto id = try_create(engine, spec);
    if (!id) {
        pull_missing_image(engine, spec.image);
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
