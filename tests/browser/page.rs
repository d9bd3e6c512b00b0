//! Actions on a page, and the checks at the end of each test.

use std::cell::RefCell;
use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::chromium::{Browser, Chromium};
use crate::harness::wait::eventually_or;
use crate::harness::{World, eventually};
use crate::keys;
use crate::web_server::WebServer;
use crate::webdriver::Failure;

const PROBE: &str = include_str!("probe.js");

/// The visible text of the page and the state of its forms, for a failed test.
const SHOWN: &str = "[location.href, document.body.innerText, document.querySelector('.log-view') && \
     { seen: probe.visible(), place: probe.place(), top: document.querySelector('.log-view').scrollTop }, \
     document.activeElement?.outerHTML.slice(0, 200), \
     [...document.querySelectorAll('input, button:disabled')].map((one) => one.value || one.textContent)]";

/// A page in its own browser.
pub(crate) struct Page {
    browser: Browser,
    /// Messages that the console may print: errors that a test causes on purpose.
    allowed: Vec<&'static str>,
}

impl Page {
    /// An empty page in a browser with an empty profile.
    pub(crate) fn empty(chromium: &Chromium, world: &World) -> Self {
        let page = Self { browser: chromium.start(world), allowed: vec![] };
        let source = json!({ "source": PROBE });
        page.devtools("Page.addScriptToEvaluateOnNewDocument", &source);
        page.resize(1280, 800);
        page
    }

    /// The page that the link of `tmo web` opens.
    pub(crate) fn open(chromium: &Chromium, world: &World, web: &WebServer<'_>) -> Self {
        let page = Self::empty(chromium, world);
        page.go(&web.link);
        page.until("the overview has a row", "probe.all('.processes tr[data-name]').length");
        page
    }

    /// Let the console print messages that contain this text.
    pub(crate) fn allow(&mut self, text: &'static str) {
        self.allowed.push(text);
    }

    #[track_caller]
    pub(crate) fn go(&self, address: &str) {
        self.browser.driver.go(address).unwrap();
    }

    #[track_caller]
    pub(crate) fn reload(&self) {
        self.browser.driver.reload().unwrap();
    }

    #[track_caller]
    pub(crate) fn devtools(&self, command: &str, params: &Value) -> Value {
        self.browser.driver.devtools(command, params).unwrap()
    }

    /// Give the window a size.
    #[track_caller]
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Behave as a tab that another one covers, or as one that is seen again.
    #[track_caller]
    pub(crate) fn hide(&self, is_hidden: bool) {
        self.value(&format!("(probe.hide({is_hidden}), null)"));
    }

