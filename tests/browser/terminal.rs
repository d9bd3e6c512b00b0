//! The terminal of a process.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::World;
use crate::keys::{CONTROL, ENTER, ESCAPE, SHIFT};
use crate::page::Page;
use crate::web_server::WebServer;

/// Answers each line, and Ctrl+C.
const ANSWERING: &str = "\
shell: trap 'echo interrupted' INT; echo ready; while :; do read -r line && echo \"got <$line>\"; done
";

fn shows(page: &Page, text: &str) {
    let shown =
        format!("probe.texts('.xterm-rows').join().replaceAll('\\u00a0', ' ').includes('{text}')");
    page.until(&format!("the terminal shows {text}"), &shown);
}

#[test]
fn a_process_is_typed_into_and_goes_on_when_the_page_leaves_its_terminal() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(ANSWERING);
    world.ok(["start", "-D"]);
    let pid = world.wait_state("shell", "running");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Terminal of shell");
    shows(&page, "ready");
    page.until("it has the focus", "document.activeElement.matches('.xterm-helper-textarea')");
    page.types("hello");
    shows(&page, "hello");
    page.presses(&[ENTER]);
    shows(&page, "got <hello>");
    page.presses(&[CONTROL, "c"]);
    shows(&page, "interrupted");
    page.presses(&[CONTROL, SHIFT, "l"]);
    page.until(
        "the terminal is left",
        "document.activeElement.getAttribute('aria-label') === 'Back to overview'",
    );
    page.types("o");
    page.until("keys of the page work", "document.body.dataset.view === 'overview'");
    page.shows_state("shell", "running");
    assert_eq!(world.wait_state("shell", "running"), pid);
    page.end();
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn letters_in_the_list_of_processes_choose_and_only_enter_opens_a_terminal() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("api: echo one; exec sleep 1000\nworker: echo two; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Terminal of api");
    shows(&page, "one");
    page.value("document.querySelector('.terminal-bar select').focus()");
    page.types("w");
    page.until("it is chosen", "document.querySelector('.terminal-bar select').value === 'worker'");
    assert!(page.address().ends_with("name=api"), "{}", page.address());
    page.presses(&[ENTER]);
    shows(&page, "two");
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// The size of the pane of `shell`.
fn size(world: &World) -> String {
    world.tmux(["display-message", "-p", "-t", "=app:=shell", "#{pane_width}x#{pane_height}"])
}

