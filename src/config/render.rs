//! Problems as a compiler would print them.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{
    document::Document,
    problem::{Place, Problem},
};
use crate::arrival::Shown;

/// Everything that is wrong with one configuration. `Display` is the plain report.
#[derive(Debug, Default)]
pub struct Problems {
    pub(super) list: Vec<Problem>,
    pub(super) source: Option<Source>,
}

/// The file that the spans of the problems point into.
#[derive(Clone, Debug)]
pub(super) struct Source {
    path: String,
    shown: String,
}

impl Source {
    pub(super) fn new(document: &Document) -> Self {
        Self { path: document.path.display().to_string(), shown: document.shown.clone() }
    }
}

impl Problems {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// The line of the configuration file that `problem` is about, from 1; `None` when it was made elsewhere.
    pub fn line_of(&self, problem: &Problem) -> Option<usize> {
        let (Some(source), Place::Span(span)) = (&self.source, &problem.place) else { return None };
        let before = source.shown.get(..span.start)?;
        Some(1 + before.matches('\n').count())
    }

    /// The report; `colour` only for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let reports = self.list.iter().map(|problem| renderer.render(&[self.group(problem)]));
        reports.collect::<Vec<_>>().join("\n\n")
    }

    fn group<'p>(&'p self, problem: &'p Problem) -> Group<'p> {
        let level = if problem.is_warning { Level::WARNING } else { Level::ERROR };
        let mut group = Group::with_title(level.primary_title(problem.to_string()));
        if let (Some(source), Place::Span(span)) = (&self.source, &problem.place) {
            let mut snippet = Snippet::source(&source.shown).path(&source.path);
            snippet = snippet.annotation(AnnotationKind::Primary.span(span.clone()));
            if let Some((key, Place::Span(span))) = &problem.other {
                let label = format!("the other one: `{}`", Shown(key.as_bytes()));
                let other = AnnotationKind::Context.span(span.clone()).label(label);
                snippet = snippet.annotation(other);
            }
            group = group.element(snippet);
        } else if let (Some(source), Place::Whole) = (&self.source, &problem.place) {
            group = group.element(Origin::path(&source.path));
        }
        for origin in [origin(&problem.place), problem.other.as_ref().and_then(|(_, p)| origin(p))]
        {
            group = group.elements(origin.map(|text| Level::NOTE.message(text)));
        }
        group.element(Level::HELP.message(problem.advice()))
    }
}

/// Says where a problem was made that is not in the file.
fn origin(place: &Place) -> Option<String> {
    match place {
        Place::Variable(name) => Some(format!("set by the environment variable {name}")),
        Place::Flag(name) => Some(format!("set by the flag {name}")),
        Place::Span(_) | Place::Whole => None,
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}
