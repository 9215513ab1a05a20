//! Where files and the state are looked for, and what `check` finds there.

use std::os::unix::ffi::OsStringExt;

use super::*;
use checked::UrlSource;

#[test]
fn files_of_the_configuration_are_looked_for_with_the_credentials_first() {
    let lines =
        "secret_files = [\"here\", \"there\", \"nowhere\", \"/abs\"]\nca_file = \"ca.pem\"\n";
    let (dir, mut sources) = file(&format!("{GOOD}{lines}"));
    let credentials = tempfile::tempdir().unwrap();
    fs::write(credentials.path().join("there"), "").unwrap();
    fs::write(dir.path().join("here"), "").unwrap();
    fs::write(dir.path().join("there"), "").unwrap();
    sources.env.push(("CREDENTIALS_DIRECTORY".into(), credentials.path().into()));
    let loaded = good(&sources);
    let endpoint = endpoint(&loaded, "crm");
    let expected = [
        dir.path().join("here"),
        credentials.path().join("there"),
        dir.path().join("nowhere"),
        "/abs".into(),
    ];
    assert_eq!(endpoint.secret_files, expected);
    assert_eq!(endpoint.ca_file, Some(dir.path().join("ca.pem")));
}

#[test]
fn files_of_flags_are_looked_for_from_where_the_command_was_given() {
    let (_dir, mut sources) = file(GOOD);
    sources.cwd = "/elsewhere".into();
    sources.flags.secret_file = vec!["key".into()];
    assert_eq!(endpoint(&good(&sources), "crm").secret_files, [path("/elsewhere/key")]);
}

#[test]
fn state_directory() {
    for (variables, expected) in [
        (&[("HOME", "/h")] as &[(&str, &str)], Some("/h/.local/state/watchd")),
        (&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")], Some("/x/watchd")),
        (&[("HOME", "/h"), ("XDG_STATE_HOME", "x")], Some("/h/.local/state/watchd")),
        (&[("HOME", "/h"), ("XDG_STATE_HOME", "")], Some("/h/.local/state/watchd")),
        (&[("XDG_STATE_HOME", "/x"), ("STATE_DIRECTORY", "/s:/t")], Some("/s")),
        (&[("STATE_DIRECTORY", "/s"), ("WATCHD_STATE__DIR", "/w/")], Some("/w")),
        (&[("HOME", "h")], None),
        (&[], None),
    ] {
        let (_dir, mut sources) = file(GOOD);
        sources.env = env(variables);
        let found = load(&sources).map(|loaded| loaded.config.state.dir);
        assert_eq!(found.ok().as_deref(), expected.map(path), "{variables:?}");
    }
}

#[test]
fn bare_directories_get_names_and_a_state_directory_of_their_own() {
    let url = Some("http://127.0.0.1:1");
    let loaded = good(&bare(&["in", "/srv/My Scans/"], url));
    let found: Vec<_> =
        loaded.config.watches.iter().map(|w| (w.name.to_string(), &w.path)).collect();
    assert_eq!(found.len(), 2);
    assert!(found[0].0.starts_with("in-") && found[1].0.starts_with("my-scans-"), "{found:?}");
    assert_eq!(
        (found[0].1.as_path(), found[1].1.as_path()),
        (path("/home/ada/here/in"), path("/srv/My Scans"))
    );
    assert_eq!(loaded.config.endpoints[0].name.as_str(), "default");

    let state = |dirs: &[&str]| good(&bare(dirs, url)).config.state.dir;
    let both = state(&["/a", "/b"]);
    assert!(both.starts_with("/home/ada/.local/state/watchd"), "{both:?}");
    assert_eq!(both, state(&["/b/", "/a", "/b"]));
    assert_ne!(both, state(&["/a"]));
    assert_ne!(both, state(&["/a/b"]));
    let mut given = bare(&["/a"], url);
    given.flags.state_dir = Some("state".into());
    assert_eq!(good(&given).config.state.dir, path("/home/ada/here/state"));
}

#[test]
fn bare_directories_that_cannot_be() {
    let url = Some("http://127.0.0.1:1");
    let text = bad(&bare(&["/a", "/a/b"], url)).to_string();
    assert!(
        text.contains("lies in that of another watch") && text.contains("flag --dir"),
        "{text}"
    );
    let text = bad(&bare(&["/a"], None)).to_string();
    assert!(text.contains("nowhere to announce to") && text.contains("--url"), "{text}");
    let mut unreadable = bare(&[], url);
    unreadable.flags.dir = vec![OsString::from_vec(vec![b'/', 0xff]).into()];
    assert!(bad(&unreadable).to_string().contains("not UTF-8 text"));
    let text = bad(&bare(&["/a"], Some("http://h:x/canary"))).to_string();
    assert!(text.contains("flag --url") && !text.contains("canary"), "{text}");
    let mut listening = bare(&["/a"], url);
    listening.flags.listen = Some("localhost".to_owned());
    let text = bad(&listening).to_string();
    assert!(text.contains("flag --listen") && text.contains("127.0.0.1:9464"), "{text}");
}

#[test]
fn a_path_that_climbs_is_resolved_by_the_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().canonicalize().unwrap();
    fs::create_dir_all(real.join("deep/er")).unwrap();
    std::os::unix::fs::symlink("deep/er", real.join("link")).unwrap();
    let mut sources = bare(&["link/../in"], Some("http://127.0.0.1:1"));
    sources.cwd.clone_from(&real);
    assert_eq!(good(&sources).config.watches[0].path, real.join("deep/in"));
    let mut sources = bare(&["absent/../in"], Some("http://127.0.0.1:1"));
    sources.cwd = real;
    assert!(bad(&sources).to_string().contains("`..`"));
}

