// login, logout, search, tags, push and pull against a registry that asks who it is.
#include <filesystem>
#include <fstream>

#include "testing/catch.hpp"

#include "cli/own_daemon.hpp"

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::Outcome;
using drydock::testing::OwnDaemon;

namespace {

/// Runs in a directory with a registry of "ann", "secret" at $R, and ends that.
constexpr const char* kScript = R"sh(
cd "$1"
export DOCKER_CONFIG="$1/docker"
drydock=$2
printf '%s\n' 'ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW' >htpasswd
"$3" serve --listen 127.0.0.1:0 --root registry --htpasswd htpasswd >address &
registry=$!
trap 'kill $registry; wait $registry 2>/dev/null' EXIT
n=0
until [ -s address ]; do n=$((n + 1)); [ $n -lt 500 ] || exit 9; sleep 0.02; done
R=$(sed 's/.* //' address)
mkdir files && echo hello >files/hello
tar -c -C files . | "$drydock" import - "$R/demo/web:1" >/dev/null || exit 8
"$drydock" push "$R/demo/web:1" >/dev/null 2>&1; echo "push before $?"
echo wrong | "$drydock" login -u ann --password-stdin "$R" >/dev/null 2>wrong; echo "wrong $?"
grep -q denied wrong || cat wrong
[ ! -e docker/config.json ] || echo "wrong ones were kept"
echo secret | "$drydock" login -u ann --password-stdin "$R" 2>warning || exit 7
grep -q 'stored unencrypted' warning || cat warning
stat -c %a docker/config.json
"$drydock" push "$R/demo/web:1" >/dev/null; echo "push $?"
"$drydock" rmi "$R/demo/web:1" >/dev/null
"$drydock" pull -q "$R/demo/web:1" >/dev/null; echo "pull $?"
"$drydock" search --format '{{.Name}}' "$R/web" | sed "s|$R|R|"
"$drydock" tags "$R/demo/web"
"$drydock" manifest inspect "$R/demo/web:1" | grep -c '"layers"'
printf 'FROM %s/demo/web:1\nLABEL a=b\n' "$R" >files/Dockerfile
"$drydock" rmi "$R/demo/web:1" >/dev/null
"$drydock" build -q -t built files >/dev/null; echo "build $?"
ask() { curl -s --unix-socket "$DRYDOCK_RUN_ROOT/drydock.sock" -H "X-Registry-Auth: $1" \
    "http://d/distribution/$R/demo/web:1/json"; }
ask "$(printf '{"username":"ann","password":"secret"}' | base64 -w0)" >remote
grep -o '"architecture":"[a-z0-9_]*","os":"linux"' remote | sed 's/:"[a-z0-9_]*",/,/'
digest=$("$drydock" images --digests --format '{{.Repository}} {{.Digest}}' | grep "^$R/demo/web " | cut -d' ' -f2)
grep -c "\"digest\":\"$digest\"" remote
ask '' | cut -c1-11
"$drydock" rmi built "$R/demo/web:1" >/dev/null
"$drydock" logout "$R" | sed "s|$R|R|"
"$drydock" logout "$R" | sed "s|$R|R|"
"$drydock" push "$R/demo/web:1" >/dev/null 2>&1; echo "push after $?"
"$drydock" build -q -t built files >/dev/null 2>&1; echo "build after $?"
"$drydock" login -u ann "$R" </dev/null 2>&1 | grep -c 'non TTY'
"$drydock" login --password-stdin "$R" </dev/null 2>&1 | grep -c 'Must provide --username'
)sh";

}  // namespace

TEST_CASE("login: credentials are checked, kept, and used until logout", "[07][cli][kernel]") {
    const OwnDaemon daemon;
    REQUIRE(daemon.run({"ps"}).status == 0);  // starts it, and says so
    const fs::path work = daemon.directory() / "work";
    fs::create_directories(work);
    const Outcome outcome = drydock::testing::run_program(
        {"sh", "-c", kScript, "sh", work.native(), drydock::testing::program_path("drydock"),
         drydock::testing::program_path("drydock-06")},
        daemon.environment());
    CHECK(outcome.out ==
          "push before 1\nwrong 1\nLogin Succeeded\n600\npush 0\npull 0\nR/demo/web\n1\n1\n"
          "build 0\n\"architecture\",\"os\":\"linux\"\n1\n{\"message\":\n"
          "Removing login credentials for R\nNot logged in to R\npush after 1\nbuild after "
          "1\n1\n1\n");
    CHECK(outcome.err == "");
}
