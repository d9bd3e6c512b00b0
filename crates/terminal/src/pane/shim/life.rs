//! One life: from the fork of the main process until nothing is left of its process tree.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::libc::{SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU};

use super::Shim;
use super::exit_banner::{self, ExitBanner};
use super::launch::Launch;
use super::notify::Reports;
use crate::model::{Exit, LifeId, ProcName};
use crate::pane::process_tree::{self, EndingProgress, Root, Termination, Tree};
use crate::protocol::life::LifeEvent;
use crate::protocol::marker::{self, Marker};
use crate::protocol::spec::{Spec, Want};
use crate::sys::fork::Report;
use crate::sys::{self, ChildExit, ProcInfo, clock, fork};

/// The first snapshot of leftover processes may take at least this long.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// A life that is not over.
pub(super) struct Life {
    name: ProcName,
    number: LifeId,
    nonce: u64,
    root: Root,
    began: Instant,
    report: Option<Report>,
    ended: Option<MainExit>,
    ending: Option<Termination>,
    /// It was asked to stop; it did not end by itself.
    asked: bool,
    /// What is left of it, and is ended, has been reported.
    reported: bool,
    /// What it reports of itself.
    reports: Option<Reports>,
}

/// How and when a main process ended.
#[derive(Debug, Clone)]
struct MainExit {
    exit: Exit,
    at: String,
    lasted: Duration,
}

impl Life {
    /// The terminal has this holder now.
    pub(super) const fn has_holder(&mut self, pid: u32) {
        self.root.holder = pid;
    }

    /// When to continue even if no event occurs.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let ending = self.ending.as_ref().and_then(Termination::deadline);
        ending.into_iter().chain(self.reports.as_ref().and_then(Reports::due)).min()
    }

    /// Readable when it reports something.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.reports.as_ref()?.socket())
    }

    /// Its number, and what it reports.
    pub(super) const fn reports(&mut self) -> (LifeId, Option<&mut Reports>) {
        (self.number, self.reports.as_mut())
    }

    /// Whether it has ended, or is being stopped.
    pub(super) const fn is_ending(&self) -> bool {
        self.ended.is_some() || self.ending.is_some()
    }
}

impl Shim {
    /// Begin a life. `None`: the fork failed.
    pub(super) fn start(&mut self, spec: &Spec, life: LifeId) -> Option<Life> {
        if let Err(error) = sys::own_orphans(&spec.run, spec.name.as_str()) {
            self.trouble(format!("orphans of {} will not be found: {error}", spec.name));
        }
        if life > LifeId::nth(1) {
            // Nothing was typed before the first one, whose holder may not be there yet.
            self.discard_input();
        }
        self.tty.restore_descriptors();
        let reports = Reports::open(spec, &self.paths, life).unwrap_or_else(|error| {
            self.trouble(format!("cannot open the NOTIFY_SOCKET of {}: {error}", spec.name));
            None
        });
        let socket = reports.as_ref().map(Reports::path);
        let launch = Launch::prepare(spec, &self.paths, socket);
        let held = match fork::hold(|| match &launch {
            Ok(launch) => launch.become_command(self.tty.stderr()),
            Err(failure) => failure.clone(),
        }) {
            Ok(held) => held,
            Err(error) => {
                self.trouble(format!("cannot fork: {error}"));
                self.diary.note(LifeEvent::Skipped { life });
                return None;
            }
        };
        let (nonce, pid) = (random(), held.pid);
        let seq = self.diary.note(LifeEvent::Start {
            life,
            pid,
            start_time: sys::start_time(pid).unwrap_or(0),
            nonce: format!("{nonce:016x}"),
        });
        let is_again = life > LifeId::nth(1);
        let note = is_again.then(|| exit_banner::again(&spec.name, life, &sys::time_of_day()));
        self.mark(nonce, seq.map(|seq| (seq, 0)), &note.unwrap_or_default());
        self.tty.flush_input(false);
        self.tty.cook();
        self.tty.foreground(pid);
        Some(Life {
            name: spec.name.clone(),
            number: life,
            nonce,
            root: Root { main: pid, ..self.root },
            began: Instant::now(),
            report: held.release().ok(),
            ended: None,
            ending: None,
            asked: false,
            reported: false,
            reports,
        })
    }

