#pragma once

#include <string>

namespace drydock {

/// The host name of this UTS namespace, which must be the caller's own: the host's would change
/// else.
/// @throws InputError when it is longer than 64 bytes; std::system_error EPERM
/// @see    sethostname(2), uts_namespaces(7)
void set_hostname(const std::string& name);
/// The same for the NIS domain name. @see setdomainname(2)
void set_domainname(const std::string& name);

}  // namespace drydock
