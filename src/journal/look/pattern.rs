//! Which paths an operator means: a glob by the rule of the configuration, or a part of the path. Pure.

use serde::{Deserialize, Serialize};

use crate::{arrival::RelPath, globs::Selection};

/// A glob when it has one of `*?[`, otherwise a part of the path as it is printed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PathPattern {
    text: String,
    glob: Option<Box<Selection>>,
}

/// Not a glob.
#[derive(Debug, thiserror::Error)]
#[error("not a glob: {0}")]
pub struct BadPattern(String);

impl PathPattern {
    /// Whether the path is meant.
    pub fn fits(&self, path: &RelPath) -> bool {
        match &self.glob {
            Some(glob) => glob.takes_file(path),
            None => path.to_string().contains(&self.text),
        }
    }
}

impl TryFrom<String> for PathPattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        let is_glob = text.contains(['*', '?', '[']);
        let compile = || Selection::new(std::slice::from_ref(&text), &[], false);
        let glob = is_glob.then(compile).transpose();
        let glob = glob.map_err(|(_, why)| BadPattern(why.to_string()))?;
        Ok(Self { text, glob: glob.map(Box::new) })
    }
}

impl std::str::FromStr for PathPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        text.to_owned().try_into()
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_glob_or_a_part_of_the_path() {
        let fits = |pattern: &str, path: &[u8]| {
            pattern.parse::<PathPattern>().unwrap().fits(&RelPath::from_bytes(path))
        };
        assert!(fits("*.pdf", b"a/b.pdf") && !fits("*.pdf", b"a/b.pdf.gz"));
        assert!(fits("a/*.pdf", b"a/b.pdf") && !fits("a/*.pdf", b"c/a/b.pdf"));
        assert!(fits("b.p", b"a/b.pdf") && !fits("x", b"a/b.pdf"));
        assert!(fits("\\xff", b"a\xff"), "as it is printed");
        assert!("[".parse::<PathPattern>().is_err());
    }
}
