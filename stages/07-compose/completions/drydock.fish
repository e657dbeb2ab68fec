# fish completion of drydock: asks what bash is offered, so that there is one list. Source it, or install it as
# /usr/share/fish/vendor_completions.d/drydock.fish beside the one of bash.
set -g __drydock_bash (status dirname)/drydock.bash
test -e $__drydock_bash; or set -g __drydock_bash (status dirname)/../../bash-completion/completions/drydock

function __drydock_offered
    set -l words (commandline -opc) (commandline -ct)
    bash -c '. "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=(); _drydock; printf "%s\n" "${COMPREPLY[@]}"' $__drydock_bash $words 2>/dev/null
end
complete -c drydock -f -a '(__drydock_offered)'
