//! A client of the W3C `WebDriver` protocol, with the additions of chromedriver.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// How long the driver may take for one command.
const LIMIT: Duration = Duration::from_secs(60);

/// The key under which `WebDriver` passes references to elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// A session of a driver that listens at a port of this machine.
pub(crate) struct WebDriver {
    runtime: Runtime,
    port: u16,
    session: String,
}

impl WebDriver {
    /// Open a session with these capabilities.
    pub(crate) fn open(port: u16, capabilities: &Value) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut driver = Self { runtime, port, session: String::new() };
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let opened = driver.send(Method::POST, "/session", Some(&wanted))?;
        let session = opened["sessionId"].as_str().map(str::to_owned);
        driver.session = session.ok_or_else(|| Failure(opened.to_string()))?;
        Ok(driver)
    }

    /// End the session, and with it the browser.
    pub(crate) fn close(&self) -> Result<(), Failure> {
        self.send(Method::DELETE, &format!("/session/{}", self.session), None).map(drop)
    }

    /// A command of the session.
    fn post(&self, command: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::POST, &format!("/session/{}/{command}", self.session), Some(body))
    }

    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let exchange = exchange(self.port, method, path, body);
        let answer = self.runtime.block_on(async { timeout(LIMIT, exchange).await })??;
        let value = answer["value"].clone();
        match value["error"].as_str() {
            Some(error) => Err(Failure(format!("{error}: {}", value["message"]))),
            None => Ok(value),
        }
    }

    /// Go to an address.
    pub(crate) fn go(&self, address: &str) -> Result<(), Failure> {
        self.post("url", &json!({ "url": address })).map(drop)
    }

    /// Reload the page.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        self.post("refresh", &json!({})).map(drop)
    }

    /// The value of a JavaScript expression; a promise is awaited.
    pub(crate) fn evaluate(&self, expression: &str) -> Result<Value, Failure> {
        let script = format!("return ({expression});");
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Click the first element that matches an `XPath`, as a mouse does: the click fails if another
    /// element covers it.
    pub(crate) fn click(&self, xpath: &str) -> Result<(), Failure> {
        let id = self.element(xpath)?;
        self.post(&format!("element/{id}/click"), &json!({})).map(drop)
    }

    /// Choose a file in the input that matches an `XPath`.
    pub(crate) fn attach(&self, xpath: &str, file: &str) -> Result<(), Failure> {
        let id = self.element(xpath)?;
        self.post(&format!("element/{id}/value"), &json!({ "text": file })).map(drop)
    }

    fn element(&self, xpath: &str) -> Result<String, Failure> {
        let found = self.post("element", &json!({ "using": "xpath", "value": xpath }))?;
        found[ELEMENT].as_str().map(str::to_owned).ok_or_else(|| Failure(found.to_string()))
    }

    /// Actions of keys, pointers and wheels.
    pub(crate) fn act(&self, source: &Value) -> Result<(), Failure> {
        self.post("actions", &json!({ "actions": [source] })).map(drop)
    }

    /// A command of the `DevTools` protocol.
    pub(crate) fn devtools(&self, command: &str, params: &Value) -> Result<Value, Failure> {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// The messages of the console since the last call.
    pub(crate) fn console(&self) -> Result<Vec<Value>, Failure> {
        let entries = self.post("se/log", &json!({ "type": "browser" }))?;
        Ok(entries.as_array().cloned().unwrap_or_default())
    }
}

async fn exchange(
    port: u16,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let body = Full::<Bytes>::from(body.map(Value::to_string).unwrap_or_default());
    let request = Request::builder().method(method).uri(path);
    let request = request.header(HOST, format!("127.0.0.1:{port}")).header(CONNECTION, "close");
    let answer = sender.send_request(request.body(body)?).await?;
    let bytes = answer.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok(serde_json::from_slice(&bytes)?)
}
