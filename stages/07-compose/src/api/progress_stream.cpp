#include "api/progress_stream.hpp"

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock::api {

using nlohmann::json;

void ProgressStream::send(const json& line) {
    const std::lock_guard lock(mutex_);
    if (!stream_) {
        stream_ = call_.http.begin_stream(200, {{"Content-Type", "application/json"}});
    }
    stream_->write(line.dump(-1, ' ', false, json::error_handler_t::replace) + "\r\n");
}

void ProgressStream::finish() {
    if (!stream_) {
        stream_ = call_.http.begin_stream(200, {{"Content-Type", "application/json"}});
    }
    stream_->finish();
}

void ProgressStream::send_error(const std::exception& error) {
    json detail = {{"message", error.what()}};
    if (const auto* setup = dynamic_cast<const SetupError*>(&error)) {
        detail["code"] = setup->exit_status();
    }
    send({{"errorDetail", detail}, {"error", error.what()}});
}

}  // namespace drydock::api
