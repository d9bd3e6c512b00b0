//! Keys and the wheel, as `WebDriver` names them.

use serde_json::{Value, json};

pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const BACKSPACE: &str = "\u{e003}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const SHIFT: &str = "\u{e008}";
pub(crate) const CONTROL: &str = "\u{e009}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const PAGE_UP: &str = "\u{e00e}";
pub(crate) const END: &str = "\u{e010}";
pub(crate) const HOME: &str = "\u{e011}";
pub(crate) const LEFT: &str = "\u{e012}";
pub(crate) const DOWN: &str = "\u{e015}";

/// Press and release each character of a text.
pub(crate) fn text(text: &str) -> Value {
    let strokes = text.chars().flat_map(|key| {
        [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
    });
    json!({ "type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>() })
}

/// Press these keys in order and release them.
pub(crate) fn chord(keys: &[&str]) -> Value {
    let down = keys.iter().map(|key| json!({ "type": "keyDown", "value": key }));
    let up = keys.iter().rev().map(|key| json!({ "type": "keyUp", "value": key }));
    json!({ "type": "key", "id": "keyboard", "actions": down.chain(up).collect::<Vec<_>>() })
}

/// Click at a point.
pub(crate) fn click(at: (i64, i64)) -> Value {
    let (x, y) = at;
    json!({ "type": "pointer", "id": "mouse", "actions": [
        { "type": "pointerMove", "x": x, "y": y, "duration": 0 },
        { "type": "pointerDown", "button": 0 },
        { "type": "pointerUp", "button": 0 },
    ] })
}

/// Turn the wheel at a point; upwards if negative.
pub(crate) fn wheel(at: (i64, i64), pixels: i64) -> Value {
    let scroll = json!({
        "type": "scroll", "x": at.0, "y": at.1, "deltaX": 0, "deltaY": pixels, "duration": 0,
    });
    json!({ "type": "wheel", "id": "wheel", "actions": [scroll] })
}
