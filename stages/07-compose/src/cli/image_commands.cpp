// build, images, pull, push, tag, rmi, save, load.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "05-images/build_secret.hpp"
#include "07-compose/cli/build_context.hpp"
#include "07-compose/cli/container_spec.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/progress.hpp"
#include "07-compose/cli/rows.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// "name" and "tag" of a reference; the colon of a port is before the last slash.
std::pair<std::string, std::string> split_tag(const std::string& reference) {
    const auto slash = reference.rfind('/');
    const auto colon = reference.find(':', slash == std::string::npos ? 0 : slash);
    return colon == std::string::npos
               ? std::pair(reference, std::string())
               : std::pair(reference.substr(0, colon), reference.substr(colon + 1));
}

std::map<std::string, std::string> pairs_of(const std::vector<std::string>& texts,
                                            std::string_view where) {
    std::map<std::string, std::string> result;
    for (const std::string& text : texts) {
        if (const auto pair = parse_env(text, where)) {
            const auto equals = pair->find('=');
            result[pair->substr(0, equals)] = pair->substr(equals + 1);
        }
    }
    return result;
}

void add_rows(std::vector<json>& rows, const json& image, bool whole) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
    const auto id = image.value("Id", "");
    json row = {{"ID", whole ? id : short_id(id)},
                {"Repository", "<none>"},
                {"Tag", "<none>"},
                {"Digest", "<none>"},
                {"CreatedSince",
                 human_duration(seconds - image.value("Created", std::int64_t{0})) + " ago"},
                {"Size", human_size(image.value("Size", std::uint64_t{0}))}};
    const json tags = image.contains("RepoTags") && image["RepoTags"].is_array() ? image["RepoTags"]
                                                                                 : json::array();
    const json digests = image.contains("RepoDigests") && image["RepoDigests"].is_array()
                             ? image["RepoDigests"]
                             : json::array();
    for (const json& reference : tags) {
        const auto [repository, tag] = split_tag(reference.get<std::string>());
        row["Repository"] = repository;
        row["Tag"] = tag.empty() ? "<none>" : tag;
        row["Digest"] = "<none>";
        for (const json& digest : digests) {
            const auto text = digest.get<std::string>();
            if (text.starts_with(repository + "@")) {
                row["Digest"] = text.substr(repository.size() + 1);
            }
        }
        rows.push_back(row);
    }
    if (tags.empty()) {
        rows.push_back(row);
    }
}

/// Everything that comes is in `path` afterwards, or nothing is.
void save_to_file(Exchange& answer, const fs::path& path) {
    const fs::path temporary = path.native() + ".part";
    try {
        UniqueFd file = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        while (const auto bytes = answer.read_some()) {
            write_all(file.get(), *bytes, temporary.native());
        }
        file.close();
        fs::rename(temporary, path);
    } catch (...) {
        static_cast<void>(::unlink(temporary.c_str()));
        throw;
    }
}

}  // namespace

