//! The file of the results, with a section for each bench.

/// Where it lies, from the root of the project.
const FILE: &str = "benches/RESULTS.md";

/// Put a report into the section of this bench, with what was written by hand about it.
pub(crate) fn save(bench: &str, report: &str, explanations: &str) {
    let path = |name: &str| format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    let explanations = std::fs::read_to_string(path(explanations)).unwrap_or_default();
    let heading = format!("# Results of `cargo bench --bench {bench}`\n");
    let section = format!("{heading}\n{report}\n{explanations}");
    let old = std::fs::read_to_string(path(FILE)).unwrap_or_default();
    let mut sections = sections(&old);
    match sections.iter_mut().find(|old| old.starts_with(&heading)) {
        Some(old) => *old = section,
        None => sections.push(section),
    }
    let sections: Vec<_> = sections.iter().map(|section| section.trim_end()).collect();
    std::fs::write(path(FILE), sections.join("\n\n") + "\n").unwrap();
    println!("written to {}", path(FILE));
}

/// The parts of a document that begin with a heading of the first level.
fn sections(document: &str) -> Vec<String> {
    let mut sections: Vec<String> = vec![];
    for line in document.split_inclusive('\n') {
        match sections.last_mut() {
            Some(section) if !line.starts_with("# ") => section.push_str(line),
            _ => sections.push(line.to_owned()),
        }
    }
    sections
}
