use super::*;

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
    assert!(matches!(parse("demo"), Ok(Command::Demo { keep: false })));
    assert!(matches!(parse("demo --keep"), Ok(Command::Demo { keep: true })));
    let Ok(Command::EventsList { journal, json, state }) =
        parse("events list --state-dir /s --json")
    else {
        panic!()
    };
    assert!(matches!(journal, JournalAt::StateDir(dir) if dir == std::path::Path::new("/s")));
    assert!(json && state == Events::All);
    for (word, expected) in
        [("dead", Events::Dead), ("waiting", Events::Waiting), ("parked", Events::Parked)]
    {
        let Ok(Command::EventsList { journal, state, .. }) =
            parse(&format!("events list --state {word}"))
        else {
            panic!()
        };
        assert!(matches!(journal, JournalAt::Config(_)) && state == expected);
    }
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
        "--config f check",
    ] {
        assert!(parse(words).is_err(), "{words}");
    }
    let Err(error) = parse_from(["watchd"]) else { panic!() };
    let text = error.to_string();
    assert!(text.contains("watchd --dir") && text.contains("watchd run --config"), "{text}");
    assert_eq!(error.exit_code(), 2);
}
