//! Names the process of `tmo start -- COMMAND` after the program that matters to the user: `npm run dev` is
//! `dev`, `python -m http.server` is `http_server`.

use std::ffi::OsString;
use std::path::Path;

/// Programs that run the command which follows them.
const PREFIXES: &[&str] =
    &["env", "exec", "nice", "nohup", "sudo", "time", "npx", "bunx", "pnpx", "uvx", "dotenv"];
/// Programs that run what follows one of [`RUN`].
const RUNNERS: &[&str] = &[
    "npm", "pnpm", "yarn", "bun", "deno", "cargo", "go", "bundle", "composer", "poetry", "uv",
    "pipenv", "pdm", "hatch", "rye", "mise",
];
const RUN: &[&str] = &["run", "run-script", "exec", "task", "x", "dlx"];
/// Programs whose first argument is the name of a task.
const TASKS: &[&str] = &["make", "just", "rake", "task", "yarn", "bun", "foreman"];
const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ksh", "fish"];
/// Programs that run a file.
const INTERPRETERS: &[&str] = &[
    "python", "python2", "python3", "pypy3", "node", "tsx", "ts-node", "ruby", "perl", "php",
    "java",
];
/// Flags before the name of what is run.
const NAMING: &[&str] = &["-m", "-jar", "--bin", "--example", "-p", "--package"];
const EXTENSIONS: &[&str] =
    &["py", "js", "mjs", "cjs", "ts", "mts", "rb", "sh", "pl", "php", "jar", "go", "exe"];
/// The longest name.
const LONGEST: usize = 32;

/// The name of the process that this command is.
pub fn process_name(argv: &[OsString]) -> String {
    let words: Vec<String> = argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = named(&words).or_else(|| word_of(words.first()?)).unwrap_or_default();
    if name.is_empty() { "command".to_owned() } else { name }
}

fn named(words: &[&str]) -> Option<String> {
    let (program, rest) = words.split_first()?;
    let base = program.rsplit('/').next()?;
    let operand = rest.iter().position(|word| !word.starts_with('-'));
    let operands = || operand.map_or(&[][..], |at| &rest[at..]);
    let flagged = || {
        let at = rest.iter().position(|word| NAMING.contains(word))?;
        word_of(rest.get(at + 1)?)
    };
    if PREFIXES.contains(&base) {
        let is_word = |word: &&str| {
            !word.starts_with('-') && !word.contains('=') && word.parse::<f64>().is_err()
        };
        return named(&rest[rest.iter().position(is_word)?..]);
    }
    if SHELLS.contains(&base) {
        if let Some(script) = rest.iter().position(|word| *word == "-c") {
            let script = rest.get(script + 1)?;
            let is_plain = !script.contains(|c: char| "|&;<>()$`\\\"'*?[#~{}!\n".contains(c));
            let words: Vec<&str> = script.split_whitespace().collect();
            return if is_plain { named(&words) } else { word_of(base) };
        }
        return operands().first().and_then(|file| word_of(file)).or_else(|| word_of(base));
    }
    if RUNNERS.contains(&base) && operands().first().is_some_and(|word| RUN.contains(word)) {
        let run = &operands()[1..];
        let at = run.iter().position(|word| !word.starts_with('-'));
        return flagged().or_else(|| named(&run[at?..])).or_else(|| word_of(base));
    }
    if INTERPRETERS.contains(&base) {
        return flagged().or_else(|| word_of(operands().first()?)).or_else(|| word_of(base));
    }
    if TASKS.contains(&base) {
        return operands().first().and_then(|task| word_of(task)).or_else(|| word_of(base));
    }
    word_of(program)
}

/// The last part of a path, without the extension of a script, as the name of a process.
fn word_of(word: &str) -> Option<String> {
    let base = Path::new(word).file_name()?.to_string_lossy().into_owned();
    let stem = base.rsplit_once('.').filter(|(_, extension)| EXTENSIONS.contains(extension));
    let name = stem.map_or(base.as_str(), |(stem, _)| stem).trim_matches('.');
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().take(LONGEST).map(fits).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::process_name;

    #[test]
    fn a_command_is_named_after_the_program_that_matters() {
        for (line, name) in [
            ("npm run dev", "dev"),
            ("npm run dev:web -- --port 3000", "dev_web"),
            ("npm start", "npm"),
            ("pnpm exec vite --host", "vite"),
            ("yarn dev", "dev"),
            ("npx vite", "vite"),
            ("npx --yes vite@5", "vite_5"),
            ("python -m http.server 8000", "http_server"),
            ("python3 -u app/main.py", "main"),
            (".venv/bin/python manage.py runserver", "manage"),
            ("./bin/rails s", "rails"),
            ("bundle exec rails s", "rails"),
            ("bin/dev", "dev"),
            ("cargo run", "cargo"),
            ("cargo run --release --bin api", "api"),
            ("go run ./cmd/api", "api"),
            ("go run .", "go"),
            ("uv run uvicorn app:app", "uvicorn"),
            ("node --watch server.js", "server"),
            ("java -Xmx1g -jar shop.jar", "shop"),
            ("env A=b nice -n 5 worker", "worker"),
            ("env A=b ./worker", "worker"),
            ("make dev", "dev"),
            ("make", "make"),
            ("bash", "bash"),
            ("bash scripts/run.sh", "run"),
            ("...", "command"),
        ] {
            let words: Vec<_> = line.split(' ').map(Into::into).collect();
            assert_eq!(process_name(&words), name, "{line}");
        }
        for (script, name) in [("npm run dev", "dev"), ("while :; do date; done", "sh"), ("", "sh")]
        {
            assert_eq!(process_name(&["sh".into(), "-c".into(), script.into()]), name, "{script}");
        }
    }
}
