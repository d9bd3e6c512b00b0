use super::{Row, check, first};
use crate::crash::cause::CauseKind;
use crate::model::Exit;

const fn row(
    (what, output): (&'static str, &'static str),
    text: &'static str,
    place: Option<&'static str>,
) -> Row {
    let kind = CauseKind::Exception;
    Row { what, exit: Exit::Code(1), output, kind, text, shown: "", place, next: None }
}

const CAUSE_IN_NODE: &str = "/srv/app/lib/db.js:9
    throw new Error('no user', { cause });
    ^

Error: no user
    at load (/srv/app/lib/user.js:9:9)
    at main (/srv/app/server.js:3:1)
    ... 2 lines matching cause stack trace ...
    at node:internal/main/run_main_module:28:49 {
  [cause]: TypeError: Cannot read properties of undefined (reading 'id')
      at row (/srv/app/node_modules/pg/lib/row.js:2:2)
      at find (/srv/app/lib/db.js:4:20)
      at Module._compile (node:internal/modules/cjs/loader:1358:14)
}

Node.js v20.11.1";

const CAUSE_IN_PYTHON: &str = "INFO starting
Traceback (most recent call last):
  File \"/srv/app/store.py\", line 7, in load
    row = rows[3]
          ~~~~^^^
  File \"/usr/lib/python3.12/collections/__init__.py\", line 1, in __getitem__
    raise IndexError(3)
IndexError: list index out of range

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"/srv/app/main.py\", line 20, in <module>
    main()
  File \"/srv/app/.venv/lib/python3.12/site-packages/click/core.py\", line 1157, in __call__
    return self.main(*args, **kwargs)
app.errors.StoreError: no such row";

const CAUSE_IN_JAVA: &str =
    "Exception in thread \"main\" java.lang.IllegalStateException: no context
\tat org.springframework.boot.SpringApplication.run(SpringApplication.java:343)
\tat com.shop.Main.main(Main.java:12)
Caused by: java.lang.RuntimeException: wrong table
\tat com.shop.Store.open(Store.java:44)
\t... 1 more
Caused by: java.sql.SQLException: no table `users`
\tat org.postgresql.core.v3.Query.run(Query.java:9)
\tat com.shop.Dao.read(Dao.java:31)
\t... 5 more";

