//! Projects of absurd size: each is refused by name or answered quickly.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Ran, World};

/// Processor time that a command may take, in the debug build; a release takes well under a second.
const PROMPT: &str = "ulimit -t 5";

/// So many lines of a function of their number.
fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[track_caller]
fn soon(world: &World, args: &[&str]) -> Ran {
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let line = format!("{PROMPT}; exec {tmo} \"$@\"");
    let ran = world.command("bash").args(["-c", &line, "bash"]).args(args).output().unwrap();
    let ran = Ran::of(&ran);
    assert!(ran.code >= 0, "{args:?}: killed: {}", ran.errors_end());
    ran
}

/// Refused with these words, in a few lines, by the commands that read a project.
#[track_caller]
fn refused(world: &World, words: &str) {
    for args in [&["check", "-N"][..], &["start", "-D", "-N"]] {
        let ran = soon(world, args);
        assert_eq!(ran.code, 1, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.len() < 100_000, "{args:?}: {} bytes", ran.stderr.len());
    }
}

#[test]
fn too_many_processes_are_refused_by_the_limit() {
    let world = World::new(&many(250_000, |n| format!("p{n}: true\n")));
    refused(&world, "./Procfile:10001: a Procfile may have 10000 entries at most");

    let world = World::new("web: true\n");
    world.write("tmo.toml", &many(20_000, |n| format!("[process.p{n}]\ncommand = 'true'\n")));
    refused(&world, "`process` has 20000 entries; 10000 at most are possible");

    let world = World::new("web: true\nother: true\n").env("TMO_FORMATION", "all=6000");
    refused(&world, "there would be more than 10000 processes");
}

#[test]
fn too_many_patterns_are_refused_by_the_limit() {
    let world = World::new("web: true\n");
    let texts = many(20_000, |n| format!("{{ text = 'number {n} of' }},\n"));
    world.write("tmo.toml", &format!("[process.web]\nfailure = [\n{texts}]\n"));
    refused(&world, "`failure` has 20000 entries; 1000 at most are possible");

    let world = World::new("web: true\n");
    let texts = many(140_000, |n| format!("\"failure {n} of\",\n"));
    world.write("failure_declarations.json", &format!("{{\"web\": [{texts}\"last\"]}}"));
    refused(&world, "a process may have 1000 declared texts at most");

    let world = World::new("web: true\n");
    let names = many(200_000, |n| format!("\"p{n}\":[],"));
    world.write("failure_declarations.json", &format!("{{{names}\"last\":[]}}"));
    refused(&world, "declarations for 10000 processes at most are possible");
}

