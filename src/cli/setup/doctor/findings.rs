//! What the checks find, and how it is printed.

use std::fmt::{Display, Write as _};

use serde::Serialize;

use crate::cli::output::Versioned;
use crate::model::text::untrusted;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing, but not a problem.
    Note,
    Fail,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    level: Level,
    text: String,
    todo: Option<String>,
}

/// All findings, in the order of the checks.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Report(Vec<Finding>);

#[derive(Serialize)]
struct DoctorDocument<'a> {
    ok: bool,
    findings: &'a Report,
}

impl Report {
    pub(super) fn ok(&mut self, check: &'static str, text: impl Display) {
        self.push(check, Level::Ok, &text.to_string(), None);
    }

    /// Add a note. The text after a `; ` is a suggestion.
    pub(super) fn note(&mut self, check: &'static str, text: impl Display) {
        self.push_split(check, Level::Note, &text.to_string(), None);
    }

    /// Add a failure. The text after a `; ` is the remedy, as in every error message of this program.
    pub(super) fn fail(&mut self, check: &'static str, text: impl Display) {
        /// The remedy if the message has none.
        const ELSE: &str = "correct that, then ask again";
        self.push_split(check, Level::Fail, &text.to_string(), Some(ELSE));
    }

    /// Add a failure with this remedy.
    pub(super) fn fail_so(&mut self, check: &'static str, text: impl Display, todo: &str) {
        self.push(check, Level::Fail, &text.to_string(), Some(todo));
    }

    /// Whether there are no failures.
    pub(super) fn is_ok(&self) -> bool {
        self.0.iter().all(|finding| finding.level != Level::Fail)
    }

    /// One line per finding.
    pub(super) fn text(&self, color: bool) -> String {
        let mut text = String::new();
        for Finding { check, level, text: found, todo } in &self.0 {
            let (mark, code) = match level {
                Level::Ok => ("ok", 32),
                Level::Note => ("note", 33),
                Level::Fail => ("FAIL", 31),
            };
            let (on, off) =
                if color { (format!("\x1b[{code}m"), "\x1b[0m") } else { (String::new(), "") };
            let todo = todo.as_ref().map(|todo| format!("; {todo}")).unwrap_or_default();
            // Writing to a string does not fail.
            let _ = writeln!(text, "{on}{mark:4}{off}  {check}: {found}{todo}");
        }
        text
    }

    /// The report as JSON.
    pub(super) fn document(&self) -> impl Serialize + '_ {
        Versioned::new(DoctorDocument { ok: self.is_ok(), findings: self })
    }

    fn push_split(&mut self, check: &'static str, level: Level, text: &str, todo: Option<&str>) {
        let (text, todo) =
            text.split_once("; ").map_or((text, todo), |(text, todo)| (text, Some(todo)));
        self.push(check, level, text, todo);
    }

    /// Each part becomes one line, even if it contains a path with line breaks.
    fn push(&mut self, check: &'static str, level: Level, text: &str, todo: Option<&str>) {
        let one_line = |text: &str| untrusted::shown(text).into_owned();
        self.0.push(Finding { check, level, text: one_line(text), todo: todo.map(one_line) });
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    fn report() -> Report {
        let mut report = Report::default();
        report.ok("tmux", "it\nworks");
        report.note("socket", "it is far away");
        report.fail("shell", "there is none; install one; or two");
        report.fail_so("ports", "taken; by a; b", "end it");
        report
    }

    #[test]
    fn a_finding_is_a_line_with_what_to_do() {
        assert_eq!(
            report().text(false),
            "ok    tmux: it\\nworks\n\
             note  socket: it is far away\n\
             FAIL  shell: there is none; install one; or two\n\
             FAIL  ports: taken; by a; b; end it\n"
        );
        assert!(report().text(true).starts_with("\x1b[32mok  \x1b[0m  tmux: "));
    }

    #[test]
    fn programs_read_what_is_found_and_what_to_do_apart() {
        let json: serde_json::Value = serde_json::to_value(report().document()).unwrap();
        assert_eq!((&json["api"], &json["ok"]), (&1.into(), &false.into()));
        let [ok, note, fail, taken] = [0, 1, 2, 3].map(|at| &json["findings"][at]);
        assert_eq!(
            ok,
            &serde_json::json!({
                "check": "tmux", "level": "ok", "text": "it\\nworks", "todo": null
            })
        );
        assert_eq!(note["todo"], serde_json::Value::Null);
        assert_eq!(
            (&fail["level"], &fail["todo"]),
            (&"fail".into(), &"install one; or two".into())
        );
        assert_eq!((&taken["text"], &taken["todo"]), (&"taken; by a; b".into(), &"end it".into()));
    }

    #[test]
    fn only_what_fails_is_a_failure() {
        let mut report = Report::default();
        report.note("socket", "odd");
        assert!(report.is_ok());
        report.fail("socket", "none");
        assert!(!report.is_ok());
        assert!(report.text(false).ends_with("FAIL  socket: none; correct that, then ask again\n"));
    }
}
