//! Names that other tools, or other tables of a `tmo.toml`, use for keys that have another name here.

/// Their names, and ours.
const KEYS: &[(&[&str], &str)] = &[
    (&["cmd", "script", "entrypoint", "program", "run"], "command"),
    (&["working_dir", "working_directory", "workdir", "dir", "directory", "root"], "cwd"),
    (&["environment", "vars", "variables"], "env"),
    (&["dotenv", "envfile"], "env_file"),
    (&["needs", "requires", "after", "wait_for", "wait_on"], "depends_on"),
    (&["readiness_probe", "readiness", "healthcheck", "health_check", "ready_log_line"], "ready"),
    (&["liveness_probe", "liveness"], "live"),
    (&["availability", "autorestart", "auto_restart"], "restart"),
    (&["max_restarts", "startretries"], "restart.max_restarts"),
    (&["shutdown"], "stop"),
    (&["stopsignal", "stop_signal"], "stop.signal"),
    (&["stopwaitsecs", "kill_timeout"], "stop.timeout"),
    (&["namespace", "profiles", "tags"], "groups"),
    (&["enabled", "disabled"], "autostart"),
    (&["description", "title", "label"], "display"),
    (&["max_consecutive_failures", "max_attempts", "retries", "max_retries"], "max_failures"),
    (&["failure_reset_seconds", "min_uptime"], "stable"),
    (&["interval", "period_seconds"], "every"),
    (&["timeout_seconds", "grace_period"], "timeout"),
    (&["failure_threshold"], "failures"),
    (&["watch_files", "watch_paths"], "watch"),
    (&["delay_ms", "quiet"], "debounce"),
];

/// The name of an unknown key in a table with these keys, as a sentence.
pub(super) fn named_here(word: &str, keys: &[&str]) -> Option<String> {
    if word == "regex" {
        let key = ["log", "pattern"].into_iter().find(|key| keys.contains(key))?;
        return Some(format!("`{key}` is a regular expression as it is"));
    }
    let there = |ours: &str| keys.contains(&ours.split('.').next().unwrap_or_default());
    let theirs = |(words, ours): &&(&[&str], &str)| words.contains(&word) && there(ours);
    let (_, ours) = KEYS.iter().find(theirs)?;
    Some(format!("here it is `{ours}`"))
}

#[cfg(test)]
mod tests {
    use super::KEYS;
    use crate::config::toml::keys::PROCESS;
    use crate::config::toml::kind::{Key, Type};
    use crate::config::toml::schema::within;

    /// Whether this is a key of a process, or of a table in it.
    fn is_key(word: &str, keys: &[&[Key]]) -> bool {
        let holds = |kind: Type| within(kind).is_some_and(|(_, keys)| is_key(word, keys));
        keys.concat().iter().any(|key| key.name == word || holds(key.kind))
    }

    #[test]
    fn each_of_ours_is_a_key_and_none_of_theirs_is() {
        for (theirs, ours) in KEYS {
            assert!(ours.split('.').all(|word| is_key(word, PROCESS)), "{ours}");
            for word in *theirs {
                let named = |keys: &[&str]| super::named_here(word, keys);
                let first = ours.split('.').next().unwrap();
                assert_eq!(named(&[first]), Some(format!("here it is `{ours}`")), "{word}");
                assert_eq!(named(&["else"]), None, "{word}");
            }
        }
        let of_process = |word: &&&str| PROCESS.concat().iter().any(|key| key.name == **word);
        let wrong: Vec<_> =
            KEYS.iter().flat_map(|(theirs, _)| *theirs).filter(of_process).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
