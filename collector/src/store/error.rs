//! What can go wrong with a database, sorted by who can do something about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use oddline_cli::exit;
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
    Newer { place: String, found: i64, known: i64 },
    /// Made by an older program, and this command does not change it.
    #[error("the database {place} has an older schema: restart the collector with this version first")]
    Older { place: String },
    /// A migration failed or was edited.
    #[error("the database {place} cannot be brought to this program's schema: {reason}")]
    Schema { place: String, reason: String },
    /// It does not answer, or another program holds it.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// Its disk is full: it works again as soon as there is room.
    #[error("there is no room left for the database: {0}")]
    Full(String),
    /// Its disk is broken, or the file is no database.
    #[error("the database cannot be read or written: {0}")]
    Disk(String),
    #[error("cannot open the database: {0}")]
    Permission(String),
    /// The database does not take a value: it will not take it later either.
    #[error("the database refused a statement: {0}")]
    Refused(String),
    /// An error that is none of the others. It says nothing about what was to be stored.
    #[error("the database failed: {0}")]
    Unknown(String),
    /// Another collector has written the same progress in between.
    #[error("another collector stores for the same agents: is the fleet in two collectors without a lease?")]
    Conflict,
    /// A row holds what this program would not have written.
    #[error("{table} holds an impossible {what}")]
    Field { table: &'static str, what: String },
}

impl StoreError {
    /// The same with the file's path, where the database does not say it.
    pub(super) fn at(self, path: &Path) -> Self {
        let text = |reason: String| format!("{}: {reason}", path.display());
        match self {
            Self::Full(reason) => Self::Full(text(reason)),
            Self::Disk(reason) => Self::Disk(text(reason)),
            Self::Permission(reason) => Self::Permission(text(reason)),
            Self::Unavailable(reason) => Self::Unavailable(text(reason)),
            other => other,
        }
    }

    /// What became of a file or folder beside a database.
    pub(super) fn from_io(path: &Path, reason: &io::Error) -> Self {
        let text = format!("{}: {reason}", path.display());
        match reason.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission(text),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(text),
            _ => Self::Disk(text),
        }
    }

    /// Whether the same may succeed later without anybody changing what is stored.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_) | Self::Disk(_) | Self::Unknown(_) | Self::Conflict)
    }

    /// The exit code that says it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Address(_) => exit::CONFIG,
            Self::Newer { .. } | Self::Older { .. } | Self::Schema { .. } | Self::Field { .. } => exit::DATA,
            Self::Unavailable(_) | Self::Conflict => exit::UNAVAILABLE,
            Self::Missing(_) | Self::Full(_) | Self::Disk(_) => exit::IO,
            Self::Permission(_) => exit::PERMISSION,
            Self::Refused(_) | Self::Unknown(_) => exit::FAILED,
        }
    }

    pub(super) fn from_sqlx(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(reason) => Self::from_code(reason.as_ref()),
            sqlx::Error::Io(reason) if reason.kind() == io::ErrorKind::PermissionDenied => {
                Self::Permission(error.to_string())
            }
            sqlx::Error::Io(reason) if reason.kind() == io::ErrorKind::StorageFull => Self::Full(error.to_string()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.to_string()),
            sqlx::Error::Encode(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::InvalidArgument(_) => Self::Refused(error.to_string()),
            // sqlx may add to them, and some are about the connection, as BEGIN within a transaction is.
            _ => Self::Unknown(error.to_string()),
        }
    }

    /// SQLite's numbers and PostgreSQL's five characters. Refused is only what is known to be about a value: who is
    /// refused is set aside, and an error of another kind must never do that to what was sent.
    fn from_code(reason: &dyn DatabaseError) -> Self {
        let text = reason.message().to_owned();
        let Some(code) = reason.code() else { return Self::Unknown(text) };
        if code.len() == 5 && is_postgres(reason) {
            return match &code[..2] {
                _ if code == "53100" => Self::Full(text),
                // A server that has just been made a standby, or is not yet the primary.
                _ if code == "25006" => Self::Unavailable(text),
                // Connection, resources, operator intervention, serialisation.
                "08" | "57" | "40" | "55" => Self::Unavailable(text),
                "53" | "58" => Self::Disk(text),
                _ if code == "42501" || code.starts_with("28") => Self::Permission(text),
                _ if code == "3D000" => Self::Unavailable(text),
                // A value that does not fit, a constraint, a row too large.
                "22" | "23" | "54" => Self::Refused(text),
                _ => Self::Unknown(text),
            };
        }
        let code = code.parse::<u32>().unwrap_or_default();
        match code & 0xff {
            _ if code == IOERR_SHMSIZE => Self::Full(text),
            // BUSY, LOCKED
            5 | 6 => Self::Unavailable(text),
            // PERM, READONLY, AUTH
            3 | 8 | 23 => Self::Permission(text),
            13 => Self::Full(text),
            // NOMEM, IOERR, CORRUPT, CANTOPEN, NOTADB
            7 | 10 | 11 | 14 | 26 => Self::Disk(text),
            // TOOBIG, CONSTRAINT, MISMATCH, RANGE
            18 | 19 | 20 | 25 => Self::Refused(text),
            _ => Self::Unknown(text),
        }
    }
}

/// The file beside the database by which its users share memory finds no room.
const IOERR_SHMSIZE: u32 = 10 | (19 << 8);

fn is_postgres(reason: &dyn DatabaseError) -> bool {
    reason.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some()
}