#[test]
fn a_phone_only_looks_first_and_the_terminal_keeps_its_size_when_it_types() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(ANSWERING);
    world.ok(["start", "-D"]);
    world.wait_state("shell", "running");
    let before = size(&world);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.resize(390, 844);
    page.devtools("Emulation.setTouchEmulationEnabled", &json!({ "enabled": true }));
    page.until("the size", "innerWidth === 390");
    page.click("Terminal");
    shows(&page, "ready");
    page.until("it says so", "document.body.innerText.includes('keys do not reach')");
    page.until(
        "it can be read",
        "parseFloat(getComputedStyle(document.querySelector('.xterm-rows')).fontSize) >= 11",
    );
    page.until("so it scrolls", "document.querySelector('.screen').classList.contains('pans')");
    page.click("Fit");
    page.until(
        "all of it is seen",
        "document.querySelector('.xterm-screen').getBoundingClientRect().right <= innerWidth",
    );
    page.click_at("//*[@class='xterm-screen']");
    page.types("nobody");
    page.click("Type");
    page.until("there are keys", "probe.isOnScreen('.key-bar')");
    let all = "probe.all('.terminal-bar :is(button, select), .key-bar button').filter((one) => one.checkVisibility())";
    let left_out = format!(
        "{all}.filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.innerText)"
    );
    assert_eq!(page.value(&left_out), json!([]));
    page.until("it has the focus", "document.activeElement.matches('.xterm-helper-textarea')");
    page.types("ann");
    page.presses(&[ENTER]);
    shows(&page, "got <ann>");
    page.click("Ctrl C");
    shows(&page, "interrupted");
    assert_eq!(size(&world), before);
    // A keyboard on the screen leaves it most of what there is.
    page.resize(390, 500);
    page.until(
        "the terminal has most of it",
        "document.querySelector('.screen').getBoundingClientRect().height > 280",
    );
    page.until("keys can be seen", "probe.isOnScreen('.key-bar')");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn what_is_pasted_presses_no_keys_and_several_lines_are_asked_for() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(ANSWERING);
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Terminal of shell");
    shows(&page, "ready");
    page.until("it has the focus", "document.activeElement.matches('.xterm-helper-textarea')");
    let paste = |text: &str| {
        let text = json!(text);
        page.value(&format!(
            "(() => {{ const data = new DataTransfer(); data.setData('text/plain', {text});
             document.querySelector('.xterm-helper-textarea').dispatchEvent(new ClipboardEvent('paste',
             {{ clipboardData: data, bubbles: true, cancelable: true }})); }})()"
        ));
    };
    paste("a\u{1b}[201~\u{3}b\n");
    shows(&page, "got <a[201~b>");
    paste("one\ntwo\n");
    page.until("it asks", "document.querySelector('dialog')?.innerText.includes('Paste 2 lines?')");
    page.click_at("//dialog//button[normalize-space()='Paste']");
    shows(&page, "got <two>");
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// Prints harmful sequences: titles, the clipboard, reports, sizes, links, markup.
const HOSTILE: &str = r"shell: printf '\033]0;<b>title\007\033]52;c;aGFybQ==\007\033[8;5;5t\033[21t\033]8;;javascript:alert(1)\033\\click\033]8;;\033\\ <img src=http://127.0.0.1:9/x> http://user@127.0.0.1:9/path, done\n'; exec sleep 1000
";

#[test]
fn what_a_program_prints_can_only_be_seen() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(HOSTILE);
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Terminal of shell");
    shows(&page, "done");
    assert!(page.value("document.querySelector('.terminal img')").is_null());
    assert!(!page.text("document.title").contains("title"));
    page.value(
        "(async () => {
            const dir = document.querySelector('script[src]').src.replace('app.js', 'term/');
            window.links = { ...await import(dir + 'links.js'), ...await import(dir + '../lib/links.js') };
            window.emulator = (await import(dir + 'emulator.js')).emulator;
        })()",
    );
    // tmux forwards some of them, newer versions more; here, xterm.js gets all of them.
    let rows = page.value(
        "(async () => {
            const terminal = window.emulator({ isLooking: false, isRead: false });
            let answers = '';
            let titles = '';
            terminal.onData((data) => { answers += data; });
            terminal.onTitleChange((title) => { titles += title; });
            const long = 'http://127.0.0.1:9/' + 'x'.repeat(3000);
            await new Promise((done) => terminal.write(
                `\\u001b]52;c;aGFybQ==\\u0007\\u001b[8;5;5t\\u001b[21t\\u001b]8;;${long}\\u0007text`, done));
            return [terminal.cols, terminal.rows, answers];
        })()",
    );
    assert_eq!(rows, json!([80, 24, ""]));
    for no_link in ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "http://"] {
        let is_none = format!("links.webAddress({}) === null", json!(no_link));
        assert_eq!(page.value(&is_none), true, "{no_link}");
    }
    page.value("links.openLink('http://127.0.0.1@example.invalid:9/a?b')");
    page.until(
        "it says where the link leads",
        "document.querySelector('dialog .link-host')?.textContent === 'example.invalid:9'",
    );
    page.presses(&[ESCAPE]);
    page.until("it is closed", "!document.querySelector('dialog')");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_screen_reader_gets_the_last_line_if_that_is_chosen() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(ANSWERING);
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Terminal of shell");
    shows(&page, "ready");
    let describes = "document.getElementById(document.querySelector('.xterm-helper-textarea')
        .getAttribute('aria-describedby')).innerText";
    assert!(page.text(describes).contains("Ctrl+Shift+L"));
    page.click("Screen reader");
    let reads = "probe.texts('.xterm-accessibility').join().includes('ready')";
    page.until("it can be read", reads);
    page.reload();
    page.until("it is remembered", reads);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_terminal_reports_the_end_of_its_run() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(ANSWERING);
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Terminal of shell");
    shows(&page, "ready");
    world.ok(["quit"]);
    page.until(
        "it says why",
        "document.querySelector('.terminal-note p').innerText.includes('the run is')",
    );
    page.click("Reopen");
    page.until(
        "it can't be opened",
        "document.querySelector('.terminal-note p').innerText.includes('run is over')",
    );
    page.end();
    web.end();
}