#[test]
fn check_looks_at_what_is_named_and_load_does_not() {
    let (dir, mut sources) = file(&format!(
        "{}url_file = \"url\"\nsecret_files = [\"good\", \"ed\", \"gone\"]\nca_file = \"ca\"\n",
        GOOD.replace("url = \"https://example.net/hook\"\n", "")
            .replace("/srv/incoming", "/etc/passwd"),
    ));
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("url", "ftp://canary/canary\n");
    write("good", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    write("ed", "whsk_canary-canary");
    write("ca", "nothing");
    sources.env = env(&[("STATE_DIRECTORY", "/etc/group/x")]);
    let loaded = good(&sources);
    assert!(matches!(endpoint(&loaded, "crm").url, UrlSource::File(_)));
    let problems = inspect(&sources).err().unwrap();
    let about = said(&problems);
    for expected in [
        "`watch.scans.path`: `/etc/passwd` is not a directory",
        "/url` holds no usable URL: the scheme must be",
        "/ed` holds no usable secret: what follows the prefix is not",
        "/gone`",
        "/ca` holds no certificate",
        "`state.dir`: `/etc/group",
    ] {
        assert_eq!(
            about.iter().filter(|a| a.contains(expected)).count(),
            1,
            "{expected}: {about:?}"
        );
    }
    assert_eq!(about.len(), 6, "{about:?}");
    assert!(!problems.to_string().contains("canary"));
}

#[test]
fn check_compares_a_client_certificate_with_its_key() {
    let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (one, other) = (made("a"), made("b"));
    let lines = "client_cert_file = \"cert\"\nclient_key_file = \"key\"\n";
    let (dir, sources) = file(&format!("{GOOD}{lines}"));
    let about = |cert: &str, key: &str| {
        fs::write(dir.path().join("cert"), cert).unwrap();
        fs::write(dir.path().join("key"), key).unwrap();
        let mut found = said(&inspect(&sources).err().unwrap());
        found.retain(|line| line.contains("client_") && !line.contains("not available"));
        found
    };
    let (cert, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    assert!(about(&cert, &key).is_empty());
    for (cert, key, expected) in [
        (cert.as_str(), other.signing_key.serialize_pem().as_str(), "/key` is not the key of"),
        (&cert, "canary", "/key` holds no private key"),
        (&cert, &cert, "/key` holds no private key"),
        ("canary", &key, "/cert` holds no certificate"),
        (&key, &key, "/cert` holds no certificate"),
    ] {
        let found = about(cert, key);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected) && !found[0].contains("canary"), "{found:?}");
    }
}

#[test]
fn check_looks_into_header_files() {
    let lines = "header_files = { x-good = \"good\", x-bad = \"bad\", x-gone = \"gone\" }\n";
    let (dir, sources) = file(&format!("{GOOD}{lines}"));
    fs::write(dir.path().join("good"), "Bearer abc\n").unwrap();
    fs::write(dir.path().join("bad"), "canary\ncanary\n").unwrap();
    let mut about = said(&inspect(&sources).err().unwrap());
    about.retain(|line| line.contains("header_files.x"));
    assert_eq!(about.len(), 2, "{about:?}");
    assert!(about.iter().any(|line| line.contains("/bad` holds no usable header: the value has")));
    assert!(about.iter().any(|line| line.contains("there is no") && line.contains("/gone`")));
    assert!(about.iter().all(|line| !line.contains("canary")), "{about:?}");
}

#[test]
fn state_directory_of_commands() {
    let mut sources = Sources { env: env(&[("HOME", "/h")]), ..Sources::default() };
    assert_eq!(state_dir(&sources).unwrap(), path("/h/.local/state/watchd"));
    sources.env.clear();
    assert!(state_dir(&sources).is_err());
    let (_dir, sources) = file(&format!("{GOOD}[state]\ndir = \"/s\"\n"));
    assert_eq!(state_dir(&sources).unwrap(), path("/s"));
}
