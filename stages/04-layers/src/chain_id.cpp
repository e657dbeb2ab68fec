#include "04-layers/chain_id.hpp"

#include <cassert>

namespace drydock {

// [region: chain-id]
Digest chain_id(const Digest& parent, const Digest& diff_id) {
    return parent ? digest_of(parent.text() + " " + diff_id.text()) : diff_id;
}
// [/region]

Digest chain_id(std::span<const Digest> diff_ids) {
    assert(!diff_ids.empty());
    return chain_ids(diff_ids).back();
}

std::vector<Digest> chain_ids(std::span<const Digest> diff_ids) {
    std::vector<Digest> chains;
    for (const Digest& diff_id : diff_ids) {
        chains.push_back(chain_id(chains.empty() ? Digest() : chains.back(), diff_id));
    }
    return chains;
}

}  // namespace drydock
