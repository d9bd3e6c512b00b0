# Completion of tmo, and of a link to it named overmind, in fish.

# Prints candidates for what is typed. Fish quotes them, but not a tilde at the beginning, which
# stands for a home directory; so make such a path absolute where no tilde is typed.
function __tmo_offer
    for candidate in $argv[2..-1]
        if string match --quiet '~*' -- "$candidate"; and not string match --quiet '~*' -- "$argv[1]"
            set candidate "$PWD/$candidate"
        end
        printf '%s\n' "$candidate"
    end
end

function __tmo_complete
    command --query tmo; or return
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    # A quote that is still open.
    set current (string replace --regex "^[\"']" "" -- "$current")
    set -l answer (_TMO_COMPLETE='2 fish' command tmo -- $words "$current" 2>/dev/null)
    # The first line tells the kind of answer. All others are candidates, whatever they look like.
    set -l kind (string split --max 1 ' ' -- "$answer[1]")
    switch "$kind[1]"
        case files directories
            set -l rest (string sub --start (math 1 + (string length -- "$kind[2]")) -- "$current")
            set -l list __fish_complete_path
            test "$kind[1]" = directories; and set list __fish_complete_directories
            for path in ($list "$rest" '')
                __tmo_offer "$current" "$kind[2]$path"
            end
        case command
            # From 0 it would be this again.
            string match --quiet --regex '^[1-9][0-9]{0,8}$' -- "$kind[2]"; or return
            set -l from (math 1 + $kind[2])
            set -l before
            test $from -le (count $words); and set before (string escape -- $words[$from..-1])
            complete --do-complete (string join ' ' -- $before "$current")
        case words
            test (count $answer) -gt 1; and __tmo_offer "$current" $answer[2..-1]
    end
end

complete --command tmo --keep-order --no-files --arguments '(__tmo_complete)'
complete --command overmind --keep-order --no-files --arguments '(__tmo_complete)'
