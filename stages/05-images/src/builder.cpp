#include "05-images/builder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "03-cgroups/state.hpp"
#include "04-layers/tar_apply.hpp"
#include "04-layers/tar_create.hpp"
#include "05-images/base_image.hpp"
#include "05-images/dockerfile.hpp"
#include "05-images/ignore_file.hpp"
#include "05-images/runtime_config.hpp"

#include "build_cache.hpp"
#include "build_run.hpp"
#include "build_state.hpp"
#include "copy_tree.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxDockerfile = std::size_t{1} << 20U;
constexpr int kInterrupted = 130;

const std::set<std::string, std::less<>> kProxyArgs = {
    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"};

/// The context as a tree, and what of it is not to be seen.
struct Context {
    TempDir unpacked{};  ///< when it came as a tar stream
    std::optional<LayerView> tree{};
    IgnoreRules rules{};
    Dockerfile dockerfile{};
};

Context open_context(const ImageStore& store, const BuildRequest& request) {
    Context context;
    std::filesystem::path directory = request.context;
    if (directory.empty()) {
        context.unpacked = TempDir("context-", store.data_root() / "tmp");
        directory = context.unpacked.path();
        const UniqueFd fd = open_file(directory, O_RDONLY | O_DIRECTORY);
        apply_layer(request.context_tar, fd.get(), {.name = "build context"});
    }
    std::error_code error;
    if (!std::filesystem::is_directory(directory, error)) {
        throw InputError(fmt::format("build context {}: expected a directory", directory.native()));
    }
    context.tree.emplace(std::vector{directory});
    const LayerView& tree = *context.tree;
    for (const std::string& name :
         {request.dockerfile + ".dockerignore", std::string(".dockerignore")}) {
        if (const auto rules = tree.read_file(name, kMaxDockerfile)) {
            context.rules = IgnoreRules(*rules, name);
            break;
        }
    }
    std::optional<std::string> text = request.dockerfile_text;
    if (!text) {
        text = tree.read_file(request.dockerfile, kMaxDockerfile);
    }
    if (!text) {
        throw InputError(
            fmt::format("Cannot locate specified Dockerfile: {}: no such file in the build context",
                        request.dockerfile));
    }
    context.dockerfile = parse_dockerfile(*text, request.dockerfile);
    return context;
}

/// Owns the active snapshot, and the bundle, of one step.
class Workspace {
  public:
    explicit Workspace(ImageStore& store)
        : store_(store),
          key_("build-" + new_container_id()),
          bundle_(store.data_root() / "tmp" / key_) {}
    ~Workspace() {
        try {
            remove_bundle(store_, bundle_, key_);
        } catch (const std::exception&) {  // best effort
        }
    }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    Workspace(Workspace&&) = delete;
    Workspace& operator=(Workspace&&) = delete;

    [[nodiscard]] const std::string& key() const noexcept { return key_; }
    [[nodiscard]] const std::filesystem::path& bundle() const noexcept { return bundle_; }

    /// Packs what is in the upper directory, and makes it a committed layer.
    LayerBlob commit() {
        const ActiveSnapshot snapshot = store_.snapshots().active(key_);
        const UniqueFd upper = open_file(snapshot.upper, O_RDONLY | O_DIRECTORY);
        const LayerBlob layer = create_layer(store_.content(), upper.get());
        store_.snapshots().commit(key_, layer.diff_id);
        return layer;
    }

  private:
    ImageStore& store_;
    std::string key_;
    std::filesystem::path bundle_;
};

/// What COPY and ADD take, and where to: everything in them is known, nothing is written yet.
struct CopyPlan {
    const LayerView* tree = nullptr;
    std::vector<std::vector<CopySource>> sources{};
    std::string destination{};
    bool into = false;
    CopyOptions options{};
    std::string input{};  ///< for the cache key
};

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
        say(fmt::format("Step {}/{} : {}\n", ++step_, steps_, text));
    }

    // Which stages
    void declare_global_args();
    [[nodiscard]] std::size_t target_stage() const;
    [[nodiscard]] std::optional<std::size_t> stage_named(const std::string& name,
                                                         std::size_t before) const;
    void mark_needed(std::size_t stage);
    [[nodiscard]] std::string base_of(const BuildStage& stage) const;

    // Stages and steps
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
    void add_archive_or_copy(UpperWriter& writer, const CopyPlan& plan,
                             const std::vector<CopySource>& sources);
    std::vector<Digest> chains_of(const BuildState& state) {
        return store_.unpack(state.layers, state.config.diff_ids, "build");
    }

    bool take_cached(BuildState& state, const Digest& key);
    void finish_step(BuildState& state, const Digest& key, const std::string& created_by,
                     const std::optional<LayerBlob>& layer);

    Image finish(BuildState& state);

    ImageStore& store_;
    const BuildRequest& request_;
    const std::function<void(const BuildEvent&)>& on_event_;
    Context context_;
    BuildCache cache_;
    std::map<std::string, std::string> global_args_{};
    std::set<std::string> consumed_args_{};
    std::vector<bool> needed_{};
    std::vector<BuildState> stages_{};
    std::map<std::string, LayerView> trees_{};  ///< of stages and images that COPY --from named
    int step_ = 0;
    int steps_ = 0;
};

