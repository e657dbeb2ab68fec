#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"
#include "05-images/dockerfile.hpp"

namespace drydock {
namespace {

/// "a,b=c" at its commas; a field in double quotes may hold some.
std::vector<std::string> mount_fields(const std::string& text) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (const char c : text) {
        if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    return fields;
}

struct MountField {
    std::string mount{};
    std::string key{};
    std::optional<std::string> value{};

    [[noreturn]] void refuse(std::string_view expected) const {
        throw InputError(fmt::format("--mount={}: {}: expected {}", mount,
                                     value ? fmt::format("{}={}", key, *value) : key, expected));
    }
    [[nodiscard]] const std::string& text() const {
        if (!value) {
            refuse(fmt::format("{}=VALUE", key));
        }
        return *value;
    }
    [[nodiscard]] std::uint32_t number(int base, const char* expected) const {
        std::uint32_t result = 0;
        const std::string& digits = text();
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), result, base);
        if (error != std::errc{} || end != digits.data() + digits.size() ||
            (base == 8 && result > 07777)) {
            refuse(expected);
        }
        return result;
    }
    [[nodiscard]] bool flag() const {
        if (!value || *value == "true" || *value == "1") {
            return true;
        }
        if (*value != "false" && *value != "0") {
            refuse("true or false");
        }
        return false;
    }
};

void set_type(RunMount& mount, const MountField& field) {
    const std::string& type = field.text();
    if (type == "ssh") {
        throw NotImplemented("RUN --mount=type=ssh");
    }
    constexpr std::pair<std::string_view, RunMount::Type> kTypes[] = {
        {"bind", RunMount::Type::Bind},
        {"cache", RunMount::Type::Cache},
        {"tmpfs", RunMount::Type::Tmpfs},
        {"secret", RunMount::Type::Secret}};
    for (const auto& [name, value] : kTypes) {
        if (type == name) {
            mount.type = value;
            return;
        }
    }
    field.refuse("bind, cache, tmpfs, secret or ssh");
}

void set_sharing(RunMount& mount, const MountField& field) {
    const std::string& sharing = field.text();
    if (sharing != "shared" && sharing != "private" && sharing != "locked") {
        field.refuse("shared, private or locked");
    }
    mount.sharing = sharing == "shared"    ? RunMount::Sharing::Shared
                    : sharing == "private" ? RunMount::Sharing::Private
                                           : RunMount::Sharing::Locked;
}

using Apply = void (*)(RunMount& mount, const MountField& field);
struct MountKey {
    std::string_view name{};
    std::string_view types{};  ///< initials of the types that have it: bind, cache, tmpfs, secret
    Apply apply = nullptr;
};

void set_target(RunMount& mount, const MountField& field) {
    mount.target = field.text();
}
void set_source(RunMount& mount, const MountField& field) {
    mount.source = field.text();
}
void set_readonly(RunMount& mount, const MountField& field) {
    mount.readonly = field.flag();
}
void set_writable(RunMount& mount, const MountField& field) {
    mount.readonly = !field.flag();
}

constexpr MountKey kMountKeys[] = {
    {"type", "bcts", set_type},
    {"target", "bcts", set_target},
    {"dst", "bcts", set_target},
    {"destination", "bcts", set_target},
    {"source", "bc", set_source},
    {"src", "bc", set_source},
    {"from", "bc", [](RunMount& mount, const MountField& field) { mount.from = field.text(); }},
    {"id", "cs", [](RunMount& mount, const MountField& field) { mount.id = field.text(); }},
    {"ro", "bc", set_readonly},
    {"readonly", "bc", set_readonly},
    {"rw", "bc", set_writable},
    {"readwrite", "bc", set_writable},
    {"sharing", "c", set_sharing},
    {"required", "s",
     [](RunMount& mount, const MountField& field) { mount.required = field.flag(); }},
    {"mode", "cs",
     [](RunMount& mount, const MountField& field) {
         mount.mode = field.number(8, "an octal mode, like 0400");
     }},
    {"uid", "cs",
     [](RunMount& mount, const MountField& field) { mount.uid = field.number(10, "a number"); }},
    {"gid", "cs",
     [](RunMount& mount, const MountField& field) { mount.gid = field.number(10, "a number"); }},
    {"size", "t", [](RunMount& mount, const MountField& field) { mount.size = field.text(); }},
    {"env", "s",
     [](RunMount& mount, const MountField& field) {
         static_cast<void>(mount);
         throw NotImplemented(fmt::format("RUN --mount=type=secret,env={}", field.text()));
     }},
};

void apply_field(RunMount& mount, const MountField& field) {
    const auto* key = std::ranges::find(kMountKeys, std::string_view(field.key), &MountKey::name);
    constexpr std::string_view kInitials = "bcts";
    if (key == std::end(kMountKeys)) {
        std::vector<std::string_view> names;
        for (const MountKey& known : kMountKeys) {
            names.push_back(known.name);
        }
        const std::string near = nearest(field.key, names);
        throw InputError(fmt::format("--mount={}: unknown option \"{}\"{}", field.mount, field.key,
                                     near.empty() ? "" : fmt::format("; did you mean {}?", near)));
    }
    if (key->types.find(kInitials[static_cast<std::size_t>(mount.type)]) ==
        std::string_view::npos) {
        throw InputError(fmt::format("--mount={}: a mount of this type has no option \"{}\"",
                                     field.mount, field.key));
    }
    key->apply(mount, field);
}

}  // namespace

RunMount parse_run_mount(const std::string& text,
                         const std::function<std::string(const std::string&)>& expanded) {
    RunMount mount;
    std::vector<MountField> fields;
    for (const std::string& written : mount_fields(text)) {
        const std::size_t equals = written.find('=');
        MountField field{.mount = text, .key = written.substr(0, equals)};
        if (equals != std::string::npos) {
            field.value = expanded(written.substr(equals + 1));
        }
        std::ranges::transform(field.key, field.key.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        // The type first, wherever it stands: it says which options there are.
        fields.insert(field.key == "type" ? fields.begin() : fields.end(), std::move(field));
    }
    for (const MountField& field : fields) {
        apply_field(mount, field);
    }
    if (mount.type == RunMount::Type::Secret && mount.id.empty()) {
        mount.id = mount.target.substr(mount.target.rfind('/') + 1);
    }
    if (mount.type == RunMount::Type::Secret ? mount.id.empty() : mount.target.empty()) {
        throw InputError(
            fmt::format("--mount={}: expected {}", text,
                        mount.type == RunMount::Type::Secret ? "id=NAME" : "target=PATH"));
    }
    if (mount.type == RunMount::Type::Cache && mount.from.empty() && !mount.source.empty()) {
        throw InputError(
            fmt::format("--mount={}: source without from: a cache begins empty", text));
    }
    return mount;
}

}  // namespace drydock
