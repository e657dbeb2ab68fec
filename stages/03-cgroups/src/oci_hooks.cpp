#include "oci_sections.hpp"

namespace drydock::oci {
namespace {

constexpr Property<Hook> kHook[] = {
    {"path", [](const JsonNode& n, Hook& h) { h.path = n.absolute_path(); }, kRequired},
    {"args", [](const JsonNode& n, Hook& h) { h.args = n.texts(); }},
    {"env", [](const JsonNode& n, Hook& h) { h.env = n.texts(); }},
    {"timeout",
     [](const JsonNode& n, Hook& h) { h.timeout = static_cast<int>(n.number(1, INT32_MAX)); }},
};

void read_list(const JsonNode& node, std::vector<Hook>& into) {
    node.elements([&](const JsonNode& n) { n.read(kHook, into.emplace_back()); });
}

constexpr Property<Hooks> kHooks[] = {
    {"prestart", [](const JsonNode& n, Hooks& h) { read_list(n, h.prestart); }},
    {"createRuntime", [](const JsonNode& n, Hooks& h) { read_list(n, h.create_runtime); }},
    {"createContainer", [](const JsonNode& n, Hooks& h) { read_list(n, h.create_container); }},
    {"startContainer", [](const JsonNode& n, Hooks& h) { read_list(n, h.start_container); }},
    {"poststart", [](const JsonNode& n, Hooks& h) { read_list(n, h.poststart); }},
    {"poststop", [](const JsonNode& n, Hooks& h) { read_list(n, h.poststop); }},
};

}  // namespace

std::vector<std::string_view> hook_names() {
    std::vector<std::string_view> names;
    for (const Property<Hooks>& property : kHooks) {
        names.push_back(property.name);
    }
    return names;
}

void read_hooks(const JsonNode& node, Hooks& into) {
    node.read(kHooks, into);
}

}  // namespace drydock::oci
