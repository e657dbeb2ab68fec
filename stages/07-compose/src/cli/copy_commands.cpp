// diff, export, commit: what can be taken out of a container.
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/cli/format.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

CLI::Option* add_container(CLI::App& app, std::string& name) {
    return app.add_option("CONTAINER", name, "name, ID, or the beginning of an ID")
        ->required()
        ->type_name("");
}

}  // namespace

int run_diff(const Invocation& invocation) {
    CLI::App app("Shows what a container changed in its image's files: A added, C changed, D gone");
    prepare(app, invocation);
    std::string name;
    add_container(app, name);
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    constexpr std::string_view kKinds = "CAD";
    const json changes = invocation.engine().get(path_of({"containers", name, "changes"}));
    for (const json& change : changes) {
        fmt::print("{} {}\n", kKinds.at(change.at("Kind").get<std::size_t>()),
                   printable(change.at("Path").get<std::string>()));
    }
    return 0;
}

int run_export(const Invocation& invocation) {
    CLI::App app("Writes a container's file system as a tar archive");
    prepare(app, invocation);
    std::string name;
    std::string output;
    app.add_option("-o,--output", output, "a file, instead of our standard output")
        ->type_name("FILE");
    add_container(app, name);
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    if (output.empty() && is_terminal(STDOUT_FILENO)) {
        throw InputError("export: our standard output is a terminal; use -o FILE");
    }
    Exchange answer = invocation.engine().stream("GET", path_of({"containers", name, "export"}));
    const UniqueFd file =
        output.empty() ? UniqueFd() : open_file(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while (const auto bytes = answer.read_some()) {
        write_all(file ? file.get() : STDOUT_FILENO, *bytes,
                  output.empty() ? "standard output" : output);
    }
    return 0;
}

int run_commit(const Invocation& invocation) {
    CLI::App app("Makes an image of what a container is now");
    prepare(app, invocation);
    std::string name;
    std::string image;
    std::string author;
    std::string message;
    std::vector<std::string> changes;
    bool pause = true;
    app.add_option("-a,--author", author, "who made it");
    app.add_option("-m,--message", message, "what for");
    add_list(app, "-c,--change", changes, "an instruction of a Dockerfile, like 'CMD sh'")
        ->type_name("INSTRUCTION");
    app.add_flag("-p,--pause,!--no-pause", pause, "nothing of it runs meanwhile (true)");
    add_container(app, name);
    app.add_option("IMAGE", image, "its name")->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    Query query = {{"container", name},
                   {"repo", image},
                   {"author", author},
                   {"comment", message},
                   {"pause", pause ? "1" : "0"}};
    for (const std::string& change : changes) {
        query.emplace_back("changes", change);
    }
    fmt::print("{}\n", invocation.engine().post("/commit", query).at("Id").get<std::string>());
    return 0;
}

}  // namespace drydock::cli
