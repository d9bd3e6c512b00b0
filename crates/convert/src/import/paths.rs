//! Paths as texts, relative to the directory of the source.

/// A path that is relative to a directory, relative to where that directory is.
pub(super) fn joined(dir: &str, path: &str) -> String {
    if path.starts_with(['/', '~', '$']) || path.contains("://") {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = vec![];
    for part in dir.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if dir.starts_with('/') { "/" } else { "" };
    if parts.is_empty() && root.is_empty() {
        ".".to_owned()
    } else {
        root.to_owned() + &parts.join("/")
    }
}

/// The directory of a file.
pub(super) fn dir_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// A path as seen from a directory, both from the same one; it begins with a dot.
pub(super) fn relative(from: &str, to: &str) -> Option<String> {
    if to.starts_with(['/', '~']) {
        return Some(to.to_owned());
    }
    let is_part = |part: &&str| !part.is_empty() && *part != ".";
    let to: Vec<&str> = to.split('/').filter(is_part).collect();
    let is_elsewhere = from.starts_with(['/', '~']);
    let from: Vec<&str> = from.split('/').filter(is_part).collect();
    let shared = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
    let up = from.get(shared..)?;
    if is_elsewhere || up.contains(&"..") {
        return None;
    }
    let first = if up.is_empty() { "." } else { ".." };
    let ups = up.iter().skip(1).map(|_| "..");
    let rest = to.iter().skip(shared).copied();
    Some(std::iter::once(first).chain(ups).chain(rest).collect::<Vec<_>>().join("/"))
}
