//! The page of `tmo web` in a real Chromium, driven through chromedriver. They run with `TMO_TEST=full`; without
//! Chromium they are skipped, or fail with `TMO_BROWSER=required`. Pictures of the page are written to `target/web-shots/`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::expect_used, reason = "a test that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "tests read the environment they run in")]
#![expect(clippy::print_stderr, reason = "the leftovers of a failed test are shown")]

mod actions; // buttons and menus for actions of the configuration
mod apps; // uploads of apps
mod coming_back; // Back and forward, reloading, the tabs
mod crash_loops; // processes that fail again and again
mod deciding; // the page of a process, and the menus
mod everything; // the list of runs, and the search over all of them
mod figures; // charts of resource use
mod fleet; // the runs of several hosts, one of which is lost
mod lines; // links, folded lines, hidden ones, selection by keys
mod log; // the log follows, stays in place, and shows any output
mod login; // links, sessions, other origins, a killed server
mod looks; // small and large screens, light and dark
mod many; // the filter, and the way to the content by keys
mod names; // pages of processes, opened by their names
mod notices; // the hidden page
mod overview; // states and buttons; shutting down; hundreds of processes
mod pictures; // the pictures of the README and of docs/WEB.md
mod search; // search, filters by name, links to lines
mod states; // states that pass: words, shapes, a process that ignores signals
mod taking; // copies, downloads, saved pages, output around a moment
mod terminal; // typing into a process
mod tls; // behind a proxy with TLS: passwords and roles

// Shared helpers.
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../common/archive.rs"]
mod archive; // ZIP archives
mod chromium; // finds, starts and ends Chromium
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../common/fleet_hosts.rs"]
mod fleet_hosts; // hosts, reached by a stand-in for ssh
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
#[path = "../common/harness/mod.rs"]
mod harness;
mod keys; // keys and the wheel
mod page; // actions on a page, and the checks at the end of each test
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../common/web_server.rs"]
mod web_server; // a running `tmo web`
mod webdriver; // a client of the W3C WebDriver protocol
