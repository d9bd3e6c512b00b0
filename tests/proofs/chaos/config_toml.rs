//! Writes the model of a `tmo.toml` as text.

use std::fmt;

use crate::chaos::config::{
    AlwaysRestarted, Check, Config, Entry, FAILURE_TEXT, FailureAction, Phase, Policy, Probe,
    Program, Restart, Stop, Until,
};
use crate::chaos::programs;

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, entry) in self.entries.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { "\n" })?;
            entry.fmt(f)?;
        }
        for AlwaysRestarted { name, restart, stop } in &self.kept {
            writeln!(f, "\n[process.{name}]\nrestart = {{ {restart} }}")?;
            stop.map_or(Ok(()), |stop| fmt::Display::fmt(&stop, f))?;
        }
        writeln!(f, "\n[hooks]\non_crash = 'cat >hooked/$TMO_PROCESS.$$'")
    }
}

impl Config {
    /// `failure_declarations.json`.
    pub(crate) fn declarations(&self) -> String {
        let declared = self.entries.iter().filter(|entry| entry.declared);
        let all: Vec<_> =
            declared.map(|entry| format!("{:?}: [{FAILURE_TEXT:?}]", entry.name)).collect();
        format!("{{ {} }}\n", all.join(", "))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        writeln!(f, "[process.{name}]")?;
        writeln!(f, "command = '{}'", self.command())?;
        match self.phase {
            Phase::Dependency => writeln!(f, "phase = \"dependency\"")?,
            Phase::Main => writeln!(f, "on_exit = \"ignore\"")?,
            Phase::Cleanup => writeln!(f, "phase = \"cleanup\"")?,
        }
        if !self.autostart {
            writeln!(f, "autostart = false")?;
        }
        if let Some(group) = self.group {
            writeln!(f, "groups = [{:?}]", &group[1..])?;
        }
        if self.edition > 0 {
            writeln!(f, "env = {{ EDITION = \"{}\" }}", self.edition)?;
        }
        if self.display > 0 {
            writeln!(f, "display = \"the {} {name}\"", self.display)?;
        }
        self.order(f)?;
        self.ends(f)?;
        if let Some(act) = self.failure {
            writeln!(f, "failure = [{{ pattern = {FAILURE_TEXT:?}, action = {act} }}]")?;
        }
        writeln!(f, "flag = [{{ name = \"up\", pattern = \"^up$\", context_window = 2 }}]")?;
        Ok(())
    }
}

impl Entry {
    fn order(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.needs.is_empty() {
            let needs: Vec<_> =
                self.needs.iter().map(|(on, until)| format!("{on} = {until}")).collect();
            writeln!(f, "depends_on = {{ {} }}", needs.join(", "))?;
        }
        if !self.ready.is_empty() {
            let ready: Vec<_> = self.ready.iter().map(|check| self.check_text(*check)).collect();
            writeln!(f, "ready = [{}]", ready.join(", "))?;
        }
        if let Some(act) = self.live {
            let ask = format!("exec = \"test ! -e sick/{}\", every = \"100ms\"", self.name);
            writeln!(f, "live = {{ {ask}, failures = 2, action = {act} }}")?;
        }
        Ok(())
    }

    fn ends(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(restart) = self.restart {
            writeln!(f, "restart = {{ {restart} }}")?;
        }
        if let Some(code) = self.success {
            writeln!(f, "success_exit_codes = [{code}]")?;
        }
        if let Some(code) = self.soft {
            writeln!(f, "soft_exit_codes = [{code}]")?;
        }
        self.stop.map_or(Ok(()), |stop| fmt::Display::fmt(&stop, f))
    }

    fn check_text(&self, Check { probe, limit }: Check) -> String {
        let name = self.name;
        let text = match probe {
            Probe::Delay(ms) => return format!("{{ delay = \"{ms}ms\" }}"),
            Probe::Up => "log = \"up\"".to_owned(),
            Probe::NeverPrinted => "log = \"nowhere\"".to_owned(),
            Probe::File => format!("exec = \"test -e up/{name}\""),
            Probe::Exit(code) => format!("exit = {code}"),
            Probe::Port => format!("port = {}", programs::port(name)),
            Probe::Http => format!("http = \"http://127.0.0.1:{}/\"", programs::port(name)),
            Probe::HttpError => {
                format!("http = \"http://127.0.0.1:{}{}\"", programs::port(name), programs::SORRY)
            }
        };
        format!("{{ {text}, timeout = \"{limit}ms\" }}")
    }

    /// What it runs, in one line of the shell without single quotes.
    fn command(&self) -> String {
        let name = self.name;
        let up = format!("echo up >up/{name}; echo up");
        let fresh = format!("rm -f up/{name} sick/{name}");
        let stay = "exec sleep 1000";
        match self.program {
            Program::Stays(ms) => format!("{fresh}; sleep {}; {up}; {stay}", Seconds(ms)),
            Program::Silent => format!("{fresh}; {stay}"),
            Program::Ends(ms, code) => format!("{fresh}; {up}; sleep {}; exit {code}", Seconds(ms)),
            Program::Flaky(lives) => format!(
                "{fresh}; if [ $(wc -l <tries/{name}) -lt {lives} ]; then echo >>tries/{name}; \
                 exit 3; fi; {up}; {stay}"
            ),
            Program::Missing => "exec /nowhere/at/all".to_owned(),
            Program::PrintsFailure(ms) => {
                format!("{fresh}; {up}; sleep {}; echo {FAILURE_TEXT}; {stay}", Seconds(ms))
            }
            Program::Deaf => {
                format!("trap : INT TERM; {fresh}; {up}; while :; do sleep 1000; done")
            }
            Program::Listens(ms) => {
                let listen = programs::command(&format!("listen {}", programs::port(name)));
                format!("{fresh}; sleep {}; {up}; {listen}", Seconds(ms))
            }
        }
    }
}

/// Milliseconds as a number of seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term => writeln!(f, "stop = {{ signal = \"TERM\" }}"),
            Self::Command => writeln!(f, "stop = {{ command = \"echo bye >>stopped\" }}"),
            Self::Timeout(ms) => writeln!(f, "stop = {{ timeout = \"{ms}ms\" }}"),
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Started => "\"started\"",
            Self::Ready => "\"ready\"",
            Self::Completed => "\"completed\"",
        })
    }
}

impl fmt::Display for FailureAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restart => "\"restart\"",
            Self::Break => "\"break\"",
            Self::Notify => "\"notify\"",
        })
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = match self.policy {
            Policy::No => "no",
            Policy::OnFailure => "on-failure",
            Policy::Always => "always",
        };
        write!(f, "policy = \"{policy}\", delay = \"{}ms\"", self.delay)?;
        if let Some(ms) = self.max_delay {
            write!(f, ", backoff = \"exponential\", max_delay = \"{ms}ms\"")?;
        }
        write!(f, ", max_failures = {}", self.max_failures)?;
        self.stable.map_or(Ok(()), |ms| write!(f, ", stable = \"{ms}ms\""))
    }
}
