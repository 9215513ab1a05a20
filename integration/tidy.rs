//! House rules, each a test with its reason. They read the sources as text: crude, and good enough to
//! make whoever breaks a wall do it on purpose.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const FILE_LINES_MAX: usize = 350;
const FUNCTION_LINES_MAX: usize = 70;
const STAGES: &[&str] = &["watch", "settle", "journal", "deliver"];
/// These decide; what they need to know is passed to them.
const PURE: &[&str] = &[
    "arrival",
    "globs",
    "watch/breath",
    "watch/choice",
    "watch/rules",
    "watch/pending",
    "watch/schedule",
    "settle/tracker",
    "settle/pace",
    "settle/unclear",
    "settle/aside",
    "vitals/health",
    "metrics/exposition",
    "metrics/pipeline",
    "status",
    "journal/copy/format",
    "journal/entry",
    "journal/retention",
    "deliver/schedule",
    "deliver/verdict",
    "deliver/request",
    "deliver/cloud_events",
    "deliver/trace",
    "deliver/bucket",
    "deliver/ramp",
    "deliver/doubt",
    "deliver/signature",
    "deliver/retry_after",
    "deliver/lane",
    "deliver/breaker",
    "deliver/pace",
    "restart/age",
    "restart/binary",
    "restart/spell",
    "notice/desk",
    "heartbeat/judge",
    "http/status_line",
];
const IMPURE: &[&str] = &[
    "tokio::",
    "std::fs",
    "fs::",
    "std::net",
    "rand::",
    "getrandom",
    "clock::mono",
    "clock::wall",
    "stat::",
    "lease::",
    "directory::",
    "chance::",
];
/// A name from outside, and the only places that may say it: swapping it then touches one place.
const SPOKEN_ONLY_IN: &[(&str, &[&str])] = &[
    ("reqwest", &["http", "config/checked"]),
    ("hyper", &["http", "front", "control/client"]),
    ("rustls", &["http"]),
    ("tokio_rustls", &["http"]),
    ("rustls_platform_verifier", &["http"]),
    ("ipnet", &["http", "config"]),
    ("notify", &["kernel"]),
    ("rusqlite", &["journal"]),
    ("figment", &["config"]),
    // Not `rustls::crypto::ring`, which is part of TLS.
    ("use ring", &["secret", "deliver/signature"]),
    ("libc", &["lease"]),
    ("rustix::event", &["mounts"]),
    ("hyper_util", &["http", "front", "control/client"]),
    ("sd_notify", &["systemd"]),
    ("listenfd", &["systemd"]),
    ("maud", &["front/page"]),
    ("dlmalloc", &["main"]),
];

struct Source {
    /// Relative to src.
    name: String,
    /// Without comments and strings.
    code: String,
    raw: String,
}

impl Source {
    /// What is fuzzed asserts, and no release has it.
    fn is_test(&self) -> bool {
        self.name.ends_with("tests.rs") || self.name.contains("/tests/") || self.is_fuzz()
    }

    fn is_fuzz(&self) -> bool {
        self.name == "fuzz.rs" || self.name.ends_with("/fuzz.rs")
    }

    /// Whether this is the module `stem`, or a part of it.
    fn is_in(&self, stem: &str) -> bool {
        let rest = self.name.strip_prefix(stem);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }

    /// The code before the unit tests.
    fn product(&self) -> &str {
        self.code.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let src = top().join("src");
    let read = |path: PathBuf| {
        let raw = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        Source { name, code: code_of(&raw), raw }
    };
    rust_files(&src).into_iter().map(read).collect()
}

fn product() -> impl Iterator<Item = Source> {
    sources().into_iter().filter(|source| !source.is_test())
}

/// The code with comments cut and the insides of string literals blanked; line breaks stay.
fn code_of(raw: &str) -> String {
    let mut out = String::new();
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |at| at + 2)
        } else if c == '"' {
            string_len(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.extend(rest[..len].chars().filter(|c| *c == '\n'));
        rest = &rest[len..];
    }
    out
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Whether `word` stands in `code` as a word of its own.
fn says(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && (word.ends_with(':') || !after.is_some_and(is_part))
    })
}