    /// Do everything that is possible for this life now; returns whether it is over.
    pub(super) fn tend(&mut self, life: &mut Life) -> bool {
        self.hear(life);
        process_tree::reap_all_but(life.root);
        let exited = self.see_main(life);
        self.stop_if_unwanted(life);
        if life.ended.is_none() && life.ending.is_none() {
            return false;
        }
        let grace = if self.kills(life) { Duration::ZERO } else { self.grace() };
        let leftovers = Termination::leftovers(self.spec.stop_signal, Instant::now(), grace);
        // The leftover processes have to be listed even if their grace period is short.
        let first = Instant::now().checked_add(grace.max(FIRST_LOOK));
        let until = life.ending.as_ref().map_or(first, Termination::survey_until);
        let tree = Tree::survey(life.root, until);
        self.report_leftovers(life, &tree);
        if life.ending.is_none() && !tree.members.is_empty() {
            life.ending = Some(leftovers);
        }
        self.go_on(life, &tree);
        // Write to the terminal only after all signals have been sent, because it may block.
        self.mark(life.nonce, exited, b"");
        let over = life.ended.clone().filter(|_| tree.is_empty(life.root, true));
        if let Some(fate) = &over {
            self.finish(life, fate, &tree);
        } else {
            self.watched = tree.watch_deep(life.root);
        }
        over.is_some()
    }

    /// Check whether the main process has ended or was stopped. If it has ended, record that and
    /// return the number and the key of the entry.
    fn see_main(&mut self, life: &mut Life) -> Option<(u64, u32)> {
        if life.ended.is_some() {
            return None;
        }
        let main = life.root.main;
        let ended = match sys::peek(main) {
            Ok(Some(ended)) => ended,
            Ok(None) => {
                self.continue_main(main);
                return None;
            }
            // The main process is our child, so it can only have been reaped by code that does not
            // belong to us. Its pid may be reused any time.
            Err(_) => {
                life.root.main = 0;
                ChildExit { exit: Exit::Signal(9), user_us: 0, system_us: 0, max_rss_kib: 0 }
            }
        };
        let (at, lasted) = (sys::time_of_day(), life.began.elapsed());
        life.ended = Some(MainExit { exit: ended.exit, at, lasted });
        self.note_marked(LifeEvent::Exit {
            life: life.number,
            exit: ended.exit,
            error: life.report.take().and_then(Report::failure),
            user_us: ended.user_us,
            system_us: ended.system_us,
            max_rss_kib: ended.max_rss_kib,
        })
    }

    /// Continue a main process that was stopped by ^Z, because there is no shell to type `fg` into. A
    /// SIGSTOP was intended.
    fn continue_main(&self, main: u32) {
        let Ok(Some(signal)) = sys::stopped_by(main) else { return };
        if signal == SIGTSTP {
            let _ = sys::signal_group(main, SIGCONT);
        } else if (signal == SIGTTIN || signal == SIGTTOU) && self.tty.deserted() {
            // The process group that it gave the terminal to has ended without giving it back.
            self.tty.foreground(main);
            let _ = sys::signal_group(main, SIGCONT);
        }
    }

    /// The time from the stop signal to SIGKILL.
    const fn grace(&self) -> Duration {
        Duration::from_millis(self.spec.grace_ms)
    }

    fn wants(&self, life: &Life) -> bool {
        let is_run = self.spec.want == Want::Run && self.spec.life <= Some(life.number);
        is_run && !self.hung_up
    }

    /// Whether it is to be killed without a grace period.
    fn kills(&self, life: &Life) -> bool {
        !self.wants(life) && self.spec.kill >= Some(life.number)
    }

