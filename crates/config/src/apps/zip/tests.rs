//! Archives that are accepted, and archives that are refused.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;

use super::archive::{Member, archive};
use super::{Archive, EntryError, LARGEST_ARCHIVE, ZipError};

/// Modes and contents of all files below a directory; `None` for directories.
fn tree(dir: &Path) -> BTreeMap<String, (u32, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            let content = meta.is_file().then(|| crate::sys::files::read_plain(&path).unwrap());
            found.insert(name, (meta.mode() & 0o7777, content));
            if meta.is_dir() {
                left.push(path);
            }
        }
    }
    found
}

/// Check an archive, and unpack it into `new` in this directory.
fn unpack(bytes: &[u8], dir: &Path) -> Result<(), ZipError> {
    let mut source = Cursor::new(bytes);
    Archive::parse(&mut source)?.unpack(&mut source, &dir.join("new"))
}

/// The reason for refusing an entry. No file may be left.
fn refused(members: &[Member]) -> EntryError {
    let dir = tempfile::tempdir().unwrap();
    let error = unpack(&archive(members), dir.path()).unwrap_err();
    assert_eq!(tree(dir.path()), BTreeMap::new());
    let ZipError::Entry { why, .. } = error else { panic!("{error}") };
    why
}

#[test]
fn files_get_their_content_and_modes_that_depend_on_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let members = [
        Member::new("main.py", "print(1)\n".repeat(1000)).deflated().with_mode(0o100_600),
        Member::new("bin/run", "#!/bin/sh\n").with_mode(0o100_711),
        Member::new("empty/", "").with_mode(0o042_770),
    ];
    unpack(&archive(&members), dir.path()).unwrap();
    let new = tree(&dir.path().join("new"));
    let modes: Vec<_> = new.iter().map(|(name, (mode, _))| (name.as_str(), *mode)).collect();
    let expected = [("bin", 0o755), ("bin/run", 0o755), ("empty", 0o755), ("main.py", 0o644)];
    assert_eq!(modes, expected);
    assert_eq!(new["main.py"].1.as_ref().unwrap().len(), 9000);
    assert_eq!(dir.path().join("new").metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn one_top_folder_makes_no_difference() {
    let flat = [Member::new("main.py", "1"), Member::new("lib/a.py", "2")];
    let mut folder = vec![Member::new("My App/", "").with_mode(0o040_755)];
    folder.extend(flat.clone().map(|member| {
        let name = format!("My App/{}", str::from_utf8(&member.name).unwrap());
        Member::new(&name, member.data)
    }));
    folder.push(Member::new("__MACOSX/My App/._main.py", "x"));
    let unpacked = |members: &[Member]| {
        let dir = tempfile::tempdir().unwrap();
        unpack(&archive(members), dir.path()).unwrap();
        tree(&dir.path().join("new"))
    };
    assert_eq!(unpacked(&folder), unpacked(&flat));
    let single = unpacked(&[Member::new("main.py", "1")]);
    assert_eq!(single.keys().collect::<Vec<_>>(), ["main.py"]);
}

#[test]
fn paths_that_could_lead_out_or_differ_between_systems_are_refused() {
    for (name, why) in [
        ("../x", EntryError::Parts),
        ("a/../b", EntryError::Parts),
        ("a/..", EntryError::Parts),
        ("./a", EntryError::Parts),
        ("a//b", EntryError::Parts),
        ("..", EntryError::Parts),
        ("", EntryError::Parts),
        ("/etc/x", EntryError::Absolute),
        ("a\\b", EntryError::Backslash),
        ("c:x", EntryError::Drive),
        ("a\0b", EntryError::Control),
        ("a\x1b[2Jb", EntryError::Control),
        ("a\u{85}b", EntryError::Control),
        ("gpj.\u{202e}yp.niam", EntryError::Bidi),
        ("a\u{2066}b", EntryError::Bidi),
        ("a\u{200f}b", EntryError::Bidi),
        ("a\u{61c}b", EntryError::Bidi),
        (&"n".repeat(256), EntryError::LongName),
        (&format!("{}x", "d/".repeat(33)), EntryError::Deep),
    ] {
        assert_eq!(refused(&[Member::new("ok", ""), Member::new(name, "")]), why, "{name:?}");
    }
    let mut bad = Member::new("x", "");
    (bad.name, bad.local_name) = (vec![0xff], vec![0xff]);
    assert_eq!(refused(&[bad]), EntryError::NotUtf8);
    let fits =
        [Member::new(&"n".repeat(255), ""), Member::new(&format!("{}x", "d/".repeat(31)), "")];
    unpack(&archive(&fits), tempfile::tempdir().unwrap().path()).unwrap();
}

#[test]
fn only_plain_files_and_directories_are_accepted() {
    let one = |mode| refused(&[Member::new("x", "/etc").with_mode(mode)]);
    assert_eq!(one(0o120_777), EntryError::Link);
    for device in [0o060_644, 0o020_644, 0o010_644, 0o140_644, 0o040_755] {
        assert_eq!(one(device), EntryError::Special, "{device:o}");
    }
    assert_eq!(one(0o104_755), EntryError::Setuid);
    assert_eq!(one(0o102_755), EntryError::Setuid);
    assert_eq!(refused(&[Member::new("x/", "").with_mode(0o100_644)]), EntryError::Special);
    assert_eq!(refused(&[Member::new("x/", "data")]), EntryError::Damaged);
}

#[test]
fn one_path_may_occur_only_once_also_where_case_does_not_count() {
    for twice in
        [["a", "a"], ["A", "a"], ["x/b", "X/c"], ["a", "a/b"], ["ä/x", "Ä/y"], ["d/", "d/"]]
    {
        let members = [&["z"], &twice[..]].concat();
        let members: Vec<_> = members.into_iter().map(|name| Member::new(name, "")).collect();
        assert_eq!(refused(&members), EntryError::Twice, "{twice:?}");
    }
    // These are the same only after the top folder is removed.
    let members = ["t/a", "t/A"].map(|name| Member::new(name, ""));
    assert_eq!(refused(&members), EntryError::Twice);
}

#[test]
fn what_the_headers_say_must_be_true_and_agree() {
    let file = || Member::new("x", "12345");
    let with = |change: &dyn Fn(&mut Member)| {
        let mut member = file();
        change(&mut member);
        refused(&[Member::new("ok", "ok"), member])
    };
    assert_eq!(with(&|m| m.flags = 1), EntryError::Encrypted);
    assert_eq!(with(&|m| m.flags = 1 << 13), EntryError::Encrypted);
    assert_eq!(with(&|m| m.flags = 1 << 5), EntryError::Unsupported);
    assert_eq!(with(&|m| m.method = 14), EntryError::Unsupported);
    assert_eq!(with(&|m| m.local_name = b"y".into()), EntryError::Differs);
    assert_eq!(with(&|m| m.is_shared = true), EntryError::Differs);
    assert_eq!(with(&|m| m.size = 4), EntryError::Damaged);
    for size in [4, 6, 0] {
        // Detected only while unpacking.
        let lie = |m: &mut Member| (m.method, m.size) = (8, size);
        assert_eq!(with(&lie), EntryError::Damaged, "{size}");
    }
    assert_eq!(with(&|m| m.size = 201 << 20), EntryError::Large);
    let shared = Member { is_shared: true, ..Member::new("ok", "ok") };
    assert_eq!(refused(&[Member::new("ok", "ok"), shared]), EntryError::Overlap);
}

#[test]
fn an_archive_has_limits() {
    let read = |members: &[Member]| Archive::parse(&mut Cursor::new(archive(members))).unwrap_err();
    let many: Vec<_> = (0..10_001).map(|n| Member::new(&n.to_string(), "")).collect();
    assert!(matches!(read(&many), ZipError::Many(10_001)));
    Archive::parse(&mut Cursor::new(archive(&many[1..]))).unwrap();
    let large = |n: u32| Member { size: 190 << 20, method: 8, ..Member::new(&n.to_string(), "") };
    assert!(matches!(read(&[large(1), large(2), large(3)]), ZipError::LargeTotal));
    assert!(matches!(read(&[]), ZipError::Empty));
    assert!(matches!(read(&[Member::new("d/", "")]), ZipError::Empty));
    let mut huge = archive(&[Member::new("x", "")]);
    huge.resize(usize::try_from(LARGEST_ARCHIVE).unwrap() + 1, 0);
    let error = Archive::parse(&mut Cursor::new(huge)).unwrap_err();
    assert!(matches!(error, ZipError::LargeArchive));
}

#[test]
fn an_archive_that_was_cut_or_extended_is_refused() {
    let whole = archive(&[Member::new("x", "12345")]);
    for bytes in [&whole[..whole.len() - 1], &whole[1..], &[&whole[..], b"x"].concat(), b"PK"] {
        let error = Archive::parse(&mut Cursor::new(bytes)).unwrap_err();
        let is_refused =
            matches!(error, ZipError::NotZip | ZipError::Malformed(_) | ZipError::Entry { .. });
        assert!(is_refused, "{error}");
    }
}

/// Members that an attacker could choose.
fn members() -> impl Strategy<Value = Vec<Member>> {
    let part = select(vec!["a", "A", "b", "..", ".", "", "c:", "x\\y", "\0", "l"]);
    let name = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let mode = select(vec![0, 0, 0, 0o100_644, 0o100_755, 0o040_755, 0o120_777, 0o104_755]);
    let data = prop::collection::vec(any::<u8>(), 0..20);
    let member = (name, data, mode, 0_u32..40, any::<[bool; 4]>(), 0_u16..20);
    let member =
        member.prop_map(|(name, data, mode, size, [lies, packed, shared, other], flags)| {
            let mut member = Member::new(&name, data).with_mode(mode);
            member.size = if lies { size } else { member.size };
            member.method = if packed { 8 } else { 0 };
            member.is_shared = shared && lies;
            member.flags = if other && lies { flags } else { 0 };
            member
        });
    prop::collection::vec(member, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_archive_is_unpacked_as_declared_or_leaves_nothing(
        members in members(), damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>()))
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = archive(&members);
        if let Some((at, byte)) = damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let result = unpack(&bytes, dir.path());
        let mut found = tree(dir.path());
        if result.is_err() {
            prop_assert_eq!(found, BTreeMap::new());
            return Ok(());
        }
        prop_assert_eq!(found.remove("new"), Some((0o700, None)));
        for (name, (mode, content)) in &found {
            prop_assert!(name.starts_with("new/"));
            prop_assert!([0o644, 0o755].contains(mode));
            let content = content.clone().unwrap_or_default();
            prop_assert!(content.len() <= 40);
        }
        if damage.is_none() {
            let files = found.values().filter(|(_, content)| content.is_some()).count();
            let declared = members.iter().filter(|member| !member.name.ends_with(b"/")).count();
            prop_assert_eq!(files, declared);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Archive::parse(&mut Cursor::new(bytes));
    }
}
