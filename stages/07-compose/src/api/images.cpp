#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "05-images/archive.hpp"
#include "05-images/image_config.hpp"
#include "05-images/reference.hpp"
#include "06-registry/pull.hpp"
#include "06-registry/push.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/engine_error.hpp"
#include "07-compose/engine/filters.hpp"

#include "api/body_file.hpp"
#include "api/image_json.hpp"
#include "api/import.hpp"
#include "api/platform.hpp"
#include "api/progress_stream.hpp"
#include "api/registry_auth.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

std::string shown_name(const std::string& name) {
    try {
        return familiar(parse_reference(name));
    } catch (const InputError&) {
        return name;
    }
}

Image image_called(Call& call, const std::string& name) {
    if (auto image = call.engine.images().find(name)) {
        return *image;
    }
    throw EngineError(Refusal::NotFound, "No such image: " + shown_name(name));
}

/// `name` with a tag or a digest that came as a parameter of its own.
Reference with_tag(const std::string& name, const std::string& tag) {
    if (tag.empty()) {
        return parse_reference(name);
    }
    return parse_reference(name + (tag.find(':') == std::string::npos ? ":" : "@") + tag);
}

/// docker's rule for the filter `reference`: "busybox", "busybox:*", "127.0.0.1:5000/*".
bool reference_matches(const Reference& reference, const std::string& pattern);

bool passes(const Image& image, const ImageStore& store, const Filters& filters) {
    return std::ranges::all_of(filters, [&](const auto& filter) {
        const auto& [key, values] = filter;
        if (key == "label") {
            return has_labels(store.config(image).config.labels, values);
        }
        if (key == "dangling") {
            return is_true(values.front()) == image.references.empty();
        }
        return std::ranges::any_of(
            image.references, [&, &wanted = values](const Reference& reference) {
                return std::ranges::any_of(wanted, [&](const std::string& one) {
                    return reference_matches(reference, one);
                });
            });
    });
}

/// fnmatch(3)'s star and question mark without its brackets; neither crosses a "/".
bool glob(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) {
        return text.empty();
    }
    if (pattern.front() == '*') {
        return glob(pattern.substr(1), text) ||
               (!text.empty() && text.front() != '/' && glob(pattern, text.substr(1)));
    }
    return !text.empty() &&
           (pattern.front() == text.front() || (pattern.front() == '?' && text.front() != '/')) &&
           glob(pattern.substr(1), text.substr(1));
}

bool reference_matches(const Reference& reference, const std::string& pattern) {
    return glob(pattern, familiar(reference)) || glob(pattern, familiar_repository(reference));
}

void list_images(Call& call) {
    constexpr std::array<std::string_view, 3> kKnown = {"dangling", "label", "reference"};
    const Filters filters = parse_filters(call.parameter("filters"), kKnown);
    const ImageStore& store = call.engine.images();
    json result = json::array();
    for (const Image& image : store.list()) {
        if (passes(image, store, filters)) {
            result.push_back(list_json(image, store, call.version));
        }
    }
    respond_json(call, 200, result);
}

void inspect_image(Call& call) {
    respond_json(call, 200, inspect_json(image_called(call, call.name()), call.engine.images()));
}

void history(Call& call) {
    respond_json(call, 200, history_json(image_called(call, call.name()), call.engine.images()));
}

void tag(Call& call) {
    const Image image = image_called(call, call.name());
    const Reference name = with_tag(call.parameter("repo"), call.parameter("tag"));
    call.engine.images().tag(image, name);
    respond_empty(call, 201);
    call.engine.events().publish({.type = "image",
                                  .action = "tag",
                                  .id = image.id.text(),
                                  .attributes = {{"name", familiar(name)}}});
}

/// A container, "stopped" or "running", of the image; nothing when there is none.
std::optional<Container> user_of(Call& call, const Image& image) {
    for (const Container& container : call.engine.list()) {
        if (container.config.image_id == image.id.text()) {
            return container;
        }
    }
    return std::nullopt;
}

void tell_of_image(Call& call, const std::string& action, const std::string& id,
                   const std::string& name) {
    call.engine.events().publish(
        {.type = "image", .action = action, .id = id, .attributes = {{"name", name}}});
}

void tell_of_removal(Call& call, const Removal& removal, const Image& image) {
    for (const std::string& name : removal.untagged) {
        tell_of_image(call, "untag", image.id.text(), name);
    }
    if (!removal.deleted.empty()) {
        tell_of_image(call, "delete", image.id.text(), image.id.text());
    }
}

