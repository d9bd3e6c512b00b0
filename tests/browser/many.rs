//! Many processes: the filter of the list, and the way to the content by keys.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::World;
use crate::keys::{ENTER, ESCAPE, LEFT, TAB};
use crate::page::Page;
use crate::web_server::WebServer;

const ROWS: &str = "probe.all('.processes tr[data-name]').filter((row) => row.checkVisibility()).map((row) => row.dataset.name)";

#[test]
fn the_list_can_be_filtered_also_on_a_phone() {
    let Some(chromium) = Chromium::find() else { return };
    let names = (1..=199).map(|number| format!("worker-{number}: exec sleep 1000\n"));
    let world = World::new(&(names.collect::<String>() + "broken: exit 1\n"));
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.until("all rows", &format!("{ROWS}.length === 200"));
    for width in [1280, 390] {
        page.resize(width, 844);
        page.until("the size", &format!("innerWidth === {width}"));
        page.types("p");
        page.types("er-77");
        page.until("one row is left", &format!("{ROWS}.join() === 'worker-77'"));
        if width == 1280 {
            page.until(
                "its lane",
                "probe.all('.lane').filter((lane) => lane.checkVisibility()).length === 1",
            );
            page.value("document.querySelector('.lanes').focus()");
            page.types(LEFT);
            let told = "document.querySelector('.lanes').getAttribute('aria-valuetext')";
            page.until("it is told", &format!("{told}.startsWith('worker-77')"));
            page.types("p");
        }
        page.types(ESCAPE);
        page.until("all rows", &format!("{ROWS}.length === 200"));
    }
    // Where there is no list, there is nothing to filter.
    for (view, is_there) in [("process/broken", false), ("log", true)] {
        page.value(&format!(
            "void (location.hash = location.hash.split('/').slice(0, 3).join('/') + '/{view}')"
        ));
        let shown = "document.querySelector('.side .filter').checkVisibility()";
        page.until(
            view,
            &format!("document.body.dataset.view === '{}'", view.split('/').next().unwrap()),
        );
        assert_eq!(page.value(shown), json!(is_there), "{view}");
    }
    page.types("m");
    let figures = "probe.all('.used[data-name]').filter((row) => row.checkVisibility()).map((row) => row.dataset.name).join()";
    page.types("p");
    page.types("er-77");
    page.until("one process has figures", &format!("{figures} === 'worker-77'"));
    page.types(ESCAPE);
    page.types("p");
    page.types("exited");
    page.until("by state", &format!("{figures} === 'broken'"));
    page.types(ENTER);
    page.until(
        "their log",
        "document.body.dataset.view === 'log' && location.hash.endsWith('names=broken')",
    );
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn one_tab_and_enter_skip_to_the_content() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.types(TAB);
    assert_eq!(page.text("document.activeElement.innerText"), "Skip to the content");
    page.types(ENTER);
    page.types(TAB);
    assert_eq!(page.value("document.activeElement.closest('main') !== null"), json!(true));
    page.end();
    web.end();
    world.ok(["quit"]);
}
