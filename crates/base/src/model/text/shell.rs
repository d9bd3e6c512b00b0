//! Quoting words for a shell: for commands that a user types or pastes, and for commands that tmo runs.

/// A word quoted for sh and zsh, only if necessary.
pub fn quoted(word: &str) -> String {
    // The result is valid UTF-8, because only ASCII is inserted.
    String::from_utf8_lossy(&quoted_bytes(word.as_bytes())).into_owned()
}

/// The same for arbitrary bytes except NUL.
pub fn quoted_bytes(word: &[u8]) -> Vec<u8> {
    if is_safe(word) {
        return word.to_vec();
    }
    let mut quoted = vec![b'\''];
    for &byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// A command of these words, for people.
pub fn quoted_words<'w>(words: impl Iterator<Item = &'w [u8]>) -> String {
    let words: Vec<_> = words.map(|word| quoted(&String::from_utf8_lossy(word))).collect();
    words.join(" ")
}

/// The word of a command that names its program, after any variable assignments, and the next one. `None` if there are
/// several programs and any of them could be meant, or if only the shell knows what the word stands for.
pub fn program_word(command: &str) -> Option<(&str, Option<&str>)> {
    if [";", "|", "\n", "&&", "& "].iter().any(|between| command.contains(between)) {
        return None;
    }
    let mut rest = command.trim_start();
    loop {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if !(word.contains('=') || word == "exec" || word == "env") {
            // Such an option is one of `exec` or `env`.
            let is_known = is_literal(word) && !word.starts_with('-');
            let argument = after.split_whitespace().next().filter(|word| is_literal(word));
            return is_known.then_some((word, argument));
        }
        rest = after.trim_start();
    }
}

/// Whether this word of a command stands for itself.
fn is_literal(word: &str) -> bool {
    !word.is_empty() && !word.contains(|c| "$`\"'(){}[]!#<>&*?~\\".contains(c))
}

/// Whether every shell takes this word literally without quotes.
fn is_safe(word: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(byte);
    !word.is_empty() && word.iter().all(plain) && !may_assign(word)
}

/// Whether a shell would treat the word specially: as an assignment at the start of a command (`A=b`,
/// `A+=b`), or as the name of a program that zsh replaces by its path (`=ls`).
fn may_assign(word: &[u8]) -> bool {
    let Some(end) = word.iter().position(|&byte| byte == b'=') else { return false };
    let name = word[..end].strip_suffix(b"+").unwrap_or(&word[..end]);
    name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::{program_word, quoted};

    #[test]
    fn a_program_is_told_only_if_the_shell_would_take_its_word_as_it_is() {
        for (command, expected) in [
            ("node main.js", Some(("node", Some("main.js")))),
            ("A=1 exec env B=2 node", Some(("node", None))),
            ("python3 ~/x.py", Some(("python3", None))),
            ("node \"$APP/main.js\"", Some(("node", None))),
            ("python3 main.py>log", Some(("python3", None))),
            ("env -i node", None),
            ("exec -a name node", None),
            ("$NODE main.js", None),
            ("a && b", None),
            ("", None),
        ] {
            assert_eq!(program_word(command), expected, "{command}");
        }
    }

    #[test]
    fn a_word_is_quoted_only_where_a_shell_would_look_into_it() {
        for (word, expected) in [
            ("a-b/c.d", "a-b/c.d"),
            ("-h", "-h"),
            ("--port=3000", "--port=3000"),
            ("50%,a@b:c+d", "50%,a@b:c+d"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's $X", r"'it'\''s $X'"),
            ("=ls", "'=ls'"),
            ("A=b", "'A=b'"),
            ("A+=b", "'A+=b'"),
            ("~", "'~'"),
            ("web#2", "'web#2'"),
            ("é", "'é'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
