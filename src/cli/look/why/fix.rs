//! `tmo why --fix`: the change to `tmo.toml` that mends what was explained, as a patch. Nothing is written.

use std::io;
use std::path::Path;

use crate::cli::{CliError, output};
use crate::crash::why::Why;
use crate::sys::files::{self, ChosenBy};

/// How many unchanged lines are around a change.
const CONTEXT: usize = 3;

/// Print the patch for the `tmo.toml` in this directory.
pub(in crate::cli::look) fn print(dir: &Path, answer: &Why, flags: &str) -> Result<u8, CliError> {
    let name = answer.process.entry();
    let Some(fix) = answer.causes.iter().find_map(|cause| cause.fix.as_ref()) else {
        let text = format!("no change to tmo.toml mends this; `tmo why {name}{flags}` explains it");
        return Err(CliError::Other(text));
    };
    let path = dir.join("tmo.toml");
    let old = files::if_there(files::read_project(&path, ChosenBy::Project));
    let old = old.map_err(CliError::io(path.display()))?;
    let text = old.as_ref().map(|old| String::from_utf8_lossy(old)).unwrap_or_default();
    let on = fix.depends_on.entry();
    let port = fix.port.map_or_else(|| "true".to_owned(), |port| port.to_string());
    let ready = format!("ready = {{ port = {port} }}");
    let wanted = [(name, format!("depends_on = [\"{on}\"]")), (on, ready)];
    let Some(hunk) = hunk(&text, &wanted) else {
        let [(_, awaits), (_, ready)] = wanted;
        return Err(CliError::Other(format!(
            "{} can't be patched as it is; it needs `{awaits}` in `[process.{name}]`, and `{ready}` in \
             `[process.{on}]`",
            path.display()
        )));
    };
    let from = if old.is_some() { "a/tmo.toml" } else { "/dev/null" };
    let printed = output::print_raw(
        &mut io::stdout(),
        format!("--- {from}\n+++ b/tmo.toml\n{hunk}").as_bytes(),
    )?;
    output::warn(&format!(
        "`tmo why {name} --fix{flags} | git apply` in {} makes this change; then `tmo start{flags}`, or \
         `tmo reload{flags}` while it runs",
        dir.display()
    ));
    Ok(printed)
}

/// The hunk that adds these lines to the tables of these processes, each unless it is there. `None` if a table has the
/// key with another value, or the result would not be valid or have another change.
fn hunk(text: &str, wanted: &[(&str, String)]) -> Option<String> {
    let mut lines: Vec<(char, String)> =
        text.split_terminator('\n').map(|line| (' ', line.to_owned())).collect();
    let end = if text.contains("\r\n") { "\r" } else { "" };
    let mut expected: toml::Table = toml::from_str(text).ok()?;
    if !text.is_empty() && !text.ends_with('\n') {
        let (_, last) = lines.pop()?;
        lines.push(('-', format!("{last}\n\\ No newline at end of file")));
        lines.push(('+', last));
    }
    for (process, line) in wanted {
        let mut table = &mut expected;
        for name in ["process", process] {
            table = table.entry(name).or_insert(toml::Table::new().into()).as_table_mut()?;
        }
        for (key, value) in toml::from_str::<toml::Table>(line).ok()? {
            table.entry(key).or_insert(value);
        }
        let head = format!("[process.{process}]");
        let Some(at) = lines.iter().rposition(|(sign, text)| *sign != '-' && text.trim() == head)
        else {
            let space = (!lines.is_empty()).then(String::new);
            let table = space.into_iter().chain([head, line.clone()]);
            lines.extend(table.map(|text| ('+', text + end)));
            continue;
        };
        let key = line.split('=').next()?;
        let body = lines[at + 1..].iter().take_while(|(_, text)| !text.starts_with('['));
        match body.map(|(_, text)| text.trim()).find(|text| text.starts_with(key)) {
            // How it becomes ready is said already.
            Some(_) if key.starts_with("ready") => {}
            Some(text) => (text == line).then_some(())?,
            None => lines.insert(at + 1, ('+', format!("{line}{end}"))),
        }
    }
    let kept = lines.iter().filter(|(sign, _)| *sign != '-');
    let result: String = kept.flat_map(|(_, line)| [line, "\n"]).collect();
    // What looks like the head of a table may be part of a string.
    (toml::from_str::<toml::Table>(&result).ok()? == expected).then_some(())?;
    let first = lines.iter().position(|(sign, _)| *sign != ' ')?;
    let last = lines.iter().rposition(|(sign, _)| *sign != ' ')?;
    let begin = first.saturating_sub(CONTEXT);
    let part = &lines[begin..lines.len().min(last + 1 + CONTEXT)];
    let range = |not: char| {
        let count =
            |lines: &[(char, String)]| lines.iter().filter(|(sign, _)| *sign != not).count();
        format!("{},{}", count(&lines[..begin]) + usize::from(count(part) > 0), count(part))
    };
    let mut hunk = format!("@@ -{} +{} @@\n", range('+'), range('-'));
    for (sign, line) in part {
        hunk.push(*sign);
        hunk.push_str(line);
        hunk.push('\n');
    }
    Some(hunk)
}

#[cfg(test)]
mod tests {
    use super::hunk;

    fn added(text: &str) -> Option<String> {
        let wanted = [
            ("api", "depends_on = [\"db\"]".to_owned()),
            ("db", "ready = { port = true }".to_owned()),
        ];
        hunk(text, &wanted)
    }

    #[test]
    fn a_patch_has_the_line_ends_of_the_file() {
        let expected = "@@ -1,2 +1,6 @@\n [process.api]\r\n+depends_on = [\"db\"]\r\n watch = \"src\"\r\n+\r\n\
                        +[process.db]\r\n+ready = { port = true }\r\n";
        assert_eq!(added("[process.api]\r\nwatch = \"src\"\r\n").unwrap(), expected);
    }

    #[test]
    fn lines_go_into_the_tables_that_are_there() {
        let text = "[process.db]\nstop = \"INT\"\n\n[process.api]\nwatch = \"src\"";
        let expected = "@@ -1,5 +1,7 @@\n [process.db]\n+ready = { port = true }\n stop = \"INT\"\n \n \
                        [process.api]\n+depends_on = [\"db\"]\n-watch = \"src\"\n\\ No newline at end of \
                        file\n+watch = \"src\"\n";
        assert_eq!(added(text).unwrap(), expected);
        assert_eq!(
            added("").unwrap(),
            "@@ -0,0 +1,5 @@\n+[process.api]\n+depends_on = [\"db\"]\n+\n+[process.db]\n+ready = { port = true }\n"
        );
        let checked = "[process.db]\nready = { exec = \"pg_isready\" }\n";
        assert!(!added(checked).unwrap().contains("port"));
        for text in [
            "[process.api]\ndepends_on = [\"redis\"]\n",
            "[process.api]\ndepends_on = [\n  \"redis\",\n]\n",
            "process.api.watch = \"src\"\n[process]\n",
            "[process]\napi = { watch = \"src\" }\n",
            "[process.api]\ndepends_on = [\"db\"]\n[process.db]\nready = { port = 1 }\n",
            "[process.api]\n[process.db]\nready = 1\n[process.x]\ncommand = \"\"\"\ncat <<E\n[process.api]\nE\n\"\"\"\n",
        ] {
            assert_eq!(added(text), None, "{text}");
        }
    }
}
