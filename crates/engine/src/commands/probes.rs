//! Probing from outside whether processes are ready and alive: ports, HTTP, commands.
//!
//! The state machine alone determines which questions are open; each open question has one task.
//! There is no notification when another process begins to listen, so ports are polled, at first
//! every few milliseconds.

use std::collections::HashMap;
use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::command::{AuxCommand, AuxCommands};
use crate::action::Action;
use crate::crash::Trigger;
use crate::crash::port_owner::{self, NotYet, OwnerCheck};
use crate::model::ProcId;
use crate::model::event::Trouble;
use crate::model::plan::Plan;
use crate::model::plan::rules::{Check, PortOwner, Probe};
use crate::model::text::shortened;
use crate::panes::state::PaneState;
use crate::queue::{Event, ProbeResult, Queue, Task};
use crate::supervisor::{Input, Question, RunPhase, Supervisor};
use crate::sys::clock;

/// The first pause between two attempts; the pause doubles up to the configured interval.
const FIRST_PROBE_PAUSE: Duration = Duration::from_millis(5);
/// How long one attempt of a check may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long it may take before that is reported.
const SLOW: Duration = Duration::from_secs(1);
const NO_ANSWER: &str = "no answer";
const NO_ANSWER_YET: &str = "no answer yet";

/// The questions that are being asked, each with its task.
#[derive(Debug, Default)]
pub(crate) struct Probes(HashMap<Question, Task>);

/// A way to probe, with everything that it needs.
enum Way {
    Port(String, u16, OwnerCheck),
    Http(String, OwnerCheck),
    /// The command of a check. For readiness also the port of the process: what another process answers there proves
    /// nothing.
    Exec(AuxCommand, Option<(u16, OwnerCheck)>),
}

/// What probes read of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probed<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) supervisor: &'a Supervisor,
    pub(crate) panes: &'a Vec<PaneState>,
    pub(crate) commands: &'a AuxCommands,
}

impl Probes {
    /// Start probes for questions that are now open, and stop those for questions that no longer
    /// are.
    pub(crate) fn update(&mut self, run: Probed<'_>, queue: &Queue) {
        let open = match run.supervisor.run_phase {
            RunPhase::Running => run.supervisor.questions(),
            RunPhase::Stopping | RunPhase::Finished { .. } => vec![],
        };
        self.0.retain(|question, _| open.contains(question));
        for question in open {
            if !self.0.contains_key(&question)
                && let Some(task) = start(question, run, queue.clone())
            {
                self.0.insert(question, task);
            }
        }
    }

    /// Restart the probes of a process, because its checks have changed.
    pub(crate) fn restart(&mut self, id: ProcId, queue: &Queue) {
        self.0.retain(|question, _| question.id != id);
        queue.forget_asked(id);
    }

    pub(crate) fn answered(
        &mut self,
        question: Question,
        answer: ProbeResult,
        plan: &Plan,
    ) -> Vec<Action> {
        let Question { id, life, check } = question;
        let rules = &plan.processes[id].rules;
        match (check, answer) {
            (Some(check), ProbeResult::Bad(text)) => {
                vec![Action::Input(Input::CheckFailed(id, life, check, text))]
            }
            (Some(check), ProbeResult::Good(warning)) => {
                self.0.remove(&question);
                let warning = warning.map(|text| Action::Trouble(id, Trouble::Text(text)));
                let passed = Action::Input(Input::Passed(id, life, check));
                warning.into_iter().chain([passed]).collect()
            }
            (None, ProbeResult::Good(_)) => {
                vec![Action::Input(Input::LivenessChecked(id, life, None))]
            }
            (None, ProbeResult::Bad(text)) => {
                let blame = rules.live.as_ref().map(|live| {
                    let (probe, failures) = (live.probe.clone(), live.failures.max(1));
                    let answer = text.clone();
                    Action::Blame(id, life, Trigger::NotLive { probe, failures, answer })
                });
                let failed = Action::Input(Input::LivenessChecked(id, life, Some(text)));
                blame.into_iter().chain([failed]).collect()
            }
        }
    }
}

/// The warning that a listener outside the process's own tree has made it ready.
fn foreign_owner(at: &TcpStream, owner: &str) -> Option<String> {
    let at = at.peer_addr().ok()?;
    Some(format!(
        "{owner} listens on {at} and did so before this process began; it counts as ready all the same \
         (`owner = \"tree\"` would not count it)"
    ))
}

fn start(question: Question, run: Probed<'_>, queue: Queue) -> Option<Task> {
    let rules = &run.plan.processes[question.id].rules;
    let report = move |answer| queue.push(Event::Asked(question, answer));
    let task = if let Some(check) = question.check {
        let Check { probe, every_ms, .. } = rules.ready.get(check)?;
        let (mut way, every) = (way(question, probe, run)?, Duration::from_millis(*every_ms));
        spawn_local(async move {
            let warning =
                until_good(&mut way, every, |answer| report(ProbeResult::Bad(answer))).await;
            report(ProbeResult::Good(warning));
        })
    } else {
        let live = rules.live.as_ref()?;
        let every = Duration::from_millis(live.every_ms.max(1));
        let limit = Duration::from_millis(live.timeout_ms.max(1));
        let mut way = way(question, &live.probe, run)?;
        spawn_local(async move {
            loop {
                sleep(every).await;
                report(match way.attempt(limit).await {
                    Ok(_) => ProbeResult::Good(None),
                    Err(not_yet) => {
                        ProbeResult::Bad(format!("{}: {}", way.subject(), not_yet.text))
                    }
                });
            }
        })
    };
    Some(Task(task))
}

