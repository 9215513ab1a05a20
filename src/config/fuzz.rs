//! Any bytes as the configuration file.
#![expect(
    clippy::missing_panics_doc,
    reason = "to panic is how it says that something does not hold"
)]

use super::{
    Loaded, Problems, Sources,
    checked::{Config, Endpoint, UrlSource},
    reading_of,
};
use crate::globs::Selection;

/// Part of a secret, in the corpus.
const CANARY: &str = "c4nary-c4nary";

/// A good one is printed as one that means the same; of a bad one everything is said, and said to a terminal.
pub fn configuration(bytes: &[u8]) {
    match load(bytes) {
        Ok(loaded) => {
            can_be_shown(&loaded.warnings);
            let printed = loaded.to_toml();
            hides_secrets(bytes, &loaded, &printed);
            match load(printed.as_bytes()) {
                Ok(again) => {
                    assert_eq!(again.to_toml(), printed, "printed again");
                    assert_eq!(plain(again.config), plain(loaded.config), "{printed}");
                }
                Err(problems) => assert!(problems.is_empty(), "{problems}\nin:\n{printed}"),
            }
        }
        Err(problems) => {
            assert!(problems.iter().any(|problem| !problem.is_warning()), "nothing is wrong");
            can_be_shown(&problems);
        }
    }
}

fn load(bytes: &[u8]) -> Result<Loaded, Problems> {
    let sources = Sources {
        config: Some("/etc/watchd/watchd.toml".into()),
        env: vec![("HOME".into(), "/home/ada".into())],
        cwd: "/".into(),
        ..Sources::default()
    };
    reading_of(&sources, Ok(Some(bytes.to_vec()))).into_loaded()
}

/// What can be compared of it. Of a URL and of headers only what may be shown is printed.
fn plain(mut config: Config) -> String {
    for watch in &mut config.watches {
        if let Ok(selection) = Selection::new(&[], &[], false) {
            watch.selection = selection;
        }
    }
    format!("{config:?}")
}

/// What stands in the file once, in a header or behind the host of a URL, is not shown (P10).
fn hides_secrets(bytes: &[u8], loaded: &Loaded, printed: &str) {
    let in_file = bytes.windows(CANARY.len()).filter(|part| *part == CANARY.as_bytes()).count();
    let in_secrets = |endpoint: &Endpoint| {
        let mut headers = endpoint.headers.iter().filter_map(|(_, value)| value.to_str().ok());
        let in_url = match &endpoint.url {
            UrlSource::Given(url) => url.expose().as_str().contains(CANARY),
            UrlSource::File(_) => false,
        };
        let in_host =
            matches!(&endpoint.url, UrlSource::Given(url) if url.to_string().contains(CANARY));
        headers.any(|value| value.contains(CANARY)) || in_url && !in_host
    };
    if in_file == 1 && loaded.config.endpoints.iter().any(in_secrets) {
        let shown = [printed, &loaded.warnings.render(false), &format!("{:?}", loaded.config)];
        assert!(shown.iter().all(|text| !text.contains(CANARY)), "{shown:?}");
    }
}

fn can_be_shown(problems: &Problems) {
    let lines = problems.render(false);
    let is_raw = |c: char| c.is_control() && c != '\n';
    assert!(!lines.contains(is_raw), "{lines:?}");
    let coloured = problems.render(true);
    for escape in coloured.split('\u{1b}').skip(1) {
        let code = escape.split_once('m').map_or(escape, |(code, _)| code);
        let is_colour =
            code.starts_with('[') && code.chars().skip(1).all(|c| c.is_ascii_digit() || c == ';');
        assert!(is_colour, "{coloured:?}");
    }
    for problem in problems.iter() {
        assert!(!problem.advice().is_empty(), "{problem}");
        assert!(!problem.to_string().contains(char::is_control), "{problem:?}");
        assert!(problems.line_of(problem) != Some(0), "lines are counted from 1");
    }
}
