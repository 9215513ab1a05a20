use proptest::prelude::*;

use super::*;

fn rel(text: &str) -> RelPath {
    RelPath::from_bytes(text.as_bytes())
}

fn excluding(patterns: &[&str]) -> Selection {
    let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
    Selection::new(&[], &patterns, false).unwrap()
}

fn including(patterns: &[&str]) -> Selection {
    let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
    Selection::new(&patterns, &[], false).unwrap()
}

/// gitignore(5): which files one pattern names. Agrees with `git check-ignore`.
#[test]
fn files_that_a_pattern_names() {
    for (pattern, path, named) in [
        // Without a slash: any component.
        ("*.pdf", "a.pdf", true),
        ("*.pdf", "deep/er/a.pdf", true),
        ("*.pdf", "a.pdf/b", true),
        ("*.pdf", "a.pdf.x", false),
        ("*.pdf", ".pdf", true),
        ("old", "old", true),
        ("old", "old/a", true),
        ("old", "a/old/b", true),
        ("old", "older/a", false),
        ("a?c", "abc", true),
        ("a?c", "a/c", false),
        ("[ab].x", "b.x", true),
        ("[!ab].x", "c.x", true),
        ("[!ab].x", "a.x", false),
        ("{a,b}.x", "b.x", true),
        ("\\*.x", "*.x", true),
        ("\\*.x", "a.x", false),
        ("A", "a", false),
        // With a slash in front or in the middle: the path from the root.
        ("/a.pdf", "a.pdf", true),
        ("/a.pdf", "in/a.pdf", false),
        ("/*.pdf", "a.pdf", true),
        ("/*.pdf", "in/a.pdf", false),
        ("in/*.pdf", "in/a.pdf", true),
        ("in/*.pdf", "in/er/a.pdf", false),
        ("in/*.pdf", "x/in/a.pdf", false),
        ("/in", "in/er/a.pdf", true),
        ("in/er", "in/er/a.pdf", true),
        ("in/er", "in/error", false),
        // Two stars: any depth.
        ("**/a.pdf", "a.pdf", true),
        ("**/a.pdf", "x/y/a.pdf", true),
        ("in/**", "in/a", true),
        ("in/**", "in/x/a", true),
        ("in/**", "in", false),
        ("in/**/a", "in/a", true),
        ("in/**/a", "in/x/y/a", true),
        ("in/**/a", "in/xa", false),
        // With a slash at the end: directories, and so what is in them.
        ("old/", "old/a", true),
        ("old/", "x/old/a", true),
        ("old/", "old", false),
        ("old/", "x/old", false),
        ("/old/", "old/a", true),
        ("/old/", "x/old/a", false),
        ("x/old/", "x/old/a", true),
        ("x/old/", "x/old", false),
        ("x/old/", "y/x/old/a", false),
        ("*/", "a", false),
        ("*/", "x/a", true),
        ("**/", "a", false),
        ("**/", "x/y/a", true),
        ("/*/", "a", false),
        ("/*/", "x/a", true),
    ] {
        let path = rel(path);
        assert_eq!(including(&[pattern]).takes_file(&path), named, "include {pattern}: {path}");
        assert_eq!(!excluding(&[pattern]).takes_file(&path), named, "exclude {pattern}: {path}");
    }
}

#[test]
fn directories_that_are_entered() {
    for (pattern, path, entered) in [
        ("old", "old", false),
        ("old/", "old", false),
        ("old/", "x/old/y", false),
        ("/old/", "old", false),
        ("/old", "x/old", true),
        ("in/old", "in/old", false),
        ("in/**", "in", true),
        ("in/**", "in/x", false),
        ("*.pdf", "scans", true),
        (".*", ".cache", false),
        ("*", "", true),
    ] {
        assert_eq!(excluding(&[pattern]).enters_dir(&rel(path)), entered, "{pattern}: {path}");
    }
    // What is asked for may lie deeper.
    assert!(including(&["in/**/*.pdf"]).enters_dir(&rel("other")));
}

#[test]
fn default_excludes_leave_out_what_is_not_whole() {
    let selection = Selection::new(&[], &[], true).unwrap();
    for name in [
        ".hidden",
        ".a.pdf.Xy12",
        "a.part",
        "a.pdf.filepart",
        "a.tmp",
        "a~",
        "a.swp",
        "~$a.docx",
        "#a#",
        "4913",
        ".nfs0001",
        ".git/config",
        "dir.part/a.pdf",
    ] {
        assert!(!selection.takes_file(&rel(name)), "{name}");
    }
    for name in ["a.pdf", "part", "tmp", "a.parts", "a.tmpl", "49130", "#a", "swp", "a~b", "in/a"] {
        assert!(selection.takes_file(&rel(name)), "{name}");
    }
    assert!(Selection::new(&[], &[], false).unwrap().takes_file(&rel(".hidden")));
}

#[test]
fn exclude_wins_over_include() {
    let both = |path: &str| {
        let pdf = ["*.pdf".to_owned()];
        Selection::new(&pdf, &["draft*".to_owned()], false).unwrap().takes_file(&rel(path))
    };
    assert!(both("a.pdf"));
    assert!(!both("draft.pdf"));
    assert!(!both("drafts/a.pdf"));
    assert!(!both("a.txt"));
}

#[test]
fn names_that_are_no_text_match_too() {
    let selection = including(&["*.pdf"]);
    assert!(selection.takes_file(&RelPath::from_bytes(b"\xff\xfe.pdf")));
    assert!(!selection.takes_file(&RelPath::from_bytes(b"\xff\xfe.txt")));
    assert!(selection.takes_file(&RelPath::from_bytes(b"a\nb.pdf")));
}

#[test]
fn a_bad_pattern_is_named() {
    let bad = Selection::new(&["ok".to_owned(), "a[".to_owned()], &[], true);
    assert_eq!(bad.err().map(|(pattern, _)| pattern).as_deref(), Some("a["));
}

fn paths() -> impl Strategy<Value = RelPath> {
    prop::collection::vec("[a-c.~]{1,4}", 1..4).prop_map(|parts| rel(&parts.join("/")))
}

proptest! {
    #[test]
    fn no_pattern_panics(pattern in any::<String>(), path in prop::collection::vec(any::<u8>(), 0..30)) {
        let path = RelPath::from_bytes(&path);
        let same = std::slice::from_ref(&pattern);
        if let Ok(selection) = Selection::new(same, same, true) {
            // The same pattern on both sides: nothing is left.
            prop_assert!(!selection.takes_file(&path));
            let _either = selection.enters_dir(&path);
        }
    }

    #[test]
    fn nothing_below_a_directory_that_is_not_entered_is_taken(
        pattern in "(/?[a-c*]{1,3}){1,3}/?", dir in paths(), name in "[a-c]{1,3}",
    ) {
        let selection = excluding(&[&pattern]);
        if !selection.enters_dir(&dir) {
            let below = dir.join(name.as_bytes());
            prop_assert!(!selection.takes_file(&below), "{pattern}: {below}");
            prop_assert!(!selection.enters_dir(&below), "{pattern}: {below}");
        }
    }

    #[test]
    fn a_plain_name_names_exactly_its_component(name in "[a-c]{1,2}", path in paths()) {
        let has_it = path.as_bytes().split(|b| *b == b'/').any(|part| part == name.as_bytes());
        prop_assert_eq!(including(&[&name]).takes_file(&path), has_it);
        let rooted = format!("/{name}");
        let first = path.as_bytes().split(|b| *b == b'/').next() == Some(name.as_bytes());
        prop_assert_eq!(including(&[&rooted]).takes_file(&path), first);
    }
}
