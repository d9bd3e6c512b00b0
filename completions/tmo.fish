# Completion of tmo, and of a link to it named overmind, in fish.
#
# Functions of fish such as __fish_complete_path read what they get as code in some versions, and as
# plain text in others. So they are not used; all that becomes code is escaped here.

# Prints each word with the home directory in place of the ~ or $HOME that it begins with.
function __tmo_expand
    for word in $argv
        set -l parts (string match --regex -- '^((?:--[a-z-]+=)?)(?:~|\$HOME)(/.*)$' "$word")
        and set word "$parts[2]$HOME$parts[3]"
        printf '%s\n' "$word"
    end
end

# Prints candidates for the text that is typed. Where its beginning stands for the home directory,
# fish wants a candidate that begins as the text does.
function __tmo_offer --argument-names text beginning
    set -l expanded (__tmo_expand "$beginning")
    set -l length (string length -- "$expanded")
    for candidate in $argv[3..-1]
        if test -n "$beginning"
            contains -- "$expanded" (string sub --length $length -- "$candidate")
            and set candidate "$beginning"(string sub --start (math 1 + $length) -- "$candidate")
            # Fish would quote the $ of a candidate that it can't just add the end of.
            if string match --quiet -- '*$*' "$beginning"
                contains -- "$text" (string sub --length (string length -- "$text") -- "$candidate")
                or continue
            end
        else if string match --quiet '~*' -- "$candidate"; and not string match --quiet '~*' -- "$text"
            # Fish quotes a candidate, but not a tilde at its beginning. A full path has none.
            set candidate "$PWD/$candidate"
        end
        printf '%s\n' "$candidate"
    end
end

# Prints what fish itself offers for the words of a command line. The last may be unfinished, so it
# gets no quotes, which would be closed.
function __tmo_complete_line
    set -l before
    test (count $argv) -gt 1; and set before (string escape -- $argv[1..-2])
    set -l last (string escape --no-quoted -- "$argv[-1]")
    set -l line (string join ' ' -- $before "$last")
    complete --do-complete="$line"
end

function __tmo_complete
    command --query tmo; or return
    set -l words (__tmo_expand (commandline --current-process --tokenize --cut-at-cursor))
    set -l typed (commandline --current-token --cut-at-cursor)
    # A name with a line break is not offered.
    test (count $typed) -le 1; or return
    # Without its quotes, of which one may be open; nothing is substituted.
    set -l text (string unescape -- "$typed"); or return
    test (count $text) -eq 1; or return
    set -l beginning
    if string match --quiet --regex '^(--[a-z-]+=)?(~|"?\$HOME)/' -- "$typed"
        set beginning (string match --regex '^.*?(?:~|\$HOME)/' -- "$text")
    end
    set -l current "$text"
    test -n "$beginning"; and set current (__tmo_expand "$text")
    set -l answer (_TMO_COMPLETE='2 fish' command tmo -- $words "$current" 2>/dev/null)
    # The first line tells the kind of answer. All others are candidates, whatever they look like.
    set -l kind (string split --max 1 ' ' -- "$answer[1]")
    set -l candidates
    switch "$kind[1]"
        case files directories
            set -l rest (string sub --start (math 1 + (string length -- "$kind[2]")) -- "$current")
            # A command that there is not takes any file.
            set -l paths (__tmo_complete_line __tmo_no_command "$rest")
            test "$kind[1]" = directories; and set paths (string match -- '*/' $paths)
            for path in $paths
                set candidates $candidates "$kind[2]$path"
            end
        case command
            # From 0 it would be this again.
            string match --quiet --regex '^[1-9][0-9]{0,8}$' -- "$kind[2]"; or return
            set -l from (math 1 + $kind[2])
            set -l line "$current"
            test $from -le (count $words); and set line $words[$from..-1] "$current"
            set candidates (__tmo_complete_line $line)
        case words
            test (count $answer) -gt 1; and set candidates $answer[2..-1]
    end
    test (count $candidates) -gt 0; and __tmo_offer "$text" "$beginning" $candidates
end

complete --command tmo --keep-order --no-files --arguments '(__tmo_complete)'
complete --command overmind --keep-order --no-files --arguments '(__tmo_complete)'