    /// Begin to stop a life that is no longer wanted, or kill what is left of it.
    fn stop_if_unwanted(&mut self, life: &mut Life) {
        let (now, kills) = (Instant::now(), self.kills(life));
        if let Some(ending) = life.ending.as_mut().filter(|_| kills) {
            ending.skip_grace(now);
        } else if !self.wants(life) && life.ended.is_none() && life.ending.is_none() {
            life.asked = true;
            let (signal, grace) = (self.spec.stop_signal, self.grace());
            life.ending = Some(if kills {
                Termination::leftovers(signal, now, Duration::ZERO)
            } else {
                self.diary.note(LifeEvent::Stopping { life: life.number, signal });
                let foreground = self.tty.foreground_group();
                Termination::ask(life.root, foreground, signal, now, grace)
            });
        }
    }

    /// Record what is ended besides the process, once: everything that it has left behind when it ended
    /// by itself; what has left its group when it was asked to stop.
    fn report_leftovers(&mut self, life: &mut Life, tree: &Tree) {
        let due = |ending: &Termination| ending.is_due(Instant::now());
        if life.reported || life.ended.is_none() && !life.ending.as_ref().is_some_and(due) {
            return;
        }
        let is_left = |member: &&ProcInfo| {
            !life.asked || member.pgid != life.root.main && member.pid != life.root.main
        };
        let left: Vec<_> = tree.members.iter().filter(is_left).cloned().collect();
        if !left.is_empty() {
            life.reported = true;
            let members = process_tree::named(&left);
            self.diary.note(LifeEvent::Leftovers { life: life.number, members });
        }
    }

    fn go_on(&mut self, life: &mut Life, tree: &Tree) {
        let Some(ending) = &mut life.ending else { return };
        let gone = life.ended.is_some();
        if tree.is_empty(life.root, gone) {
            return;
        }
        match ending.go_on(life.root, tree, gone, Instant::now()) {
            EndingProgress::Waiting => {}
            EndingProgress::Killing => {
                self.diary.note(LifeEvent::Killing { life: life.number });
            }
            EndingProgress::Stuck(members) => {
                self.diary.note(LifeEvent::Stuck { life: life.number, members });
            }
        }
    }

    fn finish(&mut self, life: &Life, fate: &MainExit, tree: &Tree) {
        let _ = sys::reap(life.root.main);
        let unnamed = |process: &&ProcInfo| !self.named.contains(&process.id());
        let spared: Vec<_> = tree.exempt.iter().filter(unnamed).cloned().collect();
        self.named = tree.exempt.iter().map(ProcInfo::id).collect();
        let spared = process_tree::named_with_ports(&spared);
        let noted = self.note_marked(LifeEvent::End { life: life.number, spared });
        self.tty.calm();
        self.discard_input();
        let Life { name, number, asked, .. } = life;
        let &MainExit { exit, ref at, lasted } = fate;
        let note = ExitBanner { name, life: *number, exit, asked: *asked, lasted }.note(at);
        self.mark(life.nonce, noted, &note);
    }

    /// Record an event whose marker must not be printed in advance: the process can read the nonce of
    /// its life and guess the sequence number, but it does not know the key.
    fn note_marked(&mut self, event: LifeEvent) -> Option<(u64, u32)> {
        let key = u32::try_from(random() >> 32).unwrap_or(0);
        Some((self.diary.note_with(key, event)?, key))
    }

    /// Write the marker of an event that has been recorded, and a note for the screen, which the journal leaves out.
    fn mark(&mut self, life: u64, noted: Option<(u64, u32)>, note: &[u8]) {
        let Some((seq, key)) = noted else { return };
        self.tty.calm();
        let nonce = marker::nonce(life, key);
        let skip = u32::try_from(note.len()).unwrap_or(0);
        let marker = Marker { nonce, seq, skip }.encode();
        let written = match note {
            [] => self.tty.mark(&marker),
            note => self.tty.mark_with_note(&[&marker[..], note].concat()),
        };
        if !written {
            self.diary.note(LifeEvent::Unmarked { of: seq, gone: self.tty.is_gone() });
        }
    }

    pub(super) fn trouble(&mut self, message: String) {
        self.diary.note(LifeEvent::Trouble { message });
    }
}

/// A random number, for nonces and keys that a process cannot guess.
fn random() -> u64 {
    let mut bytes = [0; 8];
    match sys::random(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        Err(_) => clock::now().nanos().rotate_left(32) ^ u64::from(std::process::id()),
    }
}