#[test]
fn the_log_of_one_process_opens_in_a_dialog_and_the_focus_returns() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: echo one; exec sleep 1000\nworker: echo two; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("worker", "running");
    page.click("Log of worker");
    page.until("its log is shown", "probe.texts('dialog .rows').join().includes('two')");
    assert!(!page.text("document.querySelector('dialog').innerText").contains("one"));
    page.presses(&[ESCAPE]);
    page.until("it is closed", "!document.querySelector('dialog')");
    page.until(
        "the focus is back",
        "document.activeElement.getAttribute('aria-label') === 'Log of worker'",
    );
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn what_waits_is_marked_in_the_list_and_the_mark_leads_to_its_terminal() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: exec sleep 1000\nconsole: printf 'Continue? [y/N] '; read answer; echo \"got $answer\"; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    let marks = "probe.all('.names .asks').filter((mark) => mark.checkVisibility()).map((mark) => mark.ariaLabel).join('|')";
    page.until(
        "only the console is marked",
        &format!("{marks} === 'console waits for an answer: open its terminal'"),
    );
    page.resize(390, 844);
    page.until("a phone shows it too", "probe.isOnScreen('.names .asking .asks')");
    // Without a name it is the one that waits.
    page.click("Terminal");
    shows(&page, "Continue?");
    page.click("Log");
    page.click("console waits for an answer: open its terminal");
    page.until("it has the focus", "document.activeElement.matches('.xterm-helper-textarea')");
    page.types("y");
    page.presses(&[ENTER]);
    shows(&page, "got y");
    page.resize(1280, 800);
    page.click("Log");
    page.until("nothing is marked", &format!("{marks} === ''"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_prompt_can_be_ignored() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("shell: printf 'Continue? '; read -r line; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let is_marked = "probe.all('.asks').some((mark) => mark.checkVisibility())";
    page.until("it is marked", is_marked);
    // It began before the first page, so a mark for its new address may follow its name.
    page.click_at("//tr[@data-name='shell']//a[starts-with(.,'shell')]");
    page.click("More for the process");
    page.click("Ignore its prompt");
    page.until("it is not marked", &format!("!{is_marked}"));
    page.click("Overview");
    page.reload();
    page.shows_state("shell", "running");
    page.until("its question is there", "probe.all('.side .names li').length === 1");
    page.until("nor after a reload", &format!("!{is_marked}"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_program_that_draws_the_whole_screen_is_one_row_that_leads_to_its_terminal() {
    let Some(chromium) = Chromium::find() else { return };
    let draws = r"for n in 1 2 3; do printf '\033[Hload %d\033[K\nmemory\033[K\n' $n; done";
    let world = World::new(&format!(
        "monitor: echo begins; printf '\\033[?1049h'; {draws}; exec sleep 1000\nweb: exec sleep 1000\n"
    ));
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.until("its first line is there", "document.body.innerText.includes('begins')");
    let rows = "probe.all('.text').filter((row) => row.textContent.includes('full screen')).map((row) => row.textContent).join('|')";
    page.until("what it draws is one row", &format!("{rows} === 'full screen: open terminal'"));
    page.until("nothing that it has drawn", "!document.body.innerText.includes('memory')");
    page.click("open terminal");
    shows(&page, "load 3");
    page.end();
    web.end();
    world.ok(["quit"]);
}
