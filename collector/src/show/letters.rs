//! Dead letters: what could not be read.

use super::{
    OutputFormat,
    table::{ColumnAlign, OutputTable},
};
use crate::{store::DeadLetter, text::size, time::TimeZoneChoice};

#[must_use]
pub fn list(letters: &[DeadLetter], format: OutputFormat, zone: &TimeZoneChoice) -> String {
    if format == OutputFormat::Json {
        return super::json(&letters);
    }
    let (left, right) = (ColumnAlign::Left, ColumnAlign::Right);
    let is_table = format == OutputFormat::Table;
    let table = OutputTable::new(
        letters,
        &[
            (&super::times("received", format, zone), left, &|letter| zone.show(letter.received_us)),
            ("agent", left, &|letter| letter.who.to_string()),
            ("first", right, &|letter| letter.first.to_string()),
            ("last", right, &|letter| letter.last.to_string()),
            (if is_table { "size" } else { "bytes" }, right, &|letter| {
                if is_table { size(letter.bytes) } else { letter.bytes.to_string() }
            }),
            ("tried again", left, &|letter| letter.retried_us.map(|us| zone.show(us)).unwrap_or_default()),
            ("reason", left, &|letter| letter.reason.clone()),
        ],
    );
    if is_table { table.to_text() } else { table.to_csv() }
}
