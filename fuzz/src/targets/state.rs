//! The state of a supervisor that another one goes on with.

use serde_json::json;
use tmo::model::ids::Member;
use tmo::model::plan::Plan;
use tmo::model::request::{ChangeOrder, Request};
use tmo::model::time::Timestamp;
use tmo::model::{Exit, LifeId, ProcId};
use tmo::protocol::life::{LifeEntry, LifeEvent};
use tmo::supervisor::{Effect, Input as Step, RunPhase, Supervisor};

use super::input::Input;

/// What was saved and is sound can be gone on with: whatever happens then, nothing breaks, nothing
/// speaks of a process that is not there, and who asks is answered once.
pub(crate) fn check(data: &[u8]) {
    let (shape, text) = data.split_at(data.len().min(64));
    let Ok(mut machine) = serde_json::from_slice::<Supervisor>(text) else { return };
    if !machine.is_of(&plan()) {
        return;
    }
    let mut input = Input::new(shape);
    let (mut asked, mut answered) = (0, vec![]);
    let mut effects = machine.resume(Timestamp::from_nanos(1));
    for now in 0..32 {
        sound(&effects, &mut answered);
        if matches!(machine.run_phase, RunPhase::Finished { .. }) || input.is_empty() {
            break;
        }
        effects = if input.byte().is_multiple_of(16) {
            // The next supervisor: those who asked this one ask it again.
            asked = 0;
            answered.clear();
            let saved = serde_json::to_vec(&machine).unwrap();
            machine = serde_json::from_slice(&saved).unwrap();
            assert!(machine.is_of(&plan()), "what was saved is not taken for sound");
            machine.resume(Timestamp::from_nanos(1))
        } else {
            machine.step(Timestamp::from_nanos(now), step(&mut input, &mut asked))
        };
    }
    answered.sort_unstable();
    assert!(answered.iter().all(|ticket| (1..=asked).contains(ticket)), "who was that?");
    assert!(answered.windows(2).all(|pair| pair[0] != pair[1]), "told twice");
}

fn step(input: &mut Input<'_>, asked: &mut u64) -> Step {
    let id = ProcId::at(input.below(2));
    match input.byte() % 8 {
        0 => Step::PaneReady(id),
        1 => {
            let left =
                Member { pid: 5, name: "sh".to_owned(), state: 'S', owner: None, ports: vec![] };
            Step::ShimGone(id, if input.yes() { vec![left] } else { vec![] })
        }
        2 => Step::NoPane(id, "why".to_owned()),
        3 if input.byte() == 0 => Step::TmuxGone,
        3..6 => {
            let (seq, at) = (input.number(), input.number());
            let entry =
                LifeEntry { seq, at: Timestamp::from_nanos(at), key: 0, event: event(input) };
            Step::Life(id, entry)
        }
        _ => {
            *asked += 1;
            let name = input.one_of(&["web", "db", "*", "x"]);
            let names = (0..input.byte() % 3).map(|_| name.to_owned()).collect();
            let request = match input.byte() % 6 {
                0 | 1 => Request::Start { names, order: ChangeOrder::default() },
                2 => Request::Stop { names, order: ChangeOrder::default() },
                3 | 4 => Request::Restart { names, order: ChangeOrder::default() },
                5 if input.yes() => Request::Kill,
                _ => Request::Quit,
            };
            let key = input.yes().then(|| input.one_of(&["k", "l"]).to_owned());
            Step::Request(*asked, request, key)
        }
    }
}

fn event(input: &mut Input<'_>) -> LifeEvent {
    let life = LifeId::nth(input.u32());
    match input.byte() % 8 {
        0 => LifeEvent::Up {
            pid: 1,
            start_time: 2,
            pane: "%0".to_owned(),
            tty: String::new(),
            version: String::new(),
        },
        1 | 2 => LifeEvent::Start { life, pid: 3, start_time: 4, nonce: String::new() },
        3 => LifeEvent::Exit {
            life,
            exit: Exit::Code(input.byte()),
            error: None,
            user_us: 0,
            system_us: 0,
            max_rss_kib: 0,
        },
        4 => LifeEvent::End { life, spared: vec![] },
        5 => LifeEvent::Stuck { life, members: vec![] },
        6 => LifeEvent::Skipped { life },
        _ => LifeEvent::Hangup {},
    }
}

fn sound(effects: &[Effect], answered: &mut Vec<u64>) {
    let is_known = |id: &ProcId| id.place() < 2;
    for effect in effects {
        match effect {
            Effect::Open(ids) => assert!(ids.iter().all(is_known)),
            Effect::Crashed(crash) => assert!(is_known(&crash.id)),
            Effect::Want(id, _) | Effect::Signal { id, .. } | Effect::Close(id) => {
                assert!(is_known(id));
            }
            Effect::Say(id, _) => assert!(id.as_ref().is_none_or(is_known)),
            Effect::Answer(ticket, _) => answered.push(*ticket),
            Effect::Reached(_) | Effect::Finish(_) => {}
        }
    }
}

fn plan() -> Plan {
    let process = |name: &str| {
        json!({
            "name": name, "command": "x", "env": [], "shell": "sh", "port": null, "color": 2,
            "stop_signal": 2, "on_exit": "stop-all", "waits": false, "added": false,
            "removed": false, "came": 0, "edition": 0, "rules": {},
        })
    };
    let plan = json!({
        "version": 1, "run": "r", "started": 1, "title": "t", "session": "t",
        "tmux_socket": "tmo-t", "tmux": "/tmux", "tmo": "/tmo", "root": "/r", "procfile": "P",
        "socket": "/s", "socket_shown": "s", "tmux_config": null, "env": [],
        "inherit": {"umask": 18, "nice": 0, "limits": [], "ignored": []}, "size": [80, 24],
        "grace_ms": 5000, "log": {"dir": "/j", "per_process": 0, "total": 0}, "name_width": 3,
        "formation_port_step": 100, "colors": [], "hooks": {}, "lines": [], "generation": 0,
        "processes": [process("web"), process("db")],
    });
    serde_json::from_value(plan).unwrap()
}
