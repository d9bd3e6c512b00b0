//! Carries out what the interface wants done.

use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use tokio::task::spawn_local;

use super::pages::blocking;
use super::shell::{Left, SENDER, Shell};
use crate::cli::act::{connect, reload};
use crate::cli::error::CliError;
use crate::cli::project::drift::drift;
use crate::cli::reach::addresses::Addresses;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::request;
use crate::cli::web::browse;
use crate::figures::Sampler;
use crate::model::request::{Outcome, Request};
use crate::model::{ProcName, Untrusted};
use crate::sys::clock;
use crate::ui::state::msg::{Answered, Effect, Msg, ProcessPage};
use crate::ui::term::clipboard::{self, Copied};

/// The time between two samples.
const SAMPLE: Duration = Duration::from_secs(1);
/// How long the size of the terminal has to stay the same before it counts.
const SETTLED: Duration = Duration::from_millis(200);

/// The message about something that is done, or about its failure.
fn in_words(done: Result<String, CliError>) -> Msg {
    done.map_or_else(|error| Msg::Failed(error.to_string()), Msg::Note)
}

impl Shell {
    /// Carry out what the interface wants done.
    pub(super) async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Ask(question) => self.reader.ask(question),
            Effect::Request(request, names, done) => self.request(request, names, done),
            Effect::Reload => self.reload(),
            Effect::Type(name, line) => self.type_line(name, line),
            Effect::Page(tab, name) => {
                let page = self.page(tab, name.clone());
                self.meanwhile(async move {
                    let page = page.await.unwrap_or_else(|error| (error.to_string(), None));
                    let (text, leads_to) = page;
                    Msg::Page(ProcessPage { tab, name, text, leads_to })
                });
            }
            Effect::Addresses(wanted) => self.find_addresses(wanted),
            Effect::Drift => self.find_drift(),
            Effect::Browse(address) => {
                let instance = Rc::clone(&self.instance);
                self.meanwhile(async move {
                    match browse(&address, &instance).await {
                        Ok(()) => Msg::Note(address),
                        Err(why) => Msg::Failed(format!("open {address} yourself: {why}")),
                    }
                });
            }
            Effect::Copy(text, what) => self.copy(&text, what),
            Effect::Connect(name, read_only) => self.connect(&name, read_only).await,
            Effect::Plain(names) => self.plain(&names).await,
            Effect::Figures(on) => self.sample(on),
            Effect::Mouse(on) => self.writer.mouse(on),
            Effect::Suspend => self.suspend().await,
            Effect::Redraw => self.writer.forget(),
            Effect::Leave => self.left = Some(self.farewell()),
            Effect::StopAll => self.stop_all(),
        }
    }

    /// What is printed after leaving.
    pub(super) fn farewell(&self) -> Left {
        use crate::ui::state::list::SupervisorLink;
        let flags = self.instance.flags();
        let run = &self.ui.run;
        let words = match &run.link {
            SupervisorLink::Live | SupervisorLink::Away(_) if !run.quitting => Some(format!(
                "the run goes on; `tmo ui{flags}` shows it again, `tmo quit{flags}` ends it"
            )),
            SupervisorLink::Live | SupervisorLink::Away(_) => {
                Some("the run is being stopped".to_owned())
            }
            SupervisorLink::Over(Some(end)) => Some(format!("the run is over (exit {})", end.code)),
            SupervisorLink::Over(None) => None,
        };
        Left { code: 0, words }
    }

    /// Do this while the interface goes on, and tell it what has come of it.
    fn meanwhile(&self, work: impl Future<Output = Msg> + 'static) {
        let sender = self.sender.clone();
        spawn_local(async move {
            let _ = sender.send(work.await).await;
        });
    }

    fn request(&self, request: Request, names: Vec<ProcName>, what: String) {
        let instance = Rc::clone(&self.instance);
        self.meanwhile(async move {
            let key = request::key();
            let asked = instance.ask(async |client| client.request_once(&request, &key).await);
            let error = match asked.await {
                Ok(Outcome { ok: true, .. }) => None,
                Ok(Outcome { problems, .. }) => Some(Untrusted::join(&problems, "; ")),
                Err(error) => Some(error.to_string()),
            };
            Msg::Answered(Answered { names, what, error })
        });
    }

    /// Find the addresses of the processes in the browser.
    fn find_addresses(&self, wanted: Option<ProcName>) {
        let instance = Instance::clone(&self.instance);
        self.meanwhile(async move {
            let find = move || {
                Ok(Addresses::of(&instance.context.env, &instance.runtime.plan()?).into_all())
            };
            match blocking(find).await {
                Err(error) if wanted.is_some() => Msg::Failed(error.to_string()),
                found => Msg::Addresses(found.ok().flatten(), wanted),
            }
        });
    }

    /// Find what has changed since the processes were started.
    fn find_drift(&self) {
        let instance = Instance::clone(&self.instance);
        let processes = self.ui.list.processes.clone();
        self.meanwhile(async move {
            // A mistake in the files is for `tmo ps` and `tmo reload` to tell.
            let found = blocking(move || drift(&instance, &processes)).await.unwrap_or_default();
            Msg::Drift(found.into_iter().map(|drift| drift.name).collect())
        });
    }

    fn reload(&self) {
        let instance = Instance::clone(&self.instance);
        self.meanwhile(async move { in_words(reload::reload_from_ui(instance).await) });
    }

    fn type_line(&self, name: ProcName, line: String) {
        let instance = Rc::clone(&self.instance);
        self.meanwhile(async move {
            let typed =
                instance.ask(async |client| client.type_into(name.as_str(), &line, true).await);
            in_words(typed.await.map(|()| format!("typed into {name}")))
        });
    }

    /// Ask for the end of the run; a second time, for SIGKILL.
    pub(super) fn stop_all(&mut self) {
        self.asked_end = true;
        self.ui.run.quitting = true;
        if let Some(stop) = &self.stop {
            // If so many requests wait, one more changes nothing.
            let _ = stop.try_send(());
            return;
        }
        let (address, run) = (self.instance.address(), self.ui.run.id.clone());
        let sender = self.sender.clone();
        spawn_local(async move {
            if let Err(error) = request::quit(&address, &run, SENDER).await {
                let _ = sender.send(Msg::Failed(error.to_string())).await;
            }
        });
    }

    /// Give the panes the size of the log, if this is the view of the run.
    pub(super) fn size_panes(&mut self) {
        if let Some(task) = self.sizing.take() {
            task.abort();
        }
        if self.stop.is_none() {
            return;
        }
        let columns = u16::try_from(self.ui.log.form.columns).unwrap_or(u16::MAX);
        let rows = u16::try_from(self.ui.log.rows).unwrap_or(u16::MAX);
        let instance = Rc::clone(&self.instance);
        self.sizing = Some(spawn_local(async move {
            // A window that is being resized with the mouse has many sizes on its way.
            tokio::time::sleep(SETTLED).await;
            let request = Request::Resize { columns, rows };
            // If the supervisor is away, the next size counts.
            let _ = instance.ask(async |client| client.request(&request, false).await).await;
        }));
    }

    fn copy(&mut self, text: &str, what: &'static str) {
        let what = match text.lines().count() {
            1 => what.to_owned(),
            lines => format!("{lines} lines"),
        };
        let own = self.instance.own_path();
        match clipboard::copy(text, &self.places, |name| own.find(name)) {
            Copied::To(place) => self.ui.say(format!("copied {what} to {place}")),
            Copied::Osc52(bytes) => {
                self.writer.pass(bytes);
                let doubt = "it, or a tmux around it, may not allow that";
                self.ui.say(format!("the terminal was asked to copy {what} (OSC 52); {doubt}"));
            }
        }
    }

    /// Sample what the processes use once a second, for as long as it is shown.
    fn sample(&mut self, on: bool) {
        if let Some(task) = self.sampling.take() {
            task.abort();
        }
        if !on {
            return;
        }
        let (instance, sender) = (Rc::clone(&self.instance), self.sender.clone());
        self.sampling = Some(spawn_local(async move {
            let (mut sampler, begun) = (Sampler::default(), clock::instant());
            while let Ok(state) = instance.state().await {
                let figures = sampler.sample(&state.processes, begun.elapsed());
                if sender.send(Msg::Figures(figures)).await.is_err() {
                    return;
                }
                // A figure is a change per second, so samples are taken at intervals.
                tokio::time::sleep(SAMPLE).await;
            }
        }));
    }

    async fn suspend(&mut self) {
        self.give_terminal_back().await;
        // Whoever continues it sends SIGCONT, and the terminal is taken again.
        let _ = raise(Signal::SIGTSTP);
        if let Err(error) = self.take_terminal() {
            self.ui.complain(error.to_string());
        }
    }

    async fn connect(&mut self, name: &ProcName, read_only: bool) {
        self.give_terminal_back().await;
        let mut instance = Instance::clone(&self.instance);
        let connected = connect::connect_from_ui(&mut instance, name, read_only).await;
        if let Err(error) = self.take_terminal() {
            self.ui.complain(error.to_string());
        }
        if let Err(error) = connected {
            self.ui.complain(error.to_string());
        }
    }
}
