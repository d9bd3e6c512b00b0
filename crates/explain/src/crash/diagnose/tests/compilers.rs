//! Errors of compilers.

use super::others::row;
use super::{Row, check};
use crate::crash::cause::CauseKind;

const COMPILERS: &[Row] = &[
    row(
        (
            "tsc",
            "src/app.ts(12,5): error TS2322: No string.\nsrc/app.ts(19,3): error TS2304: No foo.",
        ),
        CauseKind::LoggedError,
        "it does not compile: No string.",
        Some("src/app.ts:12"),
    ),
    row(
        (
            "tsc, for people",
            "src/app.ts:12:5 - error TS2322: No string.\n\n12     x = \"a\";\n       ~\n\nFound 1 error in src/app.ts:12\n",
        ),
        CauseKind::LoggedError,
        "it does not compile: No string.",
        Some("src/app.ts:12"),
    ),
    row(
        (
            "ts-node",
            "TSError: ⨯ Unable to compile TypeScript:\nsrc/app.ts:12:5 - error TS2322: No string.\n\n    at createTSError (/srv/app/node_modules/ts-node/src/index.ts:859:12)",
        ),
        CauseKind::LoggedError,
        "it does not compile: No string.",
        Some("src/app.ts:12"),
    ),
    row(
        (
            "esbuild",
            "✘ [ERROR] Could not resolve \"./nope\"\n\n    src/app.ts:12:18:\n      1 │ import x\n\n1 error",
        ),
        CauseKind::LoggedError,
        "Could not resolve",
        Some("src/app.ts:12"),
    ),
    row(
        (
            "cargo",
            "error[E0308]: mismatched types\n --> src/main.rs:3:18\n  |\n3 |     let x: i32 = \"a\";\n\nerror: could not compile `shop` (bin \"shop\") due to 1 previous error",
        ),
        CauseKind::LoggedError,
        "mismatched types",
        Some("src/main.rs:3"),
    ),
    row(
        (
            "gcc",
            "main.c: In function ‘main’:\nmain.c:3:5: error: ‘x’ undeclared\nmake: *** [Makefile:4: main.o] Error 1",
        ),
        CauseKind::LoggedError,
        "‘x’ undeclared",
        Some("main.c:3"),
    ),
    row(
        (
            "javac",
            "Boom.java:2: error: incompatible types\n  int x = \"text\";\n          ^\n1 error\nerror: compilation failed",
        ),
        CauseKind::LoggedError,
        "incompatible types",
        Some("Boom.java:2"),
    ),
    row(
        ("go", "# shop\n./main.go:4:2: undefined: store\n./main.go:9:7: x declared and not used"),
        CauseKind::LoggedError,
        "undefined: store",
        Some("main.go:4"),
    ),
];

#[test]
fn what_compilers_do_not_accept() {
    check(COMPILERS);
}
