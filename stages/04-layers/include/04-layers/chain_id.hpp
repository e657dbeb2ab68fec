#pragma once

#include <span>
#include <vector>

#include "04-layers/digest.hpp"

namespace drydock {

/// The name of a stack of layers applied one over the other, lowest first: of one layer its DiffID,
/// of more the digest of "CHAINID-OF-THE-LOWER-ONES DIFFID". At least one.
/// @see OCI image-spec, config.md, "Layer ChainID"
Digest chain_id(std::span<const Digest> diff_ids);
/// The ChainID after one more layer.
/// @param parent empty for the lowest layer
Digest chain_id(const Digest& parent, const Digest& diff_id);
/// The ChainIDs of every stack from the lowest layer alone up to all of them: what a Snapshotter
/// wants.
std::vector<Digest> chain_ids(std::span<const Digest> diff_ids);

}  // namespace drydock
