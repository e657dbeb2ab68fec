#compdef drydock
# zsh completion of drydock: asks what bash is offered, so that there is one list. Install it as
# /usr/share/zsh/site-functions/_drydock beside the one of bash, or source it after compinit.
typeset -g __drydock_bash=${${(%):-%x}:A:h}/drydock.bash
[[ -e $__drydock_bash ]] || __drydock_bash=${${(%):-%x}:A:h}/../../bash-completion/completions/drydock

__drydock_offered() {
    bash -c '. "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=(); _drydock; printf "%s\n" "${COMPREPLY[@]}"' $__drydock_bash "$@" 2>/dev/null
}
_drydock() {
    local -a offered
    offered=(${(f)"$(__drydock_offered "${(@)words[1,CURRENT]}")"})
    if (( $#offered )); then compadd -- $offered; else _files; fi
}
if (( $+functions[compdef] )); then compdef _drydock drydock; fi
# As a file of $fpath this is the body of _drydock the first time.
[[ ${funcstack[1]-} != _drydock ]] || _drydock "$@"
