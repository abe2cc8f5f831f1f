//! What can go wrong with a database, sorted by who can do something about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use sqlx::error::DatabaseError;

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Neither a path nor a PostgreSQL address.
    #[error("store {0:?}: the path of a SQLite file or postgres://user@host/database is expected")]
    Address(String),
    /// No database there, and this command does not make one.
    #[error("no database at {}: start the collector once, or name another with --store", .0.display())]
    Missing(PathBuf),
    /// Made by a newer program.
    #[error(
        "the database {place} has schema {found}, this program knows up to {known}: it was written by a newer \
         oddline-collector; install that version, nothing was changed"
    )]
    Newer {
        /// Which database.
        place: String,
        /// Its schema.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// Made by an older program, and this command does not change it.
    #[error("the database {place} has an older schema: restart the collector with this version first")]
    Older {
        /// Which database.
        place: String,
    },
    /// A migration failed or was edited.
    #[error("the database {place} cannot be brought to this program's schema: {reason}")]
    Schema {
        /// Which database.
        place: String,
        /// Why.
        reason: String,
    },
    /// It does not answer, or another program holds it.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// Its disk is full or broken, or the file is no database.
    #[error("the database cannot be read or written: {0}")]
    Disk(String),
    /// Not allowed.
    #[error("the database may not be used like this: {0}")]
    Permission(String),
    /// The database does not take a value or statement.
    #[error("the database refused a statement: {0}")]
    Refused(String),
    /// Another collector has written the same progress in between.
    #[error("another collector stores for the same agents: is the fleet in two collectors without a lease?")]
    Conflict,
    /// A row holds what this program would not have written.
    #[error("{table} holds an impossible {what}")]
    Field {
        /// Which table.
        table: &'static str,
        /// What about it.
        what: String,
    },
}

impl StoreError {
    /// The same with the file's path, where the database does not say it.
    pub(super) fn at(self, path: &Path) -> Self {
        let text = |reason: String| format!("{}: {reason}", path.display());
        match self {
            Self::Disk(reason) => Self::Disk(text(reason)),
            Self::Permission(reason) => Self::Permission(text(reason)),
            Self::Unavailable(reason) => Self::Unavailable(text(reason)),
            other => other,
        }
    }

    /// What became of a file or folder beside a database.
    pub(super) fn from_io(path: &Path, reason: &io::Error) -> Self {
        let text = format!("{}: {reason}", path.display());
        if reason.kind() == io::ErrorKind::PermissionDenied { Self::Permission(text) } else { Self::Disk(text) }
    }

    /// Whether the same may succeed later without anybody changing what is stored.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Disk(_) | Self::Conflict)
    }

    /// The exit code that says it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Address(_) => 78,
            Self::Newer { .. } | Self::Older { .. } | Self::Schema { .. } | Self::Field { .. } => 65,
            Self::Unavailable(_) | Self::Conflict => 69,
            Self::Missing(_) | Self::Disk(_) => 74,
            Self::Permission(_) => 77,
            Self::Refused(_) => 1,
        }
    }

    pub(super) fn from_sqlx(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(reason) => Self::from_code(reason.as_ref()),
            sqlx::Error::Io(reason) if reason.kind() == io::ErrorKind::PermissionDenied => {
                Self::Permission(error.to_string())
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.to_string()),
            // The others are about values and statements; sqlx may add to them.
            _ => Self::Refused(error.to_string()),
        }
    }

    /// SQLite's numbers and PostgreSQL's five characters.
    fn from_code(reason: &dyn DatabaseError) -> Self {
        let text = reason.message().to_owned();
        let Some(code) = reason.code() else { return Self::Refused(text) };
        if code.len() == 5 && is_postgres(reason) {
            return match &code[..2] {
                // Connection, resources (a full disk is 53100), operator intervention, serialisation.
                "08" | "57" | "40" | "55" => Self::Unavailable(text),
                "53" | "58" => Self::Disk(text),
                _ if code == "42501" || code == "25006" || code.starts_with("28") => Self::Permission(text),
                _ if code == "3D000" => Self::Unavailable(text),
                _ => Self::Refused(text),
            };
        }
        match code.parse::<u32>().map(|code| code & 0xff) {
            // BUSY, LOCKED
            Ok(5 | 6) => Self::Unavailable(text),
            // PERM, READONLY, AUTH
            Ok(3 | 8 | 23) => Self::Permission(text),
            // NOMEM, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB
            Ok(7 | 10 | 11 | 13 | 14 | 26) => Self::Disk(text),
            Ok(_) | Err(_) => Self::Refused(text),
        }
    }
}

fn is_postgres(reason: &dyn DatabaseError) -> bool {
    reason.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some()
}
