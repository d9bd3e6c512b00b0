//! What was found, and how it is told.

use std::fmt::{Display, Write as _};

use serde::Serialize;

use crate::cli::Versioned;
use crate::model::untrusted;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Good to know; it works all the same.
    Note,
    /// It does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    level: Level,
    text: String,
    todo: Option<String>,
}

/// All that was found, in the order of the looking.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    findings: &'a [Finding],
}

impl Report {
    /// It is as it should be.
    pub(super) fn ok(&mut self, check: &'static str, text: impl Display) {
        self.push(check, Level::Ok, &text, None);
    }

    /// It works; this is to be known. What follows a `; ` is what may be done.
    pub(super) fn note(&mut self, check: &'static str, text: impl Display) {
        self.split(check, Level::Note, &text);
    }

    /// It does not work. What follows a `; ` is what to do, as in every complaint of this program.
    pub(super) fn fail(&mut self, check: &'static str, text: impl Display) {
        /// Where the complaint says all there is to say.
        const ELSE: &str = "correct that, then ask again";
        self.split(check, Level::Fail, &text);
        if let Some(Finding { todo, .. }) = self.findings.last_mut() {
            todo.get_or_insert_with(|| ELSE.to_owned());
        }
    }

    /// It does not work, and this is to be done.
    pub(super) fn fail_so(&mut self, check: &'static str, text: impl Display, todo: &str) {
        self.push(check, Level::Fail, &text, Some(todo));
    }

    /// Whether nothing fails.
    pub(super) fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.level != Level::Fail)
    }

    /// A line for each.
    pub(super) fn text(&self, color: bool) -> String {
        let mut text = String::new();
        for Finding { check, level, text: found, todo } in &self.findings {
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

    /// For programs.
    pub(super) fn document(&self) -> impl Serialize + '_ {
        Versioned::new(Document { ok: self.is_ok(), findings: &self.findings })
    }

    fn split(&mut self, check: &'static str, level: Level, text: &dyn Display) {
        let text = text.to_string();
        let (text, todo) = text.split_once("; ").map_or((&*text, None), |(a, b)| (a, Some(b)));
        self.push(check, level, &text, todo);
    }

    fn push(&mut self, check: &'static str, level: Level, text: &dyn Display, todo: Option<&str>) {
        let (text, todo) = (one_line(&text.to_string()), todo.map(one_line));
        self.findings.push(Finding { check, level, text, todo });
    }
}

/// A path may hold anything; a finding is one line.
fn one_line(text: &str) -> String {
    untrusted::shown(text).into_owned()
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
