//! Where the socket is created, found and removed.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};

use pretty_assertions::assert_eq;
use tmo_api::client::Client;
use tmo_base::sys::dial::{ListenerState, probe};
use tmo_run::listen::{ListenError, bind, in_runtime, locate};

use super::directories::{directories, leave_socket, reaches};
use super::harness::soon;

#[test]
fn the_socket_is_private_and_removed_at_the_end() {
    let dirs = directories();
    let listening = dirs.bind().unwrap();
    let file = fs::symlink_metadata(&dirs.path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert_eq!(listening.note, None);
    assert_eq!(dirs.beside(), 1, "no temporary name is left");
    reaches(&dirs, &listening);
    listening.place.remove().unwrap();
    assert_eq!(dirs.beside(), 0);
    listening.place.remove().unwrap();
}

#[test]
fn stale_sockets_and_dangling_links_are_replaced() {
    let dirs = directories();
    leave_socket(&dirs.path);
    let listening = dirs.bind().unwrap();
    reaches(&dirs, &listening);
    drop(listening);
    fs::remove_file(&dirs.path).unwrap();
    symlink("/nonexistent/somewhere", &dirs.path).unwrap();
    let listening = dirs.bind().unwrap();
    assert!(!fs::symlink_metadata(&dirs.path).unwrap().is_symlink());
    reaches(&dirs, &listening);
    assert_eq!(dirs.beside(), 1);
}

#[test]
fn a_living_listener_is_never_replaced() {
    let dirs = directories();
    let foreign = UnixListener::bind(&dirs.path).unwrap();
    let error = dirs.bind().unwrap_err();
    assert!(matches!(error, ListenError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("./.overmind.sock"), "{error}");
    assert_eq!(probe(&dirs.path).unwrap(), ListenerState::Live);
    foreign.set_nonblocking(true).unwrap();
    UnixStream::connect(&dirs.path).unwrap();
    // Also when only a link leads to it.
    let link = dirs.path.with_file_name("link.sock");
    symlink(&dirs.path, &link).unwrap();
    let error = bind(&link, &link, &dirs.runtime).unwrap_err();
    assert!(matches!(error, ListenError::Foreign { .. }), "{error}");
}

#[test]
fn a_file_at_the_socket_path_is_not_touched() {
    let dirs = directories();
    fs::write(&dirs.path, "precious").unwrap();
    let error = dirs.bind().unwrap_err();
    assert!(matches!(error, ListenError::InTheWay { what: "a file", .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "./.overmind.sock is in the way: it is a file; move it away, or give another socket with `-s`"
    );
    let link = dirs.path.with_file_name("link.sock");
    symlink(&dirs.path, &link).unwrap();
    assert!(matches!(bind(&link, &link, &dirs.runtime), Err(ListenError::InTheWay { .. })));
    assert_eq!(fs::read_to_string(&dirs.path).unwrap(), "precious");
    fs::remove_file(&dirs.path).unwrap();
    fs::create_dir(&dirs.path).unwrap();
    assert!(matches!(dirs.bind(), Err(ListenError::InTheWay { what: "a directory", .. })));
}

#[test]
fn a_missing_socket_directory_is_reported() {
    let mut dirs = directories();
    dirs.path = dirs.path.with_file_name("nosuch").join("s");
    let error = dirs.bind().unwrap_err().to_string();
    assert_eq!(error, "listen unix ./.overmind.sock: bind: no such file or directory");
    dirs.path = dirs.path.with_file_name("x".repeat(120));
    assert!(dirs.bind().is_err());
    assert!(!in_runtime(&dirs.runtime).exists(), "nothing is left in the runtime directory");
}

#[tokio::test]
async fn a_path_that_is_too_long_puts_the_socket_into_the_runtime_directory() {
    let mut dirs = directories();
    let mut deep = dirs.path.parent().unwrap().to_owned();
    while deep.as_os_str().len() < 300 {
        deep.push("a-rather-long-name-of-a-directory");
    }
    fs::create_dir_all(&deep).unwrap();
    dirs.path = deep.join(".overmind.sock");
    let listening = dirs.bind().unwrap();
    assert!(listening.note.as_ref().unwrap().contains("is a link to"), "{:?}", listening.note);
    assert_eq!(fs::read_link(&dirs.path).unwrap(), in_runtime(&dirs.runtime));
    let mode = fs::metadata(&dirs.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(dirs.beside(), 1);
    reaches(&dirs, &listening);
    soon(Client::connect(&dirs.path)).await.unwrap();
    // Killed and started again: the old link and socket are leftovers.
    drop(listening);
    assert_eq!(probe(&dirs.path).unwrap(), ListenerState::Dead);
    let error = soon(Client::connect(&dirs.path)).await.unwrap_err().to_string();
    assert!(error.ends_with("connect: connection refused"), "{error}");
    let listening = dirs.bind().unwrap();
    reaches(&dirs, &listening);
    listening.place.remove().unwrap();
    assert_eq!(dirs.beside(), 0);
    assert!(!in_runtime(&dirs.runtime).exists());
    let error = soon(Client::connect(&dirs.path)).await.unwrap_err().to_string();
    assert!(error.ends_with("connect: no such file or directory"), "{error}");
}

#[test]
fn cleanup_removes_only_the_runs_own_socket() {
    let dirs = directories();
    let listening = dirs.bind().unwrap();
    fs::remove_file(&dirs.path).unwrap();
    let _successor = UnixListener::bind(&dirs.path).unwrap();
    listening.place.remove().unwrap();
    assert_eq!(probe(&dirs.path).unwrap(), ListenerState::Live);
}

#[test]
fn a_socket_of_another_user_at_the_path_is_not_used() {
    const NOBODY: Option<u32> = Some(65534);
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give files away");
        return;
    }
    let dirs = directories();
    let _listening = dirs.bind().unwrap();
    let spare = dirs.runtime.join("spare.sock");
    assert_eq!(locate(&dirs.path, &dirs.runtime), dirs.path);
    let elsewhere = dirs.path.with_file_name("elsewhere");
    let _other = UnixListener::bind(&elsewhere).unwrap();
    for kind in ["socket", "link"] {
        fs::remove_file(&dirs.path).unwrap();
        if kind == "link" {
            symlink(&elsewhere, &dirs.path).unwrap();
        } else {
            drop(UnixListener::bind(&dirs.path).unwrap());
        }
        std::os::unix::fs::lchown(&dirs.path, NOBODY, NOBODY).unwrap();
        assert_eq!(locate(&dirs.path, &dirs.runtime), spare, "{kind}");
    }
}

#[test]
fn the_socket_in_the_runtime_directory_takes_precedence_over_a_listener_at_the_path() {
    let dirs = directories();
    let own = UnixListener::bind(in_runtime(&dirs.runtime)).unwrap();
    let _other = UnixListener::bind(&dirs.path).unwrap();
    assert_eq!(locate(&dirs.path, &dirs.runtime), in_runtime(&dirs.runtime));
    drop(own);
    assert_eq!(locate(&dirs.path, &dirs.runtime), dirs.path, "nobody answers there");
}
