#include "05-images/builder.hpp"

#include <sys/stat.h>

#include <charconv>
#include <chrono>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"
#include "03-cgroups/state.hpp"
#include "05-images/base_image.hpp"

#include "build.hpp"
#include "copy_tree.hpp"

namespace drydock {
namespace {

constexpr int kInterrupted = 130;

const std::set<std::string, std::less<>> kProxyArgs = {
    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"};

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

std::int64_t seconds_of(const std::string& text) {
    std::int64_t seconds = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || seconds < 0) {
        throw InputError(fmt::format(
            "SOURCE_DATE_EPOCH={}: expected seconds since 1970, like 1700000000", text));
    }
    return seconds;
}

std::string rfc3339(std::int64_t seconds) {
    const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace

bool is_proxy_arg(const std::string& name) {
    return kProxyArgs.contains(name);
}

Build::Build(ImageStore& store, const BuildRequest& request,
             const std::function<void(const BuildEvent&)>& on_event)
    : store_(store),
      lease_(store),
      request_(request),
      on_event_(on_event),
      context_(open_context(store, request)),
      cache_(store.data_root()),
      epoch_(request.source_date_epoch),
      text_([this](const std::string& text) { say(text); }),
      graph_([this](std::size_t stage) { build_stage(stage); }) {
    const auto given = request.build_args.find("SOURCE_DATE_EPOCH");
    if (!epoch_ && given != request.build_args.end() && given->second) {
        epoch_ = seconds_of(*given->second);
        consumed_args_.insert(given->first);
    }
}

bool Build::is_cancelled() {
    const std::lock_guard lock(asking_);
    return request_.cancelled && request_.cancelled();
}

void Build::check_cancelled() {
    if (graph_.has_failed()) {
        throw StageAbandoned();
    }
    if (is_cancelled()) {
        throw SetupError("build cancelled", std::make_error_code(std::errc::operation_canceled),
                         kInterrupted);
    }
}

void Build::refuse(int line, std::string_view what) const {
    throw InputError(fmt::format("{}:{}: {}", dockerfile().name, line, what));
}

void Build::begin_step(BuildState& state, const std::string& text) {
    check_cancelled();
    int steps = 0;
    {
        const std::lock_guard lock(mutex_);
        steps = plan_.steps;
    }
    say(state, fmt::format("Step {}/{} : {}\n", ++state.step, steps, text));
}

StepKey Build::key_of(const BuildState& state, std::string_view instruction,
                      std::string_view input) const {
    return {.parent = state.id(),
            .instruction = std::string(instruction),
            .input = std::string(input),
            .epoch = epoch_ ? std::to_string(*epoch_) : ""};
}

Image Build::image_named(const std::string& name) {
    const Reference reference = parse_reference(name);
    const std::lock_guard lock(images_);
    const bool is_base = is_base_image(reference);
    const bool fetches_anew = request_.pull && request_.fetch_image && !is_base;
    if (auto image = store_.find(name); image && !fetches_anew) {
        return *std::move(image);
    }
    if (is_base) {
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
        state = built_stage(*earlier);
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
    return state;
}

void Build::named_step(BuildState& state, const Instruction& instruction,
                       std::string_view said_by) {
    try {
        step(state, instruction);
    } catch (const InputError& e) {
        const std::string verb = instruction.text.substr(0, instruction.text.find(' '));
        refuse(instruction.line, fmt::format("{}{}: {}", said_by, verb, e.what()));
    }
}

// [region: onbuild]
/// What the image behind FROM asks of those who build on it. It is done once: their own image does
/// not hand it on.
void Build::run_triggers(BuildState& state, const BuildStage& stage) {
    const std::vector<std::string> triggers = std::exchange(state.config.config.on_build, {});
    if (triggers.empty()) {
        return;
    }
    say(state, fmt::format("# Executing {} build trigger{}\n", triggers.size(),
                           triggers.size() == 1 ? "" : "s"));
    state.config_text = to_text(state.config);
    for (const std::string& trigger : triggers) {
        check_cancelled();
        named_step(state, parse_trigger(trigger, dockerfile().name, stage.line),
                   fmt::format("ONBUILD of {}: ", stage.base));
    }
    say(state, fmt::format(" ---> {}\n", state.short_id()));
}
// [/region]

void Build::build_steps(std::size_t number) {
    const BuildStage& stage = dockerfile().stages[number];
    BuildState begun{.stage = number};
    {
        const std::lock_guard lock(mutex_);
        begun.step = first_steps_[number];
    }
    begin_step(begun, stage.text);
    BuildState state = from(stage, number);
    state.stage = number;
    state.step = begun.step;
    say(state, fmt::format(" ---> {}\n", state.short_id()));
    run_triggers(state, stage);
    for (const Instruction& instruction : stage.instructions) {
        begin_step(state, instruction.text);
        named_step(state, instruction);
        say(state, fmt::format(" ---> {}\n", state.short_id()));
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
            use_arg(name);
            state.args[name] = *given->second;
        } else if (by_default) {
            state.args[name] = expand(*by_default, variables_of(state), dockerfile().escape);
        } else if (global != plan_.global_args.end()) {
            state.args[name] = global->second;
        }
    }
}

bool Build::take_cached(BuildState& state, const StepKey& key) {
    const auto cached = request_.no_cache ? std::nullopt : cache_.find(key);
    const bool lost = cached && cached->layer && !store_.content().contains(cached->layer->digest);
    if (!cached || lost) {
        if (request_.explain_cache) {
            say(state, fmt::format(" ---> Not cached: {}\n",
                                   request_.no_cache ? "--no-cache was given"
                                   : lost            ? "its layer is not in the store any more"
                                                     : cache_.explain_miss(key)));
        }
        return false;
    }
    state.config = parse_image_config(cached->config, "build cache");
    state.config_text = cached->config;
    if (cached->layer) {
        state.layers.push_back(*cached->layer);
    }
    state.image.reset();
    say(state, " ---> Using cache\n");
    return true;
}

void Build::finish_step(BuildState& state, const StepKey& key, const std::string& created_by,
                        const std::optional<LayerBlob>& layer) {
    CachedStep cached;
    if (layer) {
        cached.layer = {
            .media_type = layer->media_type, .digest = layer->digest, .size = layer->size};
        state.layers.push_back(*cached.layer);
        state.config.diff_ids.push_back(layer->diff_id);
    }
    state.config.created = epoch_ ? rfc3339(*epoch_) : timestamp();
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
    const StepKey key = key_of(state, change.canonical, "");
    const StepsUnderWay::Claim claim = under_way_.claim(key.digest());
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
            layer = workspace.commit(epoch_);
        }
    }
    state = std::move(next);
    finish_step(state, key, change.created_by, layer);
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
        if (!consumed_args_.contains(name) && !is_proxy_arg(name)) {
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
    int step = 0;
    for (const Instruction& arg : file.global_args) {
        check_cancelled();
        say(fmt::format("Step {}/{} : {}\n", ++step, plan_.steps, arg.text));
        for (const auto& [name, by_default] : arg.pairs) {
            use_arg(name);
        }
    }
    begin_stages();
    graph_.finish();
    return finish(stages_[plan_.target]);
}

// [region: build-image]
Image build_image(ImageStore& store, const BuildRequest& request,
                  const std::function<void(const BuildEvent&)>& on_event) {
    return Build(store, request, on_event).run();
}
// [/region]

DockerfileCheck check_build(const ImageStore& store, const BuildRequest& request) {
    const BuildContext context = open_context(store, request);
    return check_dockerfile(context.dockerfile,
                            {.build_args = request.build_args, .ignored = &context.rules});
}

}  // namespace drydock
