#pragma once

namespace drydock {

/// The loopback interface of this network namespace is up, with 127.0.0.1 and ::1.
/// @see netdevice(7), SIOCSIFFLAGS
void loopback_up();

}  // namespace drydock
