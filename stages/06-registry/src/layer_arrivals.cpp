#include "layer_arrivals.hpp"

#include <algorithm>
#include <utility>

namespace drydock {

std::string short_id(const Digest& digest) {
    return std::string(digest.hex().substr(0, 12));
}

LayerArrivals::LayerArrivals(TransferCrew& crew, const std::vector<oci::Descriptor>& layers)
    : crew_(&crew), layers_(layers.size()) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
        layers_[i].blob = layers[i];
    }
}

std::size_t LayerArrivals::take() {
    std::size_t i = 0;
    crew_->change([&] {
        i = static_cast<std::size_t>(std::ranges::find(layers_, false, &Layer::taken) -
                                     layers_.begin());
        if (i < layers_.size()) {
            layers_[i].taken = true;
        }
    });
    return i;
}

void LayerArrivals::coming(std::size_t i, UniqueFd bytes, std::uint64_t size) {
    crew_->change([&] {
        layers_[i].bytes = std::move(bytes);
        layers_[i].size = size;
        layers_[i].coming = true;
    });
}

void LayerArrivals::grown(std::size_t i, std::uint64_t size) {
    crew_->change([&] { layers_[i].size = size; });
}

void LayerArrivals::here(std::size_t i) {
    crew_->change([&] { layers_[i].here = true; });
}

UniqueFd LayerArrivals::await_coming(std::size_t i) {
    UniqueFd bytes;
    crew_->await([&] { return layers_[i].coming || layers_[i].here; });
    crew_->change([&] { bytes = std::move(layers_[i].bytes); });
    return bytes;
}

bool LayerArrivals::await_more(std::size_t i, std::uint64_t read) {
    crew_->await([&] { return layers_[i].here || layers_[i].size > read; });
    bool more = false;
    crew_->change([&] { more = layers_[i].size > read; });
    return more;
}

void LayerArrivals::await_here(std::size_t i) {
    crew_->await([&] { return layers_[i].here; });
}

bool LayerArrivals::is_here(std::size_t i) {
    bool here = false;
    crew_->change([&] { here = layers_[i].here; });
    return here;
}

}  // namespace drydock