void Build::declare_global_args() {
    const oci::Platform platform = host_platform();
    for (const char* side : {"TARGET", "BUILD"}) {
        const std::string prefix = side;
        global_args_[prefix + "PLATFORM"] =
            fmt::format("{}/{}", platform.os, platform.architecture);
        global_args_[prefix + "OS"] = platform.os;
        global_args_[prefix + "ARCH"] = platform.architecture;
        global_args_[prefix + "VARIANT"] = platform.variant;
    }
    const LookUpVariable look_up = [&](const std::string& name) -> std::optional<std::string> {
        const auto found = global_args_.find(name);
        return found == global_args_.end() ? std::nullopt : std::optional(found->second);
    };
    for (const Instruction& instruction : dockerfile().global_args) {
        for (const auto& [name, by_default] : instruction.pairs) {
            const auto given = request_.build_args.find(name);
            if (given != request_.build_args.end() && given->second) {
                consumed_args_.insert(name);
                global_args_[name] = *given->second;
            } else if (by_default) {
                global_args_[name] = expand(*by_default, look_up, dockerfile().escape);
            }
        }
    }
}

std::string Build::base_of(const BuildStage& stage) const {
    const LookUpVariable look_up = [&](const std::string& name) -> std::optional<std::string> {
        const auto found = global_args_.find(name);
        return found == global_args_.end() ? std::nullopt : std::optional(found->second);
    };
    try {
        const std::string base = expand(stage.base, look_up, dockerfile().escape);
        if (base.empty()) {
            throw InputError(
                fmt::format("\"{}\" is empty; expected the name of an image", stage.base));
        }
        const std::string platform = expand(stage.platform, look_up, dockerfile().escape);
        const oci::Platform own = host_platform();
        const std::string native = fmt::format("{}/{}", own.os, own.architecture);
        if (!platform.empty() && platform != native && platform != native + "/" + own.variant) {
            throw NotImplemented(fmt::format("FROM --platform={} on {} ({}:{})", platform, native,
                                             dockerfile().name, stage.line));
        }
        return base;
    } catch (const InputError& e) {
        refuse(stage.line, fmt::format("FROM: {}", e.what()));
    }
}

std::optional<std::size_t> Build::stage_named(const std::string& name, std::size_t before) const {
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (std::size_t i = 0; i < before; ++i) {
        if (dockerfile().stages[i].name == lower && !lower.empty()) {
            return i;
        }
    }
    return std::nullopt;
}

std::size_t Build::target_stage() const {
    const std::vector<BuildStage>& stages = dockerfile().stages;
    if (request_.target.empty()) {
        return stages.size() - 1;
    }
    if (const auto found = stage_named(request_.target, stages.size())) {
        return *found;
    }
    std::size_t number = 0;
    const std::string& text = request_.target;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size() && number < stages.size()) {
        return number;
    }
    throw InputError(fmt::format("{}: target stage \"{}\": there is no stage of that name",
                                 dockerfile().name, text));
}

/// The stage that COPY --from means: a name, or a number.
std::optional<std::size_t> numbered(const std::string& text, std::size_t before) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole && number < before ? std::optional(number) : std::nullopt;
}

void Build::mark_needed(std::size_t number) {
    if (needed_[number]) {
        return;
    }
    needed_[number] = true;
    const BuildStage& stage = dockerfile().stages[number];
    steps_ += 1 + static_cast<int>(stage.instructions.size());
    if (const auto base = stage_named(base_of(stage), number)) {
        mark_needed(*base);
    }
    for (const Instruction& instruction : stage.instructions) {
        const auto flag = instruction.flags.find("from");
        if (flag == instruction.flags.end()) {
            continue;
        }
        auto source = stage_named(flag->second, number);
        source = source ? source : numbered(flag->second, number);
        if (source) {
            mark_needed(*source);
        }
    }
}

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
    const std::string base = base_of(stage);
    if (const auto earlier = stage_named(base, number)) {
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
        const auto global = global_args_.find(name);
        if (given != request_.build_args.end() && given->second) {
            consumed_args_.insert(name);
            state.args[name] = *given->second;
        } else if (by_default) {
            state.args[name] = expand(*by_default, variables_of(state), dockerfile().escape);
        } else if (global != global_args_.end()) {
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
            Workspace workspace(store_);
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
    Workspace workspace(store_);
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
    auto stage = stage_named(name, stages_.size());
    stage = stage ? stage : numbered(name, stages_.size());
    std::vector<Digest> chains;
    if (stage) {
        if (!needed_[*stage] || stages_[*stage].config_text.empty()) {
            throw InputError(fmt::format("--from={}: that stage is not before this one", name));
        }
        chains = chains_of(stages_[*stage]);
    } else {
        chains = store_.unpack(image_named(name));
    }
    return trees_.emplace(name, LayerView(layer_directories(store_, chains))).first->second;
}

mode_t mode_of(const std::string& text) {
    unsigned mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error != std::errc{} || end != text.data() + text.size() || mode > 07777) {
        throw InputError(fmt::format("--chmod={}: expected an octal mode, like 755", text));
    }
    return mode;
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
        plan.options.mode = mode_of(mode);
    }
    return plan;
}

