use axum::http::{StatusCode, Uri};
use proptest::prelude::*;

use super::actions::{read_request, status};
use super::answer::Refusal;
use super::extract::{Query, Words, truth};
use crate::api::routes::ROUTES;
use crate::model::request::{ChangeOrder, Outcome, Request, Unknown};

#[derive(Default)]
struct Wait(Option<bool>, Option<String>);

impl Words for Wait {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "wait" => self.0 = Some(truth(name, value)?),
            "a" => self.1 = Some(value.to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[test]
fn a_field_that_is_named_twice_is_refused() {
    let start = ROUTES.iter().find(|route| route.path == "/api/start").unwrap();
    for body in [r#"{"names":["web"],"names":[]}"#, r#"{"names":[],"names":[]}"#] {
        assert!(read_request(start, None, body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn switches_say_yes_or_no() {
    let read = |uri: &'static str| Query::<Wait>::parse(&Uri::from_static(uri)).ok().map(|q| q.0.0);
    for yes in ["/?wait", "/?wait=1", "/?a=b&wait=true", "/?wait=0&wait=1", "/?%77ait=%31"] {
        assert_eq!(read(yes), Some(Some(true)), "{yes}");
    }
    for no in ["/?wait=0", "/?wait=false", "/?a&wait=no&a=1"] {
        assert_eq!(read(no), Some(Some(false)), "{no}");
    }
    for none in ["/", "/?", "/?a=wait", "/?&&"] {
        assert_eq!(read(none), Some(None), "{none}");
    }
    for bad in ["/?wait=maybe", "/?wiat=0", "/?await=0", "/?=1"] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn the_status_follows_the_outcome() {
    let mut outcome = Outcome::done(vec![]);
    assert_eq!(status(&outcome, true), StatusCode::OK);
    assert_eq!(status(&outcome, false), StatusCode::ACCEPTED);
    outcome.ok = false;
    assert_eq!(status(&outcome, false), StatusCode::CONFLICT);
    outcome.unknown = Some(Unknown { name: "".into(), nearest: None, known: vec![] });
    assert_eq!(status(&outcome, true), StatusCode::NOT_FOUND);
}

fn read_start(body: &[u8]) -> Result<Request, Refusal> {
    let start = ROUTES.iter().find(|route| route.path == "/api/start").unwrap();
    read_request(start, None, body)
}

fn some_names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any::<String>(), 0..8)
}

proptest! {
    #[test]
    fn the_last_value_of_a_name_counts(values in prop::collection::vec("[a-c0=é &%+]{0,3}", 0..6)) {
        let text = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(values.iter().map(|value| ("a", value)))
            .finish();
        let uri: Uri = format!("/?{text}").parse().unwrap();
        let read = Query::<Wait>::parse(&uri).ok().unwrap().0.1;
        prop_assert_eq!(read.as_ref(), values.last());
    }

    #[test]
    fn a_body_is_what_it_says_or_refused(names in some_names(), key in "[a-z]{1,6}", cut: prop::sample::Index) {
        let body = serde_json::json!({ "names": names }).to_string();
        let start = Request::Start { names, order: ChangeOrder::default() };
        prop_assert_eq!(read_start(body.as_bytes()).unwrap(), start);
        let cut = cut.index(body.len());
        // Without a body, all are meant.
        prop_assert_eq!(read_start(&body.as_bytes()[..cut]).is_ok(), cut == 0);
        let other = body.replacen("names", &key, 1);
        prop_assert_eq!(read_start(other.as_bytes()).is_ok(), key == "names");
    }

    #[test]
    fn a_list_is_no_object(names in some_names()) {
        for body in [serde_json::json!([names]), serde_json::json!([]), serde_json::json!(names)] {
            prop_assert!(read_start(body.to_string().as_bytes()).is_err());
        }
    }

    #[test]
    fn any_body_is_survived(body: Vec<u8>) {
        let _ = read_start(&body);
    }
}
