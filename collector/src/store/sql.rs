//! Where a statement meets a database: two native pools behind one closed enum, values in, rows out. Statements are
//! static text with `$1..$n`, which both databases read; everything else of the store is written against this.

use std::{fmt::Display, str::FromStr, sync::Arc};

use oddline_core::id::Epoch;
use sqlx::{
    ColumnIndex, Connection as _, PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction, pool::PoolConnection,
    postgres::PgRow, sqlite::SqliteRow,
};

use super::{AgentKey, OrNewer, StoreError, StoredWord};

/// A database that is open.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    /// One connection that writes, several that read: SQLite has one writer at a time anyway, and one that waits in our
    /// own queue waits in order.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
    },
    Postgres(PgPool),
}

/// What is bound to a `$n`. An option's kind is said because PostgreSQL wants the type of a NULL.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SqlValue {
    Text(Arc<str>),
    TextOr(Option<Arc<str>>),
    Int(i64),
    IntOr(Option<i64>),
    Float(f64),
    FloatOr(Option<f64>),
    Bytes(Vec<u8>),
}

/// What can be bound, and how.
macro_rules! bindable {
    ($($type:ty: $value:ident => $bound:expr;)*) => {
        $(impl From<$type> for SqlValue {
            fn from($value: $type) -> Self {
                $bound
            }
        })*
    };
}
bindable! {
    &str: text => Self::Text(text.into());
    String: text => Self::Text(text.into());
    &Arc<str>: text => Self::Text(Arc::clone(text));
    Option<String>: text => Self::TextOr(text.map(Into::into));
    Option<&str>: text => Self::TextOr(text.map(Into::into));
    i64: number => Self::Int(number);
    bool: flag => Self::Int(flag.into());
    Option<i64>: number => Self::IntOr(number);
    f64: number => Self::Float(number);
    Option<f64>: number => Self::FloatOr(number);
    Vec<u8>: bytes => Self::Bytes(bytes);
}

/// `values![a, b]`: a list of [`SqlValue`]s.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::SqlValue::from($value)),*] };
}
pub(super) use values;

/// One row of an answer; columns by their names, or the few of a count by their places.
pub(super) enum SqlRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A column's name or place.
pub(super) trait ColumnKey: ColumnIndex<SqliteRow> + ColumnIndex<PgRow> {}

impl<T: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>> ColumnKey for T {}

/// What a column can be read as.
macro_rules! column {
    ($($name:ident -> $type:ty),* $(,)?) => {
        impl SqlRow {
            $(pub(super) fn $name(&self, at: impl ColumnKey) -> Result<$type, StoreError> {
                match self {
                    Self::Sqlite(row) => row.try_get(at),
                    Self::Postgres(row) => row.try_get(at),
                }
                .map_err(StoreError::from_sqlx)
            })*
        }
    };
}
column! {
    text -> String,
    text_or -> Option<String>,
    int -> i64,
    int_or -> Option<i64>,
    float -> f64,
    float_or -> Option<f64>,
    bytes -> Vec<u8>,
}

impl SqlRow {
    pub(super) fn flag(&self, at: impl ColumnKey) -> Result<bool, StoreError> {
        Ok(self.int(at)? != 0)
    }

    pub(super) fn word<T: StoredWord>(&self, at: impl ColumnKey) -> Result<OrNewer<T>, StoreError> {
        self.text(at).map(OrNewer::read)
    }

    /// A text that only some texts may be.
    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &self,
        table: &'static str,
        column: &'static str,
    ) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|e| StoreError::Field { table, what: format!("{column}: {e}") })
    }

    /// A number that is never negative.
    pub(super) fn unsigned(&self, table: &'static str, column: &'static str) -> Result<u64, StoreError> {
        let number = self.int(column)?;
        number.try_into().map_err(|_| StoreError::Field { table, what: format!("{column} {number}") })
    }

    pub(super) fn epoch(&self, table: &'static str) -> Result<Epoch, StoreError> {
        let number = self.unsigned(table, "epoch")?;
        Epoch::new(number).ok_or_else(|| StoreError::Field { table, what: format!("epoch {number}") })
    }

    /// Whose row it is.
    pub(super) fn who(&self, table: &'static str) -> Result<AgentKey, StoreError> {
        Ok(AgentKey { fleet: self.parsed(table, "fleet")?, agent: self.parsed(table, "agent")? })
    }
}

macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match value {
                SqlValue::Text(v) => query.bind(v),
                SqlValue::TextOr(v) => query.bind(v),
                SqlValue::Int(v) => query.bind(v),
                SqlValue::IntOr(v) => query.bind(v),
                SqlValue::Float(v) => query.bind(v),
                SqlValue::FloatOr(v) => query.bind(v),
                SqlValue::Bytes(v) => query.bind(v),
            };
        }
        query
    }};
}

/// A transaction; rolled back unless it is committed.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Runs a statement; the number of rows it changed.
    pub(super) async fn run(&mut self, sql: &'static str, values: Vec<SqlValue>) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(tx) => bound!(sql, values).execute(&mut **tx).await.map(|done| done.rows_affected()),
            Self::Postgres(tx) => bound!(sql, values).execute(&mut **tx).await.map(|done| done.rows_affected()),
        }
        .map_err(StoreError::from_sqlx)
    }

    /// All rows of an answer; the statement has a LIMIT, or a key that bounds it.
    pub(super) async fn rows(&mut self, sql: &'static str, values: Vec<SqlValue>) -> Result<Vec<SqlRow>, StoreError> {
        match self {
            Self::Sqlite(tx) => {
                let rows = bound!(sql, values).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(SqlRow::Sqlite).collect())
            }
            Self::Postgres(tx) => {
                let rows = bound!(sql, values).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(SqlRow::Postgres).collect())
            }
        }
        .map_err(StoreError::from_sqlx)
    }

    /// The first row of an answer.
    pub(super) async fn row(&mut self, sql: &'static str, values: Vec<SqlValue>) -> Result<Option<SqlRow>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs statements that come as one text, without values.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ()),
            Self::Postgres(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ()),
        }
        .map_err(StoreError::from_sqlx)
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        }
        .map_err(StoreError::from_sqlx)
    }
}

impl Pool {
    /// Begins to write. SQLite takes the write lock at once: a transaction that reads first and writes later would fail
    /// where another program wrote in between.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite { write, .. } => write.begin_with("BEGIN IMMEDIATE").await.map(Tx::Sqlite),
            Self::Postgres(pool) => pool.begin().await.map(Tx::Postgres),
        }
        .map_err(StoreError::from_sqlx)
    }

    /// All rows of an answer, read beside whoever writes.
    pub(super) async fn rows(&self, sql: &'static str, values: Vec<SqlValue>) -> Result<Vec<SqlRow>, StoreError> {
        match self {
            Self::Sqlite { read, .. } => {
                let rows = bound!(sql, values).fetch_all(read).await;
                rows.map(|rows| rows.into_iter().map(SqlRow::Sqlite).collect())
            }
            Self::Postgres(pool) => {
                let rows = bound!(sql, values).fetch_all(pool).await;
                rows.map(|rows| rows.into_iter().map(SqlRow::Postgres).collect())
            }
        }
        .map_err(StoreError::from_sqlx)
    }

    /// The first row of an answer.
    pub(super) async fn row(&self, sql: &'static str, values: Vec<SqlValue>) -> Result<Option<SqlRow>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Waits for what is under way and closes all connections.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A PostgreSQL connection that is nobody else's: session locks live and die with it.
#[derive(Debug)]
pub(super) struct DedicatedConnection(PoolConnection<Postgres>);

impl DedicatedConnection {
    pub(super) async fn take(pool: &PgPool) -> Result<Self, StoreError> {
        let mut connection = pool.acquire().await.map_err(StoreError::from_sqlx)?;
        // Given back to the pool it would keep its locks, and nobody could take them.
        connection.close_on_drop();
        Ok(Self(connection))
    }

    pub(super) async fn rows(&mut self, sql: &'static str, values: Vec<SqlValue>) -> Result<Vec<SqlRow>, StoreError> {
        let rows = bound!(sql, values).fetch_all(&mut *self.0).await.map_err(StoreError::from_sqlx)?;
        Ok(rows.into_iter().map(SqlRow::Postgres).collect())
    }

    /// Closes it, which frees its locks.
    pub(super) async fn close(self) -> Result<(), StoreError> {
        self.0.detach().close().await.map_err(StoreError::from_sqlx)
    }
}
