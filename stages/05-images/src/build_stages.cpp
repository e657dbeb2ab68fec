// What the stages of a build, each in a thread of its own, want of each other.
#include <fmt/format.h>

#include "build.hpp"

namespace drydock {

void Build::use_arg(const std::string& name) {
    const std::lock_guard lock(mutex_);
    consumed_args_.insert(name);
}

/// All that the target needs, in the order of the file.
void Build::begin_stages() {
    std::vector<std::size_t> wanted;
    {
        const std::lock_guard lock(mutex_);
        first_steps_.assign(dockerfile().stages.size(), 0);
        int step = static_cast<int>(dockerfile().global_args.size());
        for (std::size_t i = 0; i <= plan_.target; ++i) {
            if (plan_.needed[i]) {
                first_steps_[i] = step;
                step += 1 + static_cast<int>(dockerfile().stages[i].instructions.size());
                wanted.push_back(i);
                text_.begin(i);
            }
        }
    }
    for (const std::size_t stage : wanted) {
        graph_.begin(stage);
    }
}

void Build::build_stage(std::size_t number) {
    try {
        build_steps(number);
    } catch (...) {
        text_.end(number);
        throw;
    }
    text_.end(number);
}

/// Waits for it. A stage that nobody knew to be needed, because a trigger or a variable names it,
/// is begun first.
const BuildState& Build::built_stage(std::size_t number) {
    std::vector<std::size_t> unforeseen;
    {
        const std::lock_guard lock(mutex_);
        const std::vector<bool> before = plan_.needed;
        int step = plan_.steps;
        need_stage(plan_, dockerfile(), number);
        for (std::size_t i = 0; i <= number; ++i) {
            if (plan_.needed[i] && !before[i]) {
                first_steps_[i] = step;
                step += 1 + static_cast<int>(dockerfile().stages[i].instructions.size());
                unforeseen.push_back(i);
                text_.begin(i);
            }
        }
        for (const std::size_t stage : unforeseen) {
            graph_.begin(stage);
        }
    }
    graph_.wait_for(number);
    return stages_[number];
}

/// The files of a stage before `before`, or of an image.
const LayerView& Build::tree_of(const std::string& name, std::size_t before) {
    const auto stage = stage_named_or_numbered(dockerfile(), name, before);
    const std::string key = stage ? fmt::format("#{}", *stage) : name;
    {
        const std::lock_guard lock(mutex_);
        if (const auto known = trees_.find(key); known != trees_.end()) {
            return known->second;
        }
    }
    std::vector<Digest> chains;
    if (stage) {
        chains = chains_of(built_stage(*stage));
    } else {
        const Image image = image_named(name);
        const std::lock_guard lock(images_);
        chains = store_.unpack(image);
    }
    LayerView view(layer_directories(store_, chains));
    const std::lock_guard lock(mutex_);
    return trees_.emplace(key, std::move(view)).first->second;
}

std::vector<Digest> Build::chains_of(const BuildState& state) {
    const std::lock_guard lock(images_);
    return store_.unpack(state.layers, state.config.diff_ids, "build");
}

}  // namespace drydock
