#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/oci_config.hpp"

namespace drydock {

/// Gives the text of a file of the image, nothing when it is not there. Whoever provides it bounds
/// it (LayerView).
using ReadImageFile = std::function<std::optional<std::string>(std::string_view path)>;

struct ResolvedUser {
    oci::User user{};
    std::string home = "/";  ///< of the user's line in the image's passwd
};

/// The user that `spec` names: "", "name", "uid", "name:group", "uid:gid" and the mixed forms.
///
/// Digits are a number, also when the image's passwd has a user of that name: who may be root is
/// never the image's decision. A number needs no line in passwd; its group is then 0, as docker
/// does it.
/// @param groups more groups, names or numbers (--group-add)
/// @throws InputError for a number outside 0 to 4294967294 and for a name that is not in passwd or
/// group
ResolvedUser resolve_user(std::string_view spec, const std::vector<std::string>& groups,
                          const ReadImageFile& read);

/// The same for "user[:group]" of COPY --chown: without a group it is the user's number.
oci::User resolve_owner(std::string_view spec, const ReadImageFile& read);

}  // namespace drydock
