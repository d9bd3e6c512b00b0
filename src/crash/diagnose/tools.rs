//! Errors that package managers and other tools report.

use super::{Findings, cut, quoted};
use crate::crash::cause::CauseKind;
use crate::crash::expr::Expr;

/// npm, pnpm and yarn: there is no script of this name.
static NO_SCRIPT: [Expr; 2] = [
    Expr::new(r#"(?i)\bMissing script:? ['"]?([\w:./-]+)"#),
    Expr::new(r#"^error Command "([\w:./-]+)" not found\.$"#),
];

/// Rails: the pid file of a server that is still running or was killed.
static RUNS_ALREADY: Expr =
    Expr::new(r"^A server is already running\b.*?(?:\(pid: (\d+), file: ([^)]+)\)|Check (\S+)\.)");

static NO_DOCKER: Expr = Expr::new(
    r"(?:Cannot connect to the Docker daemon|failed to connect to the docker API|Is the docker daemon running)",
);

/// The language has another version than the project requires; and the command that prints the
/// version.
static VERSIONS: [(Expr, &str); 4] = [
    (Expr::new(r"^(Your Ruby version is \S+, but your Gemfile specified .+)$"), "ruby -v"),
    (
        Expr::new(
            r"^(You are using Node\.js \S+\. For .+ is required\.|error .*The engine .node. is incompatible.*)$",
        ),
        "node -v",
    ),
    (Expr::new(r"^npm (?:ERR!|error) notsup (Required: .+)$"), "node -v"),
    (Expr::new(r"^ERROR: Package .* (requires a different Python: .+)$"), "python3 --version"),
];

pub(super) fn find(found: &mut Findings<'_>) {
    for expr in &NO_SCRIPT {
        if let Some((at, _, name)) = found.last_group(expr) {
            let text = format!("Missing script {} in package.json", quoted(name));
            found.add_line(88, at, CauseKind::CommandNotFound, text).next = Some("npm run".into());
        }
    }
    if let Some((at, line)) = found.last(&RUNS_ALREADY) {
        let groups = RUNS_ALREADY.captures(line);
        let group = |number| Some(groups.as_ref()?.get(number)?.as_str());
        let file = group(2).or_else(|| group(3)).unwrap_or_default();
        let pid = group(1).map_or_else(|| format!("$(cat {})", quoted(file)), str::to_owned);
        let text = format!("a server is already running, says {}", found.evidence.shown(file));
        let next = format!("ps -p {pid} || rm {}", quoted(file));
        found.add_line(88, at, CauseKind::LoggedError, text).next = Some(next);
    }
    if let Some((at, _)) = found.last(&NO_DOCKER) {
        let text = "the Docker daemon does not run, or may not be used by this user".to_owned();
        found.add_line(86, at, CauseKind::ConnectionRefused, text).next =
            Some("docker info".into());
    }
    for (expr, next) in &VERSIONS {
        if let Some((at, _, what)) = found.last_group(expr) {
            found.add_line(86, at, CauseKind::LoggedError, cut(what)).next =
                Some((*next).to_owned());
        }
    }
}
