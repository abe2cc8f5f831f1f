//! Dead letters: what could not be read.

use super::{
    OutputFormat,
    table::{ColumnAlign, OutputTable},
};
use crate::{store::DeadLetter, time::TimeZoneChoice};

#[must_use]
pub fn list(letters: &[DeadLetter], format: OutputFormat, zone: &TimeZoneChoice) -> String {
    if format == OutputFormat::Json {
        return super::json(&letters);
    }
    let mut table = OutputTable::new(&[
        ("received", ColumnAlign::Left),
        ("agent", ColumnAlign::Left),
        ("first", ColumnAlign::Right),
        ("last", ColumnAlign::Right),
        ("bytes", ColumnAlign::Right),
        ("tried again", ColumnAlign::Left),
        ("reason", ColumnAlign::Left),
    ]);
    for letter in letters {
        table.push(vec![
            zone.show(letter.received_us),
            letter.who.to_string(),
            letter.first.to_string(),
            letter.last.to_string(),
            letter.bytes.to_string(),
            letter.retried_us.map(|us| zone.show(us)).unwrap_or_default(),
            letter.reason.clone(),
        ]);
    }
    if format == OutputFormat::Csv { table.to_csv() } else { table.to_text() }
}
