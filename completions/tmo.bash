# Completion of tmo, and of a link to it named overmind, in bash 3.2 or later.

# Have bash complete by itself: by an option, or by an action where it is too old for that.
_tmo_by_shell() {
    [[ $1 ]] && compopt -o "$1" 2>/dev/null && return
    local word
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$2" -- "$3")
}

_tmo() {
    local LC_ALL=C IFS=$' \t\n'
    local line=${COMP_LINE:0:COMP_POINT} words=() starts=() word rest i last=-1
    # bash splits words at = and :, so join what stands together on the line.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        rest=${line#"${line%%[![:space:]]*}"}
        word=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && word=$rest
        if ((last < 0)) || [[ $rest != "$line" ]]; then
            last=$((last + 1))
            words[last]=$word
            starts[last]=$i
        else
            words[last]+=$word
        fi
        line=${rest#"$word"}
    done
    words[last]=${words[last]#[\"\']}

    local current=${words[last]} answer prefix=
    [[ $current == *"$2" ]] && prefix=${current%"$2"}
    answer=$(_TMO_COMPLETE=bash tmo -- "${words[@]}" 2>/dev/null) || return
    COMPREPLY=()
    case $answer in
    ':files '*)
        _tmo_by_shell default -f "$2"
        return
        ;;
    ':directories '*)
        _tmo_by_shell dirnames -d "$2"
        return
        ;;
    ':command '*)
        i=${starts[${answer#:command }]}
        if declare -F _command_offset >/dev/null; then
            unset LC_ALL
            _command_offset "$i"
        elif ((i == COMP_CWORD)); then
            _tmo_by_shell '' -c "$2"
        else
            _tmo_by_shell default -f "$2"
        fi
        return
        ;;
    esac
    while IFS= read -r word; do
        [[ $word ]] && COMPREPLY+=("${word#"$prefix"}")
    done <<<"$answer"
    # What ends in = goes on.
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
}

# The order is tmo's, where bash can keep one.
complete -o nosort -F _tmo tmo overmind 2>/dev/null || complete -F _tmo tmo overmind
