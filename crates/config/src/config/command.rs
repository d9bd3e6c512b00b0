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
const TASKS: &[&str] = &["make", "just", "rake", "task", "yarn", "pnpm", "bun", "foreman"];
const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ksh", "fish"];
/// Programs that run a file.
const INTERPRETERS: &[&str] = &[
    "python", "python2", "python3", "pypy3", "node", "tsx", "ts-node", "ruby", "perl", "php",
    "java",
];
/// By program: the options whose value names what is run.
const NAMING: &[(&[&str], &[&str])] = &[
    (&["python", "python2", "python3", "pypy3", "uv"], &["-m"]),
    (&["java"], &["-jar"]),
    (&["cargo"], &["--bin", "--example", "-p", "--package"]),
];
/// By program: options before that with a value as the next word. All others are taken for switches.
const VALUED: &[(&[&str], &[&str])] = &[
    (&["env"], &["-u", "--unset", "-C", "--chdir"]),
    (&["sudo"], &["-u", "--user", "-g", "--group"]),
    (&["nice"], &["-n"]),
    (&["time"], &["-f", "-o"]),
    (&["dotenv"], &["-e", "-f"]),
    (&["npx", "bunx", "pnpx", "uvx"], &["-p", "--package", "--from", "--with", "--python"]),
    (
        &["npm", "pnpm", "yarn", "bun"],
        &["-w", "--workspace", "--prefix", "-C", "--dir", "--cwd", "-F", "--filter"],
    ),
    (
        &["cargo"],
        &["--manifest-path", "-F", "--features", "--target", "--target-dir", "--profile", "-j"],
    ),
    (
        &["uv", "poetry", "pipenv", "pdm", "hatch", "rye", "mise"],
        &[
            "-C",
            "-P",
            "-p",
            "-e",
            "--directory",
            "--project",
            "--python",
            "--with",
            "--extra",
            "--group",
            "--env-file",
            "--package",
        ],
    ),
    (&["bundle"], &["--gemfile"]),
    (&["deno"], &["-c", "--config", "--env-file", "--import-map"]),
    (&["make", "just", "rake", "task"], &["-C", "-f", "-j", "-t", "--directory", "--file"]),
    (&["python", "python2", "python3", "pypy3"], &["-W", "-X", "-c"]),
    (
        &["node", "tsx", "ts-node"],
        &[
            "-r",
            "--require",
            "--import",
            "--loader",
            "--env-file",
            "-C",
            "--conditions",
            "-e",
            "--eval",
            "-p",
            "--print",
            "-P",
            "--project",
        ],
    ),
    (&["ruby", "perl"], &["-I", "-r", "-e", "-C"]),
    (&["php"], &["-S", "-t", "-d", "-c", "-r"]),
    (&["java"], &["-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules"]),
];
const EXTENSIONS: &[&str] =
    &["py", "js", "mjs", "cjs", "ts", "mts", "rb", "sh", "pl", "php", "jar", "go", "exe"];

/// The name of the process that this command is.
pub fn process_name(argv: &[OsString]) -> String {
    let words: Vec<String> = argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = named(&words).or_else(|| word_of(words.first()?)).unwrap_or_default();
    if name.is_empty() { "command".to_owned() } else { name }
}

/// The arguments of a program.
struct Arguments<'a> {
    /// The value of an option that names what is run.
    named: Option<&'a str>,
    /// The first argument that is neither an option nor the value of one, and all after it.
    operands: &'a [&'a str],
}

impl<'a> Arguments<'a> {
    fn new(program: &str, words: &'a [&'a str]) -> Self {
        let of_program = |table: &[(&[&str], &[&str])], option: &str| {
            table.iter().any(|(names, all)| names.contains(&program) && all.contains(&option))
        };
        let (mut named, mut at) = (None, 0);
        while let Some(word) = words.get(at).copied().filter(|word| word.starts_with('-')) {
            at += 1;
            let (option, value) = word.split_once('=').map_or((word, None), |(o, v)| (o, Some(v)));
            let next = words.get(at).copied();
            let names = of_program(NAMING, option);
            if names {
                named = named.or(value).or(next);
            }
            if value.is_none() && (names || of_program(VALUED, option)) {
                at += 1;
            }
            if word == "--" {
                break;
            }
        }
        Self { named, operands: words.get(at..).unwrap_or_default() }
    }

    fn first(&self) -> Option<String> {
        self.named.or(self.operands.first().copied()).and_then(word_of)
    }
}

