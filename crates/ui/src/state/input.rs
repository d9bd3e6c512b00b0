//! Keys: what they mean in a prompt, in what lies over the log, and elsewhere; and what the mouse
//! does.

use ratatui_core::layout::Rect;

use super::Ui;
use super::layout::Focus;
use super::msg::{Effect, Mouse, Question, Tab};
use super::prompt::{Offer, Overlay, Prompt, Subject};
use crate::keys::actions::{Action, OnProcess};
use crate::keys::{Key, actions};
use crate::model::ProcName;
use crate::model::request::{ChangeOrder, Request};
use crate::model::signal::{NoSuchSignal, SignalName};
use crate::model::state::ProcessState;
use crate::model::time::moment;
use crate::view::merged::cleaned;

impl Ui {
    /// A key was pressed.
    pub(super) fn key(&mut self, key: Key) {
        // Who presses a key has seen the message.
        self.toast = None;
        if key == Key::Ctrl('z') {
            return self.effects.push(Effect::Suspend);
        }
        if self.prompt.is_some() && key != Key::Ctrl('c') {
            return self.prompt_key(key);
        }
        if self.overlay.is_some() && self.overlay_key(key) {
            return;
        }
        if self.timeline.is_some() && self.timeline_key(key) {
            return;
        }
        let action = actions::action_of(key);
        let works = matches!(action, Some(Action::Process(_) | Action::Screen(_)));
        if self.overlay.is_some() && !works {
            // It would change what is hidden.
            return self.say(format!("{} does nothing here; q closes this", key.name()));
        }
        match (key, action) {
            (Key::Char(digit @ '1'..='9'), _) => self.open_row(digit as usize - '0' as usize),
            // In the list, it is about the process: mprocs stops with this key.
            (Key::Char('x'), _) if self.is_in_list() && self.log.follows() => {
                self.act_on_process(OnProcess::Stop);
            }
            (_, Some(action)) => self.act(action),
            (_, None) => self.say(format!("{} does nothing; ? shows all keys", key.name())),
        }
    }

    fn prompt_key(&mut self, key: Key) {
        let Some(prompt) = &mut self.prompt else { return };
        match key {
            Key::Enter => self.entered(),
            Key::Backspace if prompt.text().is_empty() => self.give_up(),
            Key::Up | Key::BackTab | Key::Down => {
                let by = if key == Key::Down { 1 } else { -1 };
                let count = self.offers().map_or(0, |offers| offers.len());
                if let Some(prompt) = &mut self.prompt {
                    let last = count.saturating_sub(1);
                    prompt.choice = prompt.choice.saturating_add_signed(by).min(last);
                }
            }
            Key::Tab => {
                if let (Subject::Find(_), Some(find)) = (&prompt.subject, &mut self.find) {
                    find.filters = !find.filters;
                    // In an empty prompt, it is about the last expression.
                    if prompt.text().is_empty() {
                        let text = find.text.clone();
                        if let Some(prompt) = &mut self.prompt {
                            prompt.paste(&text);
                        }
                    }
                }
            }
            Key::Ctrl('t') => {
                if let (Subject::Find(back), Some(find)) = (&prompt.subject, &mut self.find) {
                    find.literal = !find.literal;
                    let (text, back) = (find.text.clone(), *back);
                    self.find_typed(&text, back);
                }
            }
            _ if prompt.edit(key) => self.typed(),
            Key::Esc | Key::Ctrl(_) => self.give_up(),
            _ => {}
        }
    }

    /// The text of the prompt has changed.
    pub(super) fn typed(&mut self) {
        let Some(prompt) = &self.prompt else { return };
        if let Subject::Find(back) = prompt.subject {
            let text = prompt.text().to_owned();
            self.find_typed(&text, back);
        }
    }

    /// The prompt was given up.
    fn give_up(&mut self) {
        let Some(prompt) = self.prompt.take() else { return };
        if let Subject::Find(back) = prompt.subject {
            self.find = None;
            self.log.return_to(back);
            self.effects.push(Effect::Ask(Question::StopSearch));
        }
    }

    /// Enter was pressed in the prompt.
    fn entered(&mut self) {
        let offers = self.offers().unwrap_or_default();
        let Some(prompt) = self.prompt.take() else { return };
        let text = prompt.text().to_owned();
        match prompt.subject.clone() {
            Subject::Find(_) => {}
            Subject::Pick | Subject::Action => match offers.get(prompt.choice) {
                Some(Offer::Process(name)) => self.open(Some(name.clone())),
                Some(Offer::Action(entry)) => self.act(entry.action),
                Some(Offer::OfRun(_, action)) if action.confirm => {
                    self.overlay = Some(Overlay::Act(action.process.clone()));
                }
                Some(Offer::OfRun(_, action)) => self.run_action(&action.process, false),
                None => self.say(format!("nothing has a name like {text}")),
            },
            Subject::Time => {
                let now = self.now.time.utc().to_zoned(self.now.zone.clone());
                match moment(text.trim().trim_start_matches('-'), &now) {
                    Ok(time) => self.log.go_to_time(time),
                    Err(error) => {
                        self.complain(error.to_string());
                        // It can be corrected; what is typed now does not act as keys.
                        self.prompt = Some(prompt);
                    }
                }
            }
            Subject::Line(name) => {
                // A debugger takes one line after another.
                self.prompt = Some(Prompt::new(Subject::Line(name.clone())));
                self.effects.push(Effect::Type(name, text));
            }
            Subject::Names(_) | Subject::Scale(_) | Subject::Signal(_) => {
                if let Err(why) = self.act_with(&prompt.subject, &text) {
                    self.complain(why);
                    self.prompt = Some(prompt);
                }
            }
        }
    }

