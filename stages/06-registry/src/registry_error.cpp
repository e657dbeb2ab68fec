#include "registry_error.hpp"

#include <nlohmann/json.hpp>

namespace drydock {

HttpError registry_refusal(int status, std::string_view code, std::string_view message,
                           HttpHeaders headers) {
    const nlohmann::json body{
        {"errors", {{{"code", code}, {"message", message}, {"detail", nullptr}}}}};
    headers.push_back({.name = "Content-Type", .value = "application/json"});
    // Names from requests are quoted here, and may be bytes that are no UTF-8.
    return {status, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
            std::move(headers)};
}

}  // namespace drydock
