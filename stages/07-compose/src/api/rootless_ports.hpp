#pragma once

namespace drydock {

/// Answers one request of bind_outside().
/// @return false when nobody will ask any more
bool serve_port_request(int socket);

}  // namespace drydock
