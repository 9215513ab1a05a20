use proptest::prelude::*;

use super::*;

#[test]
fn names_of_directories() {
    for (path, front) in [
        ("/srv/incoming", "incoming-"),
        ("/srv/My Scans (2)", "my-scans-2-"),
        ("/", "dir-"),
        ("/srv/日本", "dir-"),
        ("/srv/--", "dir-"),
        ("/srv/a_b.c", "a-b-c-"),
    ] {
        let name = watch_name(Path::new(path));
        assert!(name.starts_with(front) && name.len() == front.len() + 8, "{path}: {name}");
    }
    // Part of every event id, so it must never change.
    assert_eq!(watch_name(Path::new("/srv/incoming")), "incoming-494323df");
    assert_ne!(watch_name(Path::new("/a/in")), watch_name(Path::new("/b/in")));
}

proptest! {
    #[test]
    fn every_directory_gets_a_valid_name(path in "/\\PC{0,300}") {
        let name = watch_name(Path::new(&path));
        prop_assert!(Name::parse(&name).is_some(), "{name}");
    }
}
