#include "07-compose/cli/progress.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/file.hpp"
#include "07-compose/cli/format.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

/// States that change many times a second: worth a line on a terminal, which is drawn over, and
/// nowhere else.
bool is_transient(const std::string& status) {
    return status == "Downloading" || status == "Extracting" || status == "Pushing" ||
           status == "Preparing" || status == "Waiting" || status == "Verifying Checksum" ||
           status == "Download complete";
}

/// "[=====>     ] 12.3MB/50MB"
std::string bar_of(const json& detail) {
    const std::uint64_t current = detail.value("current", std::uint64_t{0});
    const std::uint64_t total = detail.value("total", std::uint64_t{0});
    if (current == 0) {
        return "";
    }
    if (total == 0) {
        return human_size(current);
    }
    constexpr std::uint64_t kWidth = 30;
    const std::uint64_t filled = std::min(kWidth, kWidth * current / total);
    return fmt::format("[{:<{}}] {}/{}", std::string(filled, '=') + ">", kWidth + 1,
                       human_size(current), human_size(total));
}

[[noreturn]] void throw_failed(const json& message) {
    const json detail = message.value("errorDetail", json::object());
    const std::string text =
        message.value("error", detail.value("message", "the daemon gave no reason"));
    throw EngineError(detail.value("code", 0), text);
}

std::string text_or_empty(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Progress::Progress(int fd, bool quiet) : fd_(fd), quiet_(quiet), terminal_(is_terminal(fd)) {}

void Progress::show(const json& message) {
    if (message.contains("error") || message.contains("errorDetail")) {
        throw_failed(message);
    }
    if (const std::string stream = text_or_empty(message, "stream"); !stream.empty()) {
        print(stream);
        return;
    }
    const std::string status = text_or_empty(message, "status");
    const std::string id = text_or_empty(message, "id");
    if (status.empty()) {
        return;
    }
    // "Pulling from library/x" has the tag as its ID: it is a heading, no layer.
    if (id.empty() || status.starts_with("Pulling from")) {
        layers_.clear();
        print((id.empty() ? "" : printable(id) + ": ") + printable(status) + "\n");
        return;
    }
    show_layer(id, status,
               terminal_ ? bar_of(message.value("progressDetail", json::object())) : "");
}

void Progress::show_layer(const std::string& id, const std::string& status,
                          const std::string& detail) {
    const std::string line =
        printable(id) + ": " + printable(status) + (detail.empty() ? "" : " " + detail);
    if (!terminal_) {
        if (!is_transient(status) && std::exchange(last_status_[id], status) != status) {
            print(line + "\n");
        }
        return;
    }
    auto found = std::ranges::find(layers_, id);
    if (found == layers_.end()) {
        layers_.push_back(id);
        print(line + "\n");
        return;
    }
    const auto up = layers_.end() - found;
    print(fmt::format("\x1b[{}A\r\x1b[2K{}\x1b[{}B\r", up, line, up));
}

void Progress::print(const std::string& text) const {
    if (!quiet_) {
        write_all(fd_, text, "standard output");
    }
}

json show_progress(Exchange& exchange, int fd, bool quiet) {
    Progress progress(fd, quiet);
    json aux = json::object();
    for_each_object(exchange, [&](const json& message) {
        if (const auto found = message.find("aux"); found != message.end() && found->is_object()) {
            aux.update(*found);
        }
        progress.show(message);
    });
    return aux;
}

void pull_image(const Engine& engine, const std::string& reference, int fd, bool quiet) {
    // A colon behind the last slash begins the tag; one before it is a port's.
    const auto slash = reference.rfind('/');
    const auto colon = reference.find(':', slash == std::string::npos ? 0 : slash);
    const auto digest = reference.find('@');
    Query query;
    if (digest != std::string::npos) {
        query = {{"fromImage", reference.substr(0, std::min(colon, digest))},
                 {"tag", reference.substr(digest + 1)}};
    } else if (colon != std::string::npos) {
        query = {{"fromImage", reference.substr(0, colon)}, {"tag", reference.substr(colon + 1)}};
    } else {
        query = {{"fromImage", reference}, {"tag", "latest"}};
    }
    Exchange answer = engine.stream("POST", "/images/create", query);
    show_progress(answer, fd, quiet);
}

}  // namespace drydock::cli
