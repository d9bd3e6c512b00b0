# Completion of tmo, and of a link to it named overmind, in bash 3.2 or later.

# Sets text to what a typed word means, and quote to the quote that is still open at its end.
_tmo_unquote() {
    local rest=$1 char
    text='' quote=''
    while [[ $rest ]]; do
        char=${rest:0:1} rest=${rest:1}
        case $quote$char in
        "''" | '""') quote='' ;;
        "'"?) text+=$char ;;
        \"\\)
            case $rest in
            '' | '$'* | '`'* | '"'* | \\*) char=${rest:0:1} rest=${rest:1} ;;
            esac
            text+=$char
            ;;
        '"'?) text+=$char ;;
        [\"\']) quote=$char ;;
        \\) text+=${rest:0:1} rest=${rest:1} ;;
        *) text+=$char ;;
        esac
    done
}

# Adds a word to the candidates as it must be typed to mean itself, after what is typed before it:
# bash inserts a candidate as it is, and a file may be called $(command).
_tmo_add() {
    local rest=$1 char quoted=''
    # Readline can't insert these.
    [[ $rest == *[[:cntrl:]]* ]] && return
    [[ $before ]] && rest=${rest#"$before"}
    [[ $home && $rest == "$home"/* ]] && quoted='~' rest=${rest#"$home"}
    # M-* inserts all candidates, without the quote that was open.
    [[ $quote && ${COMP_TYPE-} == 42 ]] && return
    # Where the candidate begins with the open quote, readline drops one of the two, and what is
    # quoted and what is not change places. So have a path begin with ./, and leave out all else.
    case $quote${rest:0:1} in
    "''" | '"!')
        case $before in
        '' | */) ;;
        -*=) [[ ${before%=} == *=* ]] && return ;;
        *) return ;;
        esac
        rest=./$rest
        ;;
    esac
    while [[ $rest ]]; do
        char=${rest:0:1} rest=${rest:1}
        case $quote$char in
        "''") quoted+="'\\''" ;;
        '"!') quoted+='"\!"' ;;
        '"$' | '"`' | '""' | \"\\) quoted+=\\$char ;;
        [\"\']?) quoted+=$char ;;
        [-_./,:=@%+[:alnum:]]) quoted+=$char ;;
        '#') [[ $quoted ]] && quoted+=$char || quoted='\#' ;;
        [[:punct:][:space:]]) quoted+=\\$char ;;
        *) quoted+=$char ;;
        esac
    done
    # Readline closes a quote only where the word doesn't end in one.
    [[ $quote && $quoted == *"$quote" ]] && quoted+=$quote
    COMPREPLY+=("$quoted")
}

# Have bash complete by itself, which quotes; without compopt, of which 3.2 has none, find the paths
# here that pass this test. The word begins with the third argument, which is no part of the path.
_tmo_paths() {
    compopt -o "$1" 2>/dev/null && return
    local path
    for path in "${words[last]#"$3"}"*; do
        [[ ${path##*/} != . && ${path##*/} != .. ]] && test "$2" "$path" && _tmo_add "$3$path"
    done
}

# Have bash complete the path of a program, or of a directory that it may be in.
_tmo_programs() {
    local path only_directories=1
    for path in "${words[last]}"*; do
        [[ -x $path && ! -d $path ]] && only_directories=''
    done
    if [[ $only_directories ]]; then
        _tmo_paths dirnames -d ''
        return
    fi
    for path in "${words[last]}"*; do
        if [[ -x $path && ! -d $path ]]; then
            _tmo_add "$path"
        elif [[ -d $path && ${path##*/} != . && ${path##*/} != .. ]]; then
            _tmo_add "$path/"
        fi
    done
}

_tmo() {
    local line=${COMP_LINE:0:COMP_POINT} locale=${LC_ALL-}
    local LC_ALL=C IFS=$' \t\n'
    # The cursor is counted in characters of the locale, but up to bash 4.2 in bytes.
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] > 402)) || line=${COMP_LINE:0:COMP_POINT}
    local words=() starts=() word rest i last=-1
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

    local text quote home='' before answer kind from current=${words[last]} typed=$2
    [[ $current == \~/* && $HOME == /* ]] && home=$HOME
    for ((i = 0; i <= last; i++)); do
        _tmo_unquote "${words[i]}"
        words[i]=$text
    done
    [[ $home ]] && words[last]=$home${text#\~}
    answer=$(_TMO_COMPLETE='2 bash' tmo -- "${words[@]}" 2>/dev/null) || return
    # What readline replaces may begin within the word: behind a quote, = or :.
    [[ $current == *"$typed" ]] || typed=$current
    _tmo_unquote "${current%"$typed"}"
    before=$text
    [[ $home && $before == \~/* ]] && before=$home${before#\~}
    COMPREPLY=()
    # The first line tells the kind of answer. All others are candidates, whatever they look like.
    kind=${answer%%$'\n'*}
    case $kind in
    words) ;;
    'files '*)
        _tmo_paths default -e "${kind#files }"
        return
        ;;
    'directories '*)
        _tmo_paths dirnames -d "${kind#directories }"
        return
        ;;
    'command '*)
        from=${kind#command }
        # A subscript is evaluated, so only a number may get there; from 0 it would be this again.
        [[ $from == [1-9]* && $from != *[!0-9]* ]] && ((${#from} < 9 && from <= last)) || return
        i=${starts[from]}
        if declare -F _command_offset >/dev/null; then
            LC_ALL=$locale
            _command_offset "$i"
        elif ((i < COMP_CWORD)); then
            _tmo_paths default -e ''
        elif [[ ${words[last]} == */* ]]; then
            _tmo_programs
        else
            while IFS= read -r word; do _tmo_add "$word"; done < <(compgen -c -- "${words[last]}")
        fi
        return
        ;;
    *) return ;;
    esac
    while IFS= read -r word; do
        [[ $word ]] && _tmo_add "$word"
    done <<<"${answer#"$kind"}"
    # What ends in = goes on.
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
}

# The order is tmo's, where bash can keep one.
complete -o nosort -F _tmo tmo overmind 2>/dev/null || complete -F _tmo tmo overmind
