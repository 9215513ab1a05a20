//! The text of the configuration file, and where in it each key stands.

use std::{ops::Range, path::PathBuf};

use toml_edit::{ImDocument, Item, Key, TableLike, Value};

use super::mask;

/// One configuration file.
pub(super) struct Document {
    /// As it was named on the command line.
    pub(super) path: PathBuf,
    /// What is shown of it: secrets masked, every byte at its place.
    pub(super) shown: String,
    parsed: Option<ImDocument<String>>,
}

/// Where a text stops being TOML.
pub(super) struct SyntaxError {
    /// In a few words.
    pub(super) message: String,
    /// Where.
    pub(super) span: Range<usize>,
}

impl Document {
    /// Parses; a text that is not TOML is kept all the same, for the report.
    pub(super) fn new(path: PathBuf, text: &str) -> (Self, Option<SyntaxError>) {
        match ImDocument::parse(text.to_owned()) {
            Ok(parsed) => {
                let shown = mask::parsed(text, parsed.as_table());
                (Self { path, shown, parsed: Some(parsed) }, None)
            }
            Err(error) => {
                let end = text.len();
                let span = error.span().unwrap_or(end..end);
                let message = error.message().trim().replace('\n', ", ");
                let document = Self { path, shown: mask::unparsed(text), parsed: None };
                (document, Some(SyntaxError { message, span }))
            }
        }
    }

    /// Whether the file holds nothing but space and comments.
    pub(super) fn is_empty(&self) -> bool {
        self.parsed.as_ref().is_some_and(|document| document.as_table().is_empty())
    }

    /// Whether the file sets this key or has this table.
    pub(super) fn has(&self, path: &[String]) -> bool {
        self.find(path).is_some_and(|(_, depth)| depth == path.len())
    }

    /// The value at `path`, or else the nearest thing around it: the header of its table.
    pub(super) fn span(&self, path: &[String]) -> Option<Range<usize>> {
        match self.find(path)?.0 {
            Found::Pair(_, Item::Value(value)) | Found::Element(value) => value.span(),
            Found::Pair(key, _) => key.span(),
        }
    }

    /// The last key of `path`, or else the nearest thing around it.
    pub(super) fn key_span(&self, path: &[String]) -> Option<Range<usize>> {
        match self.find(path)?.0 {
            Found::Pair(key, _) => key.span(),
            Found::Element(value) => value.span(),
        }
    }

    fn find(&self, path: &[String]) -> Option<(Found<'_>, usize)> {
        let mut table: &dyn TableLike = self.parsed.as_ref()?.as_table();
        let mut found = None;
        for (at, key) in path.iter().enumerate() {
            let Some((key, item)) = table.get_key_value(key) else { break };
            found = Some((Found::Pair(key, item), at + 1));
            if let Some(inner) = item.as_table_like() {
                table = inner;
                continue;
            }
            let element = path.get(at + 1).and_then(|index| index.parse::<usize>().ok());
            let list = item.as_array();
            if let Some(value) = list.zip(element).and_then(|(list, index)| list.get(index)) {
                found = Some((Found::Element(value), at + 2));
            }
            break;
        }
        found
    }
}

enum Found<'d> {
    Pair(&'d Key, &'d Item),
    Element(&'d Value),
}
