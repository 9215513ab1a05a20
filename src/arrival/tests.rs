use std::{os::unix::ffi::OsStrExt, path::Path};

use proptest::prelude::*;

use super::*;

fn rel(text: &str) -> RelPath {
    RelPath::from_bytes(text.as_bytes())
}

#[test]
fn names() {
    let long = "a".repeat(63);
    for good in ["a", "0", "scans", "scans-2", "a-", "a--b", long.as_str()] {
        assert_eq!(Name::parse(good).map(|name| name.to_string()).as_deref(), Some(good));
    }
    let too_long = "a".repeat(64);
    for bad in ["", "-", "-a", "A", "a_b", "a.b", "a b", "ä", "a/b", "a\n", too_long.as_str()] {
        assert_eq!(Name::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn paths_below_a_root() {
    let below = |path: &str| RelPath::below(Path::new("/srv/in"), Path::new(path));
    assert_eq!(below("/srv/in/a/b"), Some(rel("a/b")));
    assert_eq!(below("/srv/in"), Some(RelPath::root()));
    assert_eq!(below("/srv/in/"), Some(RelPath::root()));
    assert_eq!(below("/srv/inner"), None);
    assert_eq!(below("/srv"), None);
}

#[test]
fn parents_names_and_depths() {
    for (path, parent, name, depth) in
        [("a/b/c", "a/b", "c", 2), ("a/b", "a", "b", 1), ("a", "", "a", 0), ("", "", "", 0)]
    {
        let path = rel(path);
        assert_eq!(
            (path.parent(), path.name(), path.depth()),
            (rel(parent), name.as_bytes(), depth)
        );
    }
}

#[test]
fn within_is_by_components() {
    for (path, dir, expected) in [
        ("a/b", "a", true),
        ("a", "a", true),
        ("a", "", true),
        ("", "", true),
        ("ab", "a", false),
        ("a", "a/b", false),
        ("", "a", false),
    ] {
        assert_eq!(rel(path).is_within(&rel(dir)), expected, "{path:?} in {dir:?}");
    }
}

#[test]
fn a_path_that_is_no_text_survives() {
    let path = RelPath::root().join(b"\xff\xfe").join(b"b");
    assert_eq!(path.under(Path::new("/r")).as_os_str().as_bytes(), b"/r/\xff\xfe/b");
    assert_eq!(path.to_string(), "\\xff\\xfe/b");
    assert_eq!(RelPath::root().under(Path::new("/r")), Path::new("/r"));
}

#[test]
fn what_could_forge_a_log_line_is_escaped() {
    for (bytes, shown) in [
        (b"plain name's \"x\".pdf".as_slice(), "plain name's \"x\".pdf"),
        (b"a\nb\r\t\0", "a\\nb\\r\\t\\0"),
        (b"\x1b[31m", "\\u{1b}[31m"),
        (b"back\\slash", "back\\\\slash"),
        ("Ärger 日本".as_bytes(), "Ärger 日本"),
        ("\u{202e}fdp".as_bytes(), "\\u{202e}fdp"),
        ("a\u{200b}b\u{2066}c\u{2028}d\u{85}".as_bytes(), "a\\u{200b}b\\u{2066}c\\u{2028}d\\u{85}"),
        (b"\xffx", "\\xffx"),
    ] {
        assert_eq!(Shown(bytes).to_string(), shown);
    }
}

fn sample() -> Sample {
    Sample {
        kind: Kind::File,
        ino: 7,
        birth: Some(Stamp { sec: 100, nsec: 1 }),
        size: 3,
        mtime: Stamp { sec: -2, nsec: 999_999_999 },
        ctime: Stamp { sec: 200, nsec: 2 },
        witness: Witness::default(),
    }
}

#[test]
fn a_version_is_still_the_same_when_only_the_inode_changed() {
    let before = sample();
    let of = |sample: &Sample, identity| Version::of(sample, identity);
    for identity in [Identity::Inode, Identity::SizeAndTime] {
        for birth in [before.birth, None] {
            let before = Sample { birth, ..before };
            let chmod = Sample { ctime: Stamp { sec: 300, nsec: 0 }, ..before };
            assert!(
                of(&before, identity).still_is(&of(&chmod, identity)),
                "{identity:?} {birth:?}"
            );
            let longer = Sample { size: 4, ..chmod };
            assert!(!of(&before, identity).still_is(&of(&longer, identity)));
            let touched = Sample { mtime: Stamp { sec: -2, nsec: 0 }, ..chmod };
            assert!(!of(&before, identity).still_is(&of(&touched, identity)));
            let replaced = Sample { ino: 8, ..chmod };
            let same = identity == Identity::SizeAndTime;
            assert_eq!(of(&before, identity).still_is(&of(&replaced, identity)), same);
        }
    }
    let reborn = Sample { birth: Some(Stamp { sec: 100, nsec: 2 }), ..before };
    assert!(!of(&before, Identity::Inode).still_is(&of(&reborn, Identity::Inode)));
}

#[test]
fn bytes_that_are_no_version() {
    let good = Version::of(&sample(), Identity::Inode).to_bytes();
    assert!(Version::from_bytes(&good).is_some());
    assert_eq!(Version::from_bytes(&[]), None);
    assert_eq!(Version::from_bytes(&good[..40]), None);
    assert_eq!(Version::from_bytes(&[good.as_slice(), &[0]].concat()), None);
    for kind in [0, 4, 255] {
        let mut other = good;
        other[0] = kind;
        assert_eq!(Version::from_bytes(&other), None);
    }
}

/// Frozen: receivers de-duplicate by these, for years. The expected ids were computed from the description
/// on the types, by another implementation of BLAKE3.
#[test]
fn event_ids_never_change() {
    let watch = Name::parse("scans").unwrap();
    for (identity, birth, expected) in [
        (Identity::Inode, sample().birth, "evt_d4e599c41210de37b110e94e176d721d"),
        (Identity::Inode, None, "evt_eb97d0b2dffb9ae3682cd257a5a1ba1b"),
        (Identity::SizeAndTime, None, "evt_8bb328b63e71525610f9304000730d31"),
    ] {
        let version = Version::of(&Sample { birth, ..sample() }, identity);
        let id = EventId::of("box-1", &watch, &rel("in/x.pdf"), &version);
        assert_eq!(id.to_string(), expected);
    }
}

#[test]
fn where_one_field_ends_matters() {
    let version = Version::of(&sample(), Identity::Inode);
    let id = |instance, watch, path| {
        EventId::of(instance, &Name::parse(watch).unwrap(), &rel(path), &version)
    };
    assert_ne!(id("a", "bc", "d"), id("ab", "c", "d"));
    assert_ne!(id("a", "b", "cd"), id("a", "bc", "d"));
}

#[test]
fn texts_that_are_no_event_id() {
    let good = format!("evt_{}", "0a".repeat(16));
    assert!(EventId::parse(&good).is_some());
    for bad in [
        "",
        "evt_",
        &good[4..],
        &good[..35],
        &format!("{good}0"),
        &good.to_uppercase(),
        &good.replace("evt_0a", "evt_0A"),
        &good.replace("evt_0", "evt_+"),
    ] {
        assert_eq!(EventId::parse(bad), None, "{bad}");
    }
}

fn stamps() -> impl Strategy<Value = Stamp> {
    (any::<i64>(), any::<u32>()).prop_map(|(sec, nsec)| Stamp { sec, nsec })
}

fn versions() -> impl Strategy<Value = Version> {
    let identity = prop_oneof![Just(Identity::Inode), Just(Identity::SizeAndTime)];
    let sample = (any::<u64>(), prop::option::of(stamps()), any::<u64>(), stamps(), stamps());
    (identity, sample).prop_map(|(identity, (ino, birth, size, mtime, ctime))| {
        let (kind, witness) = (Kind::File, Witness::default());
        Version::of(&Sample { kind, ino, birth, size, mtime, ctime, witness }, identity)
    })
}

/// Names as the kernel allows them: no `/`, no zero byte, not empty.
fn components() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        any::<u8>().prop_filter("not in a name", |b| *b != 0 && *b != b'/'),
        1..20,
    )
}

proptest! {
    #[test]
    fn versions_are_read_back(version in versions()) {
        prop_assert_eq!(Version::from_bytes(&version.to_bytes()), Some(version));
        prop_assert!(version.still_is(&version));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(version) = Version::from_bytes(&bytes) {
            prop_assert_eq!(Version::from_bytes(&version.to_bytes()), Some(version));
        }
    }

    #[test]
    fn event_ids_are_read_back(bytes in any::<[u8; 16]>(), text in any::<String>()) {
        let id = EventId(bytes);
        prop_assert_eq!(EventId::parse(&id.to_string()), Some(id));
        if let Some(id) = EventId::parse(&text) {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn joining_and_taking_apart(parts in prop::collection::vec(components(), 1..6)) {
        let path = parts.iter().fold(RelPath::root(), |path, part| path.join(part));
        let (last, above) = parts.split_last().unwrap();
        let parent = above.iter().fold(RelPath::root(), |path, part| path.join(part));
        prop_assert_eq!(path.name(), last.as_slice());
        prop_assert_eq!(path.parent(), parent.clone());
        prop_assert_eq!(path.depth(), above.len());
        prop_assert!(path.is_within(&parent) && path.is_within(&path) && !parent.is_within(&path));
    }

    #[test]
    fn below_undoes_under(parts in prop::collection::vec(components(), 0..6)) {
        // The standard library reads `.` as no component at all, and no directory lists it.
        prop_assume!(!parts.iter().any(|part| part == b"."));
        let path = parts.iter().fold(RelPath::root(), |path, part| path.join(part));
        let root = Path::new("/srv/in");
        prop_assert_eq!(RelPath::below(root, &path.under(root)), Some(path));
    }

    #[test]
    fn what_is_shown_is_one_plain_line(bytes in prop::collection::vec(any::<u8>(), 0..60), text in any::<String>()) {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let shown = Shown(bytes).to_string();
            prop_assert!(!shown.chars().any(char::is_control), "{shown:?}");
            let forging = ['\u{2028}', '\u{2029}', '\u{202e}', '\u{200b}', '\u{feff}'];
            prop_assert!(!shown.contains(forging), "{shown:?}");
        }
    }
}
