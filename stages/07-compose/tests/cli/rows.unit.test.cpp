#include "07-compose/cli/rows.hpp"

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using namespace drydock::cli;
using nlohmann::json;

TEST_CASE("render_template: fields, paths and JSON", "[07][cli][rows]") {
    const json value = {{"Id", "abc"}, {"State", {{"Pid", 42}, {"Running", true}}}};
    CHECK(render_template("{{.Id}}", value) == "abc");
    CHECK(render_template("pid {{ .State.Pid }}\\t{{.State.Running}}", value) == "pid 42\ttrue");
    CHECK(render_template("{{json .Id}}", value) == "\"abc\"");
    CHECK(render_template("{{json .}}", value) == value.dump());
    CHECK(render_template("json", value) == value.dump());
    CHECK_THROWS_AS(render_template("{{.Nothing}}", value), drydock::InputError);
    CHECK_THROWS_AS(render_template("{{.Id", value), drydock::InputError);
    CHECK_THROWS_AS(render_template("{{range .X}}{{end}}", value), drydock::NotImplemented);
}

TEST_CASE("list_text: table, IDs, JSON and templates of the same rows", "[07][cli][rows]") {
    const std::vector<json> rows = {{{"ID", "1"}, {"Names", "a"}}, {{"ID", "2"}, {"Names", "b"}}};
    Listing listing{.columns = {{"CONTAINER ID", "ID"}, {"NAMES", "Names"}}};
    CHECK(list_text(listing, rows) == "CONTAINER ID   NAMES\n1              a\n2              b\n");
    listing.format = "json";
    CHECK(list_text(listing, rows) ==
          "{\"ID\":\"1\",\"Names\":\"a\"}\n{\"ID\":\"2\",\"Names\":\"b\"}\n");
    listing.format = "{{.Names}}";
    CHECK(list_text(listing, rows) == "a\nb\n");
    listing.quiet = true;
    CHECK(list_text(listing, rows) == "1\n2\n");
}
