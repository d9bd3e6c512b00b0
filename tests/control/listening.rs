//! Where the socket is created, found and removed.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};

use pretty_assertions::assert_eq;
use tmo::client::Client;
use tmo::instance::listen::{ListenError, bind, in_runtime, locate};
use tmo::sys::dial::{Answer, probe};

use super::harness::soon;
use super::places::{leave_socket, places, reaches};

#[test]
fn a_socket_only_for_its_user_appears_and_goes() {
    let places = places();
    let listening = places.bind().unwrap();
    let file = fs::symlink_metadata(&places.path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert_eq!(listening.note, None);
    assert_eq!(places.beside(), 1, "no temporary name is left");
    reaches(&places, &listening);
    listening.place.remove().unwrap();
    assert_eq!(places.beside(), 0);
    listening.place.remove().unwrap();
}

#[test]
fn leftovers_are_replaced() {
    let places = places();
    leave_socket(&places.path);
    let listening = places.bind().unwrap();
    reaches(&places, &listening);
    drop(listening);
    fs::remove_file(&places.path).unwrap();
    symlink("/nonexistent/somewhere", &places.path).unwrap();
    let listening = places.bind().unwrap();
    assert!(!fs::symlink_metadata(&places.path).unwrap().is_symlink());
    reaches(&places, &listening);
    assert_eq!(places.beside(), 1);
}

#[test]
fn a_living_listener_is_never_replaced() {
    let places = places();
    let foreign = UnixListener::bind(&places.path).unwrap();
    let error = places.bind().unwrap_err();
    assert!(matches!(error, ListenError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("./.overmind.sock"), "{error}");
    assert_eq!(probe(&places.path).unwrap(), Answer::Live);
    foreign.set_nonblocking(true).unwrap();
    UnixStream::connect(&places.path).unwrap();
    // Also when only a link leads to it.
    let link = places.path.with_file_name("link.sock");
    symlink(&places.path, &link).unwrap();
    let error = bind(&link, &link, &places.runtime).unwrap_err();
    assert!(matches!(error, ListenError::Foreign { .. }), "{error}");
}

#[test]
fn what_is_no_socket_is_not_touched() {
    let places = places();
    fs::write(&places.path, "precious").unwrap();
    let error = places.bind().unwrap_err();
    assert!(matches!(error, ListenError::InTheWay { what: "a file", .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "./.overmind.sock is in the way: it is a file; move it away, or give another socket with `-s`"
    );
    let link = places.path.with_file_name("link.sock");
    symlink(&places.path, &link).unwrap();
    assert!(matches!(bind(&link, &link, &places.runtime), Err(ListenError::InTheWay { .. })));
    assert_eq!(fs::read_to_string(&places.path).unwrap(), "precious");
    fs::remove_file(&places.path).unwrap();
    fs::create_dir(&places.path).unwrap();
    assert!(matches!(places.bind(), Err(ListenError::InTheWay { what: "a directory", .. })));
}

#[test]
fn a_missing_directory_is_named() {
    let mut places = places();
    places.path = places.path.with_file_name("nosuch").join("s");
    let error = places.bind().unwrap_err().to_string();
    assert_eq!(error, "listen unix ./.overmind.sock: bind: no such file or directory");
    places.path = places.path.with_file_name("x".repeat(120));
    assert!(places.bind().is_err());
    assert!(!in_runtime(&places.runtime).exists(), "nothing is left in the runtime directory");
}

#[tokio::test]
async fn a_path_too_long_leads_to_the_runtime_directory() {
    let mut places = places();
    let mut deep = places.path.parent().unwrap().to_owned();
    while deep.as_os_str().len() < 300 {
        deep.push("a-rather-long-name-of-a-directory");
    }
    fs::create_dir_all(&deep).unwrap();
    places.path = deep.join(".overmind.sock");
    let listening = places.bind().unwrap();
    assert!(listening.note.as_ref().unwrap().contains("is a link to"), "{:?}", listening.note);
    assert_eq!(fs::read_link(&places.path).unwrap(), in_runtime(&places.runtime));
    let mode = fs::metadata(&places.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(places.beside(), 1);
    reaches(&places, &listening);
    soon(Client::connect(&places.path)).await.unwrap();
    // Killed and started again: the old link and socket are leftovers.
    drop(listening);
    assert_eq!(probe(&places.path).unwrap(), Answer::Dead);
    let error = soon(Client::connect(&places.path)).await.unwrap_err().to_string();
    assert!(error.ends_with("connect: connection refused"), "{error}");
    let listening = places.bind().unwrap();
    reaches(&places, &listening);
    listening.place.remove().unwrap();
    assert_eq!(places.beside(), 0);
    assert!(!in_runtime(&places.runtime).exists());
    let error = soon(Client::connect(&places.path)).await.unwrap_err().to_string();
    assert!(error.ends_with("connect: no such file or directory"), "{error}");
}

#[test]
fn only_what_is_ours_is_removed() {
    let places = places();
    let listening = places.bind().unwrap();
    fs::remove_file(&places.path).unwrap();
    let _successor = UnixListener::bind(&places.path).unwrap();
    listening.place.remove().unwrap();
    assert_eq!(probe(&places.path).unwrap(), Answer::Live);
}

#[test]
fn a_socket_that_another_user_has_put_in_the_place_does_not_lead_astray() {
    const NOBODY: Option<u32> = Some(65534);
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give files away");
        return;
    }
    let places = places();
    let _listening = places.bind().unwrap();
    let spare = places.runtime.join("spare.sock");
    assert_eq!(locate(&places.path, &places.runtime), places.path);
    let elsewhere = places.path.with_file_name("elsewhere");
    let _other = UnixListener::bind(&elsewhere).unwrap();
    for kind in ["socket", "link"] {
        fs::remove_file(&places.path).unwrap();
        if kind == "link" {
            symlink(&elsewhere, &places.path).unwrap();
        } else {
            drop(UnixListener::bind(&places.path).unwrap());
        }
        std::os::unix::fs::lchown(&places.path, NOBODY, NOBODY).unwrap();
        assert_eq!(locate(&places.path, &places.runtime), spare, "{kind}");
    }
}

#[test]
fn the_socket_in_the_runtime_directory_goes_before_another_listener_at_the_path() {
    let places = places();
    let own = UnixListener::bind(in_runtime(&places.runtime)).unwrap();
    let _other = UnixListener::bind(&places.path).unwrap();
    assert_eq!(locate(&places.path, &places.runtime), in_runtime(&places.runtime));
    drop(own);
    assert_eq!(locate(&places.path, &places.runtime), places.path, "nobody answers there");
}
