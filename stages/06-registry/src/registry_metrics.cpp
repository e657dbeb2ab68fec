#include "registry_metrics.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "03-cgroups/state.hpp"

namespace drydock {
namespace {

/// A method is a stranger's word; only the known ones become labels.
std::string method_label(const std::string& method) {
    for (const char* known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}) {
        if (method == known) {
            return method;
        }
    }
    return "other";
}

}  // namespace

void RegistryMetrics::count(const HttpLogEntry& entry) {
    const std::lock_guard lock(mutex_);
    ++requests_[{method_label(entry.method), entry.status}];
    sent_ += entry.sent;
    took_ += entry.took;
}

void RegistryMetrics::count(const RegistryGarbage& garbage) {
    const std::lock_guard lock(mutex_);
    ++collections_;
    collected_.blobs += garbage.blobs;
    collected_.bytes += garbage.bytes;
    collected_.uploads += garbage.uploads;
}

std::string RegistryMetrics::text() const {
    const std::lock_guard lock(mutex_);
    std::string text =
        "# HELP drydock_registry_requests_total Requests answered.\n"
        "# TYPE drydock_registry_requests_total counter\n";
    std::uint64_t all = 0;
    for (const auto& [key, count] : requests_) {
        all += count;
        text += fmt::format("drydock_registry_requests_total{{method=\"{}\",code=\"{}\"}} {}\n",
                            key.first, key.second, count);
    }
    constexpr double kMicroseconds = 1e6;
    text += fmt::format(
        "# HELP drydock_registry_request_seconds Time that answering took.\n"
        "# TYPE drydock_registry_request_seconds summary\n"
        "drydock_registry_request_seconds_sum {:.6f}\n"
        "drydock_registry_request_seconds_count {}\n"
        "# HELP drydock_registry_sent_bytes_total Bytes of answers.\n"
        "# TYPE drydock_registry_sent_bytes_total counter\n"
        "drydock_registry_sent_bytes_total {}\n"
        "# HELP drydock_registry_up_seconds Time since the start.\n"
        "# TYPE drydock_registry_up_seconds gauge\n"
        "drydock_registry_up_seconds {}\n",
        static_cast<double>(took_.count()) / kMicroseconds, all, sent_,
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin_)
            .count());
    text += fmt::format(
        "# HELP drydock_registry_collections_total Garbage collections.\n"
        "# TYPE drydock_registry_collections_total counter\n"
        "drydock_registry_collections_total {}\n"
        "# HELP drydock_registry_collected_blobs_total Blobs that they removed.\n"
        "# TYPE drydock_registry_collected_blobs_total counter\n"
        "drydock_registry_collected_blobs_total {}\n"
        "# HELP drydock_registry_collected_bytes_total Bytes that they freed.\n"
        "# TYPE drydock_registry_collected_bytes_total counter\n"
        "drydock_registry_collected_bytes_total {}\n"
        "# HELP drydock_registry_stale_uploads_total Uploads that they forgot.\n"
        "# TYPE drydock_registry_stale_uploads_total counter\n"
        "drydock_registry_stale_uploads_total {}\n",
        collections_, collected_.blobs, collected_.bytes, collected_.uploads);
    return text;
}

std::string log_line(const HttpLogEntry& entry) {
    constexpr double kMilliseconds = 1e3;
    const nlohmann::json line = {{"time", timestamp()},
                                 {"peer", entry.peer},
                                 {"method", entry.method},
                                 {"path", entry.path},
                                 {"status", entry.status},
                                 {"bytes", entry.sent},
                                 {"ms", static_cast<double>(entry.took.count()) / kMilliseconds}};
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace drydock