/// Whether ADD unpacks the file: what it is, its bytes say, not its name.
bool is_archive(const LayerView& tree, const LayerView::Found& found) {
    if (!S_ISREG(found.status.st_mode)) {
        return false;
    }
    std::array<unsigned char, 512> head{};
    const UniqueFd fd = tree.open(found, O_RDONLY | O_NONBLOCK);
    const ssize_t n = ::pread(fd.get(), head.data(), head.size(), 0);
    const auto begins = [&](std::string_view magic, std::size_t at = 0) {
        return n >= static_cast<ssize_t>(at + magic.size()) &&
               std::equal(
                   magic.begin(), magic.end(), head.begin() + static_cast<std::ptrdiff_t>(at),
                   [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; });
    };
    if (begins("BZh") || begins("\xFD"
                                "7zXZ")) {
        throw NotImplemented(
            fmt::format("ADD of an archive compressed with bzip2 or xz ({})", found.path));
    }
    if (!begins("ustar", 257) && !begins("\x1f\x8b") && !begins("\x28\xb5\x2f\xfd")) {
        return false;
    }
    try {
        TarReader tar(fd.get(), found.path);
        return tar.next() != nullptr;
    } catch (const InputError&) {
        return false;  // compressed, but no tar archive inside
    }
}

void Build::add_archive_or_copy(UpperWriter& writer, const CopyPlan& plan,
                                const std::vector<CopySource>& sources) {
    for (const CopySource& source : sources) {
        const LayerView::Found& found = source.items.front().found;
        if (source.is_directory || !is_archive(*plan.tree, found)) {
            writer.copy(*plan.tree, {source}, plan.destination, plan.into, plan.options);
            continue;
        }
        const TempDir unpacked("add-", store_.data_root() / "tmp");
        const UniqueFd directory = open_file(unpacked.path(), O_RDONLY | O_DIRECTORY);
        const UniqueFd archive = plan.tree->open(found, O_RDONLY);
        apply_layer(archive.get(), directory.get(), {.name = found.path});
        const LayerView tree({unpacked.path()});
        CopyOptions options = plan.options;
        options.keep_owners = true;
        writer.copy(tree, find_sources(tree, nullptr, "."), plan.destination, true, options);
    }
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
    Workspace workspace(store_);
    const ActiveSnapshot snapshot = store_.snapshots().prepare(workspace.key(), chains);
    UpperWriter writer(snapshot.upper, layer_directories(store_, chains));
    for (const std::vector<CopySource>& sources : plan.sources) {
        check_cancelled();
        if (instruction.verb == Verb::Add) {
            add_archive_or_copy(writer, plan, sources);
        } else {
            writer.copy(*plan.tree, sources, plan.destination, plan.into, plan.options);
        }
    }
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

Image Build::run() {
    for (const std::string& tag : request_.tags) {
        static_cast<void>(parse_reference(tag));  // before an hour of work, not after it
    }
    Dockerfile& file = context_.dockerfile;
    declare_global_args();
    const std::size_t target = target_stage();
    if (!request_.labels.empty()) {
        Instruction label{.verb = Verb::Label, .line = 0, .text = "LABEL"};
        for (const auto& [name, value] : request_.labels) {
            label.text += fmt::format(" {}={}", name, value);
            label.pairs.emplace_back(literal(name, file.escape), literal(value, file.escape));
        }
        file.stages[target].instructions.push_back(std::move(label));
    }
    needed_.assign(file.stages.size(), false);
    stages_.resize(file.stages.size());
    steps_ = static_cast<int>(file.global_args.size());
    mark_needed(target);
    for (const Instruction& arg : file.global_args) {
        begin_step(arg.text);
    }
    for (std::size_t i = 0; i <= target; ++i) {
        if (needed_[i]) {
            build_stage(i);
        }
    }
    return finish(stages_[target]);
}

}  // namespace

// [region: build-image]
Image build_image(ImageStore& store, const BuildRequest& request,
                  const std::function<void(const BuildEvent&)>& on_event) {
    return Build(store, request, on_event).run();
}
// [/region]

}  // namespace drydock
