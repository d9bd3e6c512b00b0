//! A shim in a pane of a real tmux server.

use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;
use tmo::model::LifeId;
use tmo::protocol::life::{LifeEntry, LifeEvent, LifeReader};
use tmo::protocol::marker::{Marker, MarkerStart};
use tmo::protocol::paths::PanePaths;
use tmo::protocol::spec::{Spec, Want};
use tmo::sys;

use crate::harness::{eventually, lives, spec};

/// A tmux server with one pane, its output in a file.
struct Tmux {
    dir: tempfile::TempDir,
    spec: Spec,
    life: LifeReader,
    seen: Vec<LifeEntry>,
    shim: u32,
}

impl Tmux {
    fn open(command: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spec = spec(dir.path(), command);
        let path = dir.path().join("web.spec");
        spec.write(&path).unwrap();
        let life = LifeReader::new(&PanePaths::beside(&path).life());
        let mut tmux = Self { dir, spec, life, seen: vec![], shim: 0 };
        let pipe = format!("cat >> {}", tmux.file("out").display());
        let (program, path) = (env!("CARGO_BIN_EXE_tmo"), path.to_str().unwrap());
        let term = ["start-server", ";", "set-option", "-g", "default-terminal", "screen", ";"];
        let window = ["new-session", "-d", "-x", "80", "-y", "20", program, "shim", path, ";"];
        tmux.tmux(&[&["-f", "/dev/null"], &term[..], &window[..], &["pipe-pane", &pipe]].concat());
        let up = tmux.expect("up", |event| matches!(event, LifeEvent::Up { .. }));
        let LifeEvent::Up { pid, pane, .. } = up.event else { panic!() };
        assert_eq!(pane, "%0");
        tmux.shim = pid;
        tmux
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(self.file("socket"))
            .args(args)
            .env_remove("TMUX")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn run(&mut self, life: u32) {
        (self.spec.want, self.spec.life) = (Want::Run, Some(LifeId::nth(life)));
        self.spec.write(&self.file("web.spec")).unwrap();
        let started = sys::start_time(self.shim).unwrap();
        assert!(sys::signal((self.shim, started).into(), nix::libc::SIGUSR1).unwrap());
    }

    #[track_caller]
    fn expect(&mut self, what: &str, is: impl Fn(&LifeEvent) -> bool) -> LifeEntry {
        let (life, seen) = (&mut self.life, &mut self.seen);
        eventually(what, || {
            let fresh = life.poll().unwrap();
            seen.extend(fresh.iter().cloned());
            fresh.into_iter().find(|entry| is(&entry.event))
        })
    }

    #[track_caller]
    fn end(&mut self) {
        let ended = || {
            self.seen.extend(self.life.poll().unwrap());
            let is = |entry: &LifeEntry| matches!(entry.event, LifeEvent::End { .. });
            self.seen.iter().any(is).then_some(())
        };
        eventually("end", ended);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// The output up to the last marker and what belongs to it, as text and markers.
fn pieces(bytes: &[u8]) -> (Vec<u8>, Vec<Marker>) {
    let (mut text, mut markers, mut at) = (vec![], vec![], 0);
    while at < bytes.len() {
        if let MarkerStart::Whole(marker, length) = Marker::parse_start(&bytes[at..]) {
            at += length + marker.skip as usize;
            markers.push(marker);
        } else {
            text.push(bytes[at]);
            at += 1;
        }
    }
    (text, markers)
}

/// What the pipe has received, once it holds so many markers.
#[track_caller]
fn piped(file: &Path, count: usize) -> (Vec<u8>, Vec<Marker>) {
    eventually("markers in the pipe", || {
        let found = pieces(&std::fs::read(file).ok()?);
        (found.1.len() >= count && !found.0.ends_with(b"\x1b[0m")).then_some(found)
    })
}

#[test]
fn markers_pass_the_pipe_and_are_invisible() {
    let mut tmux = Tmux::open("echo term=$TERM; seq 1 3; exit 3");
    tmux.run(1);
    tmux.end();
    let (text, markers) = piped(&tmux.file("out"), 3);
    assert_eq!(String::from_utf8(text).unwrap(), "term=screen\r\n1\r\n2\r\n3\r\n");
    let seqs: Vec<u64> = markers.iter().map(|marker| marker.seq).collect();
    assert_eq!(seqs, [2, 3, 4]);
    let screen = eventually("the note", || {
        Some(tmux.screen()).filter(|screen| screen.contains("starts it again"))
    });
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(lines[..5], ["term=screen", "1", "2", "3", ""]);
    assert!(lines[5].starts_with("web exited with code 3 at "), "{screen}");
    assert!(lines[6].contains("`tmo restart web`"), "{screen}");
    assert!(lines[7..].iter().all(|line| line.is_empty()), "{screen}");
}

#[test]
fn the_shim_resets_a_disordered_screen() {
    // Used and left the alternate screen before; then a scroll region, colours, no cursor.
    let script = r"printf 'a\nb\n\033[?1049hfull\033[?1049lc\nd\n\033[3;4r\033[5;1H\033[31m\033[?25l\033[?1000h\033(0'";
    let mut tmux = Tmux::open(script);
    tmux.run(1);
    tmux.end();
    let screen = eventually("the note", || {
        Some(tmux.screen()).filter(|screen| screen.contains("starts it again"))
    });
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(lines[..5], ["a", "b", "c", "d", ""], "{screen}");
    assert!(lines[5].starts_with("web exited with code 0"), "{screen}");
    let format = "#{cursor_flag} #{mouse_any_flag} #{scroll_region_upper} #{scroll_region_lower} \
                  #{alternate_on} #{cursor_y}";
    assert_eq!(tmux.tmux(&["display-message", "-p", format]).trim(), "1 0 0 19 0 7");
}

#[test]
fn the_shim_restores_the_screen_after_a_full_screen_program_dies() {
    let mut tmux =
        Tmux::open(r"printf 'before\n\033[?1049h\033[2J\033[10;10Hfull screen'; kill -9 $$");
    tmux.run(1);
    tmux.end();
    // It may take two lines.
    let is_whole = |screen: &String| screen.replace('\n', "").contains("(life 1)");
    let screen = eventually("the note", || Some(tmux.screen()).filter(is_whole));
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(lines[..2], ["before", ""], "{screen}");
    assert!(lines[2].starts_with("web was killed by signal 9 (SIGKILL) at "), "{screen}");
}

#[test]
fn the_end_of_the_tmux_server_ends_the_process_tree() {
    let script = "setsid sh -c 'echo $$ > stray; exec sleep 1000' & echo $$ > main; wait";
    let mut tmux = Tmux::open(script);
    tmux.run(1);
    let number = |file: &str| {
        let path = tmux.file(file);
        eventually(file, || std::fs::read_to_string(&path).ok()?.trim().parse::<u32>().ok())
    };
    let (main, stray) = (number("main"), number("stray"));
    assert!(lives(main) && lives(stray));
    let server: u32 = tmux.tmux(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap();
    let started = sys::start_time(server).unwrap();
    assert!(sys::signal((server, started).into(), nix::libc::SIGKILL).unwrap());
    tmux.expect("down", |event| matches!(event, LifeEvent::Down {}));
    assert!(!lives(main) && !lives(stray));
    let shim = tmux.shim;
    eventually("the shim is gone", || (!lives(shim)).then_some(()));
}