    /// Run the action of this process; `confirmed` if the user was asked.
    fn run_action(&mut self, name: &ProcName, confirmed: bool) {
        if self.run.is_over() {
            return self.complain("nothing runs here; `tmo start` starts the processes".to_owned());
        }
        if self.list.get(name).is_some_and(|process| process.pid.is_some()) {
            return self.complain(format!("{name} is running; s stops it"));
        }
        self.say(format!("{name} begins"));
        let request = Request::Act { name: name.to_string(), confirmed };
        let done = format!("{name} has ended with success");
        self.effects.push(Effect::Request(request, vec![], done));
    }

    /// A key while something lies over the log; false if it means what it means elsewhere.
    fn overlay_key(&mut self, key: Key) -> bool {
        match self.overlay {
            Some(Overlay::Quit(stop)) => match key {
                Key::Char('s') => self.stop_all(),
                Key::Enter | Key::Ctrl('c') if stop => self.stop_all(),
                Key::Char('l' | 'q') | Key::Enter | Key::Ctrl('c') => {
                    self.effects.push(Effect::Leave);
                }
                _ => self.overlay = None,
            },
            Some(Overlay::Confirm(action)) => {
                self.overlay = None;
                let again = actions::action_of(key) == Some(Action::Process(action))
                    || action == OnProcess::Stop && key == Key::Char('x');
                if again || matches!(key, Key::Char('y') | Key::Enter) {
                    self.confirmed(action);
                }
            }
            Some(Overlay::Act(ref name)) => {
                let name = name.clone();
                self.overlay = None;
                if matches!(key, Key::Char('y') | Key::Enter) {
                    self.run_action(&name, true);
                }
            }
            Some(Overlay::Help(_) | Overlay::Details(_) | Overlay::Line(_)) => {
                return self.page_key(key);
            }
            None => return false,
        }
        true
    }

    /// A key while a page is shown; false if it means what it means elsewhere.
    fn page_key(&mut self, key: Key) -> bool {
        let page = isize::try_from(self.log.rows).unwrap_or(1);
        let Some(overlay) = &mut self.overlay else { return false };
        match (key, &*overlay) {
            (Key::Esc | Key::Backspace | Key::Char('q'), _)
            | (Key::Char('?') | Key::F(1), Overlay::Help(_))
            | (Key::Enter, Overlay::Line(_)) => self.overlay = None,
            (Key::Enter, Overlay::Details(page)) => {
                let Some(position) = page.leads_to else { return true };
                (self.overlay, self.filter.around) = (None, None);
                self.screen.focus = Focus::Log;
                self.log.go_to(position);
            }
            (Key::Up | Key::Char('k'), _) => overlay.scroll(-1),
            (Key::Down | Key::Char('j'), _) => overlay.scroll(1),
            (Key::PageUp | Key::Ctrl('u' | 'b'), _) => overlay.scroll(-page),
            (Key::PageDown | Key::Ctrl('d' | 'f') | Key::Char(' '), _) => overlay.scroll(page),
            (Key::Home | Key::Char('g'), _) => overlay.scroll(isize::MIN),
            (Key::End | Key::Char('G'), _) => overlay.scroll(isize::MAX),
            (Key::Left, _) => self.next_tab(-1),
            (Key::Right | Key::Tab, _) => self.next_tab(1),
            (Key::Char('y'), Overlay::Details(page) | Overlay::Line(page)) => {
                if let Some(text) = &page.text {
                    let text = cleaned(text.as_bytes(), false);
                    self.effects.push(Effect::Copy(text, "the page"));
                }
            }
            _ => return false,
        }
        true
    }

    fn next_tab(&mut self, by: isize) {
        let Some(Overlay::Details(page)) = &self.overlay else { return };
        let at = Tab::ALL.iter().position(|tab| *tab == page.tab).unwrap_or(0);
        let count = Tab::ALL.len();
        let at = (at + count).saturating_add_signed(by) % count;
        let name = page.name.clone();
        self.show_page(Tab::ALL[at], name);
    }

    fn stop_all(&mut self) {
        self.overlay = None;
        self.run.quitting = true;
        self.effects.push(Effect::StopAll);
    }

