//! The directories that `man` and the shells search.

use std::path::{Path, PathBuf};

use crate::cli::error::CliError;
use crate::config::Env;

/// Where man pages and completions go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) man: PathBuf,
    pub(super) bash: PathBuf,
    pub(super) zsh: PathBuf,
    pub(super) fish: PathBuf,
}

impl Places {
    /// Below the home directory, or where the XDG variables say.
    pub(super) fn user(env: &Env) -> Result<Self, CliError> {
        let data = env.caller_dir_or("XDG_DATA_HOME", ".local/share");
        let config = env.caller_dir_or("XDG_CONFIG_HOME", ".config");
        let (Some(data), Some(config)) = (data, config) else {
            return Err(CliError::Other("HOME is not set to a directory; set it".to_owned()));
        };
        Ok(Self { fish: config.join("fish/completions"), ..Self::below(&data) })
    }

    /// The path of a man page, in the directory of its section.
    pub(super) fn page(&self, name: &str) -> PathBuf {
        let section = name.rsplit('.').next().unwrap_or_default();
        self.man.join(format!("man{section}")).join(name)
    }

    /// Inside a directory of shared data.
    pub(super) fn below(data: &Path) -> Self {
        Self {
            man: data.join("man"),
            bash: data.join("bash-completion/completions"),
            zsh: data.join("zsh/site-functions"),
            fish: data.join("fish/vendor_completions.d"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Places;
    use crate::config::Env;

    #[test]
    fn the_home_directory_is_found_by_the_xdg_variables() {
        let places = Places::user(&Env::of([("HOME", "/h")])).unwrap();
        assert_eq!(places.page("tmo.1"), Path::new("/h/.local/share/man/man1/tmo.1"));
        assert_eq!(places.page("tmo.toml.5"), Path::new("/h/.local/share/man/man5/tmo.toml.5"));
        assert_eq!(places.bash, Path::new("/h/.local/share/bash-completion/completions"));
        assert_eq!(places.zsh, Path::new("/h/.local/share/zsh/site-functions"));
        assert_eq!(places.fish, Path::new("/h/.config/fish/completions"));
        let env = Env::of([("XDG_DATA_HOME", "/d"), ("XDG_CONFIG_HOME", "/c")]);
        let places = Places::user(&env).unwrap();
        assert_eq!(places.man, Path::new("/d/man"));
        assert_eq!(places.fish, Path::new("/c/fish/completions"));
        assert!(Places::user(&Env::of([("HOME", "relative")])).is_err());
    }
}