#[test]
fn check_reports_at_most_100_errors() {
    let world = World::new("web: true\n");
    world.write("tmo.toml", &many(60_000, |n| format!("k{n} = 1\n")));
    let ran = soon(&world, &["check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.ends_with("and 59900 more\n"), "{}", ran.errors_end());
    assert_eq!(ran.stderr.matches("unknown key").count(), 100);
    // Brackets within brackets end in an error, not at the end of the stack.
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("a = {}1{}\n", open.repeat(100_000), close.repeat(100_000));
        world.write("tmo.toml", &text);
        let ran = soon(&world, &["check"]);
        assert_eq!(ran.code, 1);
        assert!(ran.stderr.contains("recursion"), "{}", ran.errors_end());
    }
}

impl Ran {
    fn errors_end(&self) -> String {
        self.stderr.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect()
    }
}

#[test]
fn a_hundred_thousand_dependencies_are_resolved() {
    let mut toml = String::new();
    for n in 0..600 {
        let needs = many(n.min(300), |back| format!("'p{}',", n - 1 - back));
        let _ = writeln!(toml, "[process.p{n}]\ndepends_on = [{needs}]");
    }
    let world = World::new(&many(600, |n| format!("p{n}: true\n"))).env("TMO_NO_PORT", "1");
    world.write("tmo.toml", &toml);
    for args in [&["check"][..], &["graph", "--json"], &["start", "--print-config", "p599"]] {
        let ran = soon(&world, args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn a_chain_of_thousands_of_processes_is_resolved() {
    // Each waits for the one that comes before it.
    let chain = many(4_999, |n| format!("[process.p{}]\ndepends_on = ['p{n}']\n", n + 1));
    let world = World::new(&many(5_000, |n| format!("p{n}: true\n")));
    world.write("tmo.toml", &chain);
    for args in [&["check", "-N"][..], &["start", "--print-config", "-N", "p4999"]] {
        let ran = soon(&world, args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    }
    // Closed to a ring, it is told as one.
    world.write("tmo.toml", &format!("{chain}[process.p0]\ndepends_on = ['p4999']\n"));
    refused(&world, "these wait for each other");
}

/// Lines of a process whose every byte may ask for the column or change a long line.
const COSTLY: [&str; 12] = [
    r#""x"x300000, "\e7"x20000"#,
    r#""x"x60000, "\e[K"x10000"#,
    r#""x"x4000, "\e7"x100000"#,
    r#""\xe7\x95\x8c"x100000, "\e[s"x20000"#,
    r#""a\t"x100000, "\b\t\e[99C"x10000"#,
    r#""x"x300000, ("y\e[K\e7")x20000"#,
    r#"("x"x200 . "\e[2K\e7\b")x5000"#,
    r#""x"x4000, "\b"x50000, "\ry\e[3@\e[2P"x2000"#,
    r#""x"x4000, "\ry\e[4000Gz"x2000"#,
    r#""x"x4000, ("\ry\e[4000G\e[96Cz")x500"#,
    r#"("\e[2K\e[4096Gx")x2000"#,
    r#"("\e[Cx")x2000, "\x0bx"x200"#,
];

#[test]
fn a_line_of_endless_cursor_movements_is_rendered_in_linear_time() {
    let lines = many(COSTLY.len(), |n| format!("print {}, \"\\n\";\n", COSTLY[n]));
    let world = World::new("web: stty -onlcr -echo; exec perl costly.pl\n");
    world.write("costly.pl", &format!("$|=1;\n{lines}print \"DONE\\n\";\n"));
    for args in [&["start"][..], &["logs"], &["logs", "--json"]] {
        let tmo = env!("CARGO_BIN_EXE_tmo");
        let line = format!("ulimit -t 20; exec {tmo} \"$@\"");
        let ran = world.command("bash").args(["-c", &line, "bash"]).args(args).output().unwrap();
        let ran = Ran::of(&ran);
        assert!(ran.code >= 0, "{args:?}: killed: {}", ran.errors_end());
        assert!(ran.stdout.contains("DONE"), "{args:?}: {}", ran.errors_end());
    }
}

/// Memory that a command may use for its data, in kB: far less than the project would take.
const SMALL: u32 = 600_000;

/// What a command answers within processor time and memory.
#[track_caller]
fn within(world: &World, seconds: u32, args: &[&str]) -> Ran {
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let line = format!("ulimit -t {seconds}; ulimit -v {SMALL}; exec {tmo} \"$@\"");
    let ran = world.command("bash").args(["-c", &line, "bash"]).args(args).output().unwrap();
    let ran = Ran::of(&ran);
    assert!(ran.code >= 0, "{args:?}: killed: {}", ran.errors_end());
    assert!(!ran.stderr.contains("memory allocation"), "{args:?}: {}", ran.errors_end());
    assert!(ran.stderr.len() < 100_000, "{args:?}: {} bytes", ran.stderr.len());
    ran
}

/// What `check` answers within them.
#[track_caller]
fn checked(world: &World, seconds: u32) -> Ran {
    within(world, seconds, &["check", "-N"])
}

#[track_caller]
fn refused_soon(world: &World, words: &str) {
    let ran = checked(world, 5);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

#[test]
fn the_variables_of_all_processes_have_a_limit() {
    let words = "the variables of all processes come to more than 64 MiB";
    let world = World::new(&many(1_000, |n| format!("p{n}: true\n")));
    world.write("tmo.toml", &format!("[defaults]\nenv = {{X = '{}'}}\n", "x".repeat(900_000)));
    refused_soon(&world, words);

    let world = World::new(&many(10_000, |n| format!("p{n}: true\n")));
    let dirs = many(300, |_| format!("'{}',", "x".repeat(3_000)));
    world.write("tmo.toml", &format!("[defaults]\nadd_path = [{dirs}]\n"));
    refused_soon(&world, words);
}

#[test]
fn a_plan_has_a_limit() {
    let world = World::new(&format!("web: {}\n", "x".repeat(3_000_000)));
    let world = world.env("TMO_FORMATION", "web=1000").env("TMO_NO_PORT", "1");
    refused_soon(&world, "the plan exceeds 64 MiB");
}

#[test]
fn expressions_that_are_costly_to_compile_are_refused() {
    for pattern in [r"\w{300}", "(a{1000}){1000}", "((a{1,1000}){1,1000}){1,1000}"] {
        let world = World::new("web: true\n");
        let flag = |n| format!("[[process.web.flag]]\nname = 'f{n}'\npattern = '{pattern}'\n");
        world.write("tmo.toml", &many(1_000, flag));
        refused_soon(&world, "the expression is too large when it is compiled");
    }
    // Many of them, each of which would do.
    let world = World::new("web: true\n");
    let flag = |n| format!("[[process.web.flag]]\nname = 'f{n}'\npattern = '(a{{100}}){{100}}'\n");
    world.write("tmo.toml", &many(1_000, flag));
    refused_soon(&world, "the expressions of this file are too large together");
    // And one for all processes.
    let world = World::new(&many(5_000, |n| format!("p{n}: true\n")));
    let flag = "[[defaults.flag]]\nname = 'f'\npattern = '(a{100}){100}'\n";
    world.write("tmo.toml", flag);
    refused_soon(&world, "the expressions of all processes are too large together");
}

#[test]
fn thousands_of_unknown_names_are_reported_quickly() {
    let long = "z".repeat(90);
    let world = World::new(&many(1_500, |n| format!("p{n}{long}: true\n")));
    world.write("tmo.toml", &many(1_500, |n| format!("[process.q{n}{}]\n", &long[..80])));
    refused_soon(&world, "and 1400 more");

    let names = many(1_500, |n| format!("q{n}{},", &long[..80]));
    for variable in ["TMO_PROCESSES", "TMO_IGNORED_PROCESSES", "TMO_CAN_DIE"] {
        let world = World::new(&many(1_500, |n| format!("p{n}{long}: true\n")));
        world.write(".env", &format!("{variable}={names}\n"));
        let ran = checked(&world, 5);
        assert!(ran.stderr.contains("1400 more unknown names"), "{variable}: {}", ran.errors_end());
    }
    let names = many(11_000, |n| format!("q{n},"));
    let world = World::new("web: true\n");
    world.write(".env", &format!("TMO_CAN_DIE={names}\n"));
    refused_soon(&world, "TMO_CAN_DIE names more than 10000 processes");
}

#[test]
fn thousands_of_counts_and_signals_are_looked_up_quickly() {
    let world = World::new(&many(10_000, |n| format!("pppp{n:04}: true\n")));
    let counts = many(9_998, |n| format!("qqqq{n:04}=1,"));
    let signals = many(9_998, |n| format!("q{n:04}=INT,"));
    let last = "TMO_FORMATION=${TMO_FORMATION}pppp9999=2";
    world.write(".env", &format!("TMO_FORMATION={counts}\n{last}\nTMO_STOP_SIGNALS={signals}\n"));
    let ran = checked(&world, 2);
    assert!(ran.stderr.contains("there would be more than 10000 processes"), "{}", ran.stderr);
    world.write(".env", &format!("TMO_FORMATION={counts}\nTMO_STOP_SIGNALS={signals}\n"));
    let ran = checked(&world, 2);
    assert!(ran.stderr.contains("19896 more unknown"), "{}", ran.errors_end());
}

#[test]
fn thousands_of_names_that_become_one_host_name_are_numbered_quickly() {
    // Names of 14 dashes and underscores, each different: `a-…_b` is `a-b` as a host name.
    let mark = |n: usize, bit: usize| if n >> bit & 1 == 0 { '-' } else { '_' };
    let name = |n| (0..14).map(|bit| mark(n, bit)).collect::<String>();
    let world = World::new(&many(10_000, |n| format!("a{}b: true\n", name(n))));
    let ran = checked(&world, 5);
    assert!(
        ran.stderr.contains("9899 more have a number in their host name"),
        "{}",
        ran.errors_end()
    );
}

#[test]
fn env_files_of_a_run_have_a_limit() {
    let large = format!("A={}\n", "x".repeat(3_000_000));
    let world = World::new("web: true\n");
    world.write("b.env", &large);
    world.write(".env", &format!("TMO_ENV={}\n", many(30_000, |_| "b.env,".into())));
    let ran = checked(&world, 5);
    assert!(
        ran.stderr.contains("with it the env files come to more than 8 MiB"),
        "{}",
        ran.errors_end()
    );

    let words = "the env files of all processes come to more than";
    let world = World::new("web: true\n");
    world.write("b.env", &large);
    let files = many(1_000, |_| "'b.env',".into());
    world.write("tmo.toml", &format!("[process.web]\nenv_file = [{files}]\n"));
    refused_soon(&world, words);

    let world = World::new(&many(10_000, |n| format!("p{n}: true\n")));
    world.write("b.env", &format!("#{}\n", "x".repeat(3_000_000)));
    world.write("tmo.toml", "[defaults]\nenv_file = 'b.env'\n");
    refused_soon(&world, words);
}

#[test]
fn messages_quote_only_the_beginning_of_a_long_text() {
    let world = World::new("web: true\n");
    world.write(".env", &"x".repeat(3_000_000));
    let ran = checked(&world, 5);
    assert!(ran.stderr.contains("has no `=`"), "{}", ran.errors_end());
    assert!(ran.stderr.len() < 1_000, "{} bytes", ran.stderr.len());

    let world = World::new(&many(9_000, |n| format!("p{n}: true\n")));
    let ring = many(9_000, |n| format!("[process.p{n}]\ndepends_on=['p{}']\n", (n + 1) % 9_000));
    world.write("tmo.toml", &ring);
    let ran = checked(&world, 10);
    assert!(ran.stderr.contains("these wait for each other"), "{}", ran.errors_end());
    assert!(ran.stderr.len() < 5_000, "{} bytes", ran.stderr.len());

    let world = World::new("web: true\n");
    world.write("tmo.toml", &many(20_000, |n| format!("[a.a{n}{}]\n", ".b".repeat(50))));
    refused_soon(&world, "it is larger than 1 MiB");
}

/// A list of a JSON file.
fn texts(count: usize) -> String {
    many(count, |n| format!("\"{n}\",")) + "\"last\""
}

#[test]
fn declared_failures_are_listed_in_bounded_memory() {
    let world = World::new("web: true\n");
    let file = |name: &str| {
        let others = many(30, |n| format!("\"w{n}\":[{}],", texts(500)));
        world.write("failure_declarations.json", &format!("{{{others}\"{name}\":[\"x\"]}}"));
    };
    file(&"a".repeat(100));
    let ran = within(&world, 5, &["failures", "list"]);
    assert!(ran.code == 0 && ran.stdout.ends_with("a  x\n"), "{}", ran.errors_end());
    assert!(ran.stdout.len() < 15_031 * 60, "{} bytes", ran.stdout.len());
    // No process has such a name.
    for length in [60_000, 70_000] {
        file(&"a".repeat(length));
        let ran = within(&world, 5, &["failures", "list"]);
        assert_eq!(ran.code, 1, "{}", ran.errors_end());
        assert!(ran.stderr.contains("the process name `aaaaa"), "{}", ran.errors_end());
        assert!(ran.stderr.contains("100 are allowed"), "{}", ran.errors_end());
    }
}

#[test]
fn a_name_too_long_for_the_declaration_file_is_refused() {
    let world = World::new("web: true\n");
    let ran = world.run(["failures", "add", &format!("web#{}1", "0".repeat(100)), "x"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    world.ok(["failures", "add", "web", "x"]);
    assert_eq!(world.ok(["failures", "list"]), "web  x\n");
}

#[test]
fn declarations_for_thousands_of_processes_are_read_quickly() {
    let world = World::new("web: true\n");
    let name = "n".repeat(90);
    let names = many(9_000, |n| format!("\"{name}{n}\":[{}],", texts(19)));
    world.write("failure_declarations.json", &format!("{{{names}\"web\":[\"x\"]}}"));
    let ran = within(&world, 2, &["failures", "list", "web"]);
    assert_eq!(ran.stdout, "web  x\n", "{}", ran.errors_end());
}

#[test]
fn the_scripts_of_a_large_package_json_are_read_in_bounded_memory() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    let rest = many(400_000, |_| "[[]],".into());
    let package = format!("{{\"scripts\":{{\"dev\":\"x\"}},\"rest\":[{rest}1]}}");
    world.write("package.json", &package);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let line = format!("ulimit -t 5; ulimit -v 100000; exec {tmo} init");
    let ran = Ran::of(&world.command("bash").args(["-c", &line]).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.errors_end());
    let written = std::fs::read_to_string(world.app().join("Procfile")).unwrap();
    assert!(written.contains("web: npm run dev\n"), "{written}");
}

#[test]
fn init_opens_package_json_as_a_project_file() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    let path = world.app().join("package.json");
    world.write("package.json", r#"{"scripts": {"dev": "x"}}"#);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    world.run(["init"]);
    // Access to it is not given back, as to a file of tmo's own.
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0);
    // Links are followed.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::rename(&path, world.app().join("real.json")).unwrap();
    std::os::unix::fs::symlink("real.json", &path).unwrap();
    // Whoever may read everything has written one already.
    for written in ["Procfile", "tmo.toml"] {
        _ = std::fs::remove_file(world.app().join(written));
    }
    assert!(world.ok(["init"]).contains("npm run dev"));
}

#[test]
fn graph_shows_thousands_of_processes_quickly() {
    let dependencies = many(600, |n| format!("[process.d{n}]\nphase = 'dependency'\n"));
    let names = |letter: char| many(600, |n| format!("{letter}{n}: true\n"));
    let world = World::new(&(names('d') + &names('m')));
    world.write("tmo.toml", &dependencies);
    for args in [&["graph", "-N"][..], &["graph", "-N", "--json"], &["graph", "-N", "--dot"]] {
        let ran = within(&world, 2, args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.errors_end());
        assert!(ran.stdout.len() < 20_000_000, "{args:?}: {} bytes", ran.stdout.len());
        let more = if args.contains(&"--json") { "\"waits_for_more\": 550" } else { "550 more" };
        assert_eq!(ran.stdout.matches(more).count(), 600, "{args:?}");
    }
    // Each waits for the twenty that come after it.
    let needs = |n: usize| many(20, |on| format!("'p{}',", n + 1 + on));
    let toml = many(1_480, |n| format!("[process.p{n}]\ndepends_on = [{}]\n", needs(n)));
    let world = World::new(&many(1_500, |n| format!("p{n}: true\n")));
    world.write("tmo.toml", &toml);
    let ran = within(&world, 2, &["graph", "-N"]);
    assert_eq!(ran.code, 0, "{}", ran.errors_end());
    assert!(ran.stdout.contains("\n1481  p0 "), "{}", ran.errors_end());
}

#[test]
fn small_variables_count_with_their_memory_use() {
    let world = World::new(&many(1_000, |n| format!("p{n}: true\n")));
    let variables = many(2_000, |n| format!("v{n} = ''\n"));
    world.write("tmo.toml", &format!("[defaults.env]\n{variables}"));
    refused_soon(&world, "the variables of all processes come to more than 64 MiB");
}

#[test]
fn small_variables_of_many_instances_count_with_their_memory_use() {
    let world = World::new("web: true\n").env("TMO_FORMATION", "web=500").env("TMO_NO_PORT", "1");
    world.write("tmo.toml", "[process.web]\nenv_file = 'e'\n");
    world.write("e", &many(2_000, |n| format!("v{n}=\n")));
    refused_soon(&world, "the plan exceeds 64 MiB");
}

#[test]
fn defaults_of_all_processes_have_a_limit() {
    let words = "what `[defaults]` says comes to more than 64 MiB for 4000 processes";
    let long = "x".repeat(800);
    for toml in [
        format!("failure = [{}]\n", many(900, |n| format!("{{pattern = 'text {n}'}},"))),
        format!("groups = [{}]\n", many(900, |n| format!("'g{n}',"))),
        format!("ready = [{}]\n", many(900, |n| format!("{{exec = '{long}{n}'}},"))),
        many(900, |n| format!("[[defaults.flag]]\nname = 'f{n}'\npattern = 'p{n}'\n")),
        format!("shell = '{}'\n", "x".repeat(500_000)),
    ] {
        let world = World::new(&many(4_000, |n| format!("p{n}: true\n")));
        world.write("tmo.toml", &format!("[defaults]\n{toml}"));
        refused_soon(&world, words);
    }
}

#[test]
fn a_title_may_be_long() {
    let world = World::new("web: exec sleep 1000\n").env("TMO_TITLE", &"long ".repeat(1_000));
    world.ok(["check"]);
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world.ok(["quit"]);
}
