//! What a Docker Swarm says of the tasks of a stack.

use std::fmt::Write as _;

use super::call_error::CallError;
use super::caller::Caller;
use super::listing::words;

/// Prints tasks, the newest of each name first.
const TASKS: &str = "docker stack ps --no-trunc \
    --format={{.Name}}\t{{.Node}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}";

const NODES: &str = "docker node ls --format={{.Hostname}}\t{{.Status}}";

/// A task as docker prints it.
#[derive(Debug, Clone, Copy)]
struct Task<'t> {
    name: &'t str,
    node: &'t str,
    wanted: &'t str,
    state: &'t str,
    error: &'t str,
}

impl<'t> Task<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut words = line.split('\t').map(str::trim);
        Some(Self {
            name: words.next()?.trim_start_matches("\\_").trim_start(),
            node: words.next()?,
            wanted: words.next()?,
            state: words.next()?,
            error: words.next().unwrap_or_default(),
        })
    }

    /// Whether Swarm wants no other one in its place.
    fn is_present(self) -> bool {
        ["Running", "Ready", "Accepted"].contains(&self.wanted)
    }
}

/// What has become of the tasks of a stack.
pub(super) async fn why(stack: &str, caller: &Caller<'_>) -> Result<String, CallError> {
    let tasks = words(&format!("{TASKS} {stack}"));
    let nodes = words(NODES);
    let (tasks, nodes) = tokio::join!(caller.here(&tasks), caller.here(&nodes));
    Ok(explained(&tasks?, &nodes?))
}

fn explained(tasks: &str, nodes: &str) -> String {
    let tasks: Vec<Task<'_>> = tasks.lines().filter_map(Task::parse).collect();
    let nodes = nodes.lines().filter_map(|line| line.split_once('\t'));
    let lost: Vec<&str> =
        nodes.filter(|(_, status)| status.trim() != "Ready").map(|(node, _)| node).collect();
    let mut text = String::new();
    // Writing to a string can't fail.
    for node in &lost {
        let _ = writeln!(text, "the node {node} is down");
    }
    for (place, task) in tasks.iter().enumerate() {
        let mut newer = tasks[..place].iter().filter(|newer| newer.name == task.name);
        let now = newer.clone().next();
        // An update runs two for a while; of the former ones, the last counts.
        if newer.any(|newer| newer.is_present() == task.is_present()) {
            continue;
        }
        if task.is_present() {
            if !task.state.starts_with("Running") {
                let node = if task.node.is_empty() { "no node yet" } else { task.node };
                let _ = writeln!(text, "{} is on {node}: {}{}", task.name, task.state, error(task));
            }
            continue;
        }
        // An update, or a smaller stack.
        if task.state.starts_with("Shutdown") && task.error.is_empty() {
            continue;
        }
        let now = now.map_or_else(String::new, |now| match now.node {
            "" => "; the next one waits for a node".to_owned(),
            node => format!("; now it is on {node} ({})", now.state),
        });
        let end = if lost.contains(&task.node) {
            "it is lost with its node".to_owned()
        } else {
            format!("{}{}", task.state, error(task))
        };
        let _ = writeln!(text, "{} was on {}: {end}{now}", task.name, task.node);
    }
    if text.is_empty() {
        text.push_str("Docker reports nothing wrong\n");
    }
    text
}

fn error(task: &Task<'_>) -> String {
    if task.error.is_empty() {
        String::new()
    } else {
        format!(", {}", task.error.trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use super::explained;

    #[test]
    fn a_task_that_was_lost_with_its_node_is_told_from_one_that_failed() {
        let tasks = "s_web.1\tn2\tRunning\tRunning 20 seconds ago\t\n \\_ s_web.1\tn3\tShutdown\tRunning 2 minutes ago\t\n\
                     s_web.2\tn2\tRunning\tRunning 2 minutes ago\t\ns_job.1\tn1\tRunning\tStarting 1 second ago\t\n \
                     \\_ s_job.1\tn1\tShutdown\tFailed 9 seconds ago\t\"task: non-zero exit (1)\"\ns_new.1\t\tRunning\tPending 3 seconds ago\t\"no suitable node\"\n";
        let text = explained(tasks, "n1\tReady\nn2\tReady\nn3\tDown\n");
        let expected = "\
the node n3 is down
s_web.1 was on n3: it is lost with its node; now it is on n2 (Running 20 seconds ago)
s_job.1 is on n1: Starting 1 second ago
s_job.1 was on n1: Failed 9 seconds ago, task: non-zero exit (1); now it is on n1 (Starting 1 second ago)
s_new.1 is on no node yet: Pending 3 seconds ago, no suitable node
";
        assert_eq!(text, expected);
        let tasks =
            "a.1\tn\tRunning\tRunning 1 hour ago\t\n \\_ a.1\tn\tShutdown\tShutdown 1 hour ago\t\n";
        assert_eq!(explained(tasks, "n\tReady\n"), "Docker reports nothing wrong\n");
    }
}