fn way(question: Question, probe: &Probe, run: Probed<'_>) -> Option<Way> {
    let process = &run.plan.processes[question.id];
    match probe {
        Probe::Port { host, port, owner } => {
            // Liveness accepts any listener.
            let rule = if question.check.is_some() { *owner } else { PortOwner::Any };
            Some(Way::Port(host.clone(), *port, owner_check(question.id, rule, run)))
        }
        Probe::Http { url } => {
            let at = url.parse::<Uri>().ok().and_then(|url| url.port_u16());
            // At other ports, other processes may answer for it.
            let is_own = question.check.is_some() && at.is_some() && at == process.port;
            let rule = if is_own { PortOwner::Auto } else { PortOwner::Any };
            Some(Way::Http(url.clone(), owner_check(question.id, rule, run)))
        }
        Probe::Exec { command } => {
            let port = process.port.filter(|_| question.check.is_some());
            let own = port.map(|port| (port, owner_check(question.id, PortOwner::Auto, run)));
            Some(Way::Exec(run.commands.of_process(run.plan, process, command), own))
        }
        Probe::Log(_)
        | Probe::Exit { .. }
        | Probe::Delay { .. }
        | Probe::Notify {}
        | Probe::Watchdog { .. } => None,
    }
}

fn owner_check(id: ProcId, rule: PortOwner, run: Probed<'_>) -> OwnerCheck {
    let process = port_owner::Probed {
        name: run.plan.processes[id].name.to_string(),
        run: run.plan.run.clone(),
        shim: run.panes[id].shim.current.map(|shim| shim.pid),
    };
    let age = clock::now().since(run.supervisor.procs[id].since);
    OwnerCheck::new(rule, process, age)
}

/// Probe until the answer is good, and return its warning; report each bad answer that differs from
/// the one before, and an attempt that takes long.
async fn until_good(way: &mut Way, every: Duration, report: impl Fn(String)) -> Option<String> {
    let (mut pause, mut last) = (FIRST_PROBE_PAUSE, String::new());
    let mut tell = |text: String| {
        // Nothing new has been learnt while a second attempt is not answered.
        if last != text && !(text == NO_ANSWER_YET && last.starts_with(NO_ANSWER)) {
            last.clone_from(&text);
            report(text);
        }
    };
    loop {
        let mut attempt = pin!(way.attempt(ATTEMPT));
        let answer = if let Ok(answer) = timeout(SLOW, attempt.as_mut()).await {
            answer
        } else {
            tell(NO_ANSWER_YET.to_owned());
            attempt.await
        };
        let NotYet { text, again } = match answer {
            Ok(warning) => return warning,
            Err(not_yet) => not_yet,
        };
        tell(text);
        sleep(again.map_or(pause, |again| again.min(pause)).min(every)).await;
        pause = (pause * 2).min(every);
    }
}

impl Way {
    /// The probed address, URL or command.
    fn subject(&self) -> String {
        match self {
            Self::Port(host, port, _) => format!("{host}:{port}"),
            Self::Http(url, _) => url.clone(),
            Self::Exec(run, _) => run.describe(),
        }
    }

    /// Probe once; the error is what is wrong.
    async fn attempt(&mut self, limit: Duration) -> Result<Option<String>, NotYet> {
        let bad = |text| NotYet { text, again: None };
        let asked = async {
            match self {
                Self::Port(host, port, owner) => {
                    let (stream, owner) = owner.reach(host, *port).await?;
                    Ok(owner.and_then(|owner| foreign_owner(&stream, &owner)))
                }
                Self::Http(url, owner) => {
                    get(url, owner).await.map(|()| None).map_err(|error| bad(error.to_string()))
                }
                Self::Exec(run, own) => {
                    run.printed().await.map_err(|(how, lines)| {
                        let last =
                            lines.last().map(|line| format!(": {}", shortened(&line.to_string())));
                        bad(how + &last.unwrap_or_default())
                    })?;
                    let Some((port, owner)) = own else { return Ok(None) };
                    let holder = owner.holder_of(*port).await;
                    holder.map_or(Ok(None), |who| {
                        Err(bad(format!("{who} listens on its port {port}")))
                    })
                }
            }
        };
        match timeout(limit, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(bad(format!("{NO_ANSWER} within {} ms", limit.as_millis()))),
        }
    }
}