    /// A destructive action was confirmed.
    fn confirmed(&mut self, action: OnProcess) {
        if action == OnProcess::RestartAll {
            self.request_for(action, vec![], "all");
        } else if let Some(name) = self.list.target().map(|process| process.name.clone()) {
            self.request(action, &name);
        }
    }

    /// Send a request for a process, and no other instance of its entry.
    pub(super) fn request(&mut self, action: OnProcess, name: &ProcName) {
        self.request_for(action, vec![format!("={name}")], name.as_str());
    }

    /// Send a request for the processes that these words select; for all without any.
    pub(super) fn request_for(&mut self, action: OnProcess, names: Vec<String>, them: &str) {
        let meant = self.list.processes.iter().filter(|process: &&ProcessState| {
            names.is_empty() || names.iter().any(|word| process.is_meant(word))
        });
        let meant: Vec<_> = meant.map(|process| process.name.clone()).collect();
        let order = ChangeOrder::default();
        let (request, doing, done) = match action {
            OnProcess::Restart | OnProcess::RestartNamed | OnProcess::RestartAll => {
                (Request::Restart { names, order }, "restarting", format!("{them} restarted"))
            }
            OnProcess::Start | OnProcess::StartNamed => {
                (Request::Start { names, order }, "starting", format!("{them} started"))
            }
            OnProcess::Kill => {
                let request = Request::Signal { names, signal: SignalName::KILL };
                (request, "stopping", format!("SIGKILL sent to {them}"))
            }
            OnProcess::Stop | OnProcess::StopNamed => {
                let more = if action == OnProcess::Stop { "; S starts it again" } else { "" };
                (Request::Stop { names, order }, "stopping", format!("{them} stopped{more}"))
            }
            _ => return,
        };
        self.list.pending.retain(|(pending, _)| !meant.contains(pending));
        self.list.pending.extend(meant.iter().map(|name| (name.clone(), doing)));
        self.effects.push(Effect::Request(request, meant, done));
    }

    /// What was typed for an action on processes. Returns the reason if it is not valid.
    fn act_with(&mut self, subject: &Subject, text: &str) -> Result<(), String> {
        match subject {
            Subject::Names(action) => {
                let words: Vec<_> =
                    text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
                let is_known = |word: &&str| self.list.processes.iter().any(|p| p.is_meant(word));
                if let Some(unknown) = words.iter().find(|word| !is_known(word)) {
                    return Err(format!("no process, entry or group has the name {unknown}"));
                }
                if !words.is_empty() {
                    let names = words.iter().map(ToString::to_string).collect();
                    self.request_for(*action, names, &words.join(", "));
                }
            }
            Subject::Scale(entry) => {
                let count = text.trim().parse().map_err(|_| format!("{text} is not a number"))?;
                let counts = [(entry.clone(), count)].into();
                let done = format!("{entry} has {count} instances");
                self.effects.push(Effect::Request(Request::Scale { counts }, vec![], done));
            }
            Subject::Signal(name) => {
                let signal: SignalName =
                    text.trim().parse().map_err(|error: NoSuchSignal| error.to_string())?;
                let names = vec![format!("={name}")];
                let done = format!("SIG{signal} sent to {name}");
                self.effects.push(Effect::Request(Request::Signal { names, signal }, vec![], done));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Ui {
    pub(super) fn mouse_used(&mut self, mouse: Mouse) {
        let areas = self.areas();
        let within = |area: Rect, x, y| area.contains((x, y).into());
        match mouse {
            Mouse::Wheel(rows, x, y) => {
                if let Some(overlay) = &mut self.overlay {
                    overlay.scroll(rows);
                } else if within(areas.list, x, y) {
                    self.list.step(rows.signum());
                } else {
                    self.log.scroll(rows);
                }
            }
            Mouse::Press(x, y) if within(areas.list, x, y) => {
                let row = self.list_top() + usize::from(y - areas.list.y);
                self.screen.focus = Focus::List;
                if row <= self.list.rows().count() {
                    self.list.select_row(row);
                }
            }
            Mouse::Press(x, y) | Mouse::Drag(x, y) if within(areas.strip, x, y) => {
                self.point_at_time(x, y);
            }
            Mouse::Press(x, y) if within(areas.log, x, y) && self.overlay.is_none() => {
                self.screen.focus = Focus::Log;
                self.log.selection = None;
                self.log.point_at(usize::from(y - areas.log.y));
            }
            Mouse::Drag(x, y) if within(areas.log, x, y) && self.overlay.is_none() => {
                let begun = self.log.current().map(|entry| entry.position);
                if self.log.selection.is_none() {
                    self.log.selection = begun;
                }
                self.log.point_at(usize::from(y - areas.log.y));
            }
            Mouse::Release(..) if self.log.selection.is_some() => self.copy(),
            Mouse::Press(..) | Mouse::Drag(..) | Mouse::Release(..) => {}
        }
    }
}
