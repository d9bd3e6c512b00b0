use std::ffi::OsStr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;

use super::{BadAddress, SOCKET, SocketFlags, SocketPath};
use crate::config::place::project::Project;
use crate::config::{Env, StartOptions};

fn none() -> Env {
    Env::default()
}

/// The socket of a client with these values of `--socket` and `--network`.
fn client_socket(
    start_dir: &Path,
    (socket, network): (Option<PathBuf>, Option<String>),
    env: &Env,
) -> Result<SocketPath, BadAddress> {
    super::client_socket(start_dir, SocketFlags { socket, network }, env)
}

#[test]
fn a_start_inside_a_process_has_its_own_socket() {
    let env = Env::of([("TMO_SOCKET", "/outer"), ("TMO_SESSION", "1")]);
    let at = Path::new("/x");
    let project = Project::locate(at, &StartOptions::default(), &env).unwrap();
    assert_eq!(project.socket.path, Path::new("/x/.overmind.sock"));
    assert_eq!(client_socket(at, (None, None), &env).unwrap().path, Path::new("/outer"));
}

#[test]
fn a_process_that_enters_another_project_means_the_run_there() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    for project in ["own/nested", "own/below", "other"] {
        std::fs::create_dir_all(at(project)).unwrap();
    }
    let sockets = ["", "own", "own/nested", "other"].map(|dir| at(dir).join(SOCKET));
    let _listeners = sockets.map(|path| UnixListener::bind(path).unwrap());
    let found = |socket: &str, start: &str| {
        let socket = at(socket);
        let inside = Env::of([
            ("TMO_SESSION", OsStr::new("1")),
            ("TMO_SOCKET", socket.as_os_str()),
            ("OVERMIND_SOCKET", socket.as_os_str()),
        ]);
        let found = client_socket(&at(start), (None, None), &inside).unwrap().path;
        found.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned()
    };
    let own = "own/.overmind.sock";
    assert_eq!(found(own, "other"), "other/.overmind.sock");
    assert_eq!(found(own, "own/nested"), "own/nested/.overmind.sock");
    assert_eq!(found(own, "own"), own);
    assert_eq!(found(own, "own/below"), own);
    // A socket with another name does not show where its run is.
    assert_eq!(found("own/second.sock", "own"), "own/second.sock");
    std::fs::remove_file(at(own)).unwrap();
    assert_eq!(found(own, "own/below"), own, "not that of the directory above its project");
    // A setting of the user wins.
    let env = Env::of([("TMO_SESSION", "1"), ("TMO_SOCKET", "/x/.overmind.sock")]);
    let by_user = client_socket(&at("other"), (None, None), &env).unwrap();
    assert_eq!(by_user.path, Path::new("/x/.overmind.sock"));
}

#[test]
fn an_address_on_tcp_has_a_socket_that_stands_in_for_it() {
    let env = Env::of([("OVERMIND_NETWORK", "tcp4"), ("TMO_TOKEN", "secret")]);
    let at = Path::new("/x");
    let found = client_socket(at, (Some("h:1".into()), None), &env).unwrap();
    let tcp = found.tcp.unwrap();
    let parts = (tcp.network.name(), tcp.address.as_str(), tcp.token.as_deref());
    assert_eq!(parts, ("tcp4", "h:1", Some("secret")));
    assert!(found.path.is_absolute() && !found.path.starts_with("/x"));
    let typed = StartOptions { socket: Some("h:1".into()), ..Default::default() };
    assert_eq!(Project::locate(at, &typed, &env).unwrap().socket.path, found.path);
    let other = client_socket(at, (Some("h:1".into()), Some("tcp".into())), &env).unwrap();
    assert_ne!(other.path, found.path);
    let unix = client_socket(at, (Some("s".into()), Some("unix".into())), &env).unwrap();
    assert_eq!((unix.path.to_str(), unix.tcp), (Some("/x/s"), None));
    let bad = client_socket(at, (None, Some("udp".into())), &env).unwrap_err();
    assert!(bad.to_string().contains("unknown network udp"), "{bad}");
}

#[test]
fn an_address_and_a_token_of_different_places_are_mixed() {
    let at = Path::new("/x");
    let mixed = |env: &Env, typed| {
        let found = client_socket(at, typed, env).unwrap();
        found.mixed.map(|mixed| (mixed.address, mixed.token))
    };
    let typed = || (Some("h:1".into()), Some("tcp".into()));
    let (user, project) = ("you", "an env file of this directory");
    let differ = |address, token| Some((address, token));
    let mut env = Env::of([("TMO_TOKEN", "t")]);
    assert_eq!(mixed(&env, typed()), None);
    let file = Path::new("./.env").into();
    env.set_from_file(&file, "TMO_SOCKET".into(), "192.0.2.1:1".into());
    assert_eq!(mixed(&env, (None, Some("tcp".into()))), differ(project, user));
    env.set_from_file(&file, "TMO_NETWORK".into(), "tcp".into());
    assert_eq!(mixed(&env, (None, None)), differ(project, user));
    assert_eq!(mixed(&env, (Some("h:1".into()), None)), differ(project, user));
    assert_eq!(mixed(&env, typed()), None);
    let mut all = Env::default();
    let address = ("TMO_SOCKET", "localhost:1");
    for (key, value) in [("TMO_NETWORK", "tcp"), address, ("TMO_TOKEN", "t")] {
        all.set_from_file(&file, key.into(), value.into());
    }
    assert_eq!(mixed(&all, (None, None)), None);
    assert_eq!(mixed(&all, typed()), differ(user, project));
    all.files_so_far_are_the_users();
    assert_eq!(mixed(&all, typed()), None, "the files are those of the home directory");
}

