//! From an address to an open database with the right schema. A newer schema is refused before anything is written, unless
//! it says itself (`oldest_schema` in `meta`) that this program may use it.

use std::{
    fmt,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    str::FromStr,
    sync::LazyLock,
    time::Duration,
};

use log::LevelFilter;
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{StoreError, sql::Pool, values};

/// The schema's history: what was released is never changed. Listed here instead of by sqlx's macro, which would compile sqlx
/// and both databases once more, for the compiler.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = Migrator::with_migrations(vec![
        migration(1, "tables", include_str!("../../migrations/0001_tables.sql")),
        migration(2, "shares", include_str!("../../migrations/0002_shares.sql")),
        migration(3, "lives", include_str!("../../migrations/0003_lives.sql")),
        migration(4, "growth", include_str!("../../migrations/0004_growth.sql")),
    ]);
    // Those of a newer program; whether its database may be used was looked at before.
    migrations.set_ignore_missing(true);
    migrations
});
const VIEWS_SQLITE: &str = include_str!("views/sqlite.sql");
const VIEWS_POSTGRES: &str = include_str!("views/postgres.sql");

/// How long a statement waits for another program that writes (a backup, a verdict), before it is an error.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// A statement that took so long is logged.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// Readers of one process: the API, the pages and a command at a time.
const READERS_MAX: u32 = 4;
/// Connections to PostgreSQL: a writer, its reads, a lease, the API.
const CONNECTIONS_MAX: u32 = 8;
/// A connection to PostgreSQL gives up on a lock, and on a statement that takes longer than any of ours: who asked has
/// gone long before, and the writer says so instead of standing still.
///
/// A machine that dies says no goodbye: its sessions, and with them the fleets it held, are given up after 11 seconds
/// without an answer, or 15 when something was on its way to it. The server's defaults are hours.
const PATIENT: &str = "SET lock_timeout = '10s'; SET statement_timeout = '10min'; SET tcp_keepalives_idle = 5; \
                       SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 15000";
/// While the schema is brought up to date: an index on a large table takes its time.
const ENDLESS: &str = "SET lock_timeout = 0; SET statement_timeout = 0";
/// Prepared statements kept: all there are.
const STATEMENTS_MAX: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    Sqlite(PathBuf),
    /// A PostgreSQL URL; its password belongs in `PGPASSFILE`.
    Postgres(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// The collector: makes the database and brings it to this program's schema.
    Serve,
    /// A command beside it: uses what is there.
    Use,
}

fn migration(version: i64, description: &'static str, sql: &'static str) -> Migration {
    Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
}

impl FromStr for DatabaseAddress {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
        if path.is_empty() || path.contains("://") {
            // What follows may hold a password.
            let scheme = text.split("://").next().unwrap_or_default();
            return Err(StoreError::Address(scheme.to_owned()));
        }
        Ok(Self::Sqlite(path.into()))
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

/// A URL as it may be printed: without the password before its host, and with those parameters only that say where.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    if query.contains('@') && !place.contains('@') {
        // Perhaps the end of a password with a question mark in it.
        return format!("{scheme}://…");
    }
    let place = match place.rsplit_once('@') {
        Some((who, place)) => format!("{}@{place}", who.split(':').next().unwrap_or_default()),
        None => place.to_owned(),
    };
    let is_place = |pair: &&str| {
        ["host", "hostaddr", "port", "dbname", "user"].contains(&pair.split('=').next().unwrap_or_default())
    };
    let query: Vec<&str> = query.split('&').filter(is_place).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{place}{mark}{}", query.join("&"))
}

pub(super) async fn open(address: &DatabaseAddress, mode: OpenMode) -> Result<Pool, StoreError> {
    let pool = match address {
        DatabaseAddress::Sqlite(path) => sqlite(path, mode).await?,
        DatabaseAddress::Postgres(url) => postgres(url, mode).await?,
    };
    let place = address.to_string();
    check_schema(&pool, &place, mode).await?;
    if mode == OpenMode::Serve {
        migrate(&pool, &place).await?;
        views(&pool).await?;
    }
    Ok(pool)
}

async fn sqlite(path: &Path, mode: OpenMode) -> Result<Pool, StoreError> {
    if mode == OpenMode::Use && !path.exists() {
        return Err(StoreError::Missing(path.to_owned()));
    }
    if mode == OpenMode::Serve {
        make_folder(path)?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(mode == OpenMode::Serve)
        .busy_timeout(BUSY_WAIT)
        .statement_cache_capacity(STATEMENTS_MAX)
        .foreign_keys(false)
        .log_slow_statements(slow_level(mode), SLOW_AFTER)
        // What the pages of one transaction of many agents take; the default of 2 MB spills.
        .pragma("cache_size", "-32768")
        .pragma("temp_store", "memory");
    // The journal mode is a property of the file: who only reads does not touch it. NORMAL loses nothing of what is
    // acknowledged when the program dies; FULL keeps that promise when the power fails, too.
    let writer = options.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    // On a full disk SQLite ends a transaction by itself, and sqlx, which does not learn of it, still counts it: every
    // later BEGIN would fail. Such a connection is closed and the next transaction opens another. The ping waits for the
    // ROLLBACK that a dropped transaction has queued.
    let write = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).after_release(
        |connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        },
    );
    let write = match mode {
        OpenMode::Serve => write.connect_with(writer).await.map_err(|error| StoreError::from_sqlx(error).at(path))?,
        // Opened when a verdict or a push needs it.
        OpenMode::Use => write.connect_lazy_with(writer),
    };
    let read = SqlitePoolOptions::new().max_connections(READERS_MAX).idle_timeout(None).max_lifetime(None);
    Ok(Pool::Sqlite { write, read: read.connect_lazy_with(options.read_only(true)) })
}

