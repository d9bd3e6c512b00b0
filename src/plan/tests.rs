//! What comes of flags, variables and files together.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pretty_assertions::assert_eq;

use super::{Facts, PlanError, process_env, resolve, warnings};
use crate::config::load::{Context, Loaded};
use crate::config::{Env, Project, StartOptions, procfile, toml};
use crate::model::plan::{Inherit, Plan};

const PROCFILE: &str = "web: w\nworker: k\ncss-1: c\n";

struct Given {
    context: Context,
    procfile: &'static str,
    toml: &'static str,
    typed: StartOptions,
}

fn given(env: &[(&str, &str)]) -> Given {
    let context = Context {
        start_dir: "/x".into(),
        env: Env::of(env.iter().copied().chain([("HOME", "/h")])),
        warnings: Vec::new(),
    };
    Given { context, procfile: PROCFILE, toml: "", typed: StartOptions::default() }
}

fn find(name: &OsStr) -> Option<PathBuf> {
    let known = ["sh", "bash", "tmux"].iter().any(|known| name == *known);
    known.then(|| Path::new("/bin").join(name))
}

impl Given {
    fn typed(mut self, typed: StartOptions) -> Self {
        self.typed = typed;
        self
    }

    fn loaded(&self) -> Loaded {
        Loaded {
            project: Project::locate(Path::new("/x"), &self.typed, &self.context.env).unwrap(),
            procfile: procfile::parse(self.procfile.as_bytes(), "Procfile").unwrap(),
            toml: toml::parse(self.toml, "tmo.toml").unwrap(),
        }
    }

    fn resolve_with(&self, find: &dyn Fn(&OsStr) -> Option<PathBuf>) -> Result<Plan, PlanError> {
        let facts = Facts {
            run: "run1".into(),
            started: 7,
            size: (80, 24),
            inherit: Inherit::default(),
            tmo: "/bin/tmo".into(),
            find,
        };
        resolve(&self.context, &self.loaded(), &self.typed, facts)
    }

    fn plan(&self) -> Plan {
        self.resolve_with(&find).unwrap()
    }

    fn error(&self) -> String {
        self.resolve_with(&find).unwrap_err().to_string()
    }

    fn ports(&self) -> Vec<Option<u16>> {
        self.plan().processes.iter().map(|process| process.port).collect()
    }
}

#[test]
fn a_bare_procfile_has_overmind_s_defaults() {
    let plan = given(&[]).plan();
    assert_eq!(plan.root.as_path(), Path::new("/x"));
    assert_eq!((plan.title.as_str(), plan.session.as_str()), ("x", "x"));
    assert_eq!(plan.grace_ms, 5000);
    assert_eq!(plan.socket.as_path(), Path::new("/x/.overmind.sock"));
    assert_eq!(plan.tmux.as_path(), Path::new("/bin/tmux"));
    assert_eq!((plan.log.per_process, plan.log.total), (64 << 20, 512 << 20));
    assert!(plan.log.dir.as_path().starts_with("/h/.local/state/tmo"));
    let rows: Vec<_> = plan.processes.iter().map(|p| (p.name.as_str(), p.port, p.color)).collect();
    assert_eq!(rows, [("web", Some(5000), 2), ("worker", Some(5100), 3), ("css-1", Some(5200), 4)]);
    assert!(plan.processes.iter().all(|p| p.shell.as_path() == Path::new("/bin/sh")));
    assert!(plan.processes.iter().all(|p| p.stop_signal == 2));
}

#[test]
fn ports_come_from_flag_then_variables() {
    let all = [("TMO_PORT", "3000"), ("OVERMIND_PORT", "2000"), ("PORT", "1000")];
    let flag = StartOptions { port: Some(4000), port_step: Some(1), ..Default::default() };
    assert_eq!(given(&all).typed(flag).ports(), [Some(4000), Some(4001), Some(4002)]);
    assert_eq!(given(&all).ports()[0], Some(3000));
    assert_eq!(given(&all[1..]).ports()[0], Some(2000));
    assert_eq!(given(&all[2..]).ports()[0], Some(1000));
    assert_eq!(given(&[("OVERMIND_PORT_STEP", "10")]).ports()[1], Some(5010));
    assert_eq!(given(&[("OVERMIND_NO_PORT", "true")]).ports(), [None; 3]);
}

#[test]
fn a_left_out_line_keeps_its_port_and_colour() {
    let typed = StartOptions { processes: Some(" css-1 ,, nosuch".into()), ..Default::default() };
    let given = given(&[]).typed(typed);
    let plan = given.plan();
    assert_eq!(plan.processes.len(), 1);
    assert_eq!((plan.processes[0].port, plan.processes[0].color), (Some(5200), 4));
    let warnings = warnings(&given.context, &given.loaded(), &given.typed);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].to_string().contains("`nosuch`"), "{}", warnings[0]);
}

