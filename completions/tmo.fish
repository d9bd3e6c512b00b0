# Completion of tmo, and of a link to it named overmind, in fish.

function __tmo_complete
    command --query tmo; or return
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    # A quote that is still open.
    set current (string replace --regex "^[\"']" "" -- "$current")
    set -l answer (_TMO_COMPLETE=fish command tmo -- $words "$current" 2>/dev/null)
    set -l kind (string split --max 1 ' ' -- "$answer[1]")
    switch "$kind[1]"
        case ':files' ':directories'
            set -l rest (string sub --start (math 1 + (string length -- "$kind[2]")) -- "$current")
            set -l list __fish_complete_path
            test "$kind[1]" = ':directories'; and set list __fish_complete_directories
            for path in ($list "$rest" '')
                printf '%s\n' "$kind[2]$path"
            end
        case ':command'
            set -l from (math 1 + $kind[2])
            set -l before
            test $from -le (count $words); and set before (string escape -- $words[$from..-1])
            complete --do-complete (string join ' ' -- $before "$current")
        case '*'
            test (count $answer) -gt 0; and printf '%s\n' $answer
    end
end

complete --command tmo --keep-order --no-files --arguments '(__tmo_complete)'
complete --command overmind --keep-order --no-files --arguments '(__tmo_complete)'
