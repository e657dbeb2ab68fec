#include "seccomp_section.hpp"

#include <linux/seccomp.h>

#include <string>

#include <nlohmann/json.hpp>

#include "02-namespaces/seccomp_profile.hpp"

namespace drydock {
namespace {

using nlohmann::json;

/// Writes an action as the spec spells it: a name, and the errno beside it under `errno_key`.
void put_action(json& object, const char* key, const char* errno_key, SeccompAction action) {
    switch (action & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_ALLOW:
            object[key] = "SCMP_ACT_ALLOW";
            break;
        case SECCOMP_RET_ERRNO:
            object[key] = "SCMP_ACT_ERRNO";
            object[errno_key] = action & SECCOMP_RET_DATA;
            break;
        case SECCOMP_RET_KILL_THREAD:
            object[key] = "SCMP_ACT_KILL_THREAD";
            break;
        default:
            object[key] = "SCMP_ACT_KILL_PROCESS";
            break;
    }
}

const char* name_of(SeccompCondition::Operator op) {
    using enum SeccompCondition::Operator;
    switch (op) {
        case Equal:
            return "SCMP_CMP_EQ";
        case NotEqual:
            return "SCMP_CMP_NE";
        case Less:
            return "SCMP_CMP_LT";
        case LessOrEqual:
            return "SCMP_CMP_LE";
        case Greater:
            return "SCMP_CMP_GT";
        case GreaterOrEqual:
            return "SCMP_CMP_GE";
        case MaskedEqual:
            return "SCMP_CMP_MASKED_EQ";
    }
    return "";
}

}  // namespace

json default_seccomp(CapabilitySet capabilities) {
    const SeccompProfile profile = default_seccomp_profile(capabilities);
    json result = json::object();
    put_action(result, "defaultAction", "defaultErrnoRet", profile.default_action);
    result["syscalls"] = json::array();
    for (const SeccompRule& rule : profile.rules) {
        json entry = {{"names", rule.names}};
        put_action(entry, "action", "errnoRet", rule.action);
        for (const SeccompCondition& condition : rule.conditions) {
            json argument = {{"index", condition.index},
                             {"value", condition.value},
                             {"op", name_of(condition.op)}};
            if (condition.op == SeccompCondition::Operator::MaskedEqual) {
                argument["valueTwo"] = condition.value_two;
            }
            entry["args"].push_back(std::move(argument));
        }
        result["syscalls"].push_back(std::move(entry));
    }
    return result;
}

}  // namespace drydock
