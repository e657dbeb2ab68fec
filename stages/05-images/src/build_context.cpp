#include "build_context.hpp"

#include <fcntl.h>

#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/tar_apply.hpp"
#include "05-images/runtime_config.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxDockerfile = std::size_t{1} << 20U;

}  // namespace

BuildContext open_context(const ImageStore& store, const BuildRequest& request) {
    BuildContext context;
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

BuildWorkspace::BuildWorkspace(ImageStore& store)
    : store_(store),
      key_("build-" + new_container_id()),
      bundle_(store.data_root() / "tmp" / key_) {}

BuildWorkspace::~BuildWorkspace() {
    try {
        remove_bundle(store_, bundle_, key_);
    } catch (const std::exception&) {  // best effort
    }
}

LayerBlob BuildWorkspace::commit(const std::optional<std::int64_t>& latest_mtime) {
    const ActiveSnapshot snapshot = store_.snapshots().active(key_);
    const UniqueFd upper = open_file(snapshot.upper, O_RDONLY | O_DIRECTORY);
    const LayerBlob layer =
        create_layer(store_.content(), upper.get(), {.latest_mtime = latest_mtime});
    store_.snapshots().commit(key_, layer.diff_id);
    return layer;
}

}  // namespace drydock
