//! Telling the prompt at which a program waits for input from any other unfinished line.

use regex::RegexBuilder;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::plan::rules::Text;
use crate::model::time::Timestamp;
use crate::model::{Untrusted, is_default};

/// The prompt at which a process waits for input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Prompt {
    /// Its text, without colours: the last line on the screen.
    #[schema(value_type = String)]
    pub text: Untrusted,
    /// Since when it waits, nanoseconds since the epoch.
    #[schema(value_type = u64)]
    pub since: Timestamp,
    /// It waited at another prompt a moment ago, as in the steps of a debugger.
    #[serde(default, skip_serializing_if = "is_default")]
    pub again: bool,
}

/// Which unfinished lines of a process are prompts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptRule {
    /// Those of [`is_prompt`].
    #[default]
    Usual,
    /// Those, and what matches this.
    Also(Text),
    /// None: it may wait for input all the time, as a shell does.
    Never,
}

/// The input modes of a process's terminal, and whether the process is blocked reading from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalInput {
    /// Input arrives line by line (`ICANON`).
    pub canonical: bool,
    /// Typed text is shown (`ECHO`).
    pub echo: bool,
    /// A thread of the process is blocked reading from it. Always `false` where the system can't tell.
    pub has_reader: bool,
}

/// The prompts of debuggers: a program stands still at them.
const DEBUGGERS: [&str; 13] = [
    "(Pdb", "ipdb>", "(byebug)", "(rdbg)", "(ruby)", "(gdb)", "(lldb)", "(dlv)", "debug>", "pry(",
    "irb(", "DB<", "(bashdb)",
];
/// The ends of questions that only a person answers, in lower case.
const QUESTIONS: [&str; 6] =
    ["[y/n]", "(y/n)", "[yes/no]", "(yes/no)", "[y/n/q]", "(yes/no/[fingerprint])"];
/// What marks an option of a menu.
const OPTIONS: [char; 8] = ['❯', '▸', '●', '○', '◉', '◯', '◻', '◼'];
/// What passwords are called in prompts, in lower case.
const PASSWORDS: [&str; 4] = ["password", "passphrase", "passcode", "pin for"];

/// Whether a program waits for input at this unfinished line, which has not grown for a moment.
///
/// `input` is the state of its terminal; `None` if it has none. A line that does not look like a prompt counts only if a
/// thread is blocked reading a whole line. A blocked read of single keys proves nothing: programs such as vite always have
/// one.
pub fn is_prompt(line: &str, rule: &PromptRule, input: Option<TerminalInput>) -> bool {
    let line = line.trim();
    let is_own = match rule {
        PromptRule::Never => return false,
        PromptRule::Usual => false,
        PromptRule::Also(text) => matches(text, line),
    };
    if line.is_empty() {
        return false;
    }
    if is_own || is_debugger_prompt(line) || is_question(line) {
        return true;
    }
    input.is_some_and(|input| match (input.canonical, input.echo) {
        (true, true) => input.has_reader && !line.ends_with(['.', '…']),
        (true, false) => line.ends_with([':', '?', '>', ']', ')']),
        (false, _) => is_edited_prompt(line),
    })
}

/// Whether a program still waits for input at this line, which was a prompt and has grown since: by what is typed, or
/// because it has gone on.
pub fn is_still_prompt(line: &str, rule: &PromptRule, input: Option<TerminalInput>) -> bool {
    input.is_none_or(|input| !input.canonical || !input.echo || input.has_reader)
        || is_prompt(line, rule, input)
}

/// Whether an unfinished line is the prompt of a debugger.
pub fn is_debugger_prompt(line: &str) -> bool {
    let line = line.trim();
    // `[1] pry(main)>`
    let numbered = line
        .strip_prefix('[')
        .and_then(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("] "));
    DEBUGGERS.iter().any(|prompt| numbered.unwrap_or(line).starts_with(*prompt))
        && line.ends_with(['>', ')', '*'])
}

/// The question on a screen whose last rows are the options of a menu. That is a prompt if its program has hidden the
/// cursor and reads single keys.
pub fn menu_question(rows: &[String]) -> Option<&str> {
    let texts = rows.iter().map(|row| row.trim_start_matches([' ', '│', '┃', '|']).trim_end());
    let texts: Vec<&str> = texts.collect();
    let at = texts.iter().rposition(|text| {
        let begins = text.starts_with("? ") || text.starts_with('◆');
        !text.starts_with(OPTIONS) && (begins || text.ends_with(['?', ':']))
    })?;
    texts[at + 1..].iter().any(|text| text.starts_with(OPTIONS)).then(|| texts[at])
}

/// Whether what is printed after this prompt is the answer to what was typed: in a debugger, or where a process has told
/// its own prompts.
pub fn is_answered(prompt: &str, rule: &PromptRule) -> bool {
    is_debugger_prompt(prompt) || matches!(rule, PromptRule::Also(text) if matches(text, prompt))
}

/// Whether a line matches an expression, which was checked with the file that it is in.
fn matches(text: &Text, line: &str) -> bool {
    let expression = RegexBuilder::new(&text.pattern).case_insensitive(text.any_case).build();
    expression.is_ok_and(|expression| expression.is_match(line))
}

/// Whether a line asks for yes or no, for a password, or for any key.
fn is_question(line: &str) -> bool {
    let line = line.to_lowercase();
    let text = line.trim_end_matches([':', '?', ' ']);
    QUESTIONS.iter().any(|end| text.ends_with(end))
        || line.contains("press any key")
        || line.ends_with(':') && PASSWORDS.iter().any(|word| line.contains(word))
}

