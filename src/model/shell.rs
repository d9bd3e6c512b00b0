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
    use super::quoted;

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