bool is_name_of(const Image& image, const std::string& name) {
    return std::ranges::any_of(image.references, [&](const Reference& reference) {
        return familiar(reference) == shown_name(name);
    });
}

/// @throws EngineError Conflict in docker's words when a container needs what would go
void refuse_if_used(Call& call, const Image& image) {
    const auto user = user_of(call, image);
    const bool by_name = is_name_of(image, call.name());
    if (!user || (by_name && image.references.size() > 1)) {
        return;
    }
    const bool running = is_up(user->state);
    const std::string container = user->id.substr(0, 12);
    const std::string short_id(image.id.hex().substr(0, 12));
    if (by_name && !call.flag("force")) {
        throw EngineError(Refusal::Conflict,
                          fmt::format("conflict: unable to remove repository reference \"{}\" "
                                      "(must force) - container {} is "
                                      "using its referenced image {}",
                                      call.name(), container, short_id));
    }
    if (!by_name && (running || !call.flag("force"))) {
        throw EngineError(
            Refusal::Conflict,
            fmt::format(
                "conflict: unable to delete {} ({}) - image is being used by {} container {}",
                short_id, running ? "cannot be forced" : "must be forced",
                running ? "running" : "stopped", container));
    }
}

json removal_json(const Removal& removal) {
    json lines = json::array();
    for (const std::string& name : removal.untagged) {
        lines.push_back({{"Untagged", name}});
    }
    for (const Digest& digest : removal.deleted) {
        lines.push_back({{"Deleted", digest.text()}});
    }
    return lines;
}

void remove_image(Call& call) {
    const Image image = image_called(call, call.name());
    refuse_if_used(call, image);
    const auto in_use = [&](const Digest& id) {
        const auto containers = call.engine.list();
        return std::ranges::any_of(containers, [&](const Container& container) {
            return container.config.image_id == id.text();
        });
    };
    if (image.references.size() > 1 && !is_name_of(image, call.name()) && !call.flag("force")) {
        throw EngineError(
            Refusal::Conflict,
            fmt::format(
                "conflict: unable to delete {} (must be forced) - image is referenced in multiple "
                "repositories",
                image.id.hex().substr(0, 12)));
    }
    const Removal removal =
        call.engine.images().remove_by_name(call.name(), call.flag("force"), in_use);
    tell_of_removal(call, removal, image);
    respond_json(call, 200, removal_json(removal));
}

void prune_images(Call& call) {
    constexpr std::array<std::string_view, 3> kKnown = {"dangling", "label", "until"};
    Filters filters = parse_filters(call.parameter("filters"), kKnown);
    const auto dangling = filters.find("dangling");
    const bool all = dangling != filters.end() && !is_true(dangling->second.front());
    filters.erase("dangling");
    const auto until = filters.find("until");
    const Time latest =
        until == filters.end() ? Time::max() : parse_query_time(until->second.front());
    filters.erase("until");
    const auto is_young = [&](const Image& image) {
        const auto made = parse_time(call.engine.images().config(image).created);
        return latest != Time::max() && (!made || *made >= latest);
    };
    const auto in_use = [&](const Digest& id) {
        const auto containers = call.engine.list();
        return std::ranges::any_of(containers, [&](const Container& container) {
            return container.config.image_id == id.text();
        });
    };
    json deleted = json::array();
    std::uint64_t bytes = 0;
    for (const Image& image : call.engine.images().list()) {
        if ((all || image.references.empty()) && !in_use(image.id) && !is_young(image) &&
            passes(image, call.engine.images(), filters)) {
            bytes += image.size;
            const Removal removal = call.engine.images().remove(image, in_use);
            tell_of_removal(call, removal, image);
            for (json& line : removal_json(removal)) {
                deleted.push_back(std::move(line));
            }
        }
    }
    respond_json(call, 200, {{"ImagesDeleted", deleted}, {"SpaceReclaimed", bytes}});
}

json progress_line(const Progress& progress) {
    json line = {{"status", progress.status}};
    if (!progress.id.empty()) {
        line["id"] = progress.id;
    }
    if (progress.total > 0) {
        line["progressDetail"] = {{"current", progress.current}, {"total", progress.total}};
        line["progress"] = fmt::format("{}/{} bytes", progress.current, progress.total);
    } else if (!progress.id.empty()) {
        line["progressDetail"] = json::object();
    }
    return line;
}

ProgressCallback told_to(ProgressStream& stream, Job& job) {
    return [&](const Progress& progress) {
        job.progress(progress.id.empty() ? progress.status : progress.id + ": " + progress.status);
        stream.send(progress_line(progress));
    };
}

