//! Fields of a row: what separates them, quoted ones, and numbers as they are written beside each separator.

use std::borrow::Cow;

use crate::record::{COLUMNS_MAX, Fault};

/// What stands between fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    Comma,
    Semicolon,
    Tab,
    Bar,
    Blank,
}

impl Separator {
    /// Those of tables.
    pub(crate) const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Bar];

    /// That of a header: the one that gives the most fields.
    pub(crate) fn of(header: &str) -> Self {
        let count = |separator: &Self| split(header, *separator).len();
        let (mut found, mut most) = (Self::Comma, count(&Self::Comma));
        for separator in Self::ALL {
            if count(&separator) > most {
                (found, most) = (separator, count(&separator));
            }
        }
        found
    }

    /// That of the fields of an extended log: blanks, but programs that write commas or tabs name their fields so too.
    pub(crate) fn of_w3c(fields: &str) -> Self {
        match fields {
            _ if fields.contains(',') => Self::Comma,
            _ if fields.contains('\t') => Self::Tab,
            _ => Self::Blank,
        }
    }

    /// That of a row below a header of this one: blanks between names may be tabs between values.
    pub(crate) fn in_row(self, row: &str) -> Self {
        if self == Self::Blank && memchr::memchr(b'\t', row.as_bytes()).is_some() { Self::Tab } else { self }
    }

    pub(crate) fn character(self) -> char {
        char::from(self.byte())
    }

    fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Bar => b'|',
            Self::Blank => b' ',
        }
    }
}

pub(crate) type CsvFields<'a> = heapless::Vec<Cow<'a, str>, COLUMNS_MAX>;

/// The fields of a line.
pub(crate) fn split(line: &str, separator: Separator) -> CsvFields<'_> {
    let mut fields = CsvFields::new();
    split_into(line, separator, &mut fields);
    fields
}

/// The same into a list that is empty.
pub(crate) fn split_into<'a>(line: &'a str, separator: Separator, fields: &mut CsvFields<'a>) {
    if memchr::memchr(b'"', line.as_bytes()).is_some() {
        split_quoted(line, separator, fields);
        return;
    }
    let (separator, mut start) = (separator.byte(), 0);
    // Fields are short: a search for each would cost more than to look at every byte.
    for (end, byte) in line.bytes().enumerate() {
        if byte == separator {
            if fields.push(Cow::Borrowed(&line[start..end])).is_err() {
                return;
            }
            start = end + 1;
        }
    }
    // A 65th column is ignored like any unknown one.
    let _ = fields.push(Cow::Borrowed(&line[start..]));
}

fn split_quoted<'a>(line: &'a str, separator: Separator, fields: &mut CsvFields<'a>) {
    let mut reader = csv_core::ReaderBuilder::new().delimiter(separator.byte()).build();
    // One byte more than can be needed: the reader wants room even for a record's end.
    let mut bytes = vec![0; line.len() + 1];
    let mut ends = [0; COLUMNS_MAX];
    let (_, _, mut written, mut ended) = reader.read_record(line.as_bytes(), &mut bytes, &mut ends);
    // An empty read tells the reader that the record ends here.
    let (_, _, more, last) = reader.read_record(&[], &mut bytes[written..], &mut ends[ended..]);
    written += more;
    ended += last;
    let mut start = 0;
    for &end in &ends[..ended] {
        let end = end.min(written);
        let field = String::from_utf8_lossy(&bytes[start.min(end)..end]).into_owned();
        if fields.push(Cow::Owned(field)).is_err() {
            return;
        }
        start = end;
    }
}

/// Reads a finite number.
pub(crate) fn number(text: &str) -> Result<f64, Fault> {
    let value: f64 = text.parse().map_err(|_| Fault::Value)?;
    if value.is_finite() { Ok(value) } else { Err(Fault::NotFinite) }
}

/// Reads a finite number, with a comma before its fraction where commas do not separate fields: `1,5`, `1.234,5`.
pub(crate) fn decimal(text: &str, separator: Separator) -> Result<f64, Fault> {
    match number(text) {
        Err(Fault::Value) if separator != Separator::Comma => {}
        read => return read,
    }
    let (whole, fraction) = text.split_once(',').ok_or(Fault::Value)?;
    let mut groups = whole.split('.');
    let is_grouped = groups.next().is_some_and(|first| first.len() <= 4) && groups.all(|group| group.len() == 3);
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    if !is_fraction || (whole.contains('.') && !is_grouped) {
        return Err(Fault::Value);
    }
    number(&format!("{}.{fraction}", whole.replace('.', "")))
}
