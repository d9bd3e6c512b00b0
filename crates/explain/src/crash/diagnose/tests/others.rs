use super::{Row, check};
use crate::crash::cause::CauseKind;
use crate::model::Exit;

pub(super) const fn row(
    (what, output): (&'static str, &'static str),
    kind: CauseKind,
    text: &'static str,
    place: Option<&'static str>,
) -> Row {
    Row { what, exit: Exit::Code(1), output, kind, text, shown: "", place, next: None }
}

const GROUP: &str = "  + Exception Group Traceback (most recent call last):
  |   File \"/srv/app/app.py\", line 9, in <module>
  |     raise ExceptionGroup(\"two failed\", es)
  | ExceptionGroup: two failed (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File \"/srv/app/app.py\", line 7, in <module>
    |     try: f()
    |          ^^^
    |   File \"/srv/app/app.py\", line 2, in one
    |     raise ValueError(\"bad one\")
    | ValueError: bad one
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File \"/srv/app/app.py\", line 4, in two
    |     raise TypeError(\"bad two\")
    | TypeError: bad two
    +------------------------------------";

const GROUP_IN_A_GROUP: &str = "  + Exception Group Traceback (most recent call last):
  |   File \"/srv/app/app.py\", line 9, in <module>
  |     raise outer
  | ExceptionGroup: outer (1 sub-exception)
  +-+---------------- 1 ----------------
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | ValueError: deep
      +------------------------------------";

const SEVERAL_IN_NODE: &str = "/srv/app/app.js:1
throw new AggregateError([new Error('first bad'), new TypeError('second bad')], 'all failed');
^

AggregateError: all failed
    at Object.<anonymous> (/srv/app/app.js:1:7)
    at node:internal/main/run_main_module:28:49 {
  [errors]: [
    Error: first bad
        at Object.<anonymous> (/srv/app/db.js:3:27)
        at node:internal/main/run_main_module:28:49,
    TypeError: second bad
        at Object.<anonymous> (/srv/app/app.js:1:51)
        at node:internal/main/run_main_module:28:49
  ]
}

Node.js v20.20.2";

const JOINED: &str = "
thread '<unnamed>' (12) panicked at src/work.rs:5:9:
worker: queue gone
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

thread 'main' (11) panicked at src/main.rs:1:30:
called `Result::unwrap()` on an `Err` value: Any { .. }";

const RECOVERED: &str = "panic: config missing [recovered]
\tpanic: config missing

goroutine 1 [running]:
main.main.func1()
\t/srv/app/main.go:10 +0x5e
panic({0x459d40?, 0x482a98?})
\t/usr/local/go/src/runtime/panic.go:785 +0x132
main.load(...)
\t/srv/app/config.go:22
main.main()
\t/srv/app/main.go:14 +0x4a
exit status 2";

const ASAN: &str = "=================================================================
==31132==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000013 at pc 0x5558 bp 0x7f sp 0x7f
READ of size 1 at 0x602000000013 thread T0
    #0 0x7fcc5a4b76a8 in __interceptor_free ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:52
    #1 0x5558ef1501d6 in main /srv/app/a.c:2
    #2 0x7fcc5a245249 in __libc_start_call_main ../sysdeps/nptl/libc_start_call_main.h:58

==31132==ABORTING";

const DOTNET: &str = "Unhandled exception. System.InvalidOperationException: no table users
 ---> System.ArgumentException: bad id
   at Shop.Store.Find(Int32 id) in /srv/app/Store.cs:line 12
   --- End of inner exception stack trace ---
   at Shop.Program.Main(String[] args) in /srv/app/Program.cs:line 5";

#[test]
fn the_first_of_several() {
    use CauseKind::Exception as It;
    check(&[
        row(("python", GROUP), It, "ValueError: bad one (the first of 2)", Some("app.py:2")),
        row(("python, a group in a group", GROUP_IN_A_GROUP), It, "ValueError: deep", None),
        row(("node", SEVERAL_IN_NODE), It, "Error: first bad", Some("db.js:3")),
        row(("rust, joined", JOINED), It, "panic: worker: queue gone", Some("src/work.rs:5")),
        row(("go, recovered", RECOVERED), It, "panic: config missing", Some("config.go:22")),
    ]);
}

#[test]
fn what_does_not_even_begin() {
    use CauseKind::Exception as It;
    check(&[
        row(
            (
                "ruby",
                "bad.rb:2: syntax error, unexpected integer literal, expecting ')'\nputs 1 +; end\n     ^",
            ),
            It,
            "syntax error, unexpected integer literal",
            Some("bad.rb:2"),
        ),
        row(
            (
                "python",
                "  File \"/srv/app/app.py\", line 2\n    def f(:\n          ^\nSyntaxError: invalid syntax",
            ),
            It,
            "SyntaxError: invalid syntax",
            Some("app.py:2"),
        ),
        row(
            (
                "node, ESM",
                "file:///srv/app/app.mjs:1\nimport { foo } from './lib.mjs';\n         ^^^\nSyntaxError: The requested module './lib.mjs' does not provide an export named 'foo'\n    at ModuleJob._instantiate (node:internal/modules/esm/module_job:213:21)\n    at async ModuleJob.run (node:internal/modules/esm/module_job:320:5)\n\nNode.js v20.20.2",
            ),
            It,
            "does not provide an export named 'foo'",
            Some("app.mjs:1"),
        ),
        row(
            (
                "node, required",
                "/srv/app/lib.js:7\nconst = 3\n      ^\n\nSyntaxError: Unexpected token '='\n    at wrapSafe (node:internal/modules/cjs/loader:1464:18)\n    at Object.<anonymous> (/srv/app/app.js:1:1)",
            ),
            It,
            "SyntaxError: Unexpected token '='",
            Some("lib.js:7"),
        ),
    ]);
}

#[test]
fn errors_with_a_word_before_them() {
    use CauseKind::Exception as It;
    check(&[
        row(
            ("console.error", "fatal: TypeError: x is null\n    at f (/srv/app/a.js:3:9)\nbye"),
            It,
            "TypeError: x is null",
            Some("a.js:3"),
        ),
        row(
            (
                "deno",
                "error: Uncaught (in promise) TypeError: x is null\n    at f (file:///srv/app/a.ts:3:9)",
            ),
            It,
            "TypeError: x is null",
            Some("a.ts:3"),
        ),
        row(
            (
                "a text",
                "node:internal/process/promises:389\n      new UnhandledPromiseRejection(reason);\n      ^\n\nUnhandledPromiseRejection: This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason \"just a text\".\n    at throwUnhandledRejectionsMode (node:internal/process/promises:389:7) {\n  code: 'ERR_UNHANDLED_REJECTION'\n}",
            ),
            It,
            "nobody handled the rejection: just a text",
            None,
        ),
        row(
            (
                "TSError",
                "TSError: ⨯ Unable to compile:\nsrc/a: broken\n    at createTSError (/srv/app/node_modules/ts-node/src/index.ts:859:12)",
            ),
            It,
            "TSError: ⨯ Unable to compile: src/a: broken",
            None,
        ),
    ]);
}

const LANGUAGES: &[Row] = &[
    row(
        ("perl", "up\nno config in /etc/x at app.pl line 3, <STDIN> line 7.\n"),
        CauseKind::Exception,
        "no config in /etc/x",
        Some("app.pl:3"),
    ),
    row(
        (
            "perl, confess",
            "queue gone at lib/Shop.pm line 4.\n\tShop::g(1) called at app.pl line 1\n",
        ),
        CauseKind::Exception,
        "queue gone",
        Some("lib/Shop.pm:4"),
    ),
    row(
        (
            "perl, of two the first",
            "Global symbol \"$y\" at app.pl line 1.\nGlobal symbol \"$z\" at app.pl line 2.\nExecution of app.pl aborted due to compilation errors.",
        ),
        CauseKind::Exception,
        "Global symbol \"$y\"",
        Some("app.pl:1"),
    ),
    row(
        ("C", "a: a.c:3: main: Assertion `fd >= 0' failed.\nAborted"),
        CauseKind::Exception,
        "assertion failed: fd >= 0",
        Some("a.c:3"),
    ),
    row(
        ("C on a Mac", "Assertion failed: (fd >= 0), function main, file a.c, line 3."),
        CauseKind::Exception,
        "assertion failed: fd >= 0",
        Some("a.c:3"),
    ),
    row(
        (
            "C++",
            "terminate called after throwing an instance of 'std::runtime_error'\n  what():  no database\nAborted",
        ),
        CauseKind::Exception,
        "std::runtime_error: no database",
        None,
    ),
    row(
        (
            "C++ on a Mac",
            "libc++abi: terminating due to uncaught exception of type std::runtime_error: no database",
        ),
        CauseKind::Exception,
        "std::runtime_error: no database",
        None,
    ),
    row(
        ("glibc", "free(): double free detected in tcache 2\nAborted"),
        CauseKind::Exception,
        "free(): double free detected in tcache 2",
        None,
    ),
    row(
        ("glibc, the stack", "*** stack smashing detected ***: terminated"),
        CauseKind::Exception,
        "stack smashing detected",
        None,
    ),
    row(
        ("a sanitizer", ASAN),
        CauseKind::Exception,
        "AddressSanitizer: heap-use-after-free",
        Some("a.c:2"),
    ),
    row(
        (
            "php",
            "PHP Fatal error:  Uncaught Exception: no table users in /srv/app/src/db.php:12\nStack trace:\n#0 /srv/app/index.php(4): load()\n#1 {main}\n  thrown in /srv/app/src/db.php on line 12",
        ),
        CauseKind::Exception,
        "Exception: no table users",
        Some("src/db.php:12"),
    ),
    row(
        (".NET", DOTNET),
        CauseKind::Exception,
        "System.ArgumentException: bad id",
        Some("Store.cs:12"),
    ),
];

#[test]
fn other_languages() {
    check(LANGUAGES);
}

#[test]
fn scripts_that_go_wrong() {
    check(&[
        row(
            ("bash, in the middle", "run.sh: line 2: frob: command not found\nwent on\nstep 2"),
            CauseKind::CommandNotFound,
            "there is no command frob",
            Some("run.sh:2"),
        ),
        row(
            ("a script that is broken", "run.sh: line 3: syntax error: unexpected end of file"),
            CauseKind::BadSyntax,
            "the shell does not understand run.sh",
            Some("run.sh:3"),
        ),
        Row {
            next: Some("tmo config web"),
            ..row(
                (
                    "a command that is broken",
                    "/usr/bin/sh: 1: Syntax error: end of file unexpected (expecting \"fi\")",
                ),
                CauseKind::BadSyntax,
                "does not understand the command",
                None,
            )
        },
    ]);
}

#[test]
fn logs_in_pairs_and_behind_a_prefix() {
    use CauseKind::LoggedError as It;
    check(&[
        row(
            (
                "logrus",
                "time=\"2026-11-21T10:00:00Z\" level=fatal msg=\"could not open \\\"store\\\"\" error=\"EACCES\"",
            ),
            It,
            "it logged: could not open \"store\": EACCES",
            None,
        ),
        row(
            ("slog", "time=2026-11-21 level=ERROR msg=gone err=timeout\nlevel=info msg=bye"),
            It,
            "it logged: gone: timeout",
            None,
        ),
        row(
            ("compose", "web_1 | {\"level\":\"fatal\",\"msg\":\"no license\"}"),
            It,
            "it logged: no license",
            None,
        ),
        row(
            (
                "a stack",
                "{\"level\":\"error\",\"msg\":\"unhandled\",\"err\":{\"message\":\"x is null\",\"stack\":\"TypeError: x is null\\n    at load (/srv/app/src/a.js:12:5)\"}}",
            ),
            It,
            "it logged: unhandled: x is null",
            Some("src/a.js:12"),
        ),
        row(
            ("not an error", "level=info msg=\"error: none\""),
            CauseKind::ExitCode,
            "exited with",
            None,
        ),
    ]);
}

#[test]
fn memory_that_ran_out() {
    use CauseKind::OutOfMemory as It;
    check(&[
        row(
            ("node", "# Fatal process OOM in Failed to reserve virtual memory for CodeRange"),
            It,
            "Node",
            None,
        ),
        row(
            ("perl", "Out of memory!\npanic: fold_constants JMPENV_PUSH returned 2 at -e line 1."),
            It,
            "Perl",
            None,
        ),
    ]);
}

#[test]
fn a_class_in_a_package_is_searched_for() {
    let output =
        "Exception in thread \"main\" java.lang.Error: x\n\tat com.shop.Main.main(Main.java:5)";
    check(&[Row {
        next: Some("${EDITOR:-vi} +5 $(find . -name Main.java)"),
        ..row(("java", output), CauseKind::Exception, "java.lang.Error: x", Some("Main.java:5"))
    }]);
}

#[test]
fn the_last_words_before_the_end() {
    use CauseKind::LoggedError as It;
    check(&[
        row(
            ("log.Fatal", "2026/01/02 03:04:05 starting\n2026/01/02 03:04:06 no route to the moon"),
            It,
            "it logged: no route to the moon",
            None,
        ),
        row(
            ("where it is said", "2026/01/02 03:04:05.123456 cmd/main.go:44: bad character 'b'"),
            It,
            "it logged: bad character 'b'",
            Some("cmd/main.go:44"),
        ),
        row(("go on", "2026/01/02 03:04:05 starting\nbye"), CauseKind::ExitCode, "code 1", None),
    ]);
}
