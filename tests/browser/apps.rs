//! Apps: the upload form, the installation in the log, and the removal.

use crate::archive::{Member, archive};
use crate::chromium::Chromium;
use crate::harness::{World, executable};
use crate::keys;
use crate::page::Page;
use crate::web_server::WebServer;

/// Type into the field of the form with this label.
fn fill(page: &Page, label: &str, text: &str) {
    page.click_at(&format!("//dialog//label[contains(., '{label}')]/input"));
    page.presses(&[keys::CONTROL, "a"]);
    page.types(text);
}

#[test]
fn an_app_is_uploaded_with_the_form_and_removed() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let bundle = "#!/bin/sh\nwhile [ ! -e go ]; do sleep 0.05; done\n";
    executable(&bin.join("bundle"), bundle);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let world = world.env("PATH", &path);
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let mut page = Page::open(&chromium, &world, &web);
    // The first archive is refused.
    page.allow("422");

    page.click("Apps");
    page.click("Upload an app");
    page.until("the form", "document.querySelector('dialog form')");
    page.types("My App");
    fill(&page, "Script", "run.sh");
    fill(&page, "Arguments", "a, b c");
    let zip = |members: &[Member]| {
        let path = world.path().join("app.zip");
        std::fs::write(&path, archive(members)).unwrap();
        path
    };
    let run = "#!/bin/sh\necho \"runs with $#: $*\"\nexec sleep 1000\n";
    let hostile = zip(&[Member::new("run.sh", run), Member::new("../x", "")]);
    page.attaches("//dialog//input[@type='file']", &hostile);
    page.picture("apps-form");
    page.click_at("//dialog//button[@type='submit']");
    page.until(
        "the reason",
        "document.querySelector('dialog [role=alert]').textContent.includes('../x')",
    );
    let good = zip(&[Member::new("run.sh", run), Member::new("Gemfile", "")]);
    page.attaches("//dialog//input[@type='file']", &good);
    page.click_at("//dialog//button[@type='submit']");
    // While it is being installed, the form is closed and the log is live.
    page.until("the form is closed", "!document.querySelector('dialog')");
    page.shows_line("=== Installing My App ===");
    world.wait_state("My_App", "installing");
    std::fs::write(world.journal().join("apps/My_App/go"), "").unwrap();
    page.shows_line("[SUCCESS]");
    page.shows_line("runs with 2: a b c");

    page.click("Apps");
    let state = "document.querySelector('[data-app]').innerText";
    page.until("it runs", &format!("{state}.includes('running')"));
    page.until(
        "it can't be removed",
        "document.querySelector('[aria-label=\"Remove My App\"]').disabled",
    );
    page.picture("apps");
    page.click("Stop My App");
    page.until("it is stopped", &format!("{state}.includes('stopped')"));
    page.click("Remove My App");
    page.click_at("//dialog//button[normalize-space()='Remove']");
    page.until("it is gone", "!document.querySelector('[data-app]')");
    assert!(!world.journal().join("apps/My_App").exists());
    page.end();
    web.end();
    world.ok(["quit"]);
}
