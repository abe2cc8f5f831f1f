//! Many rows in few statements: texts of a few sizes, made once, so that each stays prepared.

use super::{
    StoreError,
    sql::{SqlValue, Tx},
};

/// Rows of a statement, largest first.
const SIZES: [usize; 4] = [128, 32, 8, 1];

/// An INSERT in all sizes.
#[derive(Debug)]
pub(super) struct Insert {
    /// With `$n`, for PostgreSQL.
    numbered: [String; SIZES.len()],
    /// With `?`: SQLite keeps the names of `$n` in a list and sqlx asks for the name of each value it binds, so that twice
    /// the rows are four times that work. Values without a name cost nothing.
    nameless: [String; SIZES.len()],
}

impl Insert {
    /// `tail` is what follows the rows: `ON CONFLICT ...`.
    pub(super) fn new(table: &str, columns: &[&str], tail: &str) -> Self {
        let text = |rows: usize, place: fn(usize) -> String| {
            let mut text = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
            for row in 0..rows {
                let places = (1..=columns.len()).map(|at| place(row * columns.len() + at));
                let lead = if row == 0 { "(" } else { ", (" };
                text.push_str(lead);
                text.push_str(&places.collect::<Vec<_>>().join(", "));
                text.push(')');
            }
            format!("{text} {tail}")
        };
        let numbered = SIZES.map(|rows| text(rows, |at| format!("${at}")));
        let nameless = SIZES.map(|rows| text(rows, |_| "?".to_owned()));
        Self { numbered, nameless }
    }

    /// Inserts the rows; how many were new or changed.
    pub(super) async fn run(&'static self, tx: &mut Tx, rows: Vec<Vec<SqlValue>>) -> Result<u64, StoreError> {
        let texts = match tx {
            Tx::Sqlite(_) => &self.nameless,
            Tx::Postgres(_) => &self.numbered,
        };
        let mut changed = 0;
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        while left > 0 {
            let (size, sql) = SIZES.iter().zip(texts).find(|(size, _)| **size <= left).expect("the last size is 1");
            let mut values = Vec::with_capacity(size * 32);
            values.extend(rows.by_ref().take(*size).flatten());
            changed += tx.run(sql.as_str(), values).await?;
            left -= size;
        }
        Ok(changed)
    }
}
