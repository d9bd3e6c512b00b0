//! The lock of a run.

use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pretty_assertions::assert_eq;
use tmo_run::lock::{Door, LockError, RunLock, is_held, path};

#[test]
fn the_lock_has_one_holder_and_names_its_pid() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!is_held(dir.path()).unwrap());
    let lock = RunLock::acquire(dir.path()).unwrap();
    assert!(is_held(dir.path()).unwrap());
    let Err(LockError::Held { pid }) = RunLock::acquire(dir.path()) else { panic!("twice") };
    assert_eq!(pid, Some(std::process::id()));
    let mode = std::fs::metadata(path(dir.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let copy = lock.try_clone().unwrap();
    drop(lock);
    assert!(is_held(dir.path()).unwrap(), "the copy holds it");
    drop(copy);
    assert!(!is_held(dir.path()).unwrap());
    RunLock::acquire(dir.path()).unwrap();
}

#[test]
fn a_removed_lock_file_locks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let _old = RunLock::acquire(dir.path()).unwrap();
    std::fs::remove_file(path(dir.path())).unwrap();
    let _new = RunLock::acquire(dir.path()).unwrap();
    assert!(is_held(dir.path()).unwrap());
}

#[test]
fn a_fifo_at_the_lock_path_blocks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&path(dir.path()), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(!is_held(dir.path()).unwrap());
    let lock = RunLock::acquire(dir.path()).unwrap();
    assert!(is_held(dir.path()).unwrap() && lock.is_current(dir.path()));
    lock.release(dir.path());
    assert!(!path(dir.path()).exists());
}

#[test]
fn only_the_descriptor_of_the_lock_is_inherited() {
    let dir = tempfile::tempdir().unwrap();
    let _lock = RunLock::acquire(dir.path()).unwrap();
    assert!(RunLock::from_raw(-1, dir.path()).is_err());
    assert!(RunLock::from_raw(9999, dir.path()).is_err());
    let other = std::fs::File::open("/dev/null").unwrap();
    assert!(RunLock::from_raw(other.as_raw_fd(), dir.path()).is_err());
    // The file itself, but opened once more: that is not what holds the lock.
    let again = std::fs::File::open(path(dir.path())).unwrap().into_raw_fd();
    assert!(RunLock::from_raw(again, dir.path()).is_err());
}

#[test]
fn checking_the_lock_does_not_block_its_acquisition() {
    let dir = tempfile::tempdir().unwrap();
    drop(RunLock::acquire(dir.path()).unwrap());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    is_held(dir.path()).unwrap();
                }
            });
        }
        let got = (0..500).filter(|_| RunLock::acquire(dir.path()).is_ok()).count();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(got, 500);
    });
}

#[test]
fn the_lock_never_has_two_holders_though_each_removes_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (holders, turns) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while turns.load(Ordering::SeqCst) < 800 {
                    let Ok(lock) = RunLock::acquire(dir.path()) else { continue };
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                    std::thread::yield_now();
                    holders.fetch_sub(1, Ordering::SeqCst);
                    turns.fetch_add(1, Ordering::SeqCst);
                    std::fs::remove_file(path(dir.path())).unwrap();
                    drop(lock);
                }
            });
        }
    });
}

/// The lock is written to: nothing that is somebody's else under another name may be taken for it.
#[test]
fn a_link_at_the_lock_path_is_replaced_and_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let mine = dir.path().join("mine");
    std::fs::write(&mine, "mine").unwrap();
    std::os::unix::fs::symlink(&mine, path(dir.path())).unwrap();
    // The link is replaced, not followed.
    drop(RunLock::acquire(dir.path()).unwrap());
    assert!(path(dir.path()).symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
    std::fs::remove_file(path(dir.path())).unwrap();
    std::fs::hard_link(&mine, path(dir.path())).unwrap();
    assert!(matches!(RunLock::acquire(dir.path()), Err(LockError::Io { .. })));
    assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
}

#[test]
fn a_waiting_start_is_notified_and_enters_after_the_first() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plan"), "").unwrap();
    let first = Door::enter(dir.path(), || panic!("nobody was there")).unwrap();
    let (tell, reported) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| Door::enter(dir.path(), || tell.send(()).unwrap()).is_ok());
        reported.recv().unwrap();
        drop(first);
        assert!(second.join().unwrap());
    });
}

#[test]
fn an_empty_runtime_directory_is_removed_with_its_last_holder_and_one_in_use_stays() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = dir.path().join("run");
    std::fs::create_dir(&runtime).unwrap();
    let door = Door::enter(&runtime, || ()).unwrap();
    let lock = RunLock::acquire(&runtime).unwrap();
    drop(door);
    assert!(is_held(&runtime).unwrap(), "a run is in it");
    let door = Door::enter(&runtime, || ()).unwrap();
    lock.release(&runtime);
    assert!(runtime.exists(), "somebody is at its door");
    drop(door);
    assert!(!runtime.exists());
    let error = Door::enter(&runtime, || ()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

/// Each takes its turn as a start does, leaves a file and takes it away as the end of a run does.
#[test]
fn no_runtime_directory_is_removed_while_a_start_is_inside() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = dir.path().join("run");
    let (inside, turns) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let turn = || {
        let _ = std::fs::create_dir(&runtime);
        let door = match Door::enter(&runtime, || ()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            entered => entered.unwrap(),
        };
        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        std::fs::write(runtime.join("plan"), "").expect("the directory is there");
        let lock = RunLock::acquire(&runtime);
        inside.fetch_sub(1, Ordering::SeqCst);
        turns.fetch_add(1, Ordering::SeqCst);
        drop(door);
        // Another one's run is there: it removes the files.
        let Ok(lock) = lock else { return };
        let _ = std::fs::remove_file(runtime.join("plan"));
        lock.release(&runtime);
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while turns.load(Ordering::SeqCst) < 2000 {
                    turn();
                }
            });
        }
    });
}
