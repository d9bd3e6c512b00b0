//! Opens the page in the user's browser.
//!
//! The link logs in, but all users of the machine can read the arguments of processes. Where the server can find
//! out which user connects, it refuses the link to other users, unless it is a shared one. Otherwise, the browser opens
//! a private file that redirects to the link.

use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::WebArgs;
use crate::cli::output;
use crate::config::env::parse_bool;
use crate::config::{Env, OwnPath};
use crate::protocol::spec::replace;
use crate::sys::{TcpPeer, is_own_uid, tcp_peer};

/// The command that opens an address in the default browser.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
/// Browsers that can show a page in a window of its own.
const WITH_WINDOWS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
    "brave-browser",
    "brave",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "/Applications/Brave Browser.app/Contents/MacOS/Brave Browser",
];
/// The prefix and the suffix of the name of a page that redirects to a link.
const PAGE: &str = "open-";
const PAGE_END: &str = ".html";
/// How long an opener may take to report a failure.
const OPENER_PATIENCE: Duration = Duration::from_secs(1);

/// Where the page is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// In the default browser.
    Browser,
    /// In a window without tabs.
    Window,
}

impl How {
    /// The choice by flags and variables; `usual` without any.
    pub(super) fn of(args: &WebArgs, usual: Option<Self>, env: &Env) -> Option<Self> {
        let is_set = |name: &str| {
            let text = env.caller(name).and_then(|value| value.to_str());
            text.and_then(parse_bool).unwrap_or(false)
        };
        if args.no_open || is_set("NO_UI_LAUNCH") {
            return None;
        }
        let window = args.window || is_set("TMO_UI_WINDOW") || is_set("USE_PYTHON_WEBVIEW");
        let how = if window { Some(Self::Window) } else { None };
        how.or_else(|| args.open.then_some(Self::Browser)).or(usual)
    }
}

/// Open this link. A failure is only a warning, as the link is printed as well.
pub(super) async fn open(link: &str, is_shared: bool, how: How, own: &OwnPath, dir: &Path) {
    let address = if !is_shared && is_guarded(link) {
        Ok(link.to_owned())
    } else {
        private_page(dir, link).map(|path| format!("file://{}", path.display()))
    };
    let address = match address {
        Ok(address) => address,
        Err(error) => return output::warn(&format!("can't open a browser: {error}")),
    };
    if let Err(why) = open_address(&address, how, own).await {
        output::warn(&format!("{why}; open the link yourself"));
    }
}

/// Open this address, which all users may know; returns why it could not be opened.
pub(super) async fn open_address(address: &str, how: How, own: &OwnPath) -> Result<(), String> {
    let window = WITH_WINDOWS.iter().find_map(|name| own.find(name));
    let (program, argument) = match (how, window) {
        (How::Window, Some(browser)) => (Some(browser), format!("--app={address}")),
        (how, _) => {
            if how == How::Window {
                let why = "no browser with app windows was found (Chromium, Chrome, Edge, Brave); \
                           opening the default browser";
                output::warn(&why);
            }
            (own.find(OPENER), address.to_owned())
        }
    };
    let Some(program) = program else {
        return Err(format!("there is no `{OPENER}` on your PATH"));
    };
    let started = Command::new(&program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C must not end the browser.
        .process_group(0)
        .spawn();
    let failed = |reason| format!("{} can't open a browser: {reason}", program.display());
    finished(started).await.map_err(failed)
}

/// Write a page that redirects to this link and that only this user can read. Pages of earlier links are
/// removed, as a link is valid only for minutes.
fn private_page(dir: &Path, link: &str) -> io::Result<PathBuf> {
    remove_pages(dir);
    // A link has no special characters of HTML.
    if !link.chars().all(|c| c.is_ascii_alphanumeric() || ":/.#=-_[]".contains(c)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <title>tmo</title><meta http-equiv=\"refresh\" content=\"0;url={link}\">\
         <p><a href=\"{link}\">Open the page of tmo</a>\n"
    );
    let path = dir.join(format!("{PAGE}{}{PAGE_END}", std::process::id()));
    replace(&path, page.as_bytes())?;
    Ok(path)
}

/// Remove the pages that redirect to links.
pub(super) fn remove_pages(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PAGE) && name.ends_with(PAGE_END) {
            // If this fails, the link expires soon anyway.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Wait whether the opener fails at once. If it keeps running, it is the browser itself.
async fn finished(started: io::Result<Child>) -> Result<(), String> {
    let mut child = started.map_err(|error| error.to_string())?;
    match timeout(OPENER_PATIENCE, child.wait()).await {
        Ok(Ok(status)) if !ExitStatus::success(&status) => Err(status.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

/// Whether the server can find out which user connects to this address.
fn is_guarded(link: &str) -> bool {
    let host = link.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    let port = host.and_then(|host| host.rsplit_once(':')?.1.parse::<u16>().ok());
    let Some(port) = port else { return false };
    let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let (Ok(ours), Ok(theirs)) = (stream.local_addr(), stream.peer_addr()) else { return false };
    matches!(tcp_peer(ours, theirs), TcpPeer::Open { owner } if is_own_uid(owner))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads its own files")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use nix::sys::stat::Mode;

    use super::{How, OPENER, OwnPath, open, remove_pages};
    use crate::config::Env;

    /// The arguments with which the opener of this link is called.
    fn arguments(dir: &Path, link: &str, is_shared: bool) -> String {
        let (bin, pages, called) = (dir.join("bin"), dir.join("pages"), dir.join("called"));
        for dir in [&bin, &pages] {
            std::fs::create_dir(dir).unwrap();
        }
        nix::unistd::mkfifo(&called, Mode::S_IRWXU).unwrap();
        let script = format!("#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\" >'{}'\n", called.display());
        let (text, opener) = (dir.join("script"), bin.join(OPENER));
        std::fs::write(&text, script).unwrap();
        std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o755)).unwrap();
        // A copy: forks of other tests may inherit the file that this process writes, and then it can't be executed.
        let copied = std::process::Command::new("cp").arg(&text).arg(&opener).status();
        assert!(copied.unwrap().success());
        let own = OwnPath::new(&Env::of([("PATH", bin.as_os_str())]), []);
        let arguments = std::thread::spawn(move || std::fs::read_to_string(called).unwrap());
        crate::cli::runtime::block_on(async {
            open(link, is_shared, How::Browser, &own, &pages).await;
            Ok(())
        })
        .unwrap();
        arguments.join().unwrap()
    }

    #[test]
    fn where_another_user_could_use_the_link_the_opener_gets_a_private_file() {
        // No process listens at port 1, so the owner of a connection is unknown there. A shared link has no owner.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = format!("http://{}/#login=0123.4567", listener.local_addr().unwrap());
        for (link, is_shared) in [("http://127.0.0.1:1/#login=0123.4567", false), (&*ours, true)] {
            let dir = tempfile::tempdir().unwrap();
            let arguments = arguments(dir.path(), link, is_shared);
            let address = arguments.lines().nth(1).unwrap();
            assert!(!arguments.contains("0123") && arguments.lines().count() == 2, "{arguments}");
            let page = Path::new(address.strip_prefix("file://").unwrap());
            assert_eq!(page.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            assert!(std::fs::read_to_string(page).unwrap().contains(link));
            let pages = dir.path().join("pages");
            remove_pages(&pages);
            assert_eq!(std::fs::read_dir(&pages).unwrap().count(), 0);
        }
        let dir = tempfile::tempdir().unwrap();
        assert!(arguments(dir.path(), &ours, false).ends_with(&format!("{ours}\n")));
    }
}
