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

/// Messages of other tools: the cause, and the next command, in both of which `{}` is what the message names.
static OTHERS: [(Expr, CauseKind, &str, &str); 3] = [
    (
        Expr::new(
            r"^docker: (?:unknown command: docker compose|'compose' is not a docker command)|^unknown shorthand flag: '\w' in -",
        ),
        CauseKind::CommandNotFound,
        "docker has no command compose: its Compose plugin is not installed",
        "docker-compose version",
    ),
    (
        Expr::new(r"^docker: .*The container name \x22/(\S+)\x22 is already in use"),
        CauseKind::LoggedError,
        "there is a container {} already, perhaps of an earlier start",
        "docker ps -a --filter name={}",
    ),
    (
        Expr::new(r"^go: (go\.mod) file not found"),
        CauseKind::MissingFile,
        "there is no {} in its directory or above; begin the command with `cd DIR &&`",
        "find . -name {}",
    ),
];

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

pub(super) fn add_causes(found: &mut Findings<'_>) {
    for expr in &NO_SCRIPT {
        if let Some((at, _, name)) = found.last_group(expr) {
            let text = format!("Missing script {} in package.json", quoted(name));
            let next = Some(found.evidence.there("npm run"));
            found.add_line(88, at, CauseKind::CommandNotFound, text).next = next;
        }
    }
    if let Some((at, line)) = found.last(&RUNS_ALREADY) {
        let groups = RUNS_ALREADY.captures(line);
        let group = |number| Some(groups.as_ref()?.get(number)?.as_str());
        let file = group(2).or_else(|| group(3)).unwrap_or_default();
        let pid = group(1).map_or_else(|| format!("$(cat {})", quoted(file)), str::to_owned);
        let text = format!("a server is already running, says {}", found.evidence.shown_path(file));
        let next = format!("ps -p {pid} || rm {}", quoted(file));
        found.add_line(88, at, CauseKind::LoggedError, text).next = Some(next);
    }
    if let Some((at, _)) = found.last(&NO_DOCKER) {
        let text = "the Docker daemon does not run, or may not be used by this user".to_owned();
        found.add_line(86, at, CauseKind::ConnectionRefused, text).next =
            Some("docker info".into());
    }
    for (expr, kind, text, next) in &OTHERS {
        let Some((at, line)) = found.last(expr) else { continue };
        // What `docker` takes for its own flag is one of `docker compose`, if the command has that.
        if line.starts_with("docker:")
            || line.starts_with("go:")
            || found.evidence.command.contains("compose")
        {
            let what = quoted(expr.group(line).unwrap_or_default());
            let cause = found.add_line(86, at, *kind, text.replace("{}", &what));
            cause.next = Some(next.replace("{}", &what));
        }
    }
    for (expr, next) in &VERSIONS {
        if let Some((at, _, what)) = found.last_group(expr) {
            found.add_line(86, at, CauseKind::LoggedError, cut(what)).next =
                Some((*next).to_owned());
        }
    }
}
