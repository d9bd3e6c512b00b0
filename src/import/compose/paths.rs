//! Where the files that a container sees stand in the project.

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::node::SourceValue;
use super::super::paths::{joined, relative};
use super::super::references::escaped;
use super::hosts::begins_word;

/// What a container sees of the project. All paths in the project are relative to the compose file.
#[derive(Debug, Default)]
pub(super) struct ContainerPaths {
    /// Paths in the container and in the project; of equal ones, the first counts.
    places: Vec<(String, String)>,
    /// The directory of the project in which the service runs.
    pub(super) cwd: String,
}

impl ContainerPaths {
    pub(super) fn new(places: impl IntoIterator<Item = (String, String)>) -> Self {
        const MOST_PLACES: usize = 200;
        const LONGEST_PLACE: usize = 1000;
        // What is put into the root of an image does not hide the rest of it.
        let is_usable = |(inside, path): &(String, String)| {
            inside.trim_end_matches('/').len() > 1 && path.len() <= LONGEST_PLACE
        };
        let places = places
            .into_iter()
            .filter(is_usable)
            .take(MOST_PLACES)
            .map(|(inside, path)| (inside.trim_end_matches('/').to_owned(), joined("", &path)));
        Self { places: places.collect(), cwd: String::new() }
    }

    /// Where a path of the container stands in the project.
    pub(super) fn in_project(&self, inside: &str) -> Option<String> {
        let below = self.places.iter().rev().filter_map(|(place, path)| {
            let rest = inside.strip_prefix(place.as_str())?;
            let is_below = rest.is_empty() || rest.starts_with('/');
            is_below.then(|| (place.len(), joined(path, rest.trim_start_matches('/'))))
        });
        // The deepest is the one that the container sees.
        below.max_by_key(|(depth, _)| *depth).map(|(_, path)| path)
    }

    /// A path of the container as seen from the directory of the service.
    pub(super) fn seen_from_cwd(&self, inside: &str) -> Option<String> {
        relative(&self.cwd, &self.in_project(inside)?)
    }

    /// A text in which paths of the container lead to the project, if `is_meant` holds for where they lead there.
    pub(super) fn replaced(&self, text: &str, is_meant: &dyn Fn(&str) -> bool) -> String {
        let (mut result, mut rest) = (String::new(), text);
        while let Some(at) = rest.find('/') {
            let (before, path) = rest.split_at(at);
            result.push_str(before);
            let ends = |c: char| c.is_whitespace() || "\"'`:,;()&|<>{}$".contains(c);
            let end = path.find(ends).unwrap_or(path.len());
            let (path, more) = path.split_at(end);
            let before = &text[..text.len() - rest.len() + at];
            let is_path = path.len() > 1
                && !path.starts_with("//")
                && (begins_word(before) || before.ends_with(':'));
            let found = is_path.then(|| self.in_project(path)).flatten();
            let found = found.filter(|path| is_meant(path));
            match found.and_then(|path| relative(&self.cwd, &path)) {
                Some(path) => result.push_str(&escaped(&path)),
                None => result.push_str(path),
            }
            rest = more;
        }
        result + rest
    }
}

/// What is mounted into a container: where it sees it, and what it is.
pub(super) fn mounts(fields: &Fields) -> Result<Vec<(String, String)>, ImportError> {
    let Some(node) = fields.get("volumes") else { return Ok(vec![]) };
    let SourceValue::List(items) = &node.value else {
        return Err(node.unlike("volumes", "a list"));
    };
    let mut mounts = vec![];
    for item in items.clone() {
        let pair = if let SourceValue::Table(_) = item.value {
            let mut volume = Fields::of(item, "volumes")?;
            let is_bind = volume.text("type")?.is_some_and(|kind| kind.value == "bind");
            // The source of such a one is a path, however it begins.
            let whole = |source: String| {
                if is_bind && !is_path(&source) { format!("./{source}") } else { source }
            };
            let source = volume.text("source")?.map(|source| whole(source.value));
            source.zip(volume.text("target")?.map(|text| text.value))
        } else {
            let text = item.text("volumes")?;
            let mut parts = text.split(':').map(str::to_owned);
            parts.next().zip(parts.next())
        };
        mounts.extend(pair.map(|(source, inside)| (inside, source.replacen("${PWD}", ".", 1))));
    }
    Ok(mounts)
}

/// Whether the source of a mount is no volume.
pub(super) fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~']) || source.starts_with("${PWD}")
}

/// Whether a path is the directory of the compose file.
pub(super) fn is_root(dir: &str) -> bool {
    dir.is_empty() || dir == "."
}
