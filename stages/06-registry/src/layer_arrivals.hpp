#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "04-layers/content_store.hpp"
#include "05-images/descriptor.hpp"

#include "transfer_crew.hpp"

namespace drydock {

/// The 12 hexadecimal digits that docker shows.
std::string short_id(const Digest& digest);

/// The layers of an image, as they come: what the threads that fetch tell the one that unpacks.
class LayerArrivals {
  public:
    LayerArrivals(TransferCrew& crew, const std::vector<oci::Descriptor>& layers);

    /// The next layer that nobody fetches yet, the lowest first; size() when there is none.
    std::size_t take();
    [[nodiscard]] std::size_t size() const noexcept { return layers_.size(); }
    [[nodiscard]] const oci::Descriptor& layer(std::size_t i) const { return layers_[i].blob; }

    /// Its bytes can be read from `bytes` as far as they are there.
    void coming(std::size_t i, UniqueFd bytes, std::uint64_t size);
    void grown(std::size_t i, std::uint64_t size);
    /// All of them are there, digest and size checked.
    void here(std::size_t i);

    /// Waits until the layer is on its way, or here.
    /// @return for reading; nothing when it is here, in the store
    UniqueFd await_coming(std::size_t i);
    /// ApplyOptions::more for it.
    bool await_more(std::size_t i, std::uint64_t read);
    void await_here(std::size_t i);
    [[nodiscard]] bool is_here(std::size_t i);

  private:
    struct Layer {
        oci::Descriptor blob{};
        bool taken = false;
        bool coming = false;
        bool here = false;
        UniqueFd bytes{};
        std::uint64_t size = 0;
    };

    TransferCrew* crew_;
    std::vector<Layer> layers_{};
};

}  // namespace drydock
