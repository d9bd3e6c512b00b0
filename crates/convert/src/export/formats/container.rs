//! What compose and Kubernetes have in common: a process in a container.

use std::collections::HashMap;

use crate::export::format::ExportError;
use crate::export::project::{ExportOptions, ExportedProcess, ExportedProject, ExportedVariable};
use crate::model::plan::process_env::port_variable;

/// Stands for an image that only the user knows.
const NO_IMAGE: &str = "CHANGE-ME";

impl ExportedProject {
    /// The image of its containers.
    pub fn image(&self, options: &ExportOptions) -> String {
        if options.build.is_some() { format!("{}:latest", self.app) } else { NO_IMAGE.to_owned() }
    }

    /// One process for each entry: a container has a network of its own, so all instances can use the same port.
    pub(in crate::export) fn entries(&self) -> impl Iterator<Item = &ExportedProcess> {
        self.processes.iter().filter(|process| process.number == 1)
    }

    /// Refuse names of which one would replace another.
    pub(in crate::export) fn check_names<'a>(
        processes: impl Iterator<Item = &'a ExportedProcess>,
        name: impl Fn(&ExportedProcess) -> String,
    ) -> Result<(), ExportError> {
        let mut taken = HashMap::new();
        for process in processes {
            let name = name(process);
            if let Some(one) = taken.insert(name.clone(), &process.name) {
                let (one, other) = (one.clone(), process.name.clone());
                return Err(ExportError::SameName { one, other, name });
            }
        }
        Ok(())
    }

    /// The variables of a process in a container, without the ports of what does not listen.
    pub(in crate::export) fn env_in_container<'a>(
        &'a self,
        process: &'a ExportedProcess,
    ) -> impl Iterator<Item = &'a ExportedVariable> {
        let silent = self.processes.iter().filter(|other| other.served_port.is_none());
        let silent: Vec<_> = silent.map(|other| port_variable(&other.name)).collect();
        process.env.iter().filter(move |one| !silent.contains(&one.name))
    }

    /// What a user should know who runs the processes in containers.
    pub(in crate::export) fn remark_containers(
        &self,
        options: &ExportOptions,
        remarks: &mut Vec<String>,
    ) {
        if options.build.is_none() {
            remarks
                .push(format!("there is no Dockerfile: put the image in the place of {NO_IMAGE}"));
        }
        for process in &self.processes {
            for (name, value) in process.env.iter().map(|one| (&one.name, &one.value)) {
                for other in self.processes.iter().filter(|other| other.name != process.name) {
                    let Some(port) = other.served_port else { continue };
                    let hosts = ["localhost", "127.0.0.1"];
                    let Some(host) =
                        hosts.iter().find(|host| value.contains(&format!("{host}:{port}")))
                    else {
                        continue;
                    };
                    remarks.push(format!(
                        "{}: {name} names {host}:{port}, which in a container is the container itself; {} is meant",
                        process.name, other.name
                    ));
                }
            }
            if process.dir_below(&self.root).is_none() {
                remarks.push(format!(
                    "{}: its directory {} lies outside of the project; in the container it is that of the image",
                    process.name, process.cwd
                ));
            }
        }
        remarks.dedup();
    }
}

impl ExportedProcess {
    /// Its command, begun in its directory. The image's own directory is that of the project.
    pub(in crate::export) fn in_container(&self, root: &str) -> Vec<String> {
        match self.dir_below(root) {
            None | Some("") => self.argv.clone(),
            Some(dir) => {
                let change = r#"cd "$0" && exec "$@""#;
                let change = ["sh", "-c", change, dir].into_iter().map(str::to_owned);
                change.chain(self.argv.iter().cloned()).collect()
            }
        }
    }

    /// The command that runs it under tmo.
    pub(in crate::export) fn under_tmo(&self) -> Vec<String> {
        let words = ["tmo", "start", "--backend", "native", "-l", &self.entry];
        words.map(str::to_owned).into()
    }
}
