//! The examples of `docs/SCRIPTING.md`, exactly as written.

use std::os::unix::fs::symlink;
use std::process::Output;

use crate::harness::World;

const WEB: &str = "web: echo Error: no cache $$; echo listening on $PORT; exec sleep 1000\n\
                   worker: echo error of another; exec sleep 1000\n";

/// The block of the page in this language.
fn example(language: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SCRIPTING.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Run it with `tmo` in the path.
fn run(world: &World, program: &str, script: &str) -> Output {
    let bin = world.path().join("scripts");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_tmo"), bin.join("tmo")).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = world.command(program);
    command.env("PATH", path).args(["-c", script]).output().unwrap()
}

#[track_caller]
fn found_the_last_error(world: &World, output: &Output) {
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{output:?}");
    let errors: Vec<&str> = said.lines().filter(|line| line.contains("Error: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    assert!(!said.contains("another"), "{said}");
    assert_eq!(world.ok(["events"]).matches("web    | Restarted with pid ").count(), 1);
    world.wait_empty();
}

#[test]
fn the_shell_script_does_what_it_says() {
    let world = World::new(WEB);
    found_the_last_error(&world, &run(&world, "sh", &example("sh")));
}

#[test]
fn the_python_script_does_what_it_says() {
    let world = World::new(WEB);
    if world.shell("command -v python3").code != 0 {
        eprintln!("SKIPPED: there is no python3");
        return;
    }
    found_the_last_error(&world, &run(&world, "python3", &example("python")));
}

#[test]
fn the_editor_s_tasks_do_what_they_say() {
    let world = World::new(WEB);
    let tasks: serde_json::Value = serde_json::from_str(&example("json")).unwrap();
    let commands: Vec<&str> = tasks["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["command"].as_str().unwrap())
        .collect();
    assert_eq!(commands.len(), 4);
    found_the_last_error(&world, &run(&world, "sh", &commands.join(" && ")));
}