#[test]
fn the_palette_goes_round() {
    let mut given = given(&[]);
    given.procfile = "a: x\nb: x\nc: x\nd: x\ne: x\nf: x\ng: x\nh: x\ni: x\nj: x\nk: x\n";
    let colors: Vec<u8> = given.plan().processes.iter().map(|p| p.color).collect();
    assert_eq!(colors, [2, 3, 4, 5, 6, 42, 130, 103, 129, 108, 2]);
}

#[test]
fn sizes_and_places_of_the_log() {
    let mut given = given(&[("TMO_LOG_TOTAL", "1MiB")]);
    given.toml = "[log]\ndir = \"~/logs\"\nper_process = \"1k\"\ntotal = 5\n";
    let log = given.plan().log;
    assert_eq!((log.per_process, log.total), (1024, 1 << 20));
    assert!(log.dir.as_path().starts_with("/h/logs"));
    given.context.env.set_from_file("TMO_LOG_DIR".into(), "l".into());
    assert!(given.plan().log.dir.as_path().starts_with("/x/l"));
}

#[test]
fn other_settings() {
    let typed = StartOptions {
        timeout: Some(Duration::from_millis(1500)),
        shell: Some("bash".into()),
        tmux_config: Some("t.conf".into()),
        ..Default::default()
    };
    let plan = given(&[("OVERMIND_TIMEOUT", "9")]).typed(typed).plan();
    assert_eq!(plan.grace_ms, 1500);
    assert_eq!(plan.processes[0].shell.as_path(), Path::new("/bin/bash"));
    assert_eq!(plan.tmux_config.unwrap().as_path(), Path::new("/x/t.conf"));
    assert_eq!(given(&[("OVERMIND_TIMEOUT", "0.5")]).plan().grace_ms, 500);
}

#[test]
fn errors_speak_as_overmind_does() {
    let mut empty = given(&[]);
    empty.procfile = "# nothing\n";
    assert_eq!(empty.error(), "No entries were found in Procfile");
    let nosuch = StartOptions { processes: Some("nosuch".into()), ..Default::default() };
    assert_eq!(given(&[]).typed(nosuch).error(), "No processes to run");
    let without = |name: &OsStr| find(name).filter(|_| name != "tmux");
    let error = given(&[]).resolve_with(&without).unwrap_err().to_string();
    assert_eq!(error, "Can't find tmux. Did you forget to install it?");
    assert!(given(&[("TMO_SHELL", "nosh")]).error().contains("`nosh`"));
    assert!(given(&[("PORT", "65500")]).error().contains("`worker`"));
    assert_eq!(given(&[("PORT", "x")]).error(), "PORT=x is not a port (0 to 65535)");
    assert!(given(&[("OVERMIND_TIMEOUT", "soon")]).error().starts_with("OVERMIND_TIMEOUT=soon"));
}

#[test]
fn a_process_is_told_who_it_is_and_where_the_others_are() {
    let given = given(&[("PORT", "1000"), ("PS", "old"), ("KEEP", "k")]);
    let plan = given.plan();
    let env = process_env(&plan, &plan.processes[0]);
    let get = |key: &str| {
        let found: Vec<_> = env.iter().filter(|(name, _)| name.as_os_str() == key).collect();
        assert!(found.len() < 2, "{key} is there twice");
        found.first().map(|(_, value)| value.as_os_str().to_str().unwrap())
    };
    assert_eq!(get("PORT"), Some("1000"));
    assert_eq!(get("PS"), Some("web"));
    assert_eq!(get("KEEP"), Some("k"));
    assert_eq!(get("TMO_SESSION"), Some("run1"));
    assert_eq!(get("TMO_SOCKET"), Some("/x/.overmind.sock"));
    assert_eq!(get("OVERMIND_SOCKET"), Some("/x/.overmind.sock"));
    assert_eq!(get("OVERMIND_PROCESS_web_PORT"), None);
    assert_eq!(get("OVERMIND_PROCESS_worker_PORT"), Some("1100"));
    assert_eq!(get("OVERMIND_PROCESS_css_1_PORT"), Some("1200"));
}

#[test]
fn without_ports_an_inherited_one_stays() {
    let plan = given(&[("PORT", "77"), ("TMO_NO_PORT", "1")]).plan();
    let env = process_env(&plan, &plan.processes[0]);
    assert!(env.contains(&("PORT".into(), "77".into())));
    assert!(!env.iter().any(|(key, _)| key.as_bytes().starts_with(b"OVERMIND_PROCESS")));
}
