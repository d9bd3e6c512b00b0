//! Adding, updating and removing apps, and interruptions of that.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use pretty_assertions::assert_eq;

use super::{Incoming, PendingChange, Store, StoreError, read_manifest};
use crate::apps::manifest::{App, InstallState};
use crate::apps::zip::archive::{Member, archive};
use crate::sys::files;

fn zip(content: &str) -> Cursor<Vec<u8>> {
    Cursor::new(archive(&[Member::new("main.py", content)]))
}

fn settings() -> App {
    App {
        script: "main.py".into(),
        args: vec!["a".into()],
        autostart: true,
        install_timeout_seconds: 300,
        ..App::default()
    }
}

/// The names in a directory, without the lock.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != ".lock").collect();
    names.sort();
    names
}

fn content(dir: &Path) -> String {
    String::from_utf8(files::read_plain(&dir.join("My_App/main.py")).unwrap()).unwrap()
}

#[test]
fn an_app_is_added_updated_and_removed() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("apps");
    assert_eq!(read_manifest(&dir).unwrap().apps.len(), 0);
    assert!(!dir.exists(), "reading creates nothing");
    let store = Store::open(&dir).unwrap();
    let app = store.add("My App", settings(), &mut zip("1")).unwrap();
    assert_eq!((app.dir.as_str(), app.state), ("My_App", InstallState::New));
    for again in ["My App", "My_App"] {
        let error = store.add(again, settings(), &mut zip("2")).unwrap_err();
        assert!(matches!(error, StoreError::Exists(_)), "{error}");
    }
    store.set_installed("My_App", app.version).unwrap();
    fs::write(dir.join("My_App/old"), "").unwrap();
    assert_eq!(store.manifest().unwrap().apps["My App"].state, InstallState::Installed);
    let updated = store.update("My_App", &mut zip("2")).unwrap();
    assert!(updated.version > app.version);
    assert_eq!((updated.state, updated.args), (InstallState::New, app.args));
    assert_eq!(
        (names(&dir.join("My_App")), content(&dir)),
        (vec!["main.py".to_owned()], "2".into())
    );
    // The end of an earlier version's installation must not affect this version.
    store.set_installed("My_App", app.version).unwrap();
    assert_eq!(store.manifest().unwrap().apps["My App"].state, InstallState::New);
    assert_eq!(names(&dir), [".kept-My_App", "My_App", "apps.toml"]);
    store.remove("My App").unwrap();
    assert_eq!((names(&dir), store.manifest().unwrap().apps.len()), (vec!["apps.toml".into()], 0));
    for error in [store.remove("My App"), store.update("x", &mut zip("")).map(drop)] {
        assert!(matches!(error, Err(StoreError::Absent(_))));
    }
}

#[test]
fn a_refused_archive_changes_nothing() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("apps");
    let store = Store::open(&dir).unwrap();
    store.add("My App", settings(), &mut zip("1")).unwrap();
    let hostile = || Cursor::new(archive(&[Member::new("main.py", ""), Member::new("../x", "")]));
    let without = || Cursor::new(archive(&[Member::new("other.py", "")]));
    for mut bad in [hostile(), without()] {
        assert!(store.update("My App", &mut bad).is_err());
        assert!(store.add("b", settings(), &mut bad).is_err());
        assert_eq!(
            (names(&dir), content(&dir)),
            (vec!["My_App".into(), "apps.toml".into()], "1".into())
        );
    }
    let outside = App { script: "../main.py".into(), ..settings() };
    assert!(matches!(store.add("b", outside, &mut zip("")), Err(StoreError::Script(_))));
    assert_eq!(store.manifest().unwrap().apps.len(), 1);
}

/// A store with version 1, and the change to version 2, which is not written yet.
fn decided(dir: &Path) -> PendingChange {
    let store = Store::open(dir).unwrap();
    let app = store.add("My App", settings(), &mut zip("1")).unwrap();
    fs::create_dir(dir.join(".new-2")).unwrap();
    fs::write(dir.join(".new-2/main.py"), "2").unwrap();
    let app = App { version: app.version + 1, ..app };
    let (name, dir) = ("My App".to_owned(), "My_App".to_owned());
    PendingChange { name, dir, fresh: Some(".new-2".into()), old: ".old-1".into(), app: Some(app) }
}

#[test]
fn an_update_that_is_interrupted_at_any_step_leaves_the_old_or_the_new_version() {
    /// The last step before the interruption.
    const STEPS: [&str; 6] =
        ["unpacked", "written in part", "decided", "put aside", "in place", "listed"];
    for (done, step) in STEPS.iter().enumerate() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("apps");
        let change = decided(&dir);
        let new = change.app.as_ref().unwrap().version;
        if done >= 1 {
            fs::write(dir.join(".change.part"), "{").unwrap();
        }
        if done >= 2 {
            fs::write(dir.join(".change"), serde_json::to_vec(&change).unwrap()).unwrap();
        }
        if done >= 3 {
            fs::rename(dir.join("My_App"), dir.join(".old-1")).unwrap();
        }
        if done >= 4 {
            fs::rename(dir.join(".new-2"), dir.join("My_App")).unwrap();
        }
        if done >= 5 {
            let text = fs::read_to_string(dir.join("apps.toml")).unwrap();
            fs::write(
                dir.join("apps.toml"),
                text.replace(&(new - 1).to_string(), &new.to_string()),
            )
            .unwrap();
        }
        let version = read_manifest(&dir).unwrap().apps["My App"].version;
        let expected = if done < 2 { (new - 1, "1".to_owned()) } else { (new, "2".to_owned()) };
        assert_eq!((version, content(&dir)), expected, "{step}");
        assert_eq!(names(&dir), ["My_App", "apps.toml"], "{step}");
    }
}

