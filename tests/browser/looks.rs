//! The page on small and large screens, light and dark.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::World;
use crate::page::Page;
use crate::web_server::WebServer;

/// Processes in many states, with long names, long lines and colours.
const SHOP: &str = r"web: while :; do printf '\033[32mGET\033[0m /users/42?expand=orders,addresses,preferences&sort=created_at \033[1m200\033[0m in 12 ms, served from the cache of the second region\n'; sleep 1; done
payments-reconciliation-worker: printf '\033[33mwarning\033[0m: the queue has 12 jobs\n'; exec sleep 1000
database: echo 'Error: connect ECONNREFUSED 127.0.0.1:5432' >&2; exit 1
console: printf 'Continue? [y/N] '; read -r answer; exec sleep 1000
migration: echo done
";

/// Widths and heights.
const SCREENS: [(u32, u32); 2] = [(1280, 800), (390, 844)];

/// The buttons and links that a finger would miss.
const SMALL: &str = "probe.all('button, a[href], select, summary').filter((one) => one.checkVisibility() \
    && !one.closest('.xterm, .hit')).map((one) => [one.ariaLabel ?? one.innerText, one.offsetWidth, one.offsetHeight])\
    .filter(([, width, height]) => height < 44 || width < 30)";

/// The views, and what each of them shows in the end.
const VIEWS: [(&str, &str); 5] = [
    ("Overview", "probe.state('database') === 'exit 1'"),
    // Only small screens wrap lines, also after others.
    (
        "Log",
        "probe.lines().some((line) => line.startsWith('GET')) && \
         !!document.querySelector('.wraps') === innerWidth < 700",
    ),
    ("Figures", "probe.all('.used').length > 1"),
    ("Apps", "document.body.innerText.includes('No apps yet')"),
    // That of the process that waits.
    ("Terminal", "probe.texts('.xterm-rows').join().includes('Continue?')"),
];

#[test]
fn the_page_fits_small_and_large_screens_in_both_themes() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(SHOP);
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("migration", "exited");
    page.until("the console waits", "document.body.innerText.includes('waits for an answer')");
    for theme in ["light", "dark"] {
        let scheme = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        page.devtools("Emulation.setEmulatedMedia", &json!({ "features": scheme }));
        for (width, height) in SCREENS {
            page.resize(width, height);
            page.until(
                "the theme",
                &format!("document.documentElement.dataset.theme === '{theme}'"),
            );
            page.until("the size", &format!("innerWidth === {width}"));
            for (view, content) in VIEWS {
                page.click(view);
                page.until(
                    "the view",
                    &format!("document.body.dataset.view === '{}'", view.to_lowercase()),
                );
                page.until("it has content", content);
                page.until("Shut down can be seen", "probe.isOnScreen('header button.danger')");
                if width < 700 {
                    assert_eq!(page.value(SMALL), json!([]), "{view}");
                }
                page.check();
                page.picture(&format!("{}-{width}-{theme}", view.to_lowercase()));
            }
            page.click("Settings");
            page.until("the settings", "document.querySelector('dialog[open]')");
            if width < 700 {
                assert_eq!(page.value(SMALL), json!([]), "Settings");
            }
            page.click("Close");
        }
    }
    page.end();
    web.end();
    world.ok(["quit"]);
}