int run_build(const Invocation& invocation) {
    CLI::App app("Builds an image from a Dockerfile");
    prepare(app, invocation);
    BuildRequest request;
    std::string context;
    std::string dockerfile;
    std::string iidfile;
    std::vector<std::string> build_args;
    std::vector<std::string> labels;
    std::vector<std::string> secrets;
    std::vector<std::string> ssh;
    std::string explain;
    bool check_only = false;
    add_list(app, "-t,--tag", request.tags, "name of the image")->type_name("NAME[:TAG]");
    app.add_option("-f,--file", dockerfile, "the Dockerfile (CONTEXT/Dockerfile)")
        ->type_name("FILE");
    add_list(app, "--build-arg", build_args, "value of an ARG")->type_name("NAME=VALUE");
    add_list(app, "--label", labels, "note something on the image")->type_name("KEY=VALUE");
    app.add_option("--target", request.target, "the stage to build")->type_name("STAGE");
    app.add_flag("--no-cache", request.no_cache, "do every step anew");
    app.add_flag("--pull", request.pull, "look for a newer FROM");
    app.add_flag("-q,--quiet", request.quiet, "print the image's ID only");
    app.add_option("--iidfile", iidfile, "write the image's ID to this file")->type_name("FILE");
    app.add_option("--network", request.network, "of RUN: none (its own, the default) or host")
        ->type_name("MODE");
    add_list(app, "--secret", secrets,
             "for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=NAME")
        ->type_name("SECRET");
    add_list(app, "--ssh", ssh, "not implemented")->type_name("AGENT");
    app.add_option("--explain", explain, "cache: why a step was not taken over")->type_name("WHAT");
    app.add_flag("--check", check_only, "say what is odd in the Dockerfile, build nothing");
    app.add_option("CONTEXT", context, "the folder that COPY takes from")
        ->required()
        ->type_name("DIR");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    if (!ssh.empty()) {
        throw NotImplemented(
            "build --ssh: a RUN that speaks with the agent of ssh; "
            "RUN --mount=type=secret takes a key by --secret id=ID,src=FILE");
    }
    for (const std::string& text : secrets) {
        request.secrets.insert(read_build_secret(text));
    }
    if (!explain.empty() && explain != "cache") {
        throw InputError(fmt::format("--explain {}: expected cache", explain));
    }
    request.explain_cache = !explain.empty();
    if (!request.network.empty() && request.network != "default" && request.network != "none" &&
        request.network != "host") {
        throw InputError(
            fmt::format("--network {}: expected default, none or host", request.network));
    }
    request.context = fs::absolute(context).lexically_normal();
    request.build_args = pairs_of(build_args, "--build-arg");
    request.labels = pairs_of(labels, "--label");
    if (!dockerfile.empty()) {
        request.dockerfile = fs::absolute(dockerfile).lexically_relative(request.context).native();
        if (request.dockerfile.starts_with("..")) {
            throw InputError(fmt::format("-f {}: a Dockerfile outside of the build context {}",
                                         dockerfile, context));
        }
    }
    if (check_only) {
        const BuildCheck check = check_build(invocation.engine(), request);
        fmt::print("{}", check.text);
        return check.warnings == 0 ? 0 : 1;
    }
    try {
        const std::string id = build_image(invocation.engine(), request, STDOUT_FILENO);
        if (request.quiet) {
            fmt::print("{}\n", id);
        }
        if (!iidfile.empty()) {
            const UniqueFd file = open_file(iidfile, O_WRONLY | O_CREAT | O_TRUNC, 0644);
            write_all(file.get(), id, iidfile);
        }
        return 0;
    } catch (const EngineError& e) {
        // A RUN that failed gives its exit status; an HTTP status is no exit status.
        constexpr int kFirstHttp = 256;
        throw SetupError(e.what(), {}, e.status() > 0 && e.status() < kFirstHttp ? e.status() : 1);
    }
}

int run_images(const Invocation& invocation) {
    CLI::App app("Lists images");
    prepare(app, invocation);
    bool all = false;
    bool whole = false;
    bool digests = false;
    std::string reference;
    std::vector<std::string> filters;
    Listing listing;
    app.add_flag("-a,--all", all, "those in between, too");
    app.add_flag("-q,--quiet", listing.quiet, "IDs only");
    app.add_flag("--no-trunc", whole, "cut nothing");
    app.add_flag("--digests", digests, "show digests");
    add_list(app, "-f,--filter", filters, "only those with, say, dangling=true, label=a=b")
        ->type_name("KEY=VALUE");
    app.add_option("--format", listing.format,
                   "table, json, or a template like '{{.Repository}}:{{.Tag}}'");
    app.add_option("REFERENCE", reference, "only this one")->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    listing.columns = {{"REPOSITORY", "Repository"},
                       {"TAG", "Tag"},
                       {"IMAGE ID", "ID"},
                       {"CREATED", "CreatedSince"},
                       {"SIZE", "Size"}};
    if (digests) {
        listing.columns.insert(listing.columns.begin() + 2, {"DIGEST", "Digest"});
    }
    if (!reference.empty()) {
        filters.push_back("reference=" + reference);
    }
    Query query = {{"all", all ? "1" : "0"}};
    if (!filters.empty()) {
        query.emplace_back("filters", filters_parameter(filters));
    }
    std::vector<json> rows;
    for (const json& image : invocation.engine().get("/images/json", query)) {
        add_rows(rows, image, whole);
    }
    fmt::print("{}", list_text(listing, rows));
    return 0;
}

