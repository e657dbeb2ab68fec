#include "05-images/image_changes.hpp"

#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "05-images/dockerfile.hpp"

#include "build_state.hpp"

namespace drydock {
namespace {

bool changes_settings(Verb verb) {
    return verb != Verb::Add && verb != Verb::Copy && verb != Verb::Run && verb != Verb::Arg;
}

}  // namespace

void apply_changes(oci::ExecutionConfig& config, const std::vector<std::string>& changes) {
    BuildState state;
    state.config.config = std::move(config);
    for (const std::string& change : changes) {
        const Dockerfile file = parse_dockerfile("FROM scratch\n" + change + "\n", "--change");
        for (const Instruction& instruction : file.stages.front().instructions) {
            if (!changes_settings(instruction.verb)) {
                throw InputError(fmt::format(
                    "{} is not a valid change command; expected CMD, ENTRYPOINT, ENV, EXPOSE, "
                    "HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR",
                    instruction.text));
            }
            static_cast<void>(apply_settings(state, instruction, file.escape));
        }
    }
    config = std::move(state.config.config);
}

}  // namespace drydock
