#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
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
#include "build_graph.hpp"
#include "build_mounts.hpp"
#include "build_plan.hpp"
#include "build_state.hpp"
#include "build_text.hpp"

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

/// One build while it runs: every stage in a thread of its own. What it does is in four files:
/// builder.cpp has the order of things, build_stages.cpp what stages want of each other,
/// build_step_run.cpp RUN, build_step_copy.cpp COPY and ADD.
class Build {
  public:
    Build(ImageStore& store, const BuildRequest& request,
          const std::function<void(const BuildEvent&)>& on_event);

    Image run();

  private:
    void say(const std::string& text) { on_event_({BuildEvent::Kind::Stream, text}); }
    void say(const BuildState& state, const std::string& text) { text_.say(state.stage, text); }
    [[nodiscard]] bool is_cancelled();
    void check_cancelled();
    [[noreturn]] void refuse(int line, std::string_view what) const;
    [[nodiscard]] const Dockerfile& dockerfile() const { return context_.dockerfile; }
    void begin_step(BuildState& state, const std::string& text);
    void use_arg(const std::string& name);

    void begin_stages();
    void build_stage(std::size_t number);
    void build_steps(std::size_t number);
    const BuildState& built_stage(std::size_t number);
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
    const LayerView& tree_of(const std::string& name, std::size_t before);
    std::vector<Digest> chains_of(const BuildState& state);

    StepKey key_of(const BuildState& state, std::string_view instruction,
                   std::string_view input) const;
    bool take_cached(BuildState& state, const StepKey& key);
    void finish_step(BuildState& state, const StepKey& key, const std::string& created_by,
                     const std::optional<LayerBlob>& layer);

    void add_labels();
    Image finish(BuildState& state);

    ImageStore& store_;
    StoreLease lease_;  ///< layers of finished steps belong to no image yet
    const BuildRequest& request_;
    const std::function<void(const BuildEvent&)>& on_event_;
    BuildContext context_;
    BuildCache cache_;
    std::optional<std::int64_t> epoch_{};  ///< $SOURCE_DATE_EPOCH
    BuildText text_;
    StepsUnderWay under_way_{};
    std::mutex images_{};  ///< held while an image is fetched or unpacked: not twice at a time
    std::mutex asking_{};  ///< held while the caller is asked whether it still wants the build

    std::mutex mutex_{};  ///< of what the stages share, down to here:
    BuildPlan plan_{};
    std::vector<int> first_steps_{};  ///< by stage: how many steps are before it
    std::set<std::string> consumed_args_{};
    std::map<std::string, LayerView> trees_{};  ///< of stages and images that COPY --from named

    std::vector<BuildState> stages_{};  ///< each is written by its own thread, and read when that
                                        ///< has ended
    BuildGraph graph_;                  ///< last: its threads end before anything else goes
};

}  // namespace drydock