/// Whether a line looks like the prompt of a program that edits the line itself, such as a shell.
fn is_edited_prompt(line: &str) -> bool {
    let Some((last, before)) = line.char_indices().next_back().map(|(at, c)| (c, &line[..at]))
    else {
        return false;
    };
    match last {
        '>' | '?' | ':' | '$' | '#' | '❯' | '»' | '›' => true,
        '%' => !before.ends_with(|c: char| c.is_ascii_digit()),
        // `package name: (shop)`
        ')' | ']' => before.contains([':', '?']) && !before.contains(['%', '|']),
        _ => line.starts_with("? "),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        PromptRule, TerminalInput, is_debugger_prompt, is_prompt, is_still_prompt, menu_question,
    };
    use crate::model::plan::rules::Text;

    /// The usual terminal, nobody reads.
    const BUSY: TerminalInput = TerminalInput { canonical: true, echo: true, has_reader: false };
    const READ: TerminalInput = TerminalInput { has_reader: true, ..BUSY };
    const SECRET: TerminalInput = TerminalInput { echo: false, ..BUSY };
    const KEYS: TerminalInput = TerminalInput { canonical: false, ..SECRET };

    #[test]
    fn prompts_of_debuggers_are_told_from_others() {
        for (text, expected) in [
            ("(Pdb) ", true),
            ("(Pdb++) ", true),
            ("ipdb> ", true),
            ("[1] pry(main)> ", true),
            ("[42] pry(#<Shop>)> ", true),
            ("irb(main):001:0> ", true),
            ("irb(main):002:1* ", true),
            ("  DB<1> ", true),
            ("debug> ", true),
            ("(Pdb) n", false),
            ("Password: ", false),
            ("$ ", false),
        ] {
            assert_eq!(is_debugger_prompt(text), expected, "{text}");
        }
    }

    #[test]
    fn a_prompt_is_known_by_its_text_or_by_who_reads() {
        for (text, input, expected) in [
            ("(byebug) ", None, true),
            ("Overwrite? [y/N] ", Some(BUSY), true),
            ("Continue (yes/no)? ", None, true),
            ("[sudo] password for ann: ", None, true),
            ("Enter passphrase for key '/k': ", Some(SECRET), true),
            ("Press any key to continue . . . ", Some(KEYS), true),
            ("Press any key to continue . . . ", Some(BUSY), true),
            ("Your name", Some(READ), true),
            ("Your name: ", Some(BUSY), false),
            ("Secret: ", Some(SECRET), true),
            ("Working", Some(SECRET), false),
            ("Waiting for the database...", Some(READ), false),
            ("> ", Some(KEYS), true),
            ("> ", Some(BUSY), false),
            ("> ", None, false),
            ("package name: (shop) ", Some(KEYS), true),
            ("? Which framework ", Some(KEYS), true),
            ("ann@host:~$ ", Some(KEYS), true),
            ("host% ", Some(KEYS), true),
            ("transforming (12) src/main.ts", Some(KEYS), false),
            ("rendering chunks (3)", Some(KEYS), false),
            ("building 45%", Some(KEYS), false),
            ("75%|███████   | 75/100 [00:01<00:00, 98.0it/s]", Some(KEYS), false),
            ("75%|███████   | 75/100 [00:01<00:00, 98.0it/s]", Some(BUSY), false),
            ("⠋ Installing", Some(KEYS), false),
            ("x", Some(BUSY), false),
            ("", Some(READ), false),
            ("  ", Some(READ), false),
        ] {
            assert_eq!(is_prompt(text, &PromptRule::Usual, input), expected, "{text:?} {input:?}");
            assert!(!is_prompt(text, &PromptRule::Never, input), "{text:?}");
        }
    }

    #[test]
    fn a_menu_is_known_by_its_question_and_its_options() {
        for (screen, question) in [
            (
                "log\n│\n◆  Select a framework:\n│  ● Vanilla\n│  ○ Vue\n└",
                Some("◆  Select a framework:"),
            ),
            ("? Pick one (Use arrow keys)\n❯ a\n  b", Some("? Pick one (Use arrow keys)")),
            (
                "Is x created or renamed?\n❯ + x  create table\n  ~ y › x",
                Some("Is x created or renamed?"),
            ),
            ("? Pick one\n  ◯ a\n  ◉ b", Some("? Pick one")),
            // Of vite, jest, a list of tasks, an answered menu.
            ("  ➜  Local:   http://localhost:5173/\n  ➜  press h + enter to show help", None),
            ("Time:        1.2 s\nWatch Usage\n › Press a to run all tests.", None),
            ("❯ Build\n  ✔ Lint", None),
            ("✔ Pick one a\n", None),
            ("Ready?\n", None),
            ("", None),
        ] {
            let rows: Vec<_> = screen.lines().map(str::to_owned).collect();
            assert_eq!(menu_question(&rows), question, "{screen}");
        }
    }

    #[test]
    fn a_process_has_prompts_of_its_own() {
        let of = |pattern: &str| {
            PromptRule::Also(Text { pattern: pattern.to_owned(), regex: true, any_case: false })
        };
        assert!(is_prompt("mysql> ", &of("^mysql>$"), Some(BUSY)));
        assert!(!is_prompt("mysql> x", &of("^mysql>$"), Some(BUSY)));
        assert!(is_prompt("shop=# ", &of("=#$"), None));
        assert!(is_prompt("(Pdb) ", &of("=#$"), None), "the usual ones too");
    }

    #[test]
    fn an_answer_that_is_being_typed_does_not_end_a_prompt() {
        let still = |text, input| is_still_prompt(text, &PromptRule::Usual, input);
        assert!(still("(Pdb) foo", Some(KEYS)));
        assert!(still("Your name: Ann", Some(READ)));
        assert!(!still("Overwrite? [y/N] y: copied", Some(BUSY)));
    }
}
