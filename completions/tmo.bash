# Completion of tmo, and of a link to it named overmind, in bash 3.2 or later.

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
        compopt -o default 2>/dev/null
        return
        ;;
    ':directories '*)
        compopt -o dirnames 2>/dev/null
        return
        ;;
    ':command '*)
        i=${starts[${answer#:command }]}
        if declare -F _command_offset >/dev/null; then
            unset LC_ALL
            _command_offset "$i"
        elif ((i == COMP_CWORD)); then
            while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -c -- "$2")
        else
            compopt -o default 2>/dev/null
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
