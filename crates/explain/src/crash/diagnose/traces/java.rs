//! `Exception in thread "main" …`, `Caused by: …`, and the place:
//! `\tat com.app.Main.run(Main.java:5)`.

use super::super::quoted;
use super::Trace;
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

static HEAD: Expr = Expr::new(
    r#"^(?:.*Exception in thread "[^"]*" )?((?:[a-z_][\w$]*\.)+[A-Z][\w$]*(?:: .*)?)\s*$"#,
);
static CAUSED: Expr = Expr::new(r"^\s*Caused by: (.+)$");
static FRAME: Expr =
    Expr::new(r"^\s+at (?:[\w.@-]+/)*([\w$.<>]+)\(([\w$]+\.(?:java|kt|scala|groovy|clj)):(\d+)\)");
static HIDDEN: Expr = Expr::new(
    r"^\s+(?:at [\w.@/$<>]+\((?:Native Method|Unknown Source)\)|\.\.\. \d+ (?:more|common))",
);

/// Packages that are probably not part of the project.
const STRANGE: [&str; 24] = [
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "groovy.",
    "clojure.",
    "org.springframework.",
    "org.apache.",
    "org.eclipse.",
    "org.hibernate.",
    "org.gradle.",
    "io.netty.",
    "com.google.",
    "com.zaxxer.",
    "reactor.",
    "org.postgresql.",
    "com.mysql.",
    "com.fasterxml.",
    "io.quarkus.",
];

/// The last exception with frames; if it has causes, the innermost.
pub(super) fn last(_evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let frame = |line: &str| FRAME.finds(line) || HIDDEN.finds(line);
    let end = lines.iter().rposition(|line| frame(line))?;
    if !lines[..=end].iter().any(|line| FRAME.finds(line)) {
        return None;
    }
    // Go back over frames and causes to the beginning.
    let mut inner = None;
    let mut first = end;
    for at in (0..=end).rev() {
        let line = lines[at];
        if CAUSED.finds(line) {
            inner = inner.or(Some(at));
        } else if !frame(line) {
            first = at;
            break;
        }
    }
    let at = inner.unwrap_or(first);
    let text = CAUSED.group(lines[at]).or_else(|| HEAD.group(lines[at]))?.trim().to_owned();
    let found = own(&lines[at..=end]).or_else(|| own(&lines[first..=end]));
    let (place, search) = found.unzip();
    Some(Trace { begin: first, at, text, place, next: search.flatten(), end })
}

/// A place in the project, and the command that opens it if the frame does not contain the
/// directory of the file.
fn own(lines: &[&str]) -> Option<(String, Option<String>)> {
    lines.iter().find_map(|line| {
        let [method, file, number] = FRAME.groups(line)?;
        if STRANGE.iter().any(|package| method.starts_with(package)) {
            return None;
        }
        // `com.shop.Dao.read`: the part before class and method is a package.
        let packaged = method.matches('.').count() > 1;
        let search = format!("${{EDITOR:-vi}} +{number} $(find . -name {})", quoted(file));
        Some((format!("{file}:{number}"), packaged.then_some(search)))
    })
}
