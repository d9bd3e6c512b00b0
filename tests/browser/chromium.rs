//! Finds, starts and ends Chromium and its driver.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, Once};

use serde_json::{Value, json};

use crate::harness::procs::{self, kill};
use crate::harness::{World, eventually};
use crate::webdriver::WebDriver;

/// How many browsers run at once.
const MOST: u32 = 2;

const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

static RUNNING: Mutex<u32> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// An installed Chromium, and the permission to run one browser at a time.
pub(crate) struct Chromium {
    browser: PathBuf,
    driver: PathBuf,
}

impl Chromium {
    /// [`Self::installed`] for a test; `None` if these tests are not enabled, which is then reported. They take longer
    /// than all other tests together.
    pub(crate) fn find() -> Option<Self> {
        if !is_wanted() {
            skip("TMO_TEST=full runs the tests in a browser");
            return None;
        }
        Self::installed()
    }

    /// Wait until a browser may run; `None` if there is no Chromium, which is then reported.
    pub(crate) fn installed() -> Option<Self> {
        let browser = BROWSERS.iter().find_map(|name| which::which(name).ok());
        let driver = which::which("chromedriver").ok();
        let (Some(browser), Some(driver)) = (browser, driver) else {
            assert!(!is_required(), "TMO_BROWSER=required, but no Chromium, or no chromedriver");
            skip("no Chromium, or no chromedriver");
            return None;
        };
        let running = RUNNING.lock().unwrap();
        *ENDED.wait_while(running, |running| *running >= MOST).unwrap() += 1;
        Some(Self { browser, driver })
    }

    /// Start a browser with an empty profile.
    pub(crate) fn start(&self, world: &World) -> Browser {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = world.path().join(format!("browser-{number}"));
        for name in ["home", "tmp", "run"] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        let (processes, port) = eventually("chromedriver finds a port", || {
            let out = std::fs::File::create(dir.join("driver.out")).unwrap();
            let mut command = world.command(&self.driver);
            command.env("HOME", dir.join("home")).env("TMPDIR", dir.join("tmp"));
            command.env("XDG_RUNTIME_DIR", dir.join("run")).current_dir(&dir);
            command.arg("--port=0").stdout(out.try_clone().unwrap()).stderr(out);
            let child = command.spawn().unwrap();
            let mut processes = Processes { child, dir: dir.clone() };
            let port = processes.port()?;
            Some((processes, port))
        });
        let wanted = capabilities(&self.browser, &processes.dir);
        let driver = WebDriver::open(port, &wanted).unwrap();
        Browser { driver, processes }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap() -= 1;
        ENDED.notify_one();
    }
}

fn is_required() -> bool {
    std::env::var_os("TMO_BROWSER").is_some_and(|value| value == "required")
}

fn is_wanted() -> bool {
    is_required() || std::env::var_os("TMO_TEST").is_some_and(|tier| tier == "full")
}

/// Report once why these tests are skipped.
fn skip(why: &str) {
    static REPORT: Once = Once::new();
    REPORT.call_once(|| {
        // Unlike `eprintln!`, this is also shown for a passing test.
        let _ = writeln!(std::io::stderr(), "skipped: {why}");
    });
}

fn capabilities(browser: &Path, dir: &Path) -> Value {
    let profile = format!("--user-data-dir={}", dir.join("profile").display());
    let mut args =
        vec!["--headless=new", "--disable-dev-shm-usage", "--disable-component-update", &profile];
    // As root, Chromium does not start with a sandbox.
    if nix::unistd::geteuid().is_root() {
        args.push("--no-sandbox");
    }
    json!({
        "browserName": "chrome",
        // The proxy of a test has a self-signed certificate.
        "acceptInsecureCerts": true,
        "goog:chromeOptions": {
            "binary": browser,
            "args": args,
            // It offers to save passwords in a window of its own, which could get the focus.
            "prefs": { "credentials_enable_service": false, "profile.password_manager_enabled": false },
        },
        "goog:loggingPrefs": { "browser": "ALL" },
    })
}

/// A running browser. Its session ends first, then its processes.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    processes: Processes,
}

impl Browser {
    /// The processes that run pages.
    pub(crate) fn renderers(&self) -> Vec<u32> {
        // Their arguments are one word, with spaces.
        let is_it = |pid: &u32| procs::args(*pid).iter().any(|arg| arg.contains("--type=renderer"));
        self.processes.living().into_iter().filter(is_it).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Processes that do not end by themselves are killed.
        let _ = self.driver.close();
    }
}

/// The driver and all processes that it has started.
struct Processes {
    child: Child,
    dir: PathBuf,
}

impl Processes {
    /// The port of the driver, which it prints. `None` if it has ended because somebody else has the port:
    /// it lets the system choose one for IPv6, and takes the same one for IPv4, where it may be in use.
    fn port(&mut self) -> Option<u16> {
        let out = self.dir.join("driver.out");
        eventually("chromedriver prints its port", || {
            let has_ended = self.child.try_wait().unwrap().is_some();
            let text = std::fs::read_to_string(&out).unwrap();
            if has_ended && text.contains("Address already in use") {
                return Some(None);
            }
            assert!(!has_ended, "chromedriver has ended: {text}");
            let (_, rest) = text.split_once("started successfully on port ")?;
            rest.split_once('.')?.0.parse().ok().map(Some)
        })
    }

    /// All live processes with the directory of the browser in their arguments or environment.
    fn living(&self) -> Vec<u32> {
        let dir = format!("{}/", self.dir.display());
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let is_ours = |&pid: &u32| {
            let names_dir = |text: &String| text.contains(&dir);
            pid != std::process::id()
                && procs::alive(pid)
                && (procs::args(pid).iter().any(names_dir)
                    || procs::environment(pid).iter().any(names_dir))
        };
        pids.filter(is_ours).collect()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        eventually("the browser is gone", || {
            let living = self.living();
            for &pid in &living {
                kill(pid, nix::libc::SIGKILL);
            }
            living.is_empty().then_some(())
        });
    }
}
