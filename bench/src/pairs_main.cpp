// drydock-bench-pairs: reads from standard input
//   {"rounds": N, "idle_ms": M, "env": ["K=V"], "rows": [{"id": "x", "argv": ["/a", "b"]}]}
// where a row may have every member of Row in pairs.hpp, and writes what each row took, one sample
// a round, as JSON. bench/run makes the one and reads the other.
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "machine.hpp"
#include "pairs.hpp"

namespace {

using nlohmann::json;

std::vector<drydock::bench::Row> rows_from(const json& request) {
    std::vector<drydock::bench::Row> rows;
    for (const json& row : request.at("rows")) {
        using drydock::bench::Words;
        using Commands = std::vector<Words>;
        rows.push_back({.id = row.at("id"),
                        .argv = row.at("argv"),
                        .then = row.value("then", Commands()),
                        .count = row.value("count", 1),
                        .at_once = row.value("at_once", 1),
                        .env = row.value("env", request.value("env", Words())),
                        .before = row.value("before", Commands()),
                        .after = row.value("after", Commands()),
                        .without_cgroup2 = row.value("without_cgroup2", false),
                        .more_mounts = row.value("more_mounts", 0)});
    }
    return rows;
}

json to_json(const drydock::bench::Row& row, const drydock::bench::Series& series) {
    json result = {{"id", row.id}, {"argv", row.argv}};
    if (!series.failure.empty()) {
        result["failure"] = series.failure;
        return result;
    }
    result["peak_rss_kib"] = series.peak_rss;
    for (const drydock::bench::Sample& sample : series.samples) {
        result["wall_us"].push_back(sample.wall);
        result["cpu_us"].push_back(sample.cpu);
    }
    return result;
}

}  // namespace

int main() {
    try {
        const json request = json::parse(std::cin);
        const std::vector<drydock::bench::Row> rows = rows_from(request);
        const std::chrono::milliseconds idle(request.value("idle_ms", 0));
        const json machine = drydock::bench::machine_card();
        const auto series = drydock::bench::Runner().run(rows, request.value("rounds", 20), idle);
        json result = {{"machine", machine}, {"idle_ms", idle.count()}, {"rows", json::array()}};
        for (std::size_t i = 0; i < rows.size(); ++i) {
            result["rows"].push_back(to_json(rows[i], series[i]));
        }
        std::cout << result.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
        return 0;
    } catch (...) {
        return drydock::report_current_exception("drydock-bench-pairs");
    }
}