int run_pull(const Invocation& invocation) {
    CLI::App app("Fetches an image from a registry");
    prepare(app, invocation);
    std::string reference;
    bool quiet = false;
    std::string platform;
    app.add_flag("-q,--quiet", quiet, "no progress");
    app.add_option("--platform", platform, "the machine that it is for, like linux/amd64")
        ->type_name("OS/ARCHITECTURE");
    app.add_option("IMAGE", reference, "[REGISTRY/]NAME[:TAG|@DIGEST]")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    pull_image(invocation.engine(), reference, STDOUT_FILENO, quiet, platform);
    fmt::print("{}\n", reference);
    return 0;
}

int run_push(const Invocation& invocation) {
    CLI::App app("Puts an image into a registry");
    prepare(app, invocation);
    std::string reference;
    bool quiet = false;
    app.add_flag("-q,--quiet", quiet, "no progress");
    app.add_option("IMAGE", reference, "[REGISTRY/]NAME[:TAG]")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const auto [name, tag] = split_tag(reference);
    Exchange answer = invocation.engine().stream("POST", path_of({"images", name, "push"}),
                                                 {{"tag", tag.empty() ? "latest" : tag}}, {},
                                                 stored_auth_for(reference));
    show_progress(answer, STDOUT_FILENO, quiet);
    return 0;
}

int run_tag(const Invocation& invocation) {
    CLI::App app("Gives an image one more name");
    prepare(app, invocation);
    std::string source;
    std::string target;
    app.add_option("IMAGE", source, "name or ID")->required()->type_name("");
    app.add_option("NAME", target, "NAME[:TAG]")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const auto [repository, tag] = split_tag(target);
    invocation.engine().post(path_of({"images", source, "tag"}),
                             {{"repo", repository}, {"tag", tag.empty() ? "latest" : tag}});
    return 0;
}

int run_rmi(const Invocation& invocation) {
    CLI::App app("Removes names of images, and images without a name");
    prepare(app, invocation);
    std::vector<std::string> names;
    bool force = false;
    app.add_flag("-f,--force", force, "also when a container that does not run was made of it");
    app.add_option("IMAGE", names, "names or IDs")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    return for_each_name(names, invocation.name, [&](const std::string& name) -> std::string {
        for (const json& done :
             engine.remove(path_of({"images", name}), {{"force", force ? "1" : "0"}})) {
            for (const auto& [what, which] : done.items()) {
                fmt::print("{}: {}\n", what, which.get<std::string>());
            }
        }
        return "";
    });
}

int run_save(const Invocation& invocation) {
    CLI::App app("Writes images into an archive that load, and docker load, reads");
    prepare(app, invocation);
    std::vector<std::string> names;
    std::string file;
    app.add_option("-o,--output", file, "the archive (standard output)")->type_name("FILE");
    app.add_option("IMAGE", names, "names or IDs")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    if (file.empty() && is_terminal(STDOUT_FILENO)) {
        throw InputError(
            "save: an archive is not for a terminal; use -o FILE, or send it into a pipe");
    }
    Query query;
    for (const std::string& name : names) {
        query.emplace_back("names", name);
    }
    Exchange answer = invocation.engine().stream("GET", "/images/get", query);
    if (!file.empty()) {
        save_to_file(answer, file);
        return 0;
    }
    while (const auto bytes = answer.read_some()) {
        write_all(STDOUT_FILENO, *bytes, "standard output");
    }
    return 0;
}

int run_load(const Invocation& invocation) {
    CLI::App app("Takes the images out of an archive that save, or docker save, wrote");
    prepare(app, invocation);
    std::string file;
    bool quiet = false;
    app.add_option("-i,--input", file, "the archive (standard input)")->type_name("FILE");
    app.add_flag("-q,--quiet", quiet, "no progress");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    if (file.empty() && is_terminal(STDIN_FILENO)) {
        throw InputError("load: no archive; use -i FILE, or send it in through a pipe");
    }
    const UniqueFd opened = file.empty() ? UniqueFd() : open_file(file, O_RDONLY);
    const int from = opened ? opened.get() : STDIN_FILENO;
    Exchange answer =
        invocation.engine().upload("/images/load", {{"quiet", "1"}}, [&](Exchange& upload) {
            std::array<char, 65536> buffer{};
            while (const ssize_t n =
                       check(::read(from, buffer.data(), buffer.size()), "read({})", file)) {
                upload.write_body({buffer.data(), static_cast<std::size_t>(n)});
            }
        });
    show_progress(answer, STDOUT_FILENO, quiet);
    return 0;
}

}  // namespace drydock::cli
