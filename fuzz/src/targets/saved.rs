//! What one process writes down for another one: plans, states, answers, places.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tmo::engine::persisted_state::PersistedState;
use tmo::journal::Position;
use tmo::model::exit::End;
use tmo::model::plan::Plan;
use tmo::model::request::{Head, Outcome, Request};
use tmo::model::state::State;
use tmo::supervisor::Supervisor;

/// What can be read is the same after it was written and read again.
pub(crate) fn check(data: &[u8]) {
    let (first, text) = data.split_first().unwrap_or((&0, &[]));
    match first % 8 {
        0 => same::<Plan>(text),
        1 => same::<PersistedState>(text),
        2 => same::<State>(text),
        3 => same::<Outcome>(text),
        4 => same::<Head>(text),
        5 => same::<End>(text),
        6 => same::<Request>(text),
        _ => same::<Supervisor>(text),
    }
    match Position::from_bytes(text) {
        Some(position) => assert_eq!(position.to_bytes(), text),
        None => assert_ne!(text.len(), 12),
    }
}

fn same<T: Serialize + DeserializeOwned>(text: &[u8]) {
    let Ok(found) = serde_json::from_slice::<T>(text) else { return };
    let written = serde_json::to_string(&found).unwrap();
    let again: T = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), written);
    // A million times as much as was read would not be what was read.
    assert!(written.len() < 10_000 + 100 * text.len());
}