#[test]
fn a_stage_names_no_other_stage() {
    for source in sources() {
        let Some((own, _)) = source.name.split_once('/') else { continue };
        for stage in STAGES.iter().filter(|stage| STAGES.contains(&own) && **stage != own) {
            for path in [format!("crate::{stage}"), format!("super::super::{stage}")] {
                assert!(!says(&source.code, &path), "src/{} names {path}", source.name);
            }
            let in_list = source
                .code
                .lines()
                .any(|line| line.contains("crate::{") && says(line, &format!("{stage}::")));
            assert!(!in_list, "src/{} imports from the stage {stage}", source.name);
        }
    }
}

#[test]
fn only_the_daemon_knows_more_than_one_stage() {
    for source in product().filter(|s| !s.is_in("daemon") && s.name != "lib.rs") {
        let named = |stage: &&&str| says(&source.code, &format!("crate::{stage}::"));
        let known: Vec<_> = STAGES.iter().filter(named).collect();
        assert!(known.len() <= 1, "src/{} knows {known:?}", source.name);
    }
}

#[test]
fn files_that_decide_do_no_io_and_read_no_clock() {
    for stem in PURE {
        assert!(sources().iter().any(|source| source.is_in(stem)), "src/{stem} is gone");
    }
    for source in product().filter(|source| PURE.iter().any(|stem| source.is_in(stem))) {
        for word in IMPURE {
            assert!(!says(source.product(), word), "src/{} says {word}", source.name);
        }
        for clock in ["Instant::now", "SystemTime::now"] {
            assert!(!source.product().contains(clock), "src/{} reads a clock", source.name);
        }
    }
}

#[test]
fn every_outside_library_has_one_door() {
    for source in product() {
        for (library, doors) in SPOKEN_ONLY_IN {
            let is_door = doors.iter().any(|door| source.is_in(door));
            let speaks = says(source.product(), &format!("{library}::"));
            assert!(is_door || !speaks, "src/{} names {library}; doors: {doors:?}", source.name);
        }
    }
    for source in product().filter(|source| source.is_in("config/checked")) {
        let other = source.code.replace("use reqwest::Url;", "");
        assert!(!other.contains("reqwest"), "the checked configuration takes only Url from it");
    }
}

#[test]
fn unsafe_stands_in_the_lease_alone() {
    for source in sources().iter().filter(|source| source.name != "lease.rs") {
        assert!(!says(&source.code, "unsafe"), "src/{} is unsafe", source.name);
    }
}

#[test]
fn nothing_outside_of_tests_unwraps() {
    for source in product() {
        for call in [".unwrap()", ".expect(", "panic!(", "unreachable!("] {
            assert!(!source.product().contains(call), "src/{} calls {call}", source.name);
        }
    }
}

#[test]
fn files_are_short() {
    for source in product() {
        let tests_at = source.raw.find("#[cfg(test)]\nmod tests {");
        let lines = source.raw[..tests_at.unwrap_or(source.raw.len())].lines().count();
        assert!(lines <= FILE_LINES_MAX, "src/{} has {lines} lines", source.name);
    }
}

#[test]
fn functions_are_short() {
    for source in sources() {
        for (name, lines) in functions(&source.code) {
            assert!(lines <= FUNCTION_LINES_MAX, "src/{}: {lines} lines: {name}", source.name);
        }
    }
}

/// First line and number of lines of each outermost function, by indentation as rustfmt leaves it.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut begun: Option<(usize, usize, &str, bool)> = None;
    for (number, line) in code.lines().enumerate() {
        let head = line.trim_start();
        let indent = line.len() - head.len();
        if begun.is_none() && says(head, "fn") {
            begun = Some((number, indent, head, false));
        }
        let Some((start, depth, name, open)) = &mut begun else { continue };
        *open |= head.contains('{');
        if !*open && head.ends_with(';') {
            begun = None;
        } else if *open && indent == *depth && head.ends_with('}') {
            found.push(((*name).to_owned(), number - *start + 1));
            begun = None;
        }
    }
    found
}

#[test]
fn the_rules_read_code_and_neither_comments_nor_strings() {
    let raw = "fn a() { // unsafe\n    b(\"unsafe \\\" {\"); /// unsafe\n}\n\nfn b();\nfn c() {}\n";
    let code = code_of(raw);
    assert!(!says(&code, "unsafe"), "{code}");
    assert_eq!(raw.lines().count(), code.lines().count(), "lines keep their numbers");
    let lines: Vec<_> = functions(&code).into_iter().map(|(_, lines)| lines).collect();
    assert_eq!(lines, [3, 1]);
    assert!(says("unsafe { }", "unsafe") && !says("unsafe_code", "unsafe"));
    assert!(says("tokio::time", "tokio::") && !says("mytokio::time", "tokio::"));
}

