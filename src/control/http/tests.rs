use axum::http::{StatusCode, Uri};
use proptest::prelude::*;

use super::{Names, read, status, switch, value};
use crate::model::request::{Outcome, Unknown};

#[test]
fn switches_say_yes_or_no() {
    let read = |uri: &'static str| switch(&Uri::from_static(uri), "wait", true).ok();
    for yes in ["/", "/?wait", "/?wait=1", "/?a=b&wait=true", "/?wait=0&wait=1", "/?await=0"] {
        assert_eq!(read(yes), Some(true), "{yes}");
    }
    for no in ["/?wait=0", "/?wait=false", "/?x&wait=no&y=1"] {
        assert_eq!(read(no), Some(false), "{no}");
    }
    assert_eq!(read("/?wait=maybe"), None);
}

#[test]
fn the_status_follows_the_outcome() {
    let mut outcome = Outcome { ok: true, problems: vec![], names: vec![], unknown: None };
    assert_eq!(status(&outcome, true), StatusCode::OK);
    assert_eq!(status(&outcome, false), StatusCode::ACCEPTED);
    outcome.ok = false;
    assert_eq!(status(&outcome, false), StatusCode::CONFLICT);
    outcome.unknown = Some(Unknown { name: String::new(), nearest: None, known: vec![] });
    assert_eq!(status(&outcome, true), StatusCode::NOT_FOUND);
}

proptest! {
    #[test]
    fn the_last_value_of_a_name_counts(
        pairs in prop::collection::vec(("[a-c]{0,2}", prop::option::of("[a-c0=%]{0,2}")), 0..6),
        key in "[a-c]{1,2}",
    ) {
        let text = pairs.iter().map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        });
        let uri: Uri = format!("/?{}", text.collect::<Vec<_>>().join("&")).parse().unwrap();
        let last = pairs.iter().rev().find(|(name, _)| *name == key);
        let expected = last.map(|(_, value)| value.as_deref().unwrap_or(""));
        prop_assert_eq!(value(&uri, &key), expected);
    }

    #[test]
    fn a_body_is_what_it_says_or_refused(names: Vec<String>, key in "[a-z]{1,6}", cut: prop::sample::Index) {
        let body = serde_json::json!({ "names": names }).to_string();
        prop_assert_eq!(read::<Names>(body.as_bytes()).unwrap().names, names);
        prop_assert!(read::<Names>(&body.as_bytes()[..cut.index(body.len())]).is_err());
        let other = body.replacen("names", &key, 1);
        prop_assert_eq!(read::<Names>(other.as_bytes()).is_ok(), key == "names");
    }

    #[test]
    fn a_list_is_no_object(names: Vec<String>) {
        for body in [serde_json::json!([names]), serde_json::json!([]), serde_json::json!(names)] {
            prop_assert!(read::<Names>(body.to_string().as_bytes()).is_err());
        }
    }

    #[test]
    fn any_body_is_survived(body: Vec<u8>) {
        let _ = read::<Names>(&body);
    }
}
