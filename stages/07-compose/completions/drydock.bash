# bash completion of drydock: verbs and flags as its own --help lists them, and live names of containers, images, networks and
# volumes. Source it, or install it as /usr/share/bash-completion/completions/drydock.

# Names are asked for only where a daemon listens: completing a word starts none.
_drydock_names() {
    local socket=${DRYDOCK_RUN_ROOT:-/run/drydock}/drydock.sock
    [ -S "$socket" ] || [ -n "${DRYDOCK_HOST:-}${DOCKER_HOST:-}" ] || return 0
    case $1 in
        containers) drydock ps -a --format '{{.Names}}' ;;
        running) drydock ps --format '{{.Names}}' ;;
        images) drydock images --format '{{.Repository}}:{{.Tag}}' | grep -v '<none>' ;;
        networks) drydock network ls --format '{{.Name}}' ;;
        volumes) drydock volume ls -q ;;
    esac 2>/dev/null
}

# What a list of commands, or of flags, in --help begins its lines with.
_drydock_commands() { drydock "$@" --help 2>/dev/null | sed -nE 's/^  ([a-z][a-z-]*) +.*/\1/p'; }
_drydock_flags() {
    drydock "$@" --help 2>/dev/null | sed -nE 's/^  (-[^ ]*).*/\1/p' | tr ',' '\n'
}

# The kind of names that a verb takes.
_drydock_kind() {
    case $1 in
        start | rm | logs | inspect | wait | rename | diff | export | commit | cp | update | port) echo containers ;;
        stop | restart | kill | pause | unpause | exec | attach | top | stats) echo running ;;
        run | create | rmi | tag | tags | push | save | history | copy | referrers | 'manifest inspect') echo images ;;
        'network rm' | 'network inspect' | 'network connect' | 'network disconnect') echo networks ;;
        'volume rm' | 'volume inspect') echo volumes ;;
        'image rm' | 'image inspect' | 'image history' | 'image save' | 'image push' | 'image tag') echo images ;;
        'container '*) _drydock_kind "${1#container }" ;;
    esac
}

_drydock() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -H | --host) i=$((i + 1)) ;;
            -*) ;;
            *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    local verb=${words[0]:-} offered
    case $verb in
        network | net | volume | image | container | system | compose | daemon | registry | manifest | artifact)
            [ ${#words[@]} -gt 1 ] && verb="${verb/%net/network} ${words[1]}"
            ;;
    esac
    if [ -z "$verb" ]; then
        offered=$(_drydock_commands)
    elif [[ $current == -* ]]; then
        # shellcheck disable=SC2086  # "network ls" is two words
        offered=$(_drydock_flags $verb)
    elif [ "$previous" = --network ] || [ "$previous" = --net ]; then
        offered=$(_drydock_names networks)
    elif [ "$verb" = "${words[*]}" ] && [[ $verb =~ ^(network|net|volume|image|container|system|compose|daemon|registry|manifest|artifact)$ ]]; then
        offered=$(_drydock_commands "$verb")
    else
        offered=$(_drydock_names "$(_drydock_kind "$verb")")
    fi
    # Names of images have colons, which are a border of words for readline.
    mapfile -t COMPREPLY < <(compgen -W "$offered" -- "$current")
}
complete -o default -F _drydock drydock
