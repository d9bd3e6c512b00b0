//! ZIP archives with apps.

use std::io::Cursor;

use tmo::apps::zip::Archive;

/// An archive is unpacked with all its files, or not at all; and never anything outside of the new directory.
pub(crate) fn check(data: &[u8]) {
    let mut source = Cursor::new(data);
    let archive = match Archive::parse(&mut source) {
        Ok(archive) => archive,
        Err(error) => {
            assert!(error.to_string().len() < 1000);
            return;
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("new");
    let result = archive.unpack(&mut source, &new);
    let entries = std::fs::read_dir(dir.path()).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    if result.is_err() {
        assert!(names.is_empty(), "{names:?}");
        return;
    }
    assert_eq!(names, ["new"]);
    for file in archive.files() {
        let path = new.join(&file);
        assert!(path.symlink_metadata().unwrap().is_file(), "{file}");
        assert!(path.canonicalize().unwrap().starts_with(new.canonicalize().unwrap()), "{file}");
    }
}
