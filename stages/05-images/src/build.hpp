#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "05-images/builder.hpp"
#include "05-images/dockerfile.hpp"
#include "05-images/image_garbage.hpp"
#include "05-images/runtime_config.hpp"

#include "build_cache.hpp"
#include "build_context.hpp"
#include "build_copy.hpp"
#include "build_mounts.hpp"
#include "build_plan.hpp"
#include "build_state.hpp"

namespace drydock {

/// The words that RUN starts, and what the history and an error say of them.
struct RunCommand {
    std::vector<std::string> words{};
    std::string shown{};
};

/// The variables of ARG in a RUN.
struct RunArgs {
    std::vector<std::string> named{};   ///< part of the cache key and of the history
    std::vector<std::string> hidden{};  ///< of proxies: in no key and no history
};

/// Arguments that need no ARG.
bool is_proxy_arg(const std::string& name);

/// One build while it runs. What it does is in three files: builder.cpp has the order of things,
/// build_step_run.cpp RUN, build_step_copy.cpp COPY and ADD.
class Build {
  public:
    Build(ImageStore& store, const BuildRequest& request,
          const std::function<void(const BuildEvent&)>& on_event);

    Image run();

  private:
    void say(const std::string& text) { on_event_({BuildEvent::Kind::Stream, text}); }
    void check_cancelled() const;
    [[noreturn]] void refuse(int line, std::string_view what) const;
    [[nodiscard]] const Dockerfile& dockerfile() const { return context_.dockerfile; }
    void begin_step(const std::string& text);

    void build_stage(std::size_t number);
    void run_triggers(BuildState& state, const BuildStage& stage);
    void named_step(BuildState& state, const Instruction& instruction,
                    std::string_view said_by = {});
    BuildState from(const BuildStage& stage, std::size_t number);
    Image image_named(const std::string& name);
    void step(BuildState& state, const Instruction& instruction);
    void declare_arg(BuildState& state, const Instruction& instruction);
    void settings_step(BuildState& state, const Instruction& instruction);
    void run_step(BuildState& state, const Instruction& instruction);
    RunCommand command_of_run(const BuildState& state, const Instruction& instruction,
                              RunMounts& mounts);
    RunArgs args_of_run(const BuildState& state);
    void plan_mounts(const BuildState& state, const Instruction& instruction, RunMounts& mounts);
    void copy_step(BuildState& state, const Instruction& instruction);
    CopyPlan plan_copy(BuildState& state, const Instruction& instruction);
    void plan_source(CopyPlan& plan, const Instruction& instruction, const std::string& source,
                     const LayerView& tree, bool from_context);
    void plan_owner_and_mode(CopyPlan& plan, const BuildState& state,
                             const Instruction& instruction);
    const CopyTree& fetch(CopyPlan& plan, const Instruction& instruction, const std::string& url);
    std::string expanded_flag(const BuildState& state, const Instruction& instruction,
                              const char* name) const;
    const LayerView& tree_of(const std::string& name);
    std::vector<Digest> chains_of(const BuildState& state) {
        return store_.unpack(state.layers, state.config.diff_ids, "build");
    }

    Digest key_of(const BuildState& state, std::string_view instruction,
                  std::string_view input) const;
    bool take_cached(BuildState& state, const Digest& key);
    void finish_step(BuildState& state, const Digest& key, const std::string& created_by,
                     const std::optional<LayerBlob>& layer);

    void add_labels();
    Image finish(BuildState& state);

    ImageStore& store_;
    StoreLease lease_;  ///< layers of finished steps belong to no image yet
    const BuildRequest& request_;
    const std::function<void(const BuildEvent&)>& on_event_;
    BuildContext context_;
    BuildCache cache_;
    BuildPlan plan_{};
    std::set<std::string> consumed_args_{};
    std::vector<BuildState> stages_{};
    std::map<std::string, LayerView> trees_{};  ///< of stages and images that COPY --from named
    int step_ = 0;
    std::optional<std::int64_t> epoch_{};  ///< $SOURCE_DATE_EPOCH
    std::size_t current_ = 0;              ///< the stage that is being built
};

}  // namespace drydock
