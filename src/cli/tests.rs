use super::*;
use crate::{journal::look::State, operator::place::Which};

fn parse(words: &str) -> Result<Command, ErrorKind> {
    let words = std::iter::once("watchd").chain(words.split_whitespace());
    parse_from(words).map_err(|error| error.kind())
}

#[test]
fn the_definition_is_sound() {
    <Cli as CommandFactory>::command().debug_assert();
}

#[test]
fn run_is_what_happens_without_a_command() {
    for words in ["--config f --quiet 5s", "run --config f --quiet 5s"] {
        let Ok(Command::Run(sources)) = parse(words) else { panic!("{words}") };
        assert_eq!(sources.config, Some("f".into()));
        assert_eq!(sources.flags.quiet.as_deref(), Some("5s"));
    }
    let Ok(Command::Run(sources)) = parse("--dir a --dir b --url u --secret-file s --exclude x")
    else {
        panic!()
    };
    assert_eq!(sources.flags.dir, [PathBuf::from("a"), PathBuf::from("b")]);
    assert!(matches!(parse("--config f --print-config"), Ok(Command::PrintConfig(_))));
    assert!(matches!(parse("run --config f --print-config"), Ok(Command::PrintConfig(_))));
}

#[test]
fn other_commands() {
    assert!(matches!(parse("check --config f"), Ok(Command::Check(_))));
    assert!(matches!(parse("check --dir a --url u"), Ok(Command::Check(_))));
    let Ok(Command::Test { sources, json: true, name }) =
        parse("endpoint test crm --config f --json")
    else {
        panic!()
    };
    assert_eq!((sources.config, name.as_str()), (Some("f".into()), "crm"));
    assert!(matches!(
        parse("endpoint test default --dir a --url u"),
        Ok(Command::Test { json: false, .. })
    ));
    assert!(matches!(parse("demo"), Ok(Command::Demo { keep: false })));
    assert!(matches!(parse("demo --keep"), Ok(Command::Demo { keep: true })));
}

fn events(words: &str) -> Events {
    let Ok(Command::Events(events)) = parse(words) else { panic!("{words}") };
    events
}

#[test]
fn events_are_listed_by_what_fits() {
    let Events { place, json, ask } = events("events list --state-dir /s --json");
    assert!(matches!(place, Which::StateDir(dir) if dir == std::path::Path::new("/s")));
    let Ask::List(filter, limit) = ask else { panic!() };
    assert!(json && limit == 1000 && filter.state.is_none() && filter.since_ms.is_none());
    for (word, expected) in
        [("dead", State::Dead), ("waiting", State::Waiting), ("parked", State::Parked)]
    {
        let Events { place, ask, .. } = events(&format!("events list --state {word}"));
        let Ask::List(filter, _) = ask else { panic!() };
        assert!(matches!(place, Which::Config(_)) && filter.state == Some(expected));
    }
    let narrow = "events list --endpoint e --watch w --path *.pdf --since 2h --limit 7";
    let Ask::List(filter, 7) = events(narrow).ask else { panic!() };
    assert_eq!((filter.endpoint.as_deref(), filter.watch.as_deref()), (Some("e"), Some("w")));
    let ago = crate::clock::wall().0 - filter.since_ms.unwrap();
    assert!((7_200_000..7_260_000).contains(&ago), "{ago}");
    assert_eq!(String::from(filter.path.unwrap()), "*.pdf");
}

#[test]
fn events_are_shown_by_their_whole_id() {
    let id = "evt_01961f2e7c3a7b2e8d54f00dcafe0001";
    let Ask::Show(ids) = events(&format!("events show {id} {id}")).ask else { panic!() };
    assert_eq!(ids.len(), 2);
}

#[test]
fn what_is_treated_is_named_or_narrowed() {
    let id = "evt_01961f2e7c3a7b2e8d54f00dcafe0001";
    let Ask::Retry(filter) = events(&format!("events retry {id} --endpoint e")).ask else {
        panic!()
    };
    assert_eq!((filter.ids.len(), filter.endpoint.as_deref()), (1, Some("e")));
    let Ask::Discard(filter) = events("events discard --all --state dead").ask else { panic!() };
    assert!(filter.ids.is_empty() && filter.state == Some(State::Dead));
}

#[test]
fn usage_errors() {
    for words in [
        "",
        "run",
        "check",
        "--url u",
        "--quiet",
        "events",
        "events list --state x",
        "--config a b",
        "events list --config f --state-dir d",
        "events list --path [",
        "events list --since 2",
        "events list --limit x",
        "events show",
        "events show evt_1",
        "events retry",
        "endpoint test",
        "endpoint test crm",
        "endpoint test CRM --config f",
        "events retry --all",
        "events discard --all --state all",
        "events discard --endpoint e",
        "events discard evt_01961f2e7c3a7b2e8d54f00dcafe0001 --all",
        "--config f check",
    ] {
        assert!(parse(words).is_err(), "{words}");
    }
    let Err(error) = parse_from(["watchd"]) else { panic!() };
    let text = error.to_string();
    assert!(text.contains("watchd --dir") && text.contains("watchd run --config"), "{text}");
    assert_eq!(error.exit_code(), 2);
}
