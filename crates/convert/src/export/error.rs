//! Why a project can't be exported.

use super::format::ExportFormat;

/// Why a project can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Only text can be exported.
    #[error("{process}: {what} is not UTF-8; only text can be exported")]
    NotText {
        /// The process.
        process: String,
        /// The setting.
        what: String,
    },
    /// No process is left.
    #[error("there is no process to export")]
    Empty,
    /// Two processes would have one name there.
    #[error("{one} and {other} would both be `{name}` there: rename one in the Procfile")]
    SameName {
        /// A process.
        one: String,
        /// Another one.
        other: String,
        /// Their name in the files.
        name: String,
    },
    /// The format has no way to write it.
    #[error(
        "{what}: {format} can't hold a value with control characters, or with a space or a backslash at its end; \
         change it"
    )]
    Unwritable {
        /// The setting, or its process.
        what: String,
        /// The format.
        format: ExportFormat,
    },
}