/// A store in which version 1 is installed, and version 2 is not.
fn updated(dir: &Path) -> (Store, u64) {
    let store = Store::open(dir).unwrap();
    let app = store.add("My App", settings(), &mut zip("1")).unwrap();
    fs::write(dir.join("My_App/installed"), "").unwrap();
    store.set_installed("My_App", app.version).unwrap();
    let version = store.update("My App", &mut zip("2")).unwrap().version;
    assert_eq!(names(dir), [".kept-My_App", "My_App", "apps.toml"]);
    (store, version)
}

#[test]
fn an_update_that_can_t_be_installed_brings_the_version_before_back() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("apps");
    let (store, version) = updated(&dir);
    assert!(!store.restore("My_App", version - 1).unwrap(), "that is another version");
    // What replaces an update that has failed does not replace what was installed.
    let version = { store.update("My App", &mut zip("3")).unwrap().version.max(version) };
    assert!(store.restore("My_App", version).unwrap());
    let app = store.manifest().unwrap().apps["My App"].clone();
    assert_eq!((app.state, app.restored, app.previous), (InstallState::Installed, true, None));
    assert_eq!(
        (content(&dir), names(&dir.join("My_App"))),
        ("1".into(), vec!["installed".into(), "main.py".into()])
    );
    assert_eq!(names(&dir), ["My_App", "apps.toml"]);
    assert!(!store.restore("My_App", app.version).unwrap(), "there is none before");
    // What is kept goes with the app, and once the update is installed.
    let version = store.update("My App", &mut zip("4")).unwrap().version;
    store.set_installed("My_App", version).unwrap();
    assert_eq!(
        (names(&dir), content(&dir)),
        (vec!["My_App".into(), "apps.toml".into()], "4".into())
    );
    store.update("My App", &mut zip("5")).unwrap();
    store.remove("My App").unwrap();
    assert_eq!(names(&dir), ["apps.toml"]);
}

#[test]
fn a_version_that_is_put_back_is_whole_wherever_that_is_interrupted() {
    for (done, step) in ["decided", "put aside", "in place"].iter().enumerate() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("apps");
        let (store, _) = updated(&dir);
        let app = store.manifest().unwrap().apps["My App"].clone();
        let version = app.previous.unwrap();
        let app = App { version, state: InstallState::Installed, previous: None, ..app };
        let change = PendingChange {
            name: "My App".into(),
            dir: "My_App".into(),
            fresh: Some(".kept-My_App".into()),
            old: ".old-1".into(),
            app: Some(app),
        };
        drop(store);
        fs::write(dir.join(".change"), serde_json::to_vec(&change).unwrap()).unwrap();
        if done >= 1 {
            fs::rename(dir.join("My_App"), dir.join(".old-1")).unwrap();
        }
        if done >= 2 {
            fs::rename(dir.join(".kept-My_App"), dir.join("My_App")).unwrap();
        }
        let found = read_manifest(&dir).unwrap().apps["My App"].version;
        assert_eq!((found, content(&dir)), (version, "1".to_owned()), "{step}");
        assert_eq!(names(&dir), ["My_App", "apps.toml"], "{step}");
    }
}

#[test]
fn a_removal_that_is_interrupted_is_completed() {
    for is_aside in [false, true] {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("apps");
        let change = PendingChange { fresh: None, app: None, ..decided(&dir) };
        fs::write(dir.join(".change"), serde_json::to_vec(&change).unwrap()).unwrap();
        if is_aside {
            fs::rename(dir.join("My_App"), dir.join(".old-1")).unwrap();
        }
        assert_eq!(read_manifest(&dir).unwrap().apps.len(), 0);
        assert_eq!(names(&dir), ["apps.toml"]);
    }
}

#[test]
fn a_change_that_tmo_has_not_written_moves_nothing() {
    let base = tempfile::tempdir().unwrap();
    let (dir, outside) = (base.path().join("apps"), base.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    for (field, value) in [("dir", "../outside"), ("fresh", ".new-/../../outside"), ("old", "../x")]
    {
        let change = decided(&dir);
        let new = change.app.as_ref().unwrap().version;
        let mut change = serde_json::to_value(&change).unwrap();
        change[field] = value.into();
        fs::write(dir.join(".change"), change.to_string()).unwrap();
        assert_eq!(read_manifest(&dir).unwrap().apps["My App"].version, new - 1, "{field}");
        assert!(outside.exists(), "{field}");
        Store::open(&dir).unwrap().remove("My App").unwrap();
    }
}

#[test]
fn an_archive_that_is_being_received_is_kept_and_an_abandoned_one_removed() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("apps");
    let incoming = Incoming::create(&dir).unwrap();
    incoming.writer().unwrap().write_all(b"x").unwrap();
    fs::write(dir.join(".in-abandoned"), "").unwrap();
    drop(Store::open(&dir).unwrap());
    assert_eq!(names(&dir).len(), 1);
    let mut text = vec![];
    incoming.reader().unwrap().read_to_end(&mut text).unwrap();
    assert_eq!(text, b"x");
    drop(incoming);
    assert_eq!(names(&dir), [""; 0]);
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("apps");
    drop(Store::open(&dir).unwrap());
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o770)).unwrap();
    assert!(matches!(read_manifest(&dir), Err(StoreError::Open(_))));
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    let link = base.path().join("link");
    symlink(&dir, &link).unwrap();
    assert!(matches!(Store::open(&link), Err(StoreError::Open(_))));
}
