//! A table's header line as a parser keeps it: its text, which may come again, and the columns that it names.

use serde::{Deserialize, Serialize};

use super::{
    Context,
    csv::{self, Csv, HeaderError},
    w3c,
};

/// A header line that names columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct HeaderFields {
    text: String,
    columns: Csv,
}

impl HeaderFields {
    /// The header in `text`, when it is one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Self::try_from(text.to_owned()).ok()
    }

    /// The header that a row of a table without one stands for: a time and numbers.
    pub(crate) fn of_row(text: &str, context: &Context) -> Option<Self> {
        csv::header_for(text, context).and_then(|header| Self::read(&header))
    }

    /// Whether a line of unknown format begins a table: it names a value and something else that is known, or a time and
    /// other columns; or it is a row, below the header of the file before or without any.
    pub(crate) fn is_likely(text: &str, before: Option<&Self>, context: &Context) -> bool {
        match Self::read(text) {
            Some(header) => header.columns.names_origin(),
            None => {
                w3c::is_directive(text)
                    || before.is_some_and(|b| b.columns.parse(text, context).fault.is_none())
                    || Self::of_row(text, context).is_some()
            }
        }
    }

    pub(crate) fn columns(&self) -> &Csv {
        &self.columns
    }

    /// Whether the line is this header once more, as after a concatenation.
    pub(crate) fn is_repeated(&self, text: &str) -> bool {
        text.as_bytes().first() == self.text.as_bytes().first() && text == self.text
    }
}

impl TryFrom<String> for HeaderFields {
    type Error = HeaderError;

    fn try_from(text: String) -> Result<Self, HeaderError> {
        let columns = Csv::from_header(&text)?;
        Ok(Self { text, columns })
    }
}

impl From<HeaderFields> for String {
    fn from(header: HeaderFields) -> Self {
        header.text
    }
}
