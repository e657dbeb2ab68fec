#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "05-images/dockerfile_check.hpp"
#include "05-images/image_store.hpp"

namespace drydock {

/// What a build tells its user, as it happens.
struct BuildEvent {
    enum class Kind {
        Stream,  ///< text for the user, with its own line ends: "Step 1/6 : FROM base\n", output of
                 ///< RUN
        Image    ///< the image is there: `text` is its ID, "sha256:…" (docker's aux.ID)
    };
    Kind kind = Kind::Stream;
    std::string text{};
};

/// What a server said of a file that ADD named by its URL.
struct FetchedUrl {
    std::optional<std::int64_t> last_modified{};  ///< seconds since 1970
};

struct BuildRequest {
    std::filesystem::path context{};        ///< a directory; empty: context_tar
    int context_tar = -1;                   ///< the context as a tar stream, plain or compressed
    std::string dockerfile = "Dockerfile";  ///< path inside the context
    std::optional<std::string> dockerfile_text{};  ///< instead of that file
    std::vector<std::string> tags{};
    std::map<std::string, std::optional<std::string>>
        build_args{};  ///< no value: as if it were not given
    std::map<std::string, std::string> labels{};
    std::string target{};  ///< name or number of the stage to stop at; empty: the last
    bool no_cache = false;
    bool pull = false;           ///< fetch FROM's image also when the store has one of that name
    bool explain_cache = false;  ///< say of each step that was not taken over why
    std::string network{};       ///< of RUN: "" or "none" a namespace of its own, "host" the host's
    std::filesystem::path
        runtime_root{};  ///< where drydock-runtime keeps state; empty: below the data root
    /// Gets an image of FROM or COPY --from that the store does not have; empty: that is an error.
    std::function<Image(const Reference&)> fetch_image{};
    /// Writes what is behind the URL of an ADD to the descriptor; empty: ADD of URLs is not
    /// implemented.
    std::function<FetchedUrl(const std::string& url, int fd)> fetch_url{};
    /// Of RUN --mount=type=secret, by ID. They are in a tmpfs while a RUN has them, in no layer, no
    /// cache and no history.
    std::map<std::string, std::string> secrets{};
    /// $SOURCE_DATE_EPOCH, seconds since 1970: times in the image are not later, so that the same
    /// input gives the same digests. Nothing: now.
    std::optional<std::int64_t> source_date_epoch{};
    /// Asked between any two steps and while one runs; true ends the build with an error.
    std::function<bool()> cancelled{};
};

/// Builds an image from a Dockerfile, step by step, in docker's classic words. Layers of steps that
/// were built before with the same input are taken over, if it was this builder that made them.
///
/// When it does not succeed, nothing is left of the step that failed; what the steps before it made
/// stays for the next build.
/// @throws InputError "Dockerfile:3: …" for what is wrong in the file, the context or the request;
/// SetupError when a
///         RUN failed, whose exit_status() is the command's: "The command '/bin/sh -c exit 7'
///         returned a non-zero code: 7"
Image build_image(ImageStore& store, const BuildRequest& request,
                  const std::function<void(const BuildEvent&)>& on_event);

/// Looks at the Dockerfile of the request with the .dockerignore of its context, and builds
/// nothing.
/// @throws InputError for what could not be built at all
DockerfileCheck check_build(const ImageStore& store, const BuildRequest& request);

}  // namespace drydock
