#!/usr/bin/env bash
# What completions/drydock.bash offers: completions.sh DRYDOCK. Names come from a drydock in front of the real one.
set -euo pipefail
real=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/drydock" <<STUB
#!/bin/sh
case "\$*" in
    "ps -a --format"*) printf 'web\nworker\nold\n' ;;
    "ps --format"*) printf 'web\nworker\n' ;;
    "images --format"*) printf 'demo/web:1\n<none>:<none>\n' ;;
    "network ls"*) printf 'bridge\nshop_default\n' ;;
    "volume ls"*) printf 'data\n' ;;
    *) exec "$real" "\$@" ;;
esac
STUB
chmod +x "$folder/drydock"
PATH=$folder:$PATH
. "$here/completions/drydock.bash"

failed=0
# offers WORDS... = WORD...: what stands behind the last of WORDS.
offers() {
    local words=() wanted
    while [ "$1" != = ]; do words+=("$1"); shift; done
    shift
    wanted=$*
    COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1)) COMPREPLY=()
    _drydock
    [ "${COMPREPLY[*]}" = "$wanted" ] || { printf '"%s" offers "%s", not "%s"\n' "${words[*]}" "${COMPREPLY[*]}" "$wanted"; failed=1; }
}
export DRYDOCK_HOST=unix:///nowhere
offers drydock hist = history
offers drydock network disc = disconnect
offers drydock run --cap- = --cap-add --cap-drop
offers drydock exec --privi = --privileged
offers drydock stop w = web worker
offers drydock rm o = old
offers drydock -H tcp://x rm o = old
offers drydock run --network sh = shop_default
offers drydock volume rm '' = data
offers drydock rmi '' = demo/web:1
unset DRYDOCK_HOST DOCKER_HOST
export DRYDOCK_RUN_ROOT=$folder/nothing
offers drydock stop '' =

# fish and zsh ask the same list; what is not installed is not tried. offers_in SHELL WORDS... = WORD...
export DRYDOCK_HOST=unix:///nowhere
offers_in() {
    local shell=$1 words=() got
    shift
    command -v "$shell" >/dev/null || return 0
    while [ "$1" != = ]; do words+=("$1"); shift; done
    shift
    case $shell in
        fish) got=$(fish --no-config -c 'source $argv[1]; complete -C "$argv[2]"' "$here/completions/drydock.fish" "${words[*]}") ;;
        zsh) got=$(zsh -f -c 'source $1; shift; __drydock_offered "$@"' zsh "$here/completions/drydock.zsh" "${words[@]}") ;;
    esac
    got=$(printf '%s\n' "$got" | sort | tr '\n' ' ')
    [ "$got" = "$* " ] || { printf '%s: "%s" offers "%s", not "%s"\n' "$shell" "${words[*]}" "$got" "$*"; failed=1; }
}
for shell in fish zsh; do
    offers_in $shell drydock hist = history
    offers_in $shell drydock run --cap- = --cap-add --cap-drop
    offers_in $shell drydock stop w = web worker
    offers_in $shell drydock run --network sh = shop_default
done
exit $failed
