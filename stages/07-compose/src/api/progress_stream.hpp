#pragma once

#include <mutex>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "07-compose/api/call.hpp"

namespace drydock::api {

/// The lines of JSON that pull, push, load and build answer with. Nothing is sent before the first
/// line, so what fails until then is an HTTP error; what fails later is a line with `error`.
class ProgressStream {
  public:
    explicit ProgressStream(Call& call) : call_(call) {}

    /// One line. For any number of threads. @throws ClientGone
    void send(const nlohmann::json& line);
    [[nodiscard]] bool began() const noexcept { return stream_.has_value(); }
    void finish();

    /// Runs `work` and finishes. After the first line an exception of it becomes the line docker
    /// ends such streams with; its code is SetupError's exit status, for `docker build`.
    template <class Work>
    void run(Work work) {
        try {
            work();
        } catch (const ClientGone&) {
            throw;
        } catch (const std::exception& e) {
            if (!began()) {
                throw;
            }
            send_error(e);
        }
        finish();
    }

  private:
    void send_error(const std::exception& error);

    Call& call_;
    std::mutex mutex_{};
    std::optional<HttpStream> stream_{};
};

}  // namespace drydock::api
