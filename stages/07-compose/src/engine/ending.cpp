#include "engine/ending.hpp"

namespace drydock {

void set_ended(ContainerStatus& state, const std::optional<ExitRecord>& record,
               int code_without_record) {
    state.status = Status::Exited;
    state.pid = 0;
    state.starting = false;
    state.paused = false;
    state.health.reset();
    state.exit_code = record ? record->exit_status : code_without_record;
    state.oom_killed = record && record->oom_killed;
    state.finished_at = record ? parse_time(record->finished_at) : std::nullopt;
    if (!state.finished_at) {
        state.finished_at = now();
    }
}

}  // namespace drydock