async fn get(url: &str, owner: &mut OwnerCheck) -> Result<(), Box<dyn Error>> {
    let uri: Uri = url.parse()?;
    let host = uri.host().ok_or("names no host")?;
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let reached = owner.reach(plain, uri.port_u16().unwrap_or(80)).await;
    let (stream, _) = reached.map_err(|not_yet| not_yet.text)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .header(USER_AGENT, "tmo")
        .body(Empty::<Bytes>::new())?;
    let connection = Task(spawn_local(async move {
        // An error also reaches the request, which reports it.
        let _ = connection.await;
    }));
    let answer = sender.send_request(request).await?;
    drop(connection);
    let status = answer.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(status.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::net::TcpListener;
    use tokio::task::LocalSet;

    use super::{ProbeResult, Probed, Probes};
    use crate::action::Action;
    use crate::commands::command::AuxCommands;
    use crate::model::event::Trouble;
    use crate::model::plan::Plan;
    use crate::model::plan::rules::{Check, Liveness, PortOwner, Probe, Reaction};
    use crate::model::time::Timestamp;
    use crate::model::{LifeId, ProcId, StreamNo};
    use crate::panes::state::PaneState;
    use crate::queue::{Event, Queue};
    use crate::supervisor::{Input, Phase, Question, RunPhase, Supervisor};
    use tmo_base::testing::plan;

    const WEB: ProcId = ProcId::at(0);

    fn port(port: u16) -> Probe {
        Probe::Port { host: "127.0.0.1".to_owned(), port, owner: PortOwner::Any }
    }

    /// A running process with this readiness check.
    fn web(probe: Probe) -> (Plan, Supervisor) {
        let mut plan = plan(&["web"]);
        plan.processes[WEB].rules.ready = vec![Check { probe, timeout_ms: 60_000, every_ms: 5 }];
        let mut supervisor = Supervisor::new(&plan, Timestamp::EPOCH);
        supervisor.procs[WEB].phase = Phase::Running { life: LifeId::FIRST, pid: 1 };
        (plan, supervisor)
    }

    fn question(check: Option<usize>) -> Question {
        Question { id: WEB, life: LifeId::FIRST, check }
    }

    #[tokio::test]
    async fn a_probe_answers_when_the_port_is_open_and_stops_with_the_run() {
        let (listener, queue) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Queue::default());
        let (plan, mut supervisor) = web(port(listener.local_addr().unwrap().port()));
        let commands = AuxCommands::new(Path::new("/"));
        let panes = vec![PaneState::new(Path::new("/"), &plan.processes[WEB].name, StreamNo(1))];
        let mut probes = Probes::default();
        let update = |probes: &mut Probes, supervisor: &Supervisor| {
            let run = Probed { plan: &plan, supervisor, panes: &panes, commands: &commands };
            probes.update(run, &queue);
        };
        let answered = async {
            update(&mut probes, &supervisor);
            assert_eq!(probes.0.len(), 1);
            queue.filled().await;
            let Some(Event::Asked(asked, answer)) = queue.pop() else { panic!("no answer") };
            assert!(asked == question(Some(0)) && matches!(answer, ProbeResult::Good(None)));
            let passed = Action::Input(Input::Passed(WEB, LifeId::FIRST, 0));
            let actions = probes.answered(asked, answer, &plan);
            assert_eq!(format!("{actions:?}"), format!("{:?}", [passed]));
            assert!(probes.0.is_empty(), "the question is answered");
            update(&mut probes, &supervisor);
            assert_eq!(probes.0.len(), 1, "the state machine still asks it");
            supervisor.run_phase = RunPhase::Stopping;
            update(&mut probes, &supervisor);
            assert!(probes.0.is_empty(), "nothing is probed at the end of the run");
        };
        LocalSet::new().run_until(answered).await;
    }

    #[test]
    fn an_answer_becomes_an_input_with_its_warning_or_its_blame() {
        let (mut plan, _) = web(port(80));
        plan.processes[WEB].rules.live = Some(Liveness {
            probe: port(80),
            timeout_ms: 1000,
            every_ms: 1000,
            failures: 3,
            action: Reaction::Restart,
        });
        let answered = |check, answer| Probes::default().answered(question(check), answer, &plan);
        let warned = answered(Some(0), ProbeResult::Good(Some("nginx (pid 7)".to_owned())));
        let [Action::Trouble(WEB, Trouble::Text(text)), Action::Input(Input::Passed(..))] =
            &warned[..]
        else {
            panic!("{warned:?}")
        };
        assert_eq!(text, "nginx (pid 7)");
        let unmet = answered(Some(0), ProbeResult::Bad("refused".to_owned()));
        assert!(
            matches!(&unmet[..], [Action::Input(Input::CheckFailed(WEB, _, 0, _))]),
            "{unmet:?}"
        );
        let dead = answered(None, ProbeResult::Bad("refused".to_owned()));
        let [Action::Blame(WEB, ..), Action::Input(Input::LivenessChecked(WEB, _, Some(_)))] =
            &dead[..]
        else {
            panic!("{dead:?}")
        };
        let alive = answered(None, ProbeResult::Good(None));
        assert!(
            matches!(&alive[..], [Action::Input(Input::LivenessChecked(WEB, _, None))]),
            "{alive:?}"
        );
    }
}