fn named(words: &[&str]) -> Option<String> {
    let is_set = |word: &&&str| {
        word.split_once('=').is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    let words = &words[words.iter().take_while(is_set).count()..];
    let (program, rest) = words.split_first()?;
    let base = program.rsplit('/').next()?;
    if SHELLS.contains(&base) {
        return shell(base, rest);
    }
    let arguments = Arguments::new(base, rest);
    if PREFIXES.contains(&base) {
        return named(arguments.operands);
    }
    match arguments.operands {
        ["workspace", _, task, ..] if base == "yarn" => return word_of(task),
        [run, run_rest @ ..] if RUNNERS.contains(&base) && RUN.contains(run) => {
            let run = Arguments::new(base, run_rest);
            // Cargo passes them all to the program.
            let by_command = || if base == "cargo" { None } else { named(run.operands) };
            return run.named.and_then(word_of).or_else(by_command).or_else(|| word_of(base));
        }
        _ => {}
    }
    if INTERPRETERS.contains(&base) || TASKS.contains(&base) {
        return arguments.first().or_else(|| word_of(base));
    }
    word_of(program)
}

/// The name of what a shell runs.
fn shell(base: &str, rest: &[&str]) -> Option<String> {
    // `-c` may stand together with others: `-lc`.
    let takes_script =
        |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
    if let Some(at) = rest.iter().position(takes_script) {
        let script = rest.get(at + 1)?;
        let is_plain = !script.contains(|c: char| "|&;<>()$`\\\"'*?[#~{}!\n".contains(c));
        let words: Vec<&str> = script.split_whitespace().collect();
        return if is_plain { named(&words) } else { word_of(base) };
    }
    let file = rest.iter().find(|word| !word.starts_with('-'));
    file.and_then(|file| word_of(file)).or_else(|| word_of(base))
}

/// The last part of a path, without the extension of a script, as the name of a process.
fn word_of(word: &str) -> Option<String> {
    let base = Path::new(word).file_name()?.to_string_lossy().into_owned();
    let stem = base.rsplit_once('.').filter(|(_, extension)| EXTENSIONS.contains(extension));
    let name = stem.map_or(base.as_str(), |(stem, _)| stem).trim_matches('.');
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().take(32).map(fits).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::process_name;

    #[track_caller]
    fn is_named(line: &str, name: &str) {
        let words: Vec<_> = line.split(' ').map(Into::into).collect();
        assert_eq!(process_name(&words), name, "{line}");
    }

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
            ("...", "command"),
        ] {
            is_named(line, name);
        }
    }

    #[test]
    fn the_value_of_an_option_names_no_process() {
        for (line, name) in [
            ("make -C web -j 4 dev", "dev"),
            ("npm run dev -- -p 3000", "dev"),
            ("npm --prefix web run dev", "dev"),
            ("pnpm --filter web dev", "dev"),
            ("yarn workspace web dev", "dev"),
            ("npx -p typescript tsc -w", "tsc"),
            ("python app.py -p 3000", "app"),
            ("python -m http.server -p 3000", "http_server"),
            ("python -X dev -W ignore manage.py runserver 3000", "manage"),
            ("python -c print(1)", "python"),
            ("node --inspect server.js", "server"),
            ("node -r dotenv/config server.js -p 3000", "server"),
            ("cargo run --bin x", "x"),
            ("cargo run --bin=x -- -p 3000", "x"),
            ("cargo run --features a -- serve", "cargo"),
            ("PORT=3 cmd", "cmd"),
            ("PORT=3 npm run dev", "dev"),
            ("./bin/rails s -p 3000", "rails"),
            ("uv run x", "x"),
            ("uv run --with a --python 3.12 python -m x -p 3000", "x"),
            ("poetry run gunicorn -b :3000 app:app", "gunicorn"),
            ("docker compose up", "docker"),
            ("php -S localhost:8000 -t public", "php"),
            ("php artisan serve --port 3000", "artisan"),
            ("flask --app x run", "flask"),
            ("sudo -u me ./worker -n 4", "worker"),
            ("bash -l run.sh", "run"),
            ("make", "make"),
            ("bash", "bash"),
            ("bash scripts/run.sh", "run"),
        ] {
            is_named(line, name);
        }
        for (script, name) in [
            ("npm run dev", "dev"),
            ("PORT=3 ./serve -p 3", "serve"),
            ("while :; do date; done", "sh"),
            ("", "sh"),
        ] {
            assert_eq!(process_name(&["sh".into(), "-c".into(), script.into()]), name, "{script}");
        }
    }
}
