# SPDX-License-Identifier: Apache-2.0
# Completion of baton(8) for bash
_baton() {
    local word=${COMP_WORDS[COMP_CWORD]} i command=''
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -c) ((i++)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    if [[ ${COMP_WORDS[COMP_CWORD - 1]} = -c ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "check config start stop reload status queue map test sink import -c --json --help" -- "$word") ;;
    queue)
        mapfile -t COMPREPLY < <(compgen -W "list show hold release retry flush delete ALL
            $(baton queue list 2>/dev/null | awk '/^[0-9A-Za-z]+[*!]? /{ sub(/[*!]$/, "", $1); print $1 }')" -- "$word") ;;
    config) mapfile -t COMPREPLY < <(compgen -W "$(baton config 2>/dev/null | sed -n 's/^\([a-z_A-Z]*\) = .*/\1/p')" -- "$word") ;;
    import)
        if [[ $word = -* ]]; then mapfile -t COMPREPLY < <(compgen -W "-n --output --help" -- "$word")
        else mapfile -t COMPREPLY < <(compgen -f -- "$word"); fi ;;
    check) mapfile -t COMPREPLY < <(compgen -W "--live --json --help" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "--json --help" -- "$word") ;;
    esac
}
complete -F _baton baton
