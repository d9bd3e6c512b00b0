//! Actions of the configuration: buttons, menus, questions.

use crate::chromium::Chromium;
use crate::harness::World;
use crate::page::Page;
use crate::web_server::WebServer;

#[test]
fn actions_are_on_the_page_of_their_process_and_in_the_menu_of_the_run() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.web.action.migrate]\ncommand = \"echo migrated on $PORT\"\n\
         [action.reset]\ncommand = \"echo all is gone; exit 4\"\nconfirm = true\n",
    );
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let port = world.field("web", "port");
    page.value(
        "void (location.hash = location.hash.split('/').slice(0, 3).join('/') + '/process/web')",
    );
    page.click("migrate");
    page.shows_line(&format!("migrated on {port}"));
    page.click("More for the run");
    page.click("Run reset …");
    page.until(
        "it asks",
        "document.querySelector('dialog[open]')?.innerText.includes('echo all is gone')",
    );
    page.click("Cancel");
    page.click("More for the run");
    page.click("Run reset …");
    page.click_at("//dialog[@open]//button[normalize-space()='Run']");
    page.shows_line("all is gone");
    page.picture("action");
    page.click("Overview");
    page.shows_state("reset", "exit 4");
    page.picture("action-failed");
    page.end();
    web.end();
    world.ok(["quit"]);
}