#[test]
fn every_source_file_is_part_of_the_program() {
    let all = sources();
    let declared: BTreeSet<String> = all.iter().flat_map(declared_modules).collect();
    for source in &all {
        let stem = source.name.trim_end_matches(".rs").trim_end_matches("/mod");
        let is_root = ["main", "lib"].contains(&stem);
        assert!(is_root || declared.contains(stem), "src/{} belongs to no module", source.name);
    }
}

/// The modules that a file declares, as paths below src without an ending.
fn declared_modules(source: &Source) -> Vec<String> {
    let own = source.name.trim_end_matches(".rs").trim_end_matches("/mod");
    let folder = if ["main", "lib"].contains(&own) { String::new() } else { format!("{own}/") };
    let module = |line: &str| {
        let head = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let name = head.strip_prefix("mod ")?.strip_suffix(';')?;
        Some(format!("{folder}{name}"))
    };
    source.code.lines().map(str::trim).filter_map(module).collect()
}

/// The table of faults names tests that exist, and every test of a fault.
#[test]
fn every_fault_is_in_the_table_with_a_test_that_exists() {
    let listed = fs::read_to_string(top().join("integration/README.md")).unwrap();
    let all =
        || ["faults", "promises"].map(|f| rust_files(&top().join("integration").join(f))).concat();
    let code: String = all().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let (_, table) = listed.split_once("## Faults, and how each is made").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|line| line.contains("::"));
    let named = rows.filter_map(|row| row.split('`').find(|part| part.contains("::")));
    let named: Vec<_> = named.filter_map(|test| test.split("::").last()).collect();
    assert!(named.len() >= 40, "{} faults", named.len());
    for test in &named {
        assert!(code.contains(&format!("fn {test}()")), "no test {test}");
    }
    for path in rust_files(&top().join("integration/faults")) {
        let raw = fs::read_to_string(&path).unwrap();
        for part in raw.split("#[test]\nfn ").skip(1) {
            let name = part.split('(').next().unwrap();
            assert!(named.contains(&name), "{name} is not in the table");
        }
    }
}

/// The same function, by libFuzzer and by a test; and neither is in a release.
#[test]
fn what_is_fuzzed_is_played_by_a_test_and_part_of_no_release() {
    let played = fs::read_to_string(top().join("src/fuzz.rs")).unwrap();
    let fuzz = top().join("integration/fuzz");
    let listed = fs::read_to_string(top().join("integration/README.md")).unwrap();
    let targets = rust_files(&fuzz.join("targets"));
    assert!(targets.len() >= 5, "{targets:?}");
    for path in targets {
        let target = path.file_stem().unwrap().to_str().unwrap();
        let code = fs::read_to_string(&path).unwrap();
        assert!(code.contains(&format!("target!(watchd::fuzz::{target});")), "{target}");
        let files = fs::read_dir(fuzz.join("corpus").join(target)).unwrap().count();
        assert!((10..=120).contains(&files), "the corpus of {target} has {files} files");
        let test = format!("holds(\"{target}\", ");
        assert!(played.contains(&test), "no test plays {target}");
        assert!(listed.contains(&format!("| `{target}` |")), "README.md does not name {target}");
    }
    for source in sources() {
        let gated = "#[cfg(any(test, feature = \"fuzzing\"))]\n";
        for (at, _) in source.raw.match_indices("mod fuzz;") {
            let line = source.raw[..at].rfind('\n').map_or(0, |end| end + 1);
            assert!(
                source.raw[..line].ends_with(gated),
                "src/{} releases what is fuzzed",
                source.name
            );
        }
    }
    let manifest = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("\nfuzzing = []\n") && !manifest.contains("\ndefault = "),
        "features"
    );
}

#[test]
fn every_promise_has_its_proof() {
    let listed = fs::read_to_string(top().join("integration/README.md")).unwrap();
    for number in 1..=11 {
        assert!(says(&listed, &format!("P{number}")), "integration/README.md names no P{number}");
    }
    let folder = top().join("integration/promises");
    let modules = fs::read_to_string(folder.join("mod.rs")).unwrap();
    for path in rust_files(&folder) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(stem == "mod" || says(&modules, stem), "{stem} is not in promises/mod.rs");
        assert!(stem == "mod" || says(&listed, stem), "{stem} is not in integration/README.md");
    }
}

