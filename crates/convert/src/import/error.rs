//! Why an import fails.

use std::io;

use super::node::SourcePlace;

/// Why nothing can be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A source can't be read.
    #[error("{file}: {source}")]
    Read {
        /// The file, as it is shown.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A source is not as its tool wants it.
    #[error("{place}: {why}")]
    Mistake {
        /// Where.
        place: SourcePlace,
        /// What is wrong there.
        why: String,
    },
    /// A source has no processes.
    #[error("{file} has nothing to run: {why}")]
    Empty {
        /// The file, as it is shown.
        file: String,
        /// What was looked for.
        why: String,
    },
    /// A source is a program, which is not run unasked.
    #[error(
        "{file} is a program, which tmo does not run unasked; `--run-js` runs it with node, or write its value as JSON: \
         `node -p 'JSON.stringify(require(\"./{file}\"))' >ecosystem.json`"
    )]
    Program {
        /// The file, as it is shown.
        file: String,
    },
}
