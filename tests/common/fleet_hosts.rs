//! Hosts of a fleet, reached by a stand-in for ssh.

use std::path::Path;

use crate::harness::{Ran, World, executable};

/// Passes the line to the file of the host.
const SSH: &str = r#"#!/bin/sh
case $1 in -G | -O) exit 0 ;; esac
while [ "$1" != -- ]; do shift; done
[ -f "$HOSTS/$2" ] || { echo "ssh: Could not resolve hostname $2: Name or service not known" >&2; exit 255; }
LINE=$3 exec sh "$HOSTS/$2"
"#;

pub(crate) struct Fleet {
    pub(crate) here: World,
    pub(crate) hosts: Vec<World>,
}

impl Fleet {
    /// Hosts named `a`, `b`, … with these Procfiles.
    pub(crate) fn new(procfiles: &[&str]) -> Self {
        let names: Vec<_> = ('a'..).map(String::from).take(procfiles.len()).collect();
        let hosts = names.iter().map(String::as_str).zip(procfiles.iter().copied());
        Self::named(&hosts.collect::<Vec<_>>())
    }

    /// Hosts with these names and Procfiles.
    pub(crate) fn named(hosts: &[(&str, &str)]) -> Self {
        let here = World::new("");
        let dir = |name: &str| {
            let dir = here.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            dir.display().to_string()
        };
        let (bin, scripts) = (dir("bin"), dir("hosts"));
        executable(&Path::new(&bin).join("ssh"), SSH);
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
        let mut fleet =
            Self { here: here.env("PATH", &path).env("HOSTS", &scripts), hosts: vec![] };
        let mut file = String::new();
        for (name, procfile) in hosts {
            let world = World::new(procfile);
            fleet.host(name, &login(&world, "sh"));
            let app = world.app();
            let table =
                format!("[host.{name}]\nroot = \"{}\"\ngroups = [\"all\"]\n", app.display());
            file.push_str(&table);
            fleet.hosts.push(world);
        }
        fleet.here.write("fleet.toml", &file);
        fleet
    }

    /// What the host does with a line.
    pub(crate) fn host(&self, name: &str, script: &str) {
        std::fs::write(self.here.path().join("hosts").join(name), script).unwrap();
    }

    /// Add a host to the file that does this.
    pub(crate) fn with(&self, name: &str, script: &str) {
        self.host(name, script);
        let file = self.here.read("fleet.toml");
        self.here.write("fleet.toml", &format!("{file}[host.{name}]\nroot = \"/\"\n"));
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.here.run([&["fleet"], args].concat())
    }

    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.here.ok([&["fleet"], args].concat())
    }
}

impl Drop for Fleet {
    /// What a call has begun on a host ends a moment after the call.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.hosts.iter().for_each(World::wait_empty);
        }
    }
}

/// A login to this world, by this shell.
pub(crate) fn login(world: &World, shell: &str) -> String {
    let tmo = Path::new(env!("CARGO_BIN_EXE_tmo")).parent().unwrap().display();
    let variables = world.variables().into_iter().map(|(name, value)| match &*name {
        "PATH" => format!("'PATH={tmo}:{value}'"),
        _ => format!("'{name}={value}'"),
    });
    let variables: Vec<_> = variables.collect();
    format!("exec env -i {} {shell} -c \"$LINE\"\n", variables.join(" "))
}