/// What is found on a fleet is nobody's business but the operator's.
fn make_folder(database: &Path) -> Result<(), StoreError> {
    let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let made = DirBuilder::new().recursive(true).mode(0o750).create(folder);
    made.map_err(|reason| StoreError::from_io(folder, &reason))
}

/// A collector at work must not be slow; a command, as a backup, may take its time.
fn slow_level(mode: OpenMode) -> LevelFilter {
    if mode == OpenMode::Serve { LevelFilter::Warn } else { LevelFilter::Info }
}

async fn postgres(url: &str, mode: OpenMode) -> Result<Pool, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|error| match error {
        sqlx::Error::Configuration(reason) => StoreError::Address(reason.to_string()),
        _ => StoreError::Address("it cannot be read".to_owned()),
    })?;
    let options = options
        .application_name("oddline-collector")
        .statement_cache_capacity(STATEMENTS_MAX)
        .log_slow_statements(slow_level(mode), SLOW_AFTER);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(BUSY_WAIT);
    let pool = pool.after_connect(|connection, _| Box::pin(async move { connection.execute(PATIENT).await.map(drop) }));
    Ok(Pool::Postgres(pool.connect_with(options).await.map_err(StoreError::from_sqlx)?))
}

/// Refuses what a newer program wrote, and for a command also what an older one wrote.
async fn check_schema(pool: &Pool, place: &str, mode: OpenMode) -> Result<(), StoreError> {
    let exists = match pool {
        Pool::Sqlite { write, .. } if mode == OpenMode::Serve => {
            let sql = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
            let count: i64 = sqlx::query_scalar(sql).fetch_one(write).await.map_err(StoreError::from_sqlx)?;
            count
        }
        Pool::Sqlite { .. } => {
            let sql = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
            pool.row(sql, Vec::new()).await?.map_or(Ok(0), |row| row.int(0))?
        }
        Pool::Postgres(_) => {
            let sql =
                "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = '_sqlx_migrations'";
            pool.row(sql, Vec::new()).await?.map_or(Ok(0), |row| row.int(0))?
        }
    };
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    let found = if exists == 0 {
        0
    } else {
        let row = pool.row("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations", Vec::new()).await?;
        row.map_or(Ok(0), |row| row.int(0))?
    };
    let place = place.to_owned();
    match mode {
        _ if found > known && oldest_schema(pool).await? <= known => Ok(()),
        _ if found > known => Err(StoreError::Newer { place, found, known }),
        OpenMode::Use if found < known => Err(StoreError::Older { place }),
        OpenMode::Use | OpenMode::Serve => Ok(()),
    }
}

/// The oldest program, by the schema it knows, that a newer one lets use its database.
async fn oldest_schema(pool: &Pool) -> Result<i64, StoreError> {
    let row = pool.row("SELECT value FROM meta WHERE name = 'oldest_schema'", Vec::new()).await?;
    let said = row.map(|row| row.text(0)).transpose()?;
    Ok(said.and_then(|text| text.parse().ok()).unwrap_or(i64::MAX))
}

async fn migrate(pool: &Pool, place: &str) -> Result<(), StoreError> {
    let done = match pool {
        Pool::Sqlite { write, .. } => MIGRATIONS.run(write).await,
        Pool::Postgres(pool) => {
            let mut connection = pool.acquire().await.map_err(StoreError::from_sqlx)?;
            connection.execute(ENDLESS).await.map_err(StoreError::from_sqlx)?;
            let done = MIGRATIONS.run(&mut *connection).await;
            // Not back into the pool: it would wait for ever.
            connection.close().await.map_err(StoreError::from_sqlx)?;
            done
        }
    };
    done.map_err(|error| match error {
        MigrateError::Execute(error) => StoreError::from_sqlx(error),
        other => StoreError::Schema { place: place.to_owned(), reason: other.to_string() },
    })
}

/// Views print times, which the two databases do differently; they are made again when their text changes.
async fn views(pool: &Pool) -> Result<(), StoreError> {
    let script = match pool {
        Pool::Sqlite { .. } => VIEWS_SQLITE,
        Pool::Postgres(_) => VIEWS_POSTGRES,
    };
    let digest = super::id::digest(script.as_bytes());
    let mut tx = pool.begin().await?;
    let row = tx.row("SELECT value FROM meta WHERE name = 'views'", Vec::new()).await?;
    if row.map(|row| row.text(0)).transpose()?.as_deref() == Some(digest.as_str()) {
        return Ok(());
    }
    tx.script(script).await?;
    let sql =
        "INSERT INTO meta (name, value) VALUES ('views', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.run(sql, values![digest]).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed_wherever_it_stands() {
        for (url, shown) in [
            ("postgres://a:secret@host/db", "postgres://a@host/db"),
            (
                "postgresql:///db?host=/run/postgresql&user=a&password=secret",
                "postgresql:///db?host=/run/postgresql&user=a",
            ),
            ("postgres://host/db?password=secret", "postgres://host/db"),
            ("postgres://host/db?pass%77ord=secret&port=5433", "postgres://host/db?port=5433"),
            ("postgres://a:sec@ret@host/db", "postgres://a@host/db"),
            ("postgres://a:b/secret@host/db", "postgres://a@host/db"),
            ("postgres://a:b?secret@host/db", "postgres://…"),
            ("postgres://a@host:5433/db", "postgres://a@host:5433/db"),
        ] {
            let address: DatabaseAddress = url.parse().unwrap();
            assert_eq!(address.to_string(), shown, "{url}");
        }
    }
}
