//! `tmo.local.toml`: settings of one checkout, which win over those of the `tmo.toml` beside it.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

/// Tables whose keys are names that the user chooses.
const NAMED: [&str; 2] = ["process", "watcher"];

/// Settings whose parts are overridden one by one, as a process overrides those of `[defaults]`.
const MERGED: [&str; 3] = ["env", "restart", "stop"];

/// What the keys of a table are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Those of the file.
    Top,
    /// Names of processes or watchers.
    Names,
    Settings,
    /// Parts of a setting.
    Parts,
}

/// Lay the upper file over the lower one.
pub(super) fn lay_over<'a>(lower: &mut DeTable<'a>, upper: DeTable<'a>, level: Level) {
    for (key, mut value) in upper {
        let name: &str = key.get_ref();
        let deeper = match level {
            Level::Top if NAMED.contains(&name) => Some(Level::Names),
            Level::Top | Level::Names => Some(Level::Settings),
            Level::Settings if MERGED.contains(&name) => Some(Level::Parts),
            Level::Settings | Level::Parts => None,
        };
        let below = lower.get_mut(name).map(Spanned::get_mut);
        if let (Some(level), Some(DeValue::Table(below)), DeValue::Table(above)) =
            (deeper, below, value.get_mut())
        {
            lay_over(below, std::mem::take(above), level);
        } else {
            // With the key, since its place is in the upper file from now on.
            lower.remove(name);
            lower.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::toml::{Said as _, TomlText, parse_with_local, value};

    #[test]
    fn the_local_file_wins_key_by_key_and_each_value_has_its_place() {
        let shared = "[process.web]\ncommand = \"serve\"\nready = { port = true }\nenv = { A = \"1\", B = \"2\" }\n\
                      restart = { policy = \"always\", delay = \"1s\" }\n[process.db]\ncommand = \"db\"\n[log]\ntotal = 5\n";
        let local = "port_auto = true\n[process.web]\nready = { log = \"up\" }\nenv = { B = \"3\" }\nport = 80\n\
                     restart = { delay = \"9s\" }\n[process.more]\ncommand = \"m\"\n[log]\nper_process = 6\n";
        let local = TomlText { text: local, file: "tmo.local.toml" };
        let shared = TomlText { text: shared, file: "tmo.toml" };
        let (toml, mistakes) = parse_with_local(shared, Some(local)).unwrap();
        mistakes.into_result(&toml.source).unwrap();
        assert_eq!((toml.log.total, toml.log.per_process), (Some(5), Some(6)));
        let names: Vec<_> =
            toml.processes.iter().map(|(name, _)| name.get_ref().as_str()).collect();
        assert_eq!(names, ["web", "db", "more"]);
        let web = toml.table_of("web");
        let place = |at: Option<std::ops::Range<usize>>| toml.source.place(&at.unwrap());
        assert_eq!(place(web.command.at()), "tmo.toml:2");
        assert_eq!(place(web.ready.at()), "tmo.local.toml:3");
        assert_eq!(value(&web.ready).unwrap().len(), 1, "a check is replaced as a whole");
        assert_eq!((value(&web.port), place(web.port.at())), (Some(80), "tmo.local.toml:5".into()));
        assert_eq!(value(&toml.port_auto), Some(true));
    }

    #[test]
    fn mistakes_of_both_files_are_told_with_their_places() {
        let told = |shared: &str, local: &str| {
            let local = TomlText { text: local, file: "tmo.local.toml" };
            let all = parse_with_local(TomlText { text: shared, file: "tmo.toml" }, Some(local));
            let all = all.and_then(|(toml, mistakes)| mistakes.into_result(&toml.source));
            let problems = all.unwrap_err().problems;
            problems
                .iter()
                .map(|one| format!("{} {}", one.in_short(), one.source))
                .collect::<Vec<_>>()
        };
        let both = told("[process.web]\nprot = 1\n", "# é\n[process.web]\nport = \"x\"\n");
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(
            both[0].starts_with("tmo.toml:2:1: ") && both[0].ends_with(" prot = 1"),
            "{both:?}"
        );
        assert!(both[1].starts_with("tmo.local.toml:3:8: "), "{both:?}");
        let syntax = told("a = \n", "[x\n");
        assert!(syntax[0].starts_with("tmo.toml:1:"), "{syntax:?}");
        assert!(syntax[1].starts_with("tmo.local.toml:1:"), "{syntax:?}");
        assert!(told("", "web: 1\n")[0].contains("in TOML a key is followed by `=`"));
    }
}
