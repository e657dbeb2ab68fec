#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "build.hpp"
#include "copy_tree.hpp"

namespace drydock {
namespace {

bool is_url(const std::string& source) {
    return source.starts_with("http://") || source.starts_with("https://");
}

bool is_git(const std::string& source) {
    return source.starts_with("git@") || source.starts_with("git://") ||
           (is_url(source) && source.substr(0, source.find('#')).ends_with(".git"));
}

/// The last part of a URL's path; empty when it ends with "/".
std::string file_name_of(const std::string& url) {
    const std::string path = url.substr(0, url.find_first_of("?#"));
    const std::size_t host = path.find("://") + 3;
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos || slash < host ? "" : path.substr(slash + 1);
}

/// A file name that can only be that.
std::string checked_name(const std::string& name, std::string_view what) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
        throw InputError(fmt::format("{}: \"{}\" is no name for a file", what, name));
    }
    return name;
}

bool means_directory(const std::string& path) {
    return path.ends_with('/') || path == "." || path.ends_with("/.") || path.ends_with("..");
}

Digest expected_digest(const std::string& checksum) {
    try {
        return parse_digest(checksum);
    } catch (const InputError&) {
        throw InputError(
            fmt::format("--checksum={}: expected sha256: and 64 hex digits", checksum));
    }
}

bool flag_is_set(const Instruction& instruction, const char* name) {
    const auto flag = instruction.flags.find(name);
    return flag != instruction.flags.end() && flag->second == "true";
}

}  // namespace

std::string Build::expanded_flag(const BuildState& state, const Instruction& instruction,
                                 const char* name) const {
    const auto found = instruction.flags.find(name);
    return found == instruction.flags.end()
               ? ""
               : expand(found->second, variables_of(state), dockerfile().escape);
}

/// Gets what ADD names by a URL, and checks it before anything else sees it.
const CopyTree& Build::fetch(CopyPlan& plan, const Instruction& instruction,
                             const std::string& url) {
    if (!request_.fetch_url) {
        throw NotImplemented(fmt::format(
            "ADD of a URL ({}:{}): this program does not speak HTTP; drydock build does",
            dockerfile().name, instruction.line));
    }
    const std::string last = file_name_of(url);
    if (last.empty() && plan.into) {
        throw InputError(
            fmt::format("\"{}\": cannot tell the file's name from it; expected a destination "
                        "without / at its end",
                        url));
    }
    const std::filesystem::path temporary = store_.data_root() / "tmp";
    const CopyTree& made = add_tree(plan, temporary);
    const std::string name = last.empty() ? "file" : checked_name(last, url);
    const UniqueFd fd = open_file(made.directory.path() / name, O_RDWR | O_CREAT | O_EXCL, 0600);
    const FetchedUrl fetched = request_.fetch_url(url, fd.get());
    if (const auto checksum = instruction.flags.find("checksum");
        checksum != instruction.flags.end()) {
        const Digest expected = expected_digest(checksum->second);
        check(::lseek(fd.get(), 0, SEEK_SET), "lseek({})", url);
        const Digest actual = digest_of_file(fd.get(), url);
        if (actual != expected) {
            throw InputError(fmt::format("{}: has the digest {}; --checksum says {}", url,
                                         actual.text(), expected.text()));
        }
    }
    const std::int64_t seconds = fetched.last_modified.value_or(0);
    const timespec times[2] = {{.tv_sec = seconds, .tv_nsec = 0},
                               {.tv_sec = seconds, .tv_nsec = 0}};
    check(::futimens(fd.get(), times), "futimens({})", name);
    return made;
}

void Build::plan_source(CopyPlan& plan, const Instruction& instruction, const std::string& source,
                        const LayerView& tree, bool from_context) {
    const bool is_add = instruction.verb == Verb::Add;
    const auto heredoc = heredoc_of(source, dockerfile().escape);
    if (heredoc && !instruction.exec_form) {
        return;  // plan_copy() takes those
    }
    if (is_add && is_git(source)) {
        throw NotImplemented(
            fmt::format("ADD of a git repository ({}:{})", dockerfile().name, instruction.line));
    }
    CopyFrom from{.tree = &tree, .unpack = is_add};
    if (const auto unpack = instruction.flags.find("unpack"); unpack != instruction.flags.end()) {
        from.unpack = unpack->second == "true";
    }
    if (is_add && is_url(source)) {
        from.unpack = flag_is_set(instruction, "unpack");
        from.tree = &*fetch(plan, instruction, source).view;
        from.sources = find_sources(*from.tree, {.pattern = "/*"});
    } else {
        if (instruction.flags.contains("checksum")) {
            throw InputError(
                fmt::format("--checksum is for files of http and https; \"{}\" is none", source));
        }
        from.sources = find_sources(*from.tree, {.pattern = source,
                                                 .rules = from_context ? &context_.rules : nullptr,
                                                 .deep = flag_is_set(instruction, "parents")});
    }
    leave_out(from.sources, instruction.excludes);
    plan.input += digest_of(*from.tree, from.sources, plan.options.keep_owners).text() + " ";
    plan.from.push_back(std::move(from));
}