#[test]
fn a_host_that_only_a_file_of_the_project_names_is_not_looked_up() {
    let at = Path::new("/x");
    let of_file = |prefix: &str, address: &str| {
        let mut env = Env::default();
        for (name, value) in [("NETWORK", "tcp"), ("SOCKET", address)] {
            let variable = format!("{prefix}{name}").into();
            env.set_from_file(&Path::new("./.env").into(), variable, value.into());
        }
        env
    };
    for prefix in ["TMO_", "OVERMIND_"] {
        let env = of_file(prefix, "x.evil:80");
        let typed = StartOptions::default();
        let refused = [
            client_socket(at, (None, None), &env).unwrap_err(),
            client_socket(at, (None, Some("tcp4".into())), &env).unwrap_err(),
            Project::locate(at, &typed, &env).unwrap_err(),
        ];
        for error in refused.map(|error| error.to_string()) {
            assert!(error.starts_with("./.env names the host x.evil for"), "{error}");
            assert!(error.ends_with("-s x.evil:80"), "{error}");
        }
        client_socket(at, (Some("x.evil:80".into()), None), &env).unwrap();
        client_socket(at, (None, Some("unix".into())), &env).unwrap();
        let mut of_user = env.clone();
        of_user.files_so_far_are_the_users();
        client_socket(at, (None, None), &of_user).unwrap();
        let here = of_file(prefix, "localhost:80");
        client_socket(at, (None, None), &here).unwrap();
    }
    let mut of_caller = Env::of([("TMO_SOCKET", "x.evil:80")]);
    of_caller.set_from_file(&at.into(), "TMO_NETWORK".into(), "tcp".into());
    client_socket(at, (None, None), &of_caller).unwrap();
    let broken = client_socket(at, (None, None), &of_file("TMO_", "x\n.evil:80"));
    assert_eq!(broken.unwrap_err().to_string().lines().count(), 1);
}

#[test]
fn flags_name_only_a_socket_that_is_not_found_without_them() {
    let at = Path::new("/x");
    let flags = |env: &Env, socket: Option<&str>, network: Option<&str>| {
        let typed = (socket.map(Into::into), network.map(Into::into));
        client_socket(at, typed, env).unwrap().flags(at)
    };
    for (socket, network, expected) in [
        (None, None, ""),
        (Some(".overmind.sock"), None, ""),
        (Some("/x/.overmind.sock"), None, ""),
        (Some("../s.sock"), None, " -s ../s.sock"),
        (Some("a b's"), None, r" -s 'a b'\''s'"),
        (Some("127.0.0.1:1"), Some("tcp"), " -S tcp -s 127.0.0.1:1"),
        (Some("[::1]:1"), Some("tcp6"), " -S tcp6 -s '[::1]:1'"),
    ] {
        assert_eq!(flags(&none(), socket, network), expected);
    }
    let variable = Env::of([("TMO_SOCKET", "s")]);
    assert_eq!(flags(&variable, None, None), " -s s");
    let mut project = Env::default();
    project.set_from_file(&Path::new("./.env").into(), "TMO_SOCKET".into(), "s".into());
    assert_eq!(flags(&project, None, None), "", "every command here reads that file");
}

#[test]
fn a_blank_token_is_none() {
    let env = Env::of([("TMO_TOKEN", " \t")]);
    let typed = (Some("h:1".into()), Some("tcp".into()));
    let tcp = client_socket(Path::new("/x"), typed, &env).unwrap().tcp.unwrap();
    assert_eq!(tcp.token, None);
}

#[test]
fn clients_look_upwards() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    assert_eq!(
        client_socket(&deep, (None, None), &none()).unwrap().path,
        deep.join(".overmind.sock")
    );
    let top = dir.path().join(".overmind.sock");
    let _listener = UnixListener::bind(&top).unwrap();
    assert_eq!(client_socket(&deep, (None, None), &none()).unwrap().path, top);
    assert_eq!(client_socket(&deep, (None, None), &none()).unwrap().shown, top);
    let typed = client_socket(&deep, (Some("s".into()), None), &none()).unwrap();
    assert_eq!((typed.path, typed.shown), (deep.join("s"), "s".into()));
    assert_eq!(
        client_socket(dir.path(), (None, None), &none()).unwrap().shown,
        Path::new("./.overmind.sock")
    );
}