void pull_image(Call& call) {
    if (!call.parameter("fromSrc").empty()) {
        import_image(call);
        return;
    }
    const std::string name = call.parameter("fromImage");
    if (name.empty()) {
        throw InputError("fromImage: expected the name of an image");
    }
    const Reference reference = with_tag(name, call.parameter("tag"));
    const Credentials credentials =
        read_registry_auth(call.http.request().header("X-Registry-Auth"));
    TransferOptions options{.at_once = call.engine.options().downloads_at_once};
    if (const std::string platform = call.parameter("platform"); !platform.empty()) {
        options.platform = parse_platform(platform);
    }
    const auto job = call.engine.jobs().begin("pull", familiar(reference));
    ProgressStream stream(call);
    stream.run([&] {
        try {
            pull(call.engine.images(), reference, credentials, told_to(stream, *job), options);
            job->done();
            tell_of_image(call, "pull", familiar(reference), familiar_repository(reference));
        } catch (const std::exception& e) {
            job->failed(e.what());
            throw;
        }
    });
}

void push_image(Call& call) {
    const Reference reference = with_tag(call.name(), call.parameter("tag"));
    if (!call.engine.images().find(reference)) {
        throw EngineError(Refusal::NotFound,
                          fmt::format("An image does not exist locally with the tag: {}",
                                      familiar_repository(reference)));
    }
    const Credentials credentials =
        read_registry_auth(call.http.request().header("X-Registry-Auth"));
    const auto job = call.engine.jobs().begin("push", familiar(reference));
    ProgressStream stream(call);
    stream.run([&] {
        try {
            push(call.engine.images(), reference, credentials, told_to(stream, *job),
                 {.at_once = call.engine.options().uploads_at_once});
            job->done();
            tell_of_image(call, "push", familiar(reference), familiar_repository(reference));
        } catch (const std::exception& e) {
            job->failed(e.what());
            throw;
        }
    });
}

void load(Call& call) {
    const UniqueFd archive = body_in_file(call);
    const auto job = call.engine.jobs().begin("load", "");
    ProgressStream stream(call);
    stream.run([&] {
        for (const LoadedImage& loaded :
             load_images(call.engine.images(), archive.get(), "image archive")) {
            tell_of_image(call, "load", loaded.image.id.text(),
                          loaded.name ? familiar(*loaded.name) : loaded.image.id.text());
            stream.send(
                {{"stream", loaded.name
                                ? fmt::format("Loaded image: {}\n", familiar(*loaded.name))
                                : fmt::format("Loaded image ID: {}\n", loaded.image.id.text())}});
        }
        job->done();
    });
}

/// save_images writes to a pipe on a thread of its own, and we pass on what comes out.
void send_archive(Call& call, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        image_called(call, name);
    }
    Pipe pipe = make_pipe();
    std::exception_ptr failure;
    HttpStream stream = call.http.begin_stream(200, {{"Content-Type", "application/x-tar"}});
    std::jthread writer([&, out = std::move(pipe.write)]() mutable {
        try {
            save_images(call.engine.images(), names, out.get());
        } catch (...) {
            failure = std::current_exception();
        }
        out = UniqueFd();
    });
    std::string block(std::size_t{64} << 10U, '\0');
    try {
        while (const auto got =
                   check(::read(pipe.read.get(), block.data(), block.size()), "read(archive)")) {
            stream.write(std::string_view(block).substr(0, static_cast<std::size_t>(got)));
        }
    } catch (...) {
        pipe.read = UniqueFd();  // the writer gets EPIPE and ends
        throw;
    }
    writer.join();
    if (failure) {
        std::rethrow_exception(failure);
    }
    stream.finish();
}

void save_one(Call& call) {
    send_archive(call, {call.name()});
}
void save_many(Call& call) {
    send_archive(call, call.parameters("names"));
}

constexpr std::array kImageRoutes = std::to_array<Route>({
    {"GET", "/images/json", list_images},
    {"POST", "/images/create", pull_image},
    {"POST", "/images/load", load},
    {"POST", "/images/prune", prune_images},
    {"GET", "/images/get", save_many},
    {"GET", "/images/{*}/get", save_one},
    {"GET", "/images/{*}/json", inspect_image},
    {"GET", "/images/{*}/history", history},
    {"POST", "/images/{*}/tag", tag},
    {"POST", "/images/{*}/push", push_image},
    {"DELETE", "/images/{*}", remove_image},
});

}  // namespace

std::span<const Route> image_routes() {
    return kImageRoutes;
}

}  // namespace drydock::api
