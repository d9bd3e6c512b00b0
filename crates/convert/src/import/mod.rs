//! `tmo import`: reads the files of other tools, and says what becomes of each of their keys.
//!
//! A reader (a file for each tool) takes the keys of its source one after another (`fields::Fields`) and gives
//! processes settings ([`ImportedProcess`]). What it does not take is left out with a reason, which comes
//! from the same rows as `docs/COMING_FROM.md` (`rows.rs`). [`Imported::write`] makes a `tmo.toml` of the result.
//!
//! Nothing of a source is run, and nothing but the source and the files it names is read, in and below its directory
//! or the present one.

mod fields;
mod files;
mod format;
mod node;
mod page;
mod probe;
mod process;
mod references;
mod rows;
#[cfg(test)]
mod tests;
mod tools;
mod values;
mod write;

pub use self::files::SourceFiles;
use self::format::MOST_PROCESSES;
pub use self::format::{ImportError, ImportOptions, LocalServices, SourceFormat};
pub use self::node::SourcePlace;
pub use self::page::{RowTable, tables};
pub use self::process::{Imported, ImportedProcess, LeftOut};
pub use self::write::{SecretsFile, Written};

/// Read a source, and the files that belong to it.
pub fn import(
    format: SourceFormat,
    files: &mut SourceFiles,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    let mut imported = match format {
        format::SourceFormat::Compose => tools::compose::import_services(files, &options.local)?,
        format::SourceFormat::ProcessCompose => tools::process_compose::import_processes(files)?,
        format::SourceFormat::Mprocs => tools::mprocs::import_procs(files)?,
        format::SourceFormat::Pm2 => tools::pm2::import_apps(files)?,
        format::SourceFormat::Supervisord => tools::supervisord::import_programs(files)?,
        format::SourceFormat::PackageJson => tools::npm::import_scripts(files, &options.scripts)?,
        format::SourceFormat::Foreman => tools::foreman::import_settings(files)?,
    };
    if imported.processes.len() > MOST_PROCESSES {
        let why = format!("more than {MOST_PROCESSES} processes are too many");
        return Err(format::ImportError::Empty { file: files.main_name().to_owned(), why });
    }
    // One without a command has said why it has none.
    let (processes, idle) = std::mem::take(&mut imported.processes)
        .into_iter()
        .partition(|process| process.has("command"));
    imported.processes = processes;
    let idle: Vec<ImportedProcess> = idle;
    imported.left.extend(idle.into_iter().flat_map(|process| process.left));
    imported.files = files.names();
    imported.distinguish_names();
    if let Some(dir) = options.output.as_deref().and_then(|output| files.dir_from(output)) {
        imported.move_to(&dir, files.has_read(".env"));
    }
    Ok(imported)
}
