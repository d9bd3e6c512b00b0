//! Real shells read the text that tmo quotes for them.

use std::process::Command;

use proptest::prelude::*;
use tmo::model::text::shell::quoted;

/// What a shell makes of these words; nothing if there is no such shell here.
fn read_back(shell: &[&str], words: &[String]) -> Option<Vec<String>> {
    let line: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    let script = format!(r"printf '%s\0' {}", line.join(" "));
    let output = Command::new(shell[0]).args(&shell[1..]).args(["-c", &script]).output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_shell_reads_quoted_words_back_unchanged(
        words in prop::collection::vec(
            prop_oneof![
                "[-=~#%@+:,./_ab1]{0,6}",
                "([-=~#%@+:,./_!*?^$`;&|<>(){}\\[\\]'\"\\\\ \n\tab1]|\\PC){0,8}",
            ],
            1..50,
        ),
    ) {
        let zsh = ["zsh", "-f", "-o", "extendedglob"];
        for shell in [&["sh"][..], &["dash"], &["bash"], &["zsh", "-f"], &zsh] {
            let Some(read) = read_back(shell, &words) else {
                prop_assert!(shell[0] != "sh", "there is no sh");
                continue;
            };
            prop_assert_eq!(&read, &words, "{:?}", shell);
        }
    }
}
