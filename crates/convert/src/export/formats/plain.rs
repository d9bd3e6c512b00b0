//! Values that line formats take without quotes: a line break in one would begin a directive of its own.

use crate::export::format::{ExportError, ExportFormat};
use crate::export::project::ExportedProject;

/// Refuse a value that the format can't hold.
pub(in crate::export) fn check(
    format: ExportFormat,
    project: &ExportedProject,
) -> Result<(), ExportError> {
    let ExportedProject { app, root, log, path, user, processes, .. } = project;
    let user = ("--user", user.as_deref().unwrap_or_default());
    let common = [("--app", &**app), ("the directory", root), ("--log", log), ("PATH", path), user];
    let of_processes = processes.iter().map(|one| (&*one.name, &*one.cwd));
    let plain = common.into_iter().chain(of_processes);
    let quoted = processes.iter().flat_map(|process| {
        let words = process.argv.iter().chain(process.env.iter().map(|one| &one.name));
        let values = process.env.iter().map(|one| (&*one.name, &*one.value));
        words.map(|word| (&*process.name, &**word)).chain(values)
    });
    let unwritable = plain.filter(|(_, value)| !is_plain(format, value));
    let unquotable = quoted.filter(|(_, value)| !is_quotable(format, value));
    match unwritable.chain(unquotable).next() {
        Some((what, _)) => Err(ExportError::Unwritable { what: what.to_owned(), format }),
        None => Ok(()),
    }
}

/// Whether a value without quotes is read as it is written. A backslash at the end of a line may continue it.
fn is_plain(format: ExportFormat, value: &str) -> bool {
    let is_ini = format == ExportFormat::Supervisord;
    let is_cut = is_ini && [" ;", " #", "\""].iter().any(|special| value.contains(special));
    let is_whole = value.trim() == value && !value.ends_with('\\') && !is_cut;
    is_whole && !value.contains(char::is_control)
}

/// Whether the format has quotes or escapes for everything in a value.
fn is_quotable(format: ExportFormat, value: &str) -> bool {
    !value.contains(|c: char| match format {
        // The line that ends a script ends it within quotes, too.
        ExportFormat::Upstart => c.is_control(),
        ExportFormat::Launchd => c.is_control() && !matches!(c, '\t' | '\n'),
        _ => c == '\0',
    })
}