#[test]
fn every_test_that_the_table_of_promises_names_exists() {
    let listed = fs::read_to_string(top().join("integration/README.md")).unwrap();
    let folder = top().join("integration/promises");
    let proofs: String =
        rust_files(&folder).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for item in listed.lines().filter_map(|line| line.strip_prefix("- `")) {
        let name = item.trim_end_matches('`');
        assert!(proofs.contains(&format!("fn {name}()")), "integration/README.md names {name}");
    }
}

#[test]
fn every_proof_in_containers_is_in_the_table_of_faults() {
    let listed = fs::read_to_string(top().join("integration/README.md")).unwrap();
    let mut names = Vec::new();
    for path in rust_files(&top().join("integration/containers/tests")) {
        let code = fs::read_to_string(path).unwrap();
        let after_mark = code.split("#[tokio::test]\nasync fn ").skip(1);
        names.extend(after_mark.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
    }
    assert!(names.len() > 10, "the proofs are elsewhere: {names:?}");
    for name in names {
        assert!(
            listed.contains(&format!("`{name}`")),
            "integration/README.md does not name {name}"
        );
    }
}

/// Each row of the table on virtual machines is a subtest, and each script has a row at least.
#[test]
fn what_the_table_says_of_virtual_machines_is_what_their_scripts_do() {
    let listed = fs::read_to_string(top().join("integration/README.md")).unwrap();
    let (_, table) = listed.split_once("## On a real systemd, in virtual machines").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let row = |line: &str| {
        let (script, rest) = line.strip_prefix("| `")?.split_once(".py`: ")?;
        Some((script.to_owned(), rest.split_once(" | ")?.0.to_owned()))
    };
    let rows: BTreeSet<(String, String)> = table.lines().filter_map(row).collect();
    assert!(rows.len() > 20, "the table is elsewhere: {rows:?}");
    let mut subtests = BTreeSet::new();
    for entry in fs::read_dir(top().join("integration/nixos")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "py") {
            continue;
        }
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(rows.iter().any(|(script, _)| *script == stem), "no row names {stem}.py");
        let code = fs::read_to_string(&path).unwrap();
        let heads = code.split("with subtest(\"").skip(1);
        let sentences = heads.filter_map(|rest| rest.split_once('"'));
        subtests.extend(sentences.map(|(sentence, _)| (stem.clone(), sentence.to_owned())));
    }
    let gone: Vec<_> = rows.difference(&subtests).collect();
    assert!(gone.is_empty(), "no script does this: {gone:?}");
}

#[test]
fn every_section_of_the_tests_is_named_where_they_are_described() {
    let script = fs::read_to_string(top().join("integration/test")).unwrap();
    let sections = |name: &str| {
        let (_, rest) = script.split_once(&format!("\n{name}=(")).unwrap();
        rest.split_once(')').unwrap().0.to_owned()
    };
    let all = format!("{} {}", sections("SECTIONS"), sections("OTHER_SECTIONS"));
    assert!(script.contains(&format!("[{} ...]", all.replace(' ', "|"))), "integration/test");
    for file in ["CONTRIBUTING.md", "integration/README.md"] {
        let text = fs::read_to_string(top().join(file)).unwrap();
        assert!(text.contains(&format!(" of: {all}\n")), "{file} does not name: {all}");
    }
}

#[test]
fn tracked_files_name_no_private_place() {
    let listed = Command::new("git").arg("-C").arg(top()).args(["ls-files", "-z"]).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        return crate::harness::skipped("this is no git checkout");
    };
    // Written in two parts each, so that this file does not name them.
    let private = [concat!("/wo", "rk"), concat!("../sha", "red"), concat!("index.crates", ".io")];
    let public = [concat!("static.crates", ".io"), concat!("proxy.golang", ".org")];
    for name in listed.stdout.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        let Ok(text) = fs::read_to_string(top().join(&name)) else { continue };
        for word in private.iter().chain(&public) {
            let found = text.match_indices(word).any(|(at, _)| is_private(&text, at, word));
            assert!(!found, "{name} names {word}");
        }
    }
}

/// A path is private only at the root, not as the end or the beginning of another name.
fn is_private(text: &str, at: usize, word: &str) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + word.len()..].chars().next();
    !word.starts_with('/')
        || (!before.is_some_and(|c| c.is_alphanumeric() || "._-*{}$".contains(c))
            && !after.is_some_and(char::is_alphanumeric))
}
