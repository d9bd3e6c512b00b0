//! What a client makes of the answers it gets.

use std::path::Path;
use tmo::model::StreamNo;

use serde_json::json;
use tmo::api::overmind::status;
use tmo::client::overmind::OvermindClient;
use tmo::client::{Client, ClientError, HeadEvent};
use tmo::model::exit::End;
use tmo::model::request::{ChangeOrder, Head, Outcome, Partial, Request};
use tmo::model::state::State;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::input::Input;
use super::socket::state;
use super::world::MANY;

/// No answer hangs or breaks a client, and one that is sound is understood however it is framed
/// and cut.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        match input.byte() % 4 {
            0 => anything(&path, &listener, &mut input).await,
            1 => sound(&path, &listener, &mut input).await,
            2 => news(&path, &listener, &mut input).await,
            _ => overmind(&path, &listener, &mut input).await,
        }
    });
}

/// Answer one client with these bytes, cut as the input says.
async fn answer(listener: &UnixListener, text: &[u8], input: &mut Input<'_>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut question = [0; 4096];
    let _ = stream.read(&mut question).await;
    let mut from = 0;
    for to in input.cuts(text.len()) {
        if stream.write_all(&text[from..to]).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
        from = to;
    }
}

async fn anything(path: &Path, listener: &UnixListener, input: &mut Input<'_>) {
    let seed = input.bytes();
    let streamed = input.yes();
    let head: &[u8] = if input.yes() { b"HTTP/1.1 " } else { b"" };
    let text = [head, input.rest()].concat();
    let mut seed = Input::new(seed);
    let answered = answer(listener, &text, &mut seed);
    let asked = async {
        let client = Client::connect(path).await.unwrap();
        if streamed { drain(&client).await } else { client.state().await.map(drop) }
    };
    let ((), result) = tokio::join!(answered, asked);
    if let Err(error) = result {
        assert!(error.to_string().len() < 2000 + 4 * text.len());
    }
}

async fn drain(client: &Client) -> Result<(), ClientError> {
    let mut head = client.head(false).await?;
    for _ in 0..MANY {
        match head.next().await {
            Some(news) => news.map(drop)?,
            None => return Ok(()),
        }
    }
    panic!("news without end");
}

/// An answer of this status with this body, framed in one of the ways there are.
fn framed(status: u16, body: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Word\r\n").into_bytes();
    match input.byte() % 3 {
        0 => {
            text.extend(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            text.extend_from_slice(body);
        }
        1 => text.extend([b"connection: close\r\n\r\n", body].concat()),
        _ => {
            text.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let mut from = 0;
            for to in input.cuts(body.len()) {
                if to > from {
                    text.extend(format!("{:X}\r\n", to - from).as_bytes());
                    text.extend([&body[from..to], b"\r\n"].concat());
                    from = to;
                }
            }
            text.extend_from_slice(b"0\r\n\r\n");
        }
    }
    text
}

async fn sound(path: &Path, listener: &UnixListener, input: &mut Input<'_>) {
    let said = String::from_utf8_lossy(input.bytes()).into_owned();
    let status = input.one_of(&[200, 202, 404, 409, 500]);
    match input.byte() % 3 {
        0 => {
            let state = State { title: said.into(), ..state() };
            let text = framed(200, &serde_json::to_vec(&state).unwrap(), input);
            let asked = async { Client::connect(path).await.unwrap().state().await };
            let ((), got) = tokio::join!(answer(listener, &text, input), asked);
            assert_eq!(got.unwrap(), state);
        }
        1 => {
            let ok = status < 400;
            let outcome = Outcome { ok, problems: vec![said.into()], ..Outcome::default() };
            let text = framed(status, &serde_json::to_vec(&outcome).unwrap(), input);
            let asked = async {
                let client = Client::connect(path).await.unwrap();
                client
                    .request(&Request::Stop { names: vec![], order: ChangeOrder::default() }, true)
                    .await
            };
            let ((), got) = tokio::join!(answer(listener, &text, input), asked);
            assert_eq!(got.unwrap(), outcome);
        }
        _ => {
            let text = framed(400, json!({ "error": said }).to_string().as_bytes(), input);
            let asked = async { Client::connect(path).await.unwrap().state().await };
            let ((), got) = tokio::join!(answer(listener, &text, input), asked);
            match got {
                Err(ClientError::Refused { status: 400, reason }) => assert_eq!(reason.raw(), said),
                other => panic!("a refusal is taken for {other:?}"),
            }
        }
    }
}

async fn news(path: &Path, listener: &UnixListener, input: &mut Input<'_>) {
    let (mut body, mut expected) = (String::new(), vec![]);
    for _ in 0..input.byte() % 8 {
        let (name, data) = match input.byte() % 4 {
            0 => {
                let end = End { code: input.byte(), ..End::default() };
                expected.push(HeadEvent::End(end.clone()));
                ("end", serde_json::to_string(&end).unwrap())
            }
            1 => ("later", "what a later version says".to_owned()),
            _ => {
                let partial = |input: &mut Input<'_>| Partial {
                    stream: StreamNo(input.u16()),
                    start: input.number(),
                    end: input.number(),
                };
                let partials = (0..input.byte() % 3).map(|_| partial(input)).collect();
                let head = Head { records: input.number(), partials, stopping: false };
                expected.push(HeadEvent::Head(head.clone()));
                ("head", serde_json::to_string(&head).unwrap())
            }
        };
        let end = input.one_of(&["\n", "\r\n", "\r"]);
        let comment = if input.yes() { ": still there" } else { "" };
        body.extend([comment, end, "event: ", name, end, "data: ", &data, end, end]);
    }
    let text = framed(200, body.as_bytes(), input);
    let asked = async {
        let mut head = Client::connect(path).await.unwrap().head(true).await.unwrap();
        let mut got = vec![];
        while let Some(news) = head.next().await {
            got.push(news.unwrap());
        }
        got
    };
    let ((), got) = tokio::join!(answer(listener, &text, input), asked);
    assert_eq!(got, expected);
}

async fn overmind(path: &Path, listener: &UnixListener, input: &mut Input<'_>) {
    let client = OvermindClient::new(path);
    if input.yes() {
        let table = status(&state().processes);
        let ((), got) = tokio::join!(answer(listener, table.as_bytes(), input), client.status());
        assert_eq!(got.unwrap(), table);
        return;
    }
    let seed = input.bytes();
    let text = input.rest();
    let mut seed = Input::new(seed);
    let ((), got) = tokio::join!(answer(listener, text, &mut seed), client.connection(None));
    if let Ok(Some(found)) = got {
        let line = String::from_utf8_lossy(text);
        assert!(line.contains(&found.server) && line.contains(&found.target));
    }
}
