//! What events may show of lines and names, as an argument: what is secret in a line is not decided here.

use std::fmt;

use oddline_core::{
    event::{Name, Sample},
    format,
};

/// Decides what is shown of a source's lines and of the names in them.
pub trait Redactor: fmt::Debug + Send + Sync {
    /// Whether lines are shown at all; where they are not, none is kept until its verdict comes.
    fn shows_lines(&self) -> bool;

    /// What is shown of a line; `None` for nothing.
    fn sample(&self, line: &[u8]) -> Option<Sample>;

    /// The name of a server or component as it is shown. The same name always becomes the same text.
    fn name(&self, name: &str) -> Name;
}

/// Shows everything, cut to its bounds: for logs that do not leave the machine.
#[derive(Debug, Clone, Copy)]
pub struct Unredacted;

impl Redactor for Unredacted {
    fn shows_lines(&self) -> bool {
        true
    }

    fn sample(&self, line: &[u8]) -> Option<Sample> {
        let text = format::shown(line);
        (!text.is_empty()).then(|| Sample::cut(&text))
    }

    fn name(&self, name: &str) -> Name {
        Name::cut(name)
    }
}
