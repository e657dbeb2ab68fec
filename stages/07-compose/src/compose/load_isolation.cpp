#include "load_isolation.hpp"

#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::compose {
namespace {

using YAML::Node;

/// What the rows of one service's keys are read with.
struct Keys {
    YamlReader& yaml;
    const std::string& prefix;
    std::map<std::string, YamlReader::Key> rows{};

    [[nodiscard]] std::string place(std::string_view key) const {
        return fmt::format("{}.{}", prefix, key);
    }
    [[nodiscard]] std::string place(const Node& node, std::string_view key) const {
        return fmt::format("{}: {}", yaml.where(node), place(key));
    }

    void text(const char* key, std::string& into) {
        rows[key] = [yaml = &yaml, what = place(key), &into](const Node& n) {
            into = yaml->text(n, what);
        };
    }
    void texts(const char* key, std::vector<std::string>& into) {
        rows[key] = [yaml = &yaml, what = place(key), &into](const Node& n) {
            into = yaml->texts(n, what);
        };
    }
    void flag(const char* key, bool& into) {
        rows[key] = [yaml = &yaml, what = place(key), &into](const Node& n) {
            into = yaml->boolean(n, what);
        };
    }
    void pairs(const char* key, std::map<std::string, std::string>& into) {
        rows[key] = [yaml = &yaml, what = place(key), &into](const Node& n) {
            into = yaml->pairs(n, what,
                               [](const std::string&) { return std::optional<std::string>(""); });
        };
    }
    void bytes(const char* key, std::int64_t& into) {
        rows[key] = [yaml = &yaml, what = place(key), &into](const Node& n) {
            const std::string text = yaml->text(n, what);
            into = text == "-1"
                       ? -1
                       : cli::parse_bytes(text, fmt::format("{}: {}", yaml->where(n), what));
        };
    }
    /// May be negative.
    void number(const char* key, const std::function<void(std::int64_t)>& use) {
        rows[key] = [yaml = &yaml, what = place(key), use](const Node& n) {
            const std::string text = yaml->text(n, what);
            std::int64_t value = 0;
            const auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), value);
            if (error != std::errc() || end != text.data() + text.size()) {
                yaml->fail(n, fmt::format("{}: \"{}\"; expected a whole number", what, text));
            }
            use(value);
        };
    }
    void number(const char* key, std::int64_t& into) {
        number(key, [&into](std::int64_t value) { into = value; });
    }
};

/// "nofile: 1024", or "nofile: {soft: 1, hard: 2}".
void read_ulimits(YamlReader& yaml, const Node& node, const std::string& what,
                  std::vector<std::string>& into) {
    yaml.each(node, what, [&](const Node& key, const Node& value) {
        const std::string name = key.Scalar();
        const std::string place = fmt::format("{}.{}", what, name);
        if (!value.IsMap()) {
            into.push_back(fmt::format("{}={}", name, yaml.text(value, place)));
            return;
        }
        std::string soft;
        std::string hard;
        yaml.map(value, place,
                 {{"soft", [&](const Node& n) { soft = yaml.text(n, place + ".soft"); }},
                  {"hard", [&](const Node& n) { hard = yaml.text(n, place + ".hard"); }}});
        if (soft.empty() || hard.empty()) {
            yaml.fail(value, fmt::format("{}: expected soft and hard", place));
        }
        into.push_back(fmt::format("{}={}:{}", name, soft, hard));
    });
}

/// Rates of blkio_config: a list of {path, rate}.
YamlReader::Key rates(YamlReader& yaml, const std::string& what, const char* value_key,
                      std::vector<std::string>& into) {
    return [&yaml, what, value_key, &into](const Node& node) {
        for (const Node& item : node) {
            std::string path;
            std::string value;
            yaml.map(item, what,
                     {{"path", [&](const Node& n) { path = yaml.text(n, what + ".path"); }},
                      {value_key, [&](const Node& n) { value = yaml.text(n, what); }}});
            into.push_back(path + ":" + value);
        }
    };
}

void read_block_io(YamlReader& yaml, const Node& node, const std::string& what,
                   cli::IsolationSpec& spec) {
    yaml.map(node, what,
             {{"weight", [&](const Node& n) { spec.io_weight = yaml.count(n, what + ".weight"); }},
              {"weight_device", rates(yaml, what + ".weight_device", "weight", spec.io_weights)},
              {"device_read_bps", rates(yaml, what, "rate", spec.io_read_bytes)},
              {"device_write_bps", rates(yaml, what, "rate", spec.io_write_bytes)},
              {"device_read_iops", rates(yaml, what, "rate", spec.io_reads)},
              {"device_write_iops", rates(yaml, what, "rate", spec.io_writes)}});
}

void add_privileges(Keys& keys, cli::IsolationSpec& spec) {
    keys.flag("privileged", spec.privileged);
    keys.texts("cap_add", spec.cap_add);
    keys.texts("cap_drop", spec.cap_drop);
    keys.texts("devices", spec.devices);
    keys.texts("device_cgroup_rules", spec.device_rules);
    keys.texts("security_opt", spec.security);
    keys.texts("group_add", spec.groups);
    keys.pairs("sysctls", spec.sysctls);
    keys.text("pid", spec.pid);
    keys.text("ipc", spec.ipc);
    keys.text("uts", spec.uts);
    keys.text("userns_mode", spec.userns);
    keys.text("cgroup", spec.cgroupns);
    keys.text("cgroup_parent", spec.cgroup_parent);
    keys.text("runtime", spec.runtime);
    keys.rows["ulimits"] = [&yaml = keys.yaml, what = keys.place("ulimits"), &spec](const Node& n) {
        read_ulimits(yaml, n, what, spec.ulimits);
    };
}

void add_resources(Keys& keys, cli::IsolationSpec& spec) {
    keys.bytes("shm_size", spec.shm_bytes);
    keys.bytes("mem_reservation", spec.memory_reservation);
    keys.bytes("memswap_limit", spec.memory_swap);
    keys.number("mem_swappiness", [&spec](std::int64_t value) { spec.swappiness = value; });
    keys.flag("oom_kill_disable", spec.oom_kill_disable);
    keys.number("oom_score_adj",
                [&spec](std::int64_t value) { spec.oom_score_adj = static_cast<int>(value); });
    keys.number("cpu_shares", spec.cpu_shares);
    keys.number("cpu_period", spec.cpu_period);
    keys.number("cpu_quota", spec.cpu_quota);
    keys.text("cpuset", spec.cpuset_cpus);
    keys.pairs("annotations", spec.annotations);
    keys.pairs("storage_opt", spec.storage);
    keys.rows["blkio_config"] = [&yaml = keys.yaml, what = keys.place("blkio_config"),
                                 &spec](const Node& n) { read_block_io(yaml, n, what, spec); };
    keys.rows["logging"] = [&yaml = keys.yaml, what = keys.place("logging"), &spec](const Node& n) {
        yaml.map(
            n, what,
            {{"driver", [&](const Node& v) { spec.log_driver = yaml.text(v, what + ".driver"); }},
             {"options", [&](const Node& v) {
                  spec.log_options = yaml.pairs(v, what + ".options", [](const std::string&) {
                      return std::optional<std::string>("");
                  });
              }}});
    };
}

}  // namespace

std::map<std::string, YamlReader::Key> isolation_keys(YamlReader& yaml, const std::string& prefix,
                                                      Service& service) {
    Keys keys{.yaml = yaml, .prefix = prefix};
    add_privileges(keys, service.container.isolation);
    add_resources(keys, service.container.isolation);
    return std::move(keys.rows);
}

}  // namespace drydock::compose