const TRACES: &[Row] = &[
    row(
        (
            "node",
            "/srv/app/server.js:10\n  boom();\n  ^\n\nReferenceError: boom is not defined\n    at Server.<anonymous> (/srv/app/node_modules/express/lib/x.js:3:3)\n    at Server.<anonymous> (/srv/app/server.js:10:3)\n    at Module._compile (node:internal/modules/cjs/loader:1358:14)\n\nNode.js v20.11.1",
        ),
        "ReferenceError: boom is not defined",
        Some("server.js:10"),
    ),
    row(
        (
            "node, async and ESM",
            "TypeError: fetch failed\n    at async file:///srv/app/src/main.mjs:4:7",
        ),
        "TypeError: fetch failed",
        Some("src/main.mjs:4"),
    ),
    row(
        ("node, a cause", CAUSE_IN_NODE),
        "TypeError: Cannot read properties of undefined",
        Some("lib/db.js:4"),
    ),
    row(
        (
            "python",
            "Traceback (most recent call last):\n  File \"/srv/app/main.py\", line 9, in <module>\n    run()\n  File \"/srv/app/work.py\", line 3, in run\n    1 / 0\n    ~~^~~\nZeroDivisionError: division by zero",
        ),
        "ZeroDivisionError: division by zero",
        Some("work.py:3"),
    ),
    row(
        ("python, from", CAUSE_IN_PYTHON),
        "IndexError: list index out of range",
        Some("store.py:7"),
    ),
    row(
        (
            "python, a relative file",
            "Traceback (most recent call last):\n  File \"main.py\", line 1, in <module>\n    x\nNameError: name 'x' is not defined",
        ),
        "NameError",
        Some("main.py:1"),
    ),
    row(
        (
            "go",
            "panic: runtime error: index out of range [3] with length 2\n\ngoroutine 1 [running]:\nmain.load(...)\n\t/usr/local/go/src/sort/sort.go:1\ngithub.com/x/y.Do(0x1)\n\t/home/u/go/pkg/mod/github.com/x/y@v1.0.0/y.go:7 +0x1d\nmain.main()\n\t/srv/app/main.go:12 +0x1d\nexit status 2",
        ),
        "panic: runtime error: index out of range",
        Some("main.go:12"),
    ),
    row(
        (
            "go, all asleep",
            "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/srv/app/cmd/main.go:8 +0x2c\nexit status 2",
        ),
        "deadlock",
        Some("cmd/main.go:8"),
    ),
    row(
        (
            "go, a nil",
            "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47c]\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/app/main.go:8 +0x1c",
        ),
        "nil pointer",
        Some("main.go:8"),
    ),
    row(
        (
            "java",
            "Exception in thread \"main\" java.lang.NullPointerException: Cannot invoke \"String.length()\" because \"s\" is null\n\tat java.base/java.util.Objects.requireNonNull(Objects.java:233)\n\tat com.shop.Main.main(Main.java:5)",
        ),
        "NullPointerException",
        Some("Main.java:5"),
    ),
    row(
        ("java, causes", CAUSE_IN_JAVA),
        "java.sql.SQLException: no table `users`",
        Some("Dao.java:31"),
    ),
    row(
        (
            "ruby",
            "/usr/lib/ruby/gems/3.2.0/gems/rack-3.0/lib/rack.rb:4:in `call': undefined method `id' for nil:NilClass (NoMethodError)\n\tfrom /srv/app/app.rb:7:in `run'\n\tfrom /srv/app/app.rb:9:in `<main>'",
        ),
        "undefined method `id' for nil:NilClass (NoMethodError)",
        Some("app.rb:7"),
    ),
    row(
        (
            "ruby 3.4",
            "app.rb:3:in 'Shop#run': unhandled exception (RuntimeError)\n\tfrom app.rb:5:in '<main>'",
        ),
        "unhandled exception",
        Some("app.rb:3"),
    ),
    row(
        (
            "rust",
            "\nthread 'main' panicked at src/main.rs:4:5:\nindex out of bounds: the len is 3 but the index is 7\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        ),
        "panic: index out of bounds",
        Some("src/main.rs:4"),
    ),
    row(
        (
            "rust, with the thread's number",
            "thread 'tokio-runtime-worker' (4711) panicked at /home/u/.cargo/registry/src/index.crates.io-1/hyper-1.0/src/x.rs:4:5:\nbroken\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/abc/library/std/src/panicking.rs:645:5\n   1: shop::run\n             at ./src/run.rs:88:9\n   2: shop::main\n             at ./src/main.rs:9:5\nnote: Some details are omitted",
        ),
        "panic: broken",
        Some("src/run.rs:88"),
    ),
    row(
        ("rust before 1.73", "thread 'main' panicked at 'no config', src/main.rs:4:5"),
        "panic: no config",
        Some("src/main.rs:4"),
    ),
    row(
        (
            "anyhow",
            "Error: can't begin\n\nCaused by:\n    0: can't open the store\n    1: wrong magic number",
        ),
        "can't begin: wrong magic number",
        None,
    ),
];

#[test]
fn the_innermost_cause_and_the_first_place_of_the_project() {
    check(TRACES);
}

#[test]
fn what_was_printed_last_explains_more() {
    let old = "TypeError: first\n    at a (/srv/app/a.js:1:1)\n";
    let filler = "GET /\n".repeat(60);
    let output = format!("{old}{filler}TypeError: second\n    at b (/srv/app/b.js:2:1)\n");
    assert_eq!(first(Exit::Code(1), &output).place.as_deref(), Some("b.js:2"));
    let taken = "Error: listen EADDRINUSE: address already in use :::3000\n";
    let output =
        format!("{taken}{filler}{filler}TypeError: second\n    at b (/srv/app/b.js:2:1)\n");
    assert_eq!(first(Exit::Code(1), &output).text, "TypeError: second");
}

#[test]
fn what_the_terminal_echoed_before_a_trace_is_no_prefix_of_it() {
    let output = "^CTraceback (most recent call last):\n  File \"/srv/app/app.py\", line 3, in <module>\n    main()\n\
                  ConnectionError: gone";
    let cause = first(Exit::Code(1), output);
    assert_eq!(
        (cause.text.as_str(), cause.place.as_deref()),
        ("ConnectionError: gone", Some("app.py:3"))
    );
}

#[test]
fn a_long_trace_is_not_older_than_it_is() {
    let frames = "    at f (/srv/app/node_modules/x/index.js:1:1)\n".repeat(80);
    let output = format!("Error: deep\n{frames}    at main (/srv/app/main.js:3:1)");
    let cause = first(Exit::Code(1), &output);
    assert_eq!((cause.text.as_str(), cause.place.as_deref()), ("Error: deep", Some("main.js:3")));
}

#[test]
fn errors_that_were_logged() {
    let logged = |output| {
        let cause = first(Exit::Code(1), output);
        assert_eq!(cause.kind, CauseKind::LoggedError, "{cause:#?}");
        cause.text
    };
    for (output, text) in [
        (r#"{"level":"error","msg":"no license"}"#, "it logged: no license"),
        (
            r#"{"level":50,"time":1,"msg":"no license","err":{"message":"expired"}}"#,
            "it logged: no license: expired",
        ),
        (r#"{"severity":"CRITICAL","message":"no license"}"#, "it logged: no license"),
        (
            r#"{"lvl":"fatal","error":"expired","msg":"no license"}"#,
            "it logged: no license: expired",
        ),
        (
            "{\"level\":\"fatal\",\"msg\":\"no license\"}\n{\"level\":\"error\",\"msg\":\"closing\"}\n{\"level\":\"info\",\"msg\":\"bye\"}",
            "it logged: no license",
        ),
        ("2026-01-02 03:04:05 ERROR no license", "it logged: 2026-01-02 03:04:05 ERROR no license"),
        ("INFO 0 errors\nfatal: no license\nbye", "it logged: fatal: no license"),
        (
            "npm ERR! no license\nnpm ERR! A complete log of this run can be found in:",
            "it logged: npm ERR! no license",
        ),
        ("error[E0432]: unresolved import", "it logged: error[E0432]: unresolved import"),
    ] {
        assert_eq!(logged(output), text, "{output}");
    }
    for output in
        ["{\"level\":\"info\",\"msg\":\"error\"}", "{broken", "0 errors", "terror is no error here"]
    {
        assert_eq!(first(Exit::Code(1), output).kind, CauseKind::ExitCode, "{output}");
    }
}
