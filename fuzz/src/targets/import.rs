//! Files of other tools.

use tmo::config::{dotenv, toml};
use tmo::import::{ImportOptions, LocalServices, SourceFiles, SourceFormat, import};

const FORMATS: [SourceFormat; 7] = [
    SourceFormat::Compose,
    SourceFormat::ProcessCompose,
    SourceFormat::Mprocs,
    SourceFormat::Pm2,
    SourceFormat::Supervisord,
    SourceFormat::PackageJson,
    SourceFormat::Foreman,
];

/// A source, whose first byte chooses its format, is refused, or becomes TOML with the processes that it has and files
/// of variables that can be read.
pub(crate) fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let format = FORMATS[usize::from(*first) % FORMATS.len()];
    let dir = tempfile::tempdir().unwrap();
    let mut files =
        SourceFiles::new(&dir.path().join("source")).with_content(text.to_owned().into_bytes());
    let options = ImportOptions { local: LocalServices::Built, ..ImportOptions::default() };
    let Ok(imported) = import(format, &mut files, &options) else { return };
    let written = imported.write(None);
    let (read, _) = toml::parse_leniently(&written.toml, "tmo.toml").unwrap();
    for process in &imported.processes {
        assert!(read.table(&process.name).is_some(), "{}", process.name);
    }
    for file in written.secrets {
        dotenv::parse(file.text.as_bytes(), &|_| None).unwrap();
    }
}
