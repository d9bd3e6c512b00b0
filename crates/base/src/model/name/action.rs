//! The words by which `tmo act` knows actions.

use std::collections::HashMap;

/// An action, by what it belongs to and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionName<'a> {
    /// The entry of its process; `None` if it belongs to the project.
    pub of: Option<&'a str>,
    pub name: &'a str,
}

impl ActionName<'_> {
    /// `web.migrate`, or `migrate` of the project.
    pub fn full(self) -> String {
        self.of.map_or_else(|| self.name.to_owned(), |of| format!("{of}.{}", self.name))
    }

    /// The process that runs it.
    pub fn process(self) -> String {
        self.of.map_or_else(|| self.name.to_owned(), |of| format!("{of}-{}", self.name))
    }

    /// The shortest word for each of these actions.
    pub fn words(all: &[Self]) -> Vec<String> {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for action in all {
            *times.entry(action.name).or_default() += 1;
        }
        let word = |action: &Self| {
            if times.get(action.name) == Some(&1) { action.name.to_owned() } else { action.full() }
        };
        all.iter().map(word).collect()
    }

    /// The places of the actions that a word means: one, unless it is unknown, or a name that several processes give to
    /// an action. Where the project has an action of this name, that one is meant.
    pub fn meant_by(word: &str, all: &[Self]) -> Vec<usize> {
        let places = |is: &dyn Fn(&Self) -> bool| -> Vec<usize> {
            (0..all.len()).filter(|&at| is(&all[at])).collect()
        };
        let full = places(&|action| action.full() == word);
        if !full.is_empty() {
            return full;
        }
        let named = places(&|action| action.name == word);
        if named.is_empty() { places(&|action| action.process() == word) } else { named }
    }
}

#[cfg(test)]
mod tests {
    use super::ActionName;

    const ALL: [ActionName<'_>; 5] = [
        ActionName { of: Some("web"), name: "migrate" },
        ActionName { of: Some("api"), name: "seed" },
        ActionName { of: Some("web"), name: "seed" },
        ActionName { of: None, name: "migrate" },
        ActionName { of: Some("web"), name: "routes" },
    ];

    #[test]
    fn a_word_means_one_action_unless_several_processes_have_it() {
        for (word, places) in [
            ("routes", &[4][..]),
            ("web.migrate", &[0]),
            ("migrate", &[3]),
            ("seed", &[1, 2]),
            ("api.seed", &[1]),
            ("web-routes", &[4]),
            ("route", &[]),
            ("api.routes", &[]),
        ] {
            assert_eq!(ActionName::meant_by(word, &ALL), places, "{word}");
        }
    }

    #[test]
    fn the_shortest_word_means_its_action() {
        let words = ActionName::words(&ALL);
        assert_eq!(words, ["web.migrate", "api.seed", "web.seed", "migrate", "routes"]);
        for (at, word) in words.iter().enumerate() {
            assert_eq!(ActionName::meant_by(word, &ALL), [at]);
        }
    }
}
