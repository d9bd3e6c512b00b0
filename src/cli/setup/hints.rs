//! Reports what is still missing after `tmo setup`, with the line that fixes it.

use std::path::{Path, PathBuf};

use super::files::Places;
use crate::config::Env;
use crate::sys::files::{self, ChosenBy};

/// A hint for each setting that the caller's environment lacks.
pub(super) fn hints(places: &Places, program: &Path, env: &Env, user: bool) -> Vec<String> {
    let path = listed(env, "PATH");
    [
        program_hint(program, &path, env),
        if user { man_hint(places, env, &path) } else { None },
        bash_hint(&path),
        if user { zsh_hint(places, env, &path) } else { None },
        if user { None } else { fish_hint(places, env, &path) },
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The directories in a variable.
fn listed(env: &Env, variable: &str) -> Vec<PathBuf> {
    env.caller(variable).map(|dirs| std::env::split_paths(dirs).collect()).unwrap_or_default()
}

/// The first of these directories that contains this program.
fn dir_with<'a>(path: &'a [PathBuf], name: &str) -> Option<&'a PathBuf> {
    path.iter().find(|dir| dir.join(name).is_file())
}

/// The file that the user's shell reads at its start.
fn profile(env: &Env) -> &'static str {
    let shell = env.caller("SHELL").and_then(|shell| Path::new(shell).file_name()?.to_str());
    match shell {
        Some("bash") => "~/.bashrc",
        Some("zsh") => "~/.zshrc",
        _ => "the profile of your shell",
    }
}

fn is_script(path: &Path) -> bool {
    let text = files::read_project(path, ChosenBy::User);
    text.is_ok_and(|text| text.starts_with(b"#!"))
}

fn program_hint(program: &Path, path: &[PathBuf], env: &Env) -> Option<String> {
    let dir = program.parent()?;
    match dir_with(path, "tmo") {
        None => Some(format!(
            "tmo is not on your PATH; the completions need it there. In {}:\n  \
             export PATH=\"{}:$PATH\"",
            profile(env),
            dir.display()
        )),
        // The script of a package that runs it.
        Some(found) if is_script(&found.join("tmo")) => None,
        Some(found) if found.join("tmo").canonicalize().ok()? != program.canonicalize().ok()? => {
            Some(format!(
                "Another tmo comes first on your PATH: {}. The completions ask that one.",
                found.join("tmo").display()
            ))
        }
        Some(_) => None,
    }
}

/// man searches beside the directories of PATH: `~/.local/share/man` because of `~/.local/bin`.
fn man_hint(places: &Places, env: &Env, path: &[PathBuf]) -> Option<String> {
    let man = &*places.man;
    let bin = man.parent()?.with_file_name("bin");
    let found = path.contains(&bin) || listed(env, "MANPATH").iter().any(|dir| dir == man);
    (!found && dir_with(path, "man").is_some()).then(|| {
        format!(
            "man does not look in {}. In {}:\n  export MANPATH=\"{}:$MANPATH\"",
            man.display(),
            profile(env),
            man.display()
        )
    })
}

fn bash_hint(path: &[PathBuf]) -> Option<String> {
    let script = "share/bash-completion/bash_completion";
    let prefixes = ["/usr", "/usr/local", "/opt/homebrew", "/opt/local"];
    let there = prefixes.iter().any(|prefix| Path::new(prefix).join(script).is_file());
    (!there && dir_with(path, "bash").is_some()).then(|| {
        "bash reads its file only with the package bash-completion. Without it, in ~/.bashrc:\n  \
         source <(tmo completions bash)"
            .to_owned()
    })
}

/// `fpath` is not exported, so check whether the user's .zshrc mentions the directory.
fn zsh_hint(places: &Places, env: &Env, path: &[PathBuf]) -> Option<String> {
    let home = env.caller_dir("HOME")?;
    let rc = env.caller_dir("ZDOTDIR").unwrap_or_else(|| home.clone()).join(".zshrc");
    let said = files::read_project(&rc, ChosenBy::Project).unwrap_or_default();
    let dir = places.zsh.strip_prefix(&home);
    let dir =
        dir.map_or_else(|_| places.zsh.display().to_string(), |dir| format!("~/{}", dir.display()));
    let named = memchr::memmem::find(&said, dir.trim_start_matches('~').as_bytes()).is_some();
    (!named && dir_with(path, "zsh").is_some()).then(|| {
        format!(
            "zsh does not look in {dir}. In {}, before `compinit`:\n  fpath=({dir} $fpath)",
            rc.display()
        )
    })
}

/// fish knows its own directory; others are found through the variable.
fn fish_hint(places: &Places, env: &Env, path: &[PathBuf]) -> Option<String> {
    let data = places.fish.parent()?.parent()?;
    let dirs = listed(env, "XDG_DATA_DIRS");
    let found = data == Path::new("/usr/share") || dirs.iter().any(|dir| dir == data);
    (!found && dir_with(path, "fish").is_some()).then(|| {
        format!(
            "fish looks in {} only if XDG_DATA_DIRS names {}; /etc/fish/completions is read by all.",
            places.fish.display(),
            data.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::hints;
    use crate::cli::setup::files::Places;
    use crate::config::Env;

    #[test]
    fn what_a_user_lacks_is_named_with_the_line_that_helps() {
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join(".local/bin");
        std::fs::create_dir_all(&bin).unwrap();
        for name in ["man", "zsh"] {
            std::fs::write(bin.join(name), "").unwrap();
        }
        let at = |path: &Path, more: &[(&str, &str)]| {
            let mut all =
                vec![("HOME", home.path().to_str().unwrap()), ("PATH", path.to_str().unwrap())];
            all.extend(more);
            let env = Env::of(all);
            let places = Places::user(&env).unwrap();
            hints(&places, &bin.join("tmo"), &env, true).join("\n")
        };
        let all = at(&bin, &[]);
        assert!(all.contains(&format!("export PATH=\"{}:$PATH\"", bin.display())), "{all}");
        assert!(all.contains("fpath=(~/.local/share/zsh/site-functions $fpath)"), "{all}");
        // man finds the pages because of ~/.local/bin.
        assert!(!all.contains("MANPATH"), "{all}");
        let other = home.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("man"), "").unwrap();
        assert!(at(&other, &[]).contains("export MANPATH="));
        std::fs::write(bin.join("tmo"), "").unwrap();
        std::fs::write(
            home.path().join(".zshrc"),
            "fpath=($HOME/.local/share/zsh/site-functions $fpath)\n",
        )
        .unwrap();
        assert_eq!(at(&bin, &[]), "");
    }
}
