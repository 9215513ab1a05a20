//! The text format of `OpenMetrics` 1.0. Pure.

use std::fmt::{Display, Write as _};

/// How a scraper is told what this is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Types of metric families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
    StateSet,
}

/// A page in the making.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// One family of a [`Page`]; its samples follow each other.
pub(super) struct Family<'p> {
    page: &'p mut String,
    name: &'static str,
    kind: Kind,
}

impl Page {
    /// Begins a family. The name carries no `_total` or `_info`; a unit is its last word.
    pub(super) fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_> {
        let Self(page) = self;
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
            Kind::StateSet => "stateset",
        };
        line(page, format_args!("# TYPE {name} {word}"));
        for unit in ["seconds", "bytes"] {
            if name.strip_suffix(unit).is_some_and(|front| front.ends_with('_')) {
                line(page, format_args!("# UNIT {name} {unit}"));
            }
        }
        line(page, format_args!("# HELP {name} {}", Escaped(help)));
        Family { page, name, kind }
    }

    /// The whole page.
    pub(super) fn end(self) -> String {
        self.0 + "# EOF\n"
    }
}

impl Family<'_> {
    /// One sample.
    pub(super) fn put(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram | Kind::StateSet => "",
        };
        self.sample(suffix, labels, value);
        self
    }

    /// Which one of `states` it is in.
    pub(super) fn put_state(&mut self, label: (&str, &str), states: &[&str], state: &str) {
        for name in states {
            self.sample("", &[label, (self.name, name)], u8::from(*name == state));
        }
    }

    /// A histogram: `counts` has one more element than `bounds`.
    pub(super) fn put_counts(
        &mut self,
        label: (&str, &str),
        bounds: &[f64],
        counts: &[u64],
        sum: f64,
    ) {
        let mut all = 0;
        for (at, count) in counts.iter().enumerate() {
            all += count;
            // A bound has a point: 1.0, and not 1.
            let bound = bounds.get(at).map_or_else(|| "+Inf".to_owned(), |b| format!("{b:?}"));
            self.sample("_bucket", &[label, ("le", &bound)], all);
        }
        self.sample("_count", &[label], all);
        self.sample("_sum", &[label], sum);
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let (page, name) = (&mut *self.page, self.name);
        page.push_str(name);
        page.push_str(suffix);
        for (at, (label, text)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            write(page, format_args!("{open}{label}=\"{}\"", Escaped(text)));
        }
        if !labels.is_empty() {
            page.push('}');
        }
        line(page, format_args!(" {value}"));
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    write(page, text);
    page.push('\n');
}

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _infallible = page.write_fmt(text);
}

/// Text inside quotes, or after HELP.
struct Escaped<'t>(&'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\n' => f.write_str("\\n")?,
                '"' | '\\' => write!(f, "\\{c}")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_type_unit_and_help_and_text_is_escaped() {
        let mut page = Page::default();
        let mut family = page.family(Kind::Counter, "a", "Counts \"a\".\n");
        family.put(&[("l", "x\"\\\ny"), ("m", "")], 3);
        page.family(Kind::Gauge, "b_seconds", "B.").put(&[], 0.5);
        let mut family = page.family(Kind::Histogram, "c_seconds", "C.");
        family.put_counts(("l", "x"), &[0.5, 1.0], &[1, 0, 2], 7.25);
        page.family(Kind::StateSet, "d", "D.").put_state(("l", "x"), &["on", "off"], "off");
        let expected = "\
# TYPE a counter
# HELP a Counts \\\"a\\\".\\n
a_total{l=\"x\\\"\\\\\\ny\",m=\"\"} 3
# TYPE b_seconds gauge
# UNIT b_seconds seconds
# HELP b_seconds B.
b_seconds 0.5
# TYPE c_seconds histogram
# UNIT c_seconds seconds
# HELP c_seconds C.
c_seconds_bucket{l=\"x\",le=\"0.5\"} 1
c_seconds_bucket{l=\"x\",le=\"1.0\"} 1
c_seconds_bucket{l=\"x\",le=\"+Inf\"} 3
c_seconds_count{l=\"x\"} 3
c_seconds_sum{l=\"x\"} 7.25
# TYPE d stateset
# HELP d D.
d{l=\"x\",d=\"on\"} 0
d{l=\"x\",d=\"off\"} 1
# EOF
";
        assert_eq!(page.end(), expected);
    }
}
