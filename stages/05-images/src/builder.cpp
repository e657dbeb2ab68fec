#include "05-images/builder.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "03-cgroups/state.hpp"
#include "05-images/base_image.hpp"
#include "05-images/dockerfile.hpp"
#include "05-images/runtime_config.hpp"

#include "build_cache.hpp"
#include "build_context.hpp"
#include "build_copy.hpp"
#include "build_plan.hpp"
#include "build_run.hpp"
#include "build_state.hpp"
#include "copy_tree.hpp"

namespace drydock {
namespace {

constexpr int kInterrupted = 130;

const std::set<std::string, std::less<>> kProxyArgs = {
    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"};

class Build {
  public:
    Build(ImageStore& store, const BuildRequest& request,
          const std::function<void(const BuildEvent&)>& on_event)
        : store_(store),
          request_(request),
          on_event_(on_event),
          context_(open_context(store, request)),
          cache_(store.data_root()) {}

    Image run();

  private:
    void say(const std::string& text) { on_event_({BuildEvent::Kind::Stream, text}); }
    void check_cancelled() const {
        if (request_.cancelled && request_.cancelled()) {
            throw SetupError("build cancelled", std::make_error_code(std::errc::operation_canceled),
                             kInterrupted);
        }
    }
    [[noreturn]] void refuse(int line, std::string_view what) const {
        throw InputError(fmt::format("{}:{}: {}", dockerfile().name, line, what));
    }
    [[nodiscard]] const Dockerfile& dockerfile() const { return context_.dockerfile; }
    void begin_step(const std::string& text) {
        check_cancelled();
        say(fmt::format("Step {}/{} : {}\n", ++step_, plan_.steps, text));
    }

    void build_stage(std::size_t number);
    BuildState from(const BuildStage& stage, std::size_t number);
    Image image_named(const std::string& name);
    void step(BuildState& state, const Instruction& instruction);
    void declare_arg(BuildState& state, const Instruction& instruction);
    void settings_step(BuildState& state, const Instruction& instruction);
    void run_step(BuildState& state, const Instruction& instruction);
    void copy_step(BuildState& state, const Instruction& instruction);
    CopyPlan plan_copy(BuildState& state, const Instruction& instruction);
    const LayerView& tree_of(const std::string& name);
    std::vector<Digest> chains_of(const BuildState& state) {
        return store_.unpack(state.layers, state.config.diff_ids, "build");
    }

    bool take_cached(BuildState& state, const Digest& key);
    void finish_step(BuildState& state, const Digest& key, const std::string& created_by,
                     const std::optional<LayerBlob>& layer);

    void add_labels();
    Image finish(BuildState& state);

    ImageStore& store_;
    const BuildRequest& request_;
    const std::function<void(const BuildEvent&)>& on_event_;
    BuildContext context_;
    BuildCache cache_;
    BuildPlan plan_{};
    std::set<std::string> consumed_args_{};
    std::vector<BuildState> stages_{};
    std::map<std::string, LayerView> trees_{};  ///< of stages and images that COPY --from named
    int step_ = 0;
};

Image Build::image_named(const std::string& name) {
    const Reference reference = parse_reference(name);
    if (auto image = store_.find(name)) {
        return *std::move(image);
    }
    if (is_base_image(reference)) {
        return ensure_base_image(store_);
    }
    if (request_.fetch_image) {
        return request_.fetch_image(reference);
    }
    throw InputError(fmt::format("No such image: {}; pull or load it first", familiar(reference)));
}

BuildState Build::from(const BuildStage& stage, std::size_t number) {
    BuildState state;
    const std::string& base = plan_.bases[number];
    if (const auto earlier = stage_named(dockerfile(), base, number)) {
        state = stages_[*earlier];
        state.cmd_set_here = false;
        return state;
    }
    if (base == "scratch") {
        state.config.platform = host_platform();
        state.config_text = to_text(state.config);
        return state;
    }
    try {
        const Image image = image_named(base);
        state.config = store_.config(image);
        state.config_text = store_.config_text(image);
        state.layers = store_.manifest(image).layers;
        state.image = image;
    } catch (const InputError& e) {
        refuse(stage.line, fmt::format("FROM: {}", e.what()));
    }
    if (!state.config.config.on_build.empty()) {
        throw NotImplemented(fmt::format("FROM {}, an image with ONBUILD triggers ({}:{})", base,
                                         dockerfile().name, stage.line));
    }
    return state;
}

void Build::build_stage(std::size_t number) {
    const BuildStage& stage = dockerfile().stages[number];
    begin_step(stage.text);
    BuildState state = from(stage, number);
    say(fmt::format(" ---> {}\n", state.short_id()));
    for (const Instruction& instruction : stage.instructions) {
        begin_step(instruction.text);
        try {
            step(state, instruction);
        } catch (const InputError& e) {
            const std::string verb = instruction.text.substr(0, instruction.text.find(' '));
            refuse(instruction.line, fmt::format("{}: {}", verb, e.what()));
        }
        say(fmt::format(" ---> {}\n", state.short_id()));
    }
    stages_[number] = std::move(state);
}

void Build::step(BuildState& state, const Instruction& instruction) {
    switch (instruction.verb) {
        case Verb::Arg:
            declare_arg(state, instruction);
            return;
        case Verb::Run:
            run_step(state, instruction);
            return;
        case Verb::Copy:
        case Verb::Add:
            copy_step(state, instruction);
            return;
        default:
            settings_step(state, instruction);
            return;
    }
}

void Build::declare_arg(BuildState& state, const Instruction& instruction) {
    for (const auto& [name, by_default] : instruction.pairs) {
        const auto given = request_.build_args.find(name);
        const auto global = plan_.global_args.find(name);
        if (given != request_.build_args.end() && given->second) {
            consumed_args_.insert(name);
            state.args[name] = *given->second;
        } else if (by_default) {
            state.args[name] = expand(*by_default, variables_of(state), dockerfile().escape);
        } else if (global != plan_.global_args.end()) {
            state.args[name] = global->second;
        }
    }
}

bool Build::take_cached(BuildState& state, const Digest& key) {
    const auto cached = request_.no_cache ? std::nullopt : cache_.find(key);
    if (!cached || (cached->layer && !store_.content().contains(cached->layer->digest))) {
        return false;
    }
    state.config = parse_image_config(cached->config, "build cache");
    state.config_text = cached->config;
    if (cached->layer) {
        state.layers.push_back(*cached->layer);
    }
    state.image.reset();
    say(" ---> Using cache\n");
    return true;
}

void Build::finish_step(BuildState& state, const Digest& key, const std::string& created_by,
                        const std::optional<LayerBlob>& layer) {
    CachedStep cached;
    if (layer) {
        cached.layer = {
            .media_type = layer->media_type, .digest = layer->digest, .size = layer->size};
        state.layers.push_back(*cached.layer);
        state.config.diff_ids.push_back(layer->diff_id);
    }
    state.config.created = timestamp();
    state.config.history.push_back({.created = state.config.created,
                                    .created_by = created_by,
                                    .author = state.config.author,
                                    .empty_layer = !layer});
    state.config_text = to_text(state.config);
    state.image.reset();
    cached.config = state.config_text;
    cache_.put(key, cached);
}

void Build::settings_step(BuildState& state, const Instruction& instruction) {
    BuildState next = state;
    const SettingsChange change = apply_settings(next, instruction, dockerfile().escape);
    const Digest key = BuildCache::key(state.id(), change.canonical, "");
    if (take_cached(next, key)) {
        state = std::move(next);
        return;
    }
    std::optional<LayerBlob> layer;
    const std::string& workdir = next.config.config.working_dir;
    if (instruction.verb == Verb::Workdir) {
        const std::vector<Digest> chains = chains_of(state);
        const std::vector<std::filesystem::path> lowers = layer_directories(store_, chains);
        const auto there = LayerView(lowers).find(workdir);
        if (!there || !S_ISDIR(there->status.st_mode)) {
            BuildWorkspace workspace(store_);
            const ActiveSnapshot snapshot = store_.snapshots().prepare(workspace.key(), chains);
            UpperWriter(snapshot.upper, lowers).make_directory(workdir);
            layer = workspace.commit();
        }
    }
    state = std::move(next);
    finish_step(state, key, change.created_by, layer);
}

void Build::run_step(BuildState& state, const Instruction& instruction) {
    const std::vector<std::string> command =
        instruction.exec_form ? instruction.words
                              : shell_command(state.config.config, instruction.words.front());
    ContainerOptions options{.entrypoint = std::vector<std::string>{}, .cmd = command};
    std::vector<std::string> args;
    const LookUpVariable variables = variables_of(state);
    for (const auto& [name, value] : state.args) {
        if (variables(name) == value) {  // not one that ENV has taken
            args.push_back(fmt::format("{}={}", name, value));
        }
    }
    options.env = args;
    for (const auto& [name, value] : request_.build_args) {
        if (value && kProxyArgs.contains(name) && !state.args.contains(name)) {
            options.env.push_back(fmt::format("{}={}", name, *value));  // in no key and no history
            consumed_args_.insert(name);
        }
    }
    const auto flag = instruction.flags.find("network");
    const std::string network = flag == instruction.flags.end() || flag->second == "default"
                                    ? request_.network
                                    : flag->second;
    if (network == "host") {
        options.network_namespace = "host";
        options.mounts.push_back({.destination = "/etc/resolv.conf",
                                  .type = "bind",
                                  .source = "/etc/resolv.conf",
                                  .options = {"bind", "ro"}});
    }
    const std::string prefix =
        args.empty() ? "" : fmt::format("|{} {} ", args.size(), fmt::join(args, " "));
    const std::string shown = fmt::format("{}", fmt::join(command, " "));
    const Digest key = BuildCache::key(
        state.id(), fmt::format("RUN {}", nlohmann::json{args, command, network}.dump()), "");
    if (take_cached(state, key)) {
        return;
    }
    BuildWorkspace workspace(store_);
    make_bundle(store_, state.config.config, chains_of(state), options,
                {.directory = workspace.bundle(), .key = workspace.key()});
    const std::string short_key = workspace.key().substr(6, 12);
    say(fmt::format(" ---> Running in {}\n", short_key));
    const int status = run_with_output(
        workspace.bundle(), workspace.key(),
        request_.runtime_root.empty() ? store_.data_root() / "runtime" : request_.runtime_root,
        [&](std::string_view text) { say(std::string(text)); }, request_.cancelled);
    check_cancelled();
    if (status != 0) {
        throw SetupError(
            fmt::format("The command '{}' returned a non-zero code: {}", shown, status), {},
            status);
    }
    const LayerBlob layer = workspace.commit();
    say(fmt::format("Removing intermediate container {}\n", short_key));
    finish_step(state, key, prefix + shown, layer);
}

const LayerView& Build::tree_of(const std::string& name) {
    const auto known = trees_.find(name);
    if (known != trees_.end()) {
        return known->second;
    }
    const auto stage = stage_named_or_numbered(dockerfile(), name, stages_.size());
    std::vector<Digest> chains;
    if (stage) {
        if (!plan_.needed[*stage] || stages_[*stage].config_text.empty()) {
            throw InputError(fmt::format("--from={}: that stage is not before this one", name));
        }
        chains = chains_of(stages_[*stage]);
    } else {
        chains = store_.unpack(image_named(name));
    }
    return trees_.emplace(name, LayerView(layer_directories(store_, chains))).first->second;
}

CopyPlan Build::plan_copy(BuildState& state, const Instruction& instruction) {
    const LookUpVariable variables = variables_of(state);
    const auto expanded = [&](const std::string& text) {
        return expand(text, variables, dockerfile().escape);
    };
    const auto flag = [&](const char* name) -> std::string {
        const auto found = instruction.flags.find(name);
        return found == instruction.flags.end() ? "" : expanded(found->second);
    };
    CopyPlan plan;
    const std::string from = flag("from");
    plan.tree = from.empty() ? &*context_.tree : &tree_of(from);
    const std::string last = expanded(instruction.words.back());
    plan.destination = path_in_image(state.config.config, last);
    plan.into = last.ends_with('/') || last == "." || last.ends_with("/.") || last.ends_with("..");
    for (std::size_t i = 0; i + 1 < instruction.words.size(); ++i) {
        const std::string pattern = expanded(instruction.words[i]);
        if (instruction.verb == Verb::Add &&
            (pattern.starts_with("http://") || pattern.starts_with("https://") ||
             pattern.starts_with("git@"))) {
            throw NotImplemented(
                fmt::format("ADD of a URL ({}:{})", dockerfile().name, instruction.line));
        }
        plan.sources.push_back(
            find_sources(*plan.tree, from.empty() ? &context_.rules : nullptr, pattern));
        plan.input += digest_of(*plan.tree, plan.sources.back(), false).text() + " ";
    }
    const std::size_t count =
        plan.sources.size() == 1 ? plan.sources.front().size() : plan.sources.size();
    if (count > 1 && !plan.into) {
        throw InputError(
            fmt::format("\"{}\": with more than one source the destination must be a "
                        "directory and end with /",
                        last));
    }
    if (const std::string owner = flag("chown"); !owner.empty()) {
        const LayerView image(layer_directories(store_, chains_of(state)));
        const oci::User user = resolve_owner(owner, file_reader(image));
        plan.options.uid = user.uid;
        plan.options.gid = user.gid;
    }
    if (const std::string mode = flag("chmod"); !mode.empty()) {
        plan.options.mode = parse_mode(mode);
    }
    return plan;
}

void Build::copy_step(BuildState& state, const Instruction& instruction) {
    const CopyPlan plan = plan_copy(state, instruction);
    const std::string verb = instruction.verb == Verb::Add ? "ADD" : "COPY";
    const std::string canonical =
        fmt::format("{} {}", verb,
                    nlohmann::json{plan.destination, plan.into, plan.options.uid, plan.options.gid,
                                   plan.options.mode ? static_cast<int>(*plan.options.mode) : -1,
                                   instruction.words.size()}
                        .dump());
    const Digest key = BuildCache::key(state.id(), canonical, plan.input);
    if (take_cached(state, key)) {
        return;
    }
    const std::vector<Digest> chains = chains_of(state);
    BuildWorkspace workspace(store_);
    const ActiveSnapshot snapshot = store_.snapshots().prepare(workspace.key(), chains);
    UpperWriter writer(snapshot.upper, layer_directories(store_, chains));
    copy_planned(writer, plan, instruction.verb == Verb::Add, store_.data_root() / "tmp");
    const LayerBlob layer = workspace.commit();
    finish_step(state, key, "/bin/sh -c #(nop) " + instruction.text, layer);
}

Image Build::finish(BuildState& state) {
    std::vector<Reference> names;
    for (const std::string& tag : request_.tags) {
        names.push_back(parse_reference(tag));
    }
    Image image;
    if (state.image) {
        image = *state.image;  // FROM alone: it is that image
    } else {
        image = store_.put_image(state.config, state.layers, {});
    }
    for (const Reference& name : names) {
        store_.tag(image, name);
    }
    std::vector<std::string> unused;
    for (const auto& [name, value] : request_.build_args) {
        if (!consumed_args_.contains(name) && !kProxyArgs.contains(name)) {
            unused.push_back(name);
        }
    }
    if (!unused.empty()) {
        say(fmt::format("[Warning] One or more build-args [{}] were not consumed\n",
                        fmt::join(unused, " ")));
    }
    on_event_({BuildEvent::Kind::Image, image.id.text()});
    say(fmt::format("Successfully built {}\n", image.id.hex().substr(0, 12)));
    for (const Reference& name : names) {
        say(fmt::format("Successfully tagged {}\n", familiar(name)));
    }
    return store_.get(image.id.text());
}

/// `text` so that expand() gives it back as it is.
std::string literal(const std::string& text, char escape) {
    std::string result;
    for (const char c : text) {
        if (c == escape || c == '$' || c == '\'' || c == '"') {
            result += escape;
        }
        result += c;
    }
    return result;
}

/// Labels of the request are one more instruction, as docker has it.
void Build::add_labels() {
    if (request_.labels.empty()) {
        return;
    }
    Dockerfile& file = context_.dockerfile;
    Instruction label{.verb = Verb::Label, .line = 0, .text = "LABEL"};
    for (const auto& [name, value] : request_.labels) {
        label.text += fmt::format(" {}={}", name, value);
        label.pairs.emplace_back(literal(name, file.escape), literal(value, file.escape));
    }
    const std::size_t target = plan_build(file, request_.target, request_.build_args).target;
    file.stages[target].instructions.push_back(std::move(label));
}

Image Build::run() {
    for (const std::string& tag : request_.tags) {
        static_cast<void>(parse_reference(tag));  // before an hour of work, not after it
    }
    Dockerfile& file = context_.dockerfile;
    add_labels();
    plan_ = plan_build(file, request_.target, request_.build_args);
    stages_.resize(file.stages.size());
    for (const Instruction& arg : file.global_args) {
        begin_step(arg.text);
        for (const auto& [name, by_default] : arg.pairs) {
            consumed_args_.insert(name);
        }
    }
    for (std::size_t i = 0; i <= plan_.target; ++i) {
        if (plan_.needed[i]) {
            build_stage(i);
        }
    }
    return finish(stages_[plan_.target]);
}

}  // namespace

// [region: build-image]
Image build_image(ImageStore& store, const BuildRequest& request,
                  const std::function<void(const BuildEvent&)>& on_event) {
    return Build(store, request, on_event).run();
}
// [/region]

}  // namespace drydock
