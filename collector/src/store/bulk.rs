//! Many rows in few statements: texts of a few sizes, made once, so that each stays prepared.

use super::{
    StoreError,
    sql::{Tx, Value},
};

/// Rows of a statement, largest first. 64 and 128 were measured and gain nothing: SQLite looks every `$n` up in a list, so
/// twice the rows are four times that work.
const SIZES: [usize; 3] = [32, 8, 1];

/// An INSERT in all sizes.
#[derive(Debug)]
pub(super) struct Insert {
    sql: [String; SIZES.len()],
}

impl Insert {
    /// `tail` is what follows the rows: `ON CONFLICT ...`.
    pub(super) fn new(table: &str, columns: &[&str], tail: &str) -> Self {
        let text = |rows: usize| {
            let mut text = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
            for row in 0..rows {
                let places = (1..=columns.len()).map(|at| format!("${}", row * columns.len() + at));
                let lead = if row == 0 { "(" } else { ", (" };
                text.push_str(lead);
                text.push_str(&places.collect::<Vec<_>>().join(", "));
                text.push(')');
            }
            format!("{text} {tail}")
        };
        Self { sql: SIZES.map(text) }
    }

    /// Inserts the rows; how many were new or changed.
    pub(super) async fn run(&'static self, tx: &mut Tx, rows: Vec<Vec<Value>>) -> Result<u64, StoreError> {
        let mut changed = 0;
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        while left > 0 {
            let (size, sql) = SIZES.iter().zip(&self.sql).find(|(size, _)| **size <= left).expect("the last size is 1");
            let mut values = Vec::with_capacity(size * 32);
            values.extend(rows.by_ref().take(*size).flatten());
            changed += tx.run(sql.as_str(), values).await?;
            left -= size;
        }
        Ok(changed)
    }
}
