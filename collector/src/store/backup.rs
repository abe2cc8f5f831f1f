//! A copy of a database that is in use.

use std::path::{Path, PathBuf};

use super::{Store, StoreError, sql::Pool};

/// Why no copy was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there.
    #[error("{} exists: a backup never replaces a file", .0.display())]
    Exists(PathBuf),
    /// PostgreSQL has its own tool.
    #[error("the store is PostgreSQL: use `pg_dump --format=custom --file={} URL`, which copies while it runs", .0.display())]
    Postgres(PathBuf),
    /// The path is no text.
    #[error("{}: the path is no text that SQLite takes", .0.display())]
    Path(PathBuf),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Copies a SQLite database into a new file, as of one instant, while others read and write.
    ///
    /// # Errors
    /// When the file exists or cannot be written, or the store is PostgreSQL.
    pub async fn backup(&self, file: &Path) -> Result<(), BackupError> {
        let Pool::Sqlite { write, .. } = &self.pool else { return Err(BackupError::Postgres(file.to_owned())) };
        if file.exists() {
            return Err(BackupError::Exists(file.to_owned()));
        }
        let path = file.to_str().ok_or_else(|| BackupError::Path(file.to_owned()))?;
        let done = sqlx::query("VACUUM INTO $1").bind(path).execute(write).await;
        done.map(|_| ()).map_err(|error| BackupError::Store(StoreError::from_sqlx(error)))
    }
}
