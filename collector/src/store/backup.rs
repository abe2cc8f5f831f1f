//! A copy of a database that is in use: whole under its name, or not there. Until it is whole it has a hidden name beside.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use sqlx::SqlitePool;

use super::{Store, StoreError, sql::Pool};

/// What is found on a fleet is nobody's business but the operator's.
const SECRET: u32 = 0o600;

/// Why no copy was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} already exists: refusing to overwrite", .0.display())]
    Exists(PathBuf),
    /// Another copy has the same hidden name.
    #[error("{} exists: another backup is under way, or one was cut off; when none is, remove it", .0.display())]
    Unfinished(PathBuf),
    /// PostgreSQL has its own tool.
    #[error("the store is PostgreSQL: use `pg_dump --format=custom --file={} URL`, which copies while it runs", .0.display())]
    Postgres(PathBuf),
    /// The path is no text, or names no file.
    #[error("{}: the path is no file name that SQLite takes", .0.display())]
    Path(PathBuf),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Copies a SQLite database into a new file, as of one instant, while others read and write. Only its owner may read
    /// it. What fails leaves nothing.
    ///
    /// # Errors
    /// When the file exists or cannot be written, or the store is PostgreSQL.
    pub async fn backup(&self, file: &Path) -> Result<(), BackupError> {
        let Pool::Sqlite { write, .. } = &self.pool else { return Err(BackupError::Postgres(file.to_owned())) };
        let Some(name) = file.file_name() else { return Err(BackupError::Path(file.to_owned())) };
        // A device, and a link that leads nowhere, are something too.
        if fs::symlink_metadata(file).is_ok() {
            return Err(BackupError::Exists(file.to_owned()));
        }
        let new = file.with_file_name(format!(".{}.new", name.to_string_lossy()));
        // SQLite takes an empty file as it is, with its mode. Closed at once: closing it later would free SQLite's locks.
        match OpenOptions::new().write(true).create_new(true).mode(SECRET).open(&new) {
            Ok(made) => drop(made),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(BackupError::Unfinished(new)),
            Err(error) => return Err(StoreError::from_io(&new, &error).into()),
        }
        let copied = match copy(write, &new).await {
            Ok(()) => name_it(&new, file),
            failed @ Err(_) => failed,
        };
        if copied.is_err() {
            // Gone already, when its new name could not be made durable.
            let _: io::Result<()> = fs::remove_file(&new);
        }
        copied
    }
}

async fn copy(database: &SqlitePool, new: &Path) -> Result<(), BackupError> {
    let path = new.to_str().ok_or_else(|| BackupError::Path(new.to_owned()))?;
    let done = sqlx::query("VACUUM INTO $1").bind(path).execute(database).await;
    done.map_err(StoreError::from_sqlx)?;
    // SQLite leaves this to the system.
    let synced = File::open(new).and_then(|file| file.sync_all());
    synced.map_err(|error| StoreError::from_io(new, &error).into())
}

/// Gives the copy its name, if nobody has it meanwhile.
fn name_it(new: &Path, file: &Path) -> Result<(), BackupError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = match fs::hard_link(new, file) {
        Ok(()) => fs::remove_file(new),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(BackupError::Exists(file.to_owned())),
        // A file system where a file has one name, as on a stick.
        Err(_) => fs::rename(new, file),
    };
    let durable = named.and_then(|()| File::open(folder)?.sync_all());
    durable.map_err(|error| StoreError::from_io(file, &error).into())
}