    /// The value of a JavaScript expression.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Value {
        self.browser.driver.evaluate(expression).unwrap()
    }

    #[track_caller]
    pub(crate) fn number(&self, expression: &str) -> u64 {
        let value = self.value(expression);
        value.as_u64().unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    #[track_caller]
    pub(crate) fn text(&self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// The address of the current view.
    #[track_caller]
    pub(crate) fn address(&self) -> String {
        self.text("location.href")
    }

    /// Wait until a JavaScript expression is truthy; returns its value.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, expression: &str) -> Value {
        let is_true = |value: &Value| match value {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(value) => value.as_f64() != Some(0.0),
            Value::String(value) => !value.is_empty(),
            Value::Array(_) | Value::Object(_) => true,
        };
        eventually(what, || self.browser.driver.evaluate(expression).ok().filter(is_true))
    }

    /// Wait until the log shows a line with this text.
    #[track_caller]
    pub(crate) fn shows_line(&self, text: &str) {
        let text = Value::from(text);
        let expression = format!("probe.lines().some((line) => line.includes({text}))");
        self.until(&format!("the log shows {text}"), &expression);
    }

    /// Wait until a process shows this word for its state.
    #[track_caller]
    pub(crate) fn shows_state(&self, name: &str, word: &str) {
        self.until(&format!("{name} is {word}"), &format!("probe.state('{name}') === '{word}'"));
    }

    /// Click the element that matches an `XPath`, as soon as it is clickable.
    #[track_caller]
    pub(crate) fn click_at(&self, xpath: &str) {
        let last = RefCell::default();
        let click = || {
            let clicked = self.browser.driver.click(xpath);
            clicked.map_err(|Failure(why)| *last.borrow_mut() = why).ok()
        };
        eventually_or(&format!("{xpath} can be clicked"), click, || last.take());
    }

    /// Click the button or link with this label or text.
    #[track_caller]
    pub(crate) fn click(&self, label: &str) {
        let has_label = format!("@aria-label='{label}' or normalize-space()='{label}'");
        self.click_at(&format!(
            "//*[self::button or self::a or self::input][{has_label}][not(@hidden)]"
        ));
    }

    /// Choose a file in the input that matches an `XPath`.
    #[track_caller]
    pub(crate) fn attaches(&self, xpath: &str, file: &Path) {
        self.browser.driver.attach(xpath, file.to_str().unwrap()).unwrap();
    }

    /// Type a text.
    #[track_caller]
    pub(crate) fn types(&self, text: &str) {
        self.browser.driver.act(&keys::text(text)).unwrap();
    }

    /// Press keys together.
    #[track_caller]
    pub(crate) fn presses(&self, chord: &[&str]) {
        self.browser.driver.act(&keys::chord(chord)).unwrap();
    }

    /// Click in the middle of an element, at a share of its height.
    #[track_caller]
    pub(crate) fn clicks_in(&self, element: &str, share: f64) {
        let place = format!(
            "(({{ left, top, width, height }}) => [left + width / 2, top + height * {share}].map(Math.round))\
             ({element}.getBoundingClientRect())"
        );
        let place = self.value(&place);
        let at = |index: usize| place[index].as_i64().unwrap();
        self.browser.driver.act(&keys::click((at(0), at(1)))).unwrap();
    }

    /// The size of the JavaScript heap in bytes.
    #[track_caller]
    pub(crate) fn heap(&self) -> u64 {
        self.devtools("HeapProfiler.collectGarbage", &json!({}));
        let usage = self.devtools("Runtime.getHeapUsage", &json!({}));
        // The protocol has a floating-point number.
        usage["usedSize"].to_string().split('.').next().unwrap().parse().unwrap()
    }

    /// The processes that run the page.
    pub(crate) fn renderers(&self) -> Vec<u32> {
        self.browser.renderers()
    }

    /// How many nodes there are, in the document or kept by scripts.
    #[track_caller]
    pub(crate) fn nodes(&self) -> u64 {
        let counters = self.devtools("Memory.getDOMCounters", &json!({}));
        counters["nodes"].as_u64().unwrap()
    }

    /// Turn the wheel over the middle of the page; upwards if negative.
    #[track_caller]
    pub(crate) fn wheels(&self, pixels: i64) {
        self.browser.driver.act(&keys::wheel((640, 400), pixels)).unwrap();
    }

    /// Write a picture to `target/web-shots/`.
    #[track_caller]
    pub(crate) fn picture(&self, name: &str) {
        let shot = self.devtools("Page.captureScreenshot", &json!({ "format": "png" }));
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/web-shots");
        std::fs::create_dir_all(&dir).unwrap();
        let bytes = decoded(shot["data"].as_str().unwrap());
        std::fs::write(dir.join(format!("{name}.png")), bytes).unwrap();
    }

    /// The checks at the end of each test.
    #[track_caller]
    pub(crate) fn end(self) {
        self.check();
    }

    /// The same checks for a page that stays open.
    #[track_caller]
    pub(crate) fn check(&self) {
        let none: [String; 0] = [];
        assert_eq!(self.problems(), none);
    }

    /// Errors in the console, violations of the policy, requests to other hosts, and whether the page as
    /// a whole scrolls sideways.
    #[track_caller]
    fn problems(&self) -> Vec<String> {
        let console = self.browser.driver.console().unwrap();
        let errors = console.iter().filter(|entry| entry["level"] == "SEVERE");
        let messages = errors.map(|entry| entry["message"].to_string());
        let is_allowed = |message: &String| self.allowed.iter().any(|text| message.contains(text));
        let mut problems: Vec<_> = messages.filter(|message| !is_allowed(message)).collect();
        let of_page = self.value("probe.problems()");
        problems.extend(of_page.as_array().unwrap().iter().map(Value::to_string));
        problems
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = self.browser.driver.evaluate(SHOWN);
            eprintln!("the page at the end: {shown:#?}");
            eprintln!("the console: {:#?}", self.browser.driver.console());
        }
    }
}

#[test]
fn problems_of_a_page_are_noticed() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    assert!(page.problems().is_empty());
    page.value("console.error('an error')");
    page.value("fetch('http://127.0.0.1:9/').catch(() => null)");
    page.resize(390, 844);
    page.value("document.body.style.width = '5000px'");
    let problems = page.problems();
    for part in ["an error", "violates", "connect-src http://127.0.0.1:9/", "is too wide"] {
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:#?}");
    }
    drop(page);
    web.end();
    world.ok(["quit"]);
}

/// The bytes of a base64 text.
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|&digit| digit == byte));
    let digits: Vec<u32> = digits.map(|digit| u32::try_from(digit).unwrap()).collect();
    let group = |four: &[u32]| {
        let bits = four.iter().enumerate().map(|(at, digit)| digit << (18 - 6 * at)).sum::<u32>();
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
