//! Dead letters: what could not be read.

use super::{
    Format,
    table::{Lean, Table},
};
use crate::{store::DeadLetter, time::Zone};

/// All of them.
#[must_use]
pub fn list(letters: &[DeadLetter], format: Format, zone: &Zone) -> String {
    if format == Format::Json {
        return super::json(&letters);
    }
    let mut table = Table::new(&[
        ("received", Lean::Left),
        ("agent", Lean::Left),
        ("first", Lean::Right),
        ("last", Lean::Right),
        ("bytes", Lean::Right),
        ("tried again", Lean::Left),
        ("reason", Lean::Left),
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
    if format == Format::Csv { table.to_csv() } else { table.to_text() }
}
