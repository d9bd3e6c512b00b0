//! The page on small and large screens, light and dark, by keys, and as a screen reader sees it.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::harness::World;
use crate::harness::wait::eventually_or;
use crate::keys;
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

/// The least width of each layout.
const TIGHTEST: [u32; 5] = [481, 701, 861, 961, 1001];

/// The buttons and links that a finger would miss.
const SMALL: &str = "probe.all('button, a[href], select, summary').filter((one) => one.checkVisibility() \
    && !one.closest('.xterm, .hit')).map((one) => [one.ariaLabel ?? one.innerText, one.offsetWidth, one.offsetHeight])\
    .filter(([, width, height]) => height < 44 || width < 30)";

/// The pages: where they are in the run, and what each of them shows in the end.
const PAGES: [(&str, &str); 6] = [
    ("overview", "probe.state('database') === 'exit 1'"),
    // Only small screens wrap lines, also after others.
    (
        "log",
        "probe.lines().some((line) => line.startsWith('GET')) && \
         !!document.querySelector('.wraps') === innerWidth < 700",
    ),
    ("apps", "document.body.innerText.includes('No apps yet')"),
    ("figures", "probe.all('.used[data-name]').length === 5"),
    ("process/database", "document.querySelector('.panels')?.innerText.includes('port 5432')"),
    // Keys are not for the terminal.
    ("terminal?name=web&look=1", "probe.texts('.xterm-rows').join().includes('GET')"),
];

/// Roles of elements that do something.
const ROLES: [&str; 14] = [
    "button",
    "checkbox",
    "combobox",
    "link",
    "listbox",
    "menuitem",
    "radio",
    "scrollbar",
    "searchbox",
    "slider",
    "spinbutton",
    "switch",
    "tab",
    "textbox",
];

fn shop() -> World {
    let world = World::new(SHOP);
    world.ok(["start", "-D", "--any-can-die"]);
    world
}

/// The first page, when all processes are in their states.
fn open(chromium: &Chromium, world: &World, web: &WebServer<'_>) -> Page {
    let page = Page::open(chromium, world, web);
    page.shows_state("migration", "exited");
    page.until("the console waits", "document.body.innerText.includes('waits for an answer')");
    page
}

fn set_theme(page: &Page, theme: &str) {
    let scheme = json!([{ "name": "prefers-color-scheme", "value": theme }]);
    page.devtools("Emulation.setEmulatedMedia", &json!({ "features": scheme }));
    page.until("the theme", &format!("document.documentElement.dataset.theme === '{theme}'"));
}

fn set_size(page: &Page, (width, height): (u32, u32)) {
    page.resize(width, height);
    page.until("the size", &format!("innerWidth === {width}"));
}

/// Show a page; returns its name.
fn show<'a>(page: &Page, (path, content): (&'a str, &str)) -> &'a str {
    let run = "location.hash.split('/').slice(0, 3).join('/')";
    page.value(&format!("void (location.hash = {run} + '/{path}')"));
    let name = path.split(['/', '?']).next().unwrap();
    page.until("the view", &format!("document.body.dataset.view === '{name}'"));
    page.until(&format!("{path} has content"), content);
    name
}

#[test]
fn the_page_fits_small_and_large_screens_in_both_themes() {
    let Some(chromium) = Chromium::find() else { return };
    let world = shop();
    let web = WebServer::start(&world);
    let page = open(&chromium, &world, &web);
    for theme in ["light", "dark"] {
        set_theme(&page, theme);
        for size in SCREENS {
            set_size(&page, size);
            for one in PAGES {
                let name = show(&page, one);
                page.until("Shut down can be seen", "probe.isOnScreen('header button.danger')");
                if size.0 < 700 {
                    assert_eq!(page.value(SMALL), json!([]), "{name}");
                }
                page.check();
                page.picture(&format!("{name}-{}-{theme}", size.0));
            }
            page.click("Settings");
            page.until("the settings", "document.querySelector('dialog[open]')");
            if size.0 < 700 {
                assert_eq!(page.value(SMALL), json!([]), "Settings");
            }
            page.click("Close");
        }
    }
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn at_no_width_is_anything_cut_or_a_name_too_narrow() {
    let Some(chromium) = Chromium::find() else { return };
    let world = shop();
    let web = WebServer::start(&world);
    let page = open(&chromium, &world, &web);
    for theme in ["light", "dark"] {
        set_theme(&page, theme);
        for one in PAGES {
            // A page that has been shown stays at any width.
            set_size(&page, SCREENS[0]);
            let name = show(&page, one);
            for width in (320..=1600).step_by(20).chain(TIGHTEST) {
                set_size(&page, (width, 800));
                let fits = || {
                    let lacks =
                        page.value("[...probe.problems(), ...probe.cut(), ...probe.narrow()]");
                    (lacks == json!([])).then_some(())
                };
                let lacks = || page.value("[...probe.cut(), ...probe.narrow()]").to_string();
                eventually_or(&format!("{name} fits into {width} px, {theme}"), fits, lacks);
            }
        }
    }
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn at_twice_the_size_of_text_no_page_scrolls_sideways() {
    let Some(chromium) = Chromium::find() else { return };
    let world = shop();
    let web = WebServer::start(&world);
    let page = open(&chromium, &world, &web);
    // Half of each dimension is what is left of a screen at a zoom of 200 %.
    let (width, height) = SCREENS[0];
    set_size(&page, (width / 2, height / 2));
    for one in PAGES {
        show(&page, one);
        page.until("Shut down can be seen", "probe.isOnScreen('header button.danger')");
        page.check();
    }
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// The elements without a name among those that do something, as a screen reader finds them.
fn unnamed(page: &Page) -> Vec<String> {
    let tree = page.devtools("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let acts = |node: &&Value| {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        node["ignored"] == false && ROLES.contains(&role)
    };
    let acting: Vec<_> = nodes.iter().filter(acts).collect();
    assert!(acting.len() > 5, "{acting:?}");
    let has_name =
        |node: &&Value| node["name"]["value"].as_str().is_some_and(|name| !name.is_empty());
    acting.into_iter().filter(|node| !has_name(node)).map(|node| node["role"].to_string()).collect()
}

#[test]
fn everything_is_reached_by_tab_and_has_a_name_for_screen_readers() {
    let Some(chromium) = Chromium::find() else { return };
    let world = shop();
    let web = WebServer::start(&world);
    let page = open(&chromium, &world, &web);
    page.devtools("Accessibility.enable", &json!({}));
    let none: [String; 0] = [];
    for size in SCREENS {
        set_size(&page, size);
        for one in PAGES {
            let name = show(&page, one);
            assert_eq!(unnamed(&page), none, "{name} {size:?}");
            assert_eq!(page.value("probe.untold()"), json!([]), "{name} {size:?}");
            let count = page.number("probe.reachable().length");
            assert!(count > 5, "{name}: {count} elements");
            page.value("(probe.watchFocus(), null)");
            let round = keys::TAB.repeat(usize::try_from(count).unwrap() + 5);
            // What has come meanwhile is reached by the next round.
            let go_round = || {
                page.types(&round);
                (page.value("probe.unreached()") == json!([])).then_some(())
            };
            let unreached = || page.value("probe.unreached()").to_string();
            eventually_or(&format!("all of {name} {size:?} is reached"), go_round, unreached);
        }
    }
    page.end();
    web.end();
    world.ok(["quit"]);
}
