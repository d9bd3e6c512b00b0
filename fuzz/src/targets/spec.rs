//! The spec file of a shim.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use tmo::model::LifeId;
use tmo::model::ProcName;
use tmo::model::plan::{Inherit, LogPolicy, Stdin};
use tmo::model::text::OsText;
use tmo::protocol::spec::{SPEC_VERSION, Spec, SpecError, Want};

use super::input::Input;

/// What was written is read, no part of it is taken for the whole, and what is read for the same
/// after it was written again.
pub(crate) fn check(data: &[u8]) {
    match data.split_first() {
        Some((first, rest)) if *first < b' ' => made(&mut Input::new(rest)),
        Some(_) | None => given(data),
    }
}

fn read(text: &[u8]) -> Result<Spec, SpecError> {
    Spec::parse(text, Path::new("spec"))
}

fn given(text: &[u8]) {
    match read(text) {
        Ok(spec) => {
            assert!(spec.version <= SPEC_VERSION);
            let again = serde_json::to_vec(&spec).unwrap();
            assert_eq!(read(&again).unwrap(), spec);
        }
        Err(error) => assert!(error.to_string().len() < 1000 + 4 * text.len()),
    }
}

fn made(input: &mut Input<'_>) {
    let spec = Spec {
        version: SPEC_VERSION,
        generation: input.number(),
        name: ProcName::new("web#2").unwrap(),
        run: String::from_utf8_lossy(input.bytes()).into_owned(),
        want: input.one_of(&[Want::Run, Want::Stop, Want::End]),
        life: LifeId::new(input.u32()),
        kill: LifeId::new(input.u32()),
        shell: text(input),
        command: text(input),
        argv: None,
        cwd: text(input),
        env: (0..input.byte() % 8).map(|_| (text(input), text(input))).collect(),
        stdin: input.one_of(&[Stdin::Terminal, Stdin::Null]),
        no_terminal: false,
        split_stderr: false,
        term: None,
        notify: false,
        watchdog_ms: None,
        inherit: Inherit {
            umask: input.u32(),
            nice: input.u32().cast_signed(),
            limits: (0..input.byte() % 4)
                .map(|_| (input.u32(), input.number(), input.number()))
                .collect(),
            ignored: (0..input.byte() % 4).map(|_| input.u32().cast_signed()).collect(),
        },
        stop_signal: input.u32().cast_signed(),
        grace_ms: input.number(),
        log: LogPolicy {
            dir: text(input),
            per_process: input.number(),
            total: input.number(),
            max_age_ms: input.number(),
        },
        known: input.number(),
    };
    let written = serde_json::to_vec(&spec).unwrap();
    assert_eq!(read(&written).unwrap(), spec);
    let cut = input.below(written.len());
    assert!(matches!(read(&written[..cut]), Err(SpecError::Format { .. })), "torn");
    let later = Spec { version: SPEC_VERSION + 1, ..spec };
    let written = serde_json::to_vec(&later).unwrap();
    assert!(matches!(read(&written), Err(SpecError::Version { .. })));
}

fn text(input: &mut Input<'_>) -> OsText {
    OsText(OsString::from_vec(input.bytes().to_vec()))
}