void Build::plan_owner_and_mode(CopyPlan& plan, const BuildState& state,
                                const Instruction& instruction) {
    if (const std::string owner = expanded_flag(state, instruction, "chown"); !owner.empty()) {
        const LayerView image(layer_directories(store_, chains_of(state)));
        const oci::User user = resolve_owner(owner, file_reader(image));
        plan.options.uid = user.uid;
        plan.options.gid = user.gid;
    }
    if (const std::string mode = expanded_flag(state, instruction, "chmod"); !mode.empty()) {
        plan.options.mode = parse_mode(mode);
    }
}

CopyPlan Build::plan_copy(BuildState& state, const Instruction& instruction) {
    const LookUpVariable variables = variables_of(state);
    const auto expanded = [&](const std::string& text) {
        return expand(text, variables, dockerfile().escape);
    };
    CopyPlan plan;
    const std::string from = expanded_flag(state, instruction, "from");
    const LayerView& tree = from.empty() ? *context_.tree : tree_of(from, state.stage);
    const std::string last = expanded(instruction.words.back());
    plan.destination = path_in_image(state.config.config, last);
    plan.parents = flag_is_set(instruction, "parents");
    plan.into = means_directory(last) || plan.parents;
    plan_owner_and_mode(plan, state, instruction);
    for (std::size_t i = 0; i + 1 < instruction.words.size(); ++i) {
        const std::string& word = instruction.words[i];
        const bool heredoc = !instruction.exec_form && heredoc_of(word, dockerfile().escape);
        plan_source(plan, instruction, heredoc ? word : expanded(word), tree, from.empty());
    }
    const std::filesystem::path temporary = store_.data_root() / "tmp";
    for (const Heredoc& heredoc : instruction.heredocs) {
        const CopyTree& made = add_tree(plan, temporary);
        const std::string name = checked_name(heredoc.name, "heredoc");
        const UniqueFd fd =
            open_file(made.directory.path() / name, O_WRONLY | O_CREAT | O_EXCL, 0644);
        check(::fchmod(fd.get(), 0644), "fchmod({})", name);
        write_all(fd.get(),
                  heredoc.expand ? expand_heredoc(heredoc.content, variables) : heredoc.content,
                  name);
        CopyFrom file{.tree = &*made.view, .sources = find_sources(*made.view, {.pattern = "/*"})};
        plan.input += digest_of(*file.tree, file.sources, false).text() + " ";
        plan.from.push_back(std::move(file));
    }
    const std::size_t count =
        plan.from.size() == 1 ? plan.from.front().sources.size() : plan.from.size();
    if (count > 1 && !plan.into) {
        throw InputError(
            fmt::format("\"{}\": with more than one source the destination must be a "
                        "directory and end with /",
                        last));
    }
    return plan;
}

void Build::copy_step(BuildState& state, const Instruction& instruction) {
    const CopyPlan plan = plan_copy(state, instruction);
    const std::string verb = instruction.verb == Verb::Add ? "ADD" : "COPY";
    const std::string canonical = fmt::format(
        "{} {}", verb,
        nlohmann::json{plan.destination, plan.into, plan.parents, plan.options.uid,
                       plan.options.gid, plan.options.mode ? plan.options.mode->text : "",
                       instruction.words.size(), flag_is_set(instruction, "unpack")}
            .dump());
    const StepKey key = key_of(state, canonical, plan.input);
    const StepsUnderWay::Claim claim = under_way_.claim(key.digest());
    if (take_cached(state, key)) {
        return;
    }
    const std::vector<Digest> chains = chains_of(state);
    BuildWorkspace workspace(store_);
    const ActiveSnapshot snapshot = store_.snapshots().prepare(workspace.key(), chains);
    UpperWriter writer(snapshot.upper, layer_directories(store_, chains));
    copy_planned(writer, plan, store_.data_root() / "tmp");
    const LayerBlob layer = workspace.commit(epoch_);
    finish_step(state, key, "/bin/sh -c #(nop) " + instruction.text, layer);
}

}  // namespace drydock
