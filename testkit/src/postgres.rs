//! PostgreSQL on a socket of its own: a server for one test, or one for all tests of a process with a database for each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{not_run::not_run, random::Random, user::is_root};

/// Name of the superuser.
const USER: &str = "odd";

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    folder: PathBuf,
    programs: PathBuf,
}

impl PostgresServer {
    /// Starts one in the folder `pg` of a test's own, unless it is not installed: then the test is named as not run.
    ///
    /// # Panics
    /// When it is installed and does not start.
    #[must_use]
    pub fn start(test: &str, folder: &Path) -> Option<Self> {
        let server = Self::start_at(&folder.join("pg"));
        if server.is_none() {
            not_run(test, "postgresql is not installed");
        }
        server
    }

    fn start_at(folder: &Path) -> Option<Self> {
        let server = Self { folder: folder.to_owned(), programs: programs()? };
        fs::create_dir_all(folder).expect("the test's folder can be written");
        server.give_folder_away();
        let data = server.path("data");
        server.run("initdb", &["-D", &data, "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8"]);
        // Killed processes of ours are the test; a machine that loses power is not.
        let options = format!("-c listen_addresses= -k {} -c fsync=off -c max_connections=200", folder.display());
        server.run("pg_ctl", &["-D", &data, "-o", &options, "-l", &server.path("log"), "-w", "start"]);
        Some(server)
    }

    /// A URL for one of its databases; `postgres` is always there.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{host}/{database}")
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Root may not run it.
    fn give_folder_away(&self) {
        if is_root() {
            let mut chown = Command::new("chown");
            let status = chown.arg("-R").arg("nobody:nogroup").arg(&self.folder).status();
            assert!(status.is_ok_and(|status| status.success()), "root can give a folder away");
            // The way there must be open too.
            let parent = self.folder.parent().expect("a folder in a folder");
            drop(Command::new("chmod").arg("o+x").arg(parent).status());
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        assert!(command.status().is_ok_and(|status| status.success()), "{arguments:?}");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.path("data"), "-m", "immediate", "stop"]);
    }
}

/// The URL of a new, empty database on a server for all tests of this process; `None`, named for the report, when PostgreSQL is
/// not installed.
///
/// # Panics
/// When it is installed and does not start.
#[must_use]
pub fn shared_database(test: &str) -> Option<String> {
    static SERVER: OnceLock<Option<PostgresServer>> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(server) = SERVER.get_or_init(shared_server) else {
        not_run(test, "postgresql is not installed");
        return None;
    };
    let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    server.run("createdb", &["-h", &server.folder.display().to_string(), "-U", USER, &name]);
    Some(server.url(&name))
}

fn shared_server() -> Option<PostgresServer> {
    // Short: a socket's path has at most 107 bytes. Removed by the watcher below.
    let unique = Random::of_this_moment().below(u64::from(u32::MAX));
    let folder = PathBuf::from(format!("/tmp/oddpg{unique:08x}"));
    let server = PostgresServer::start_at(&folder)?;
    // A test process ends without telling anybody: a shell waits for its end and then stops the server.
    let watch = format!(
        "while kill -0 {} 2>/dev/null; do sleep 1; done; kill -QUIT $(head -1 {}/postmaster.pid); sleep 1; rm -rf {}",
        std::process::id(),
        server.path("data"),
        folder.display()
    );
    let mut watcher = Command::new("setsid");
    watcher.args(["sh", "-c", &watch]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[expect(clippy::zombie_processes, reason = "it outlives this process on purpose")]
    let _watcher = watcher.spawn().expect("a shell can be started");
    Some(server)
}

/// The folder of the newest one's programs.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    found.sort();
    found.reverse();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    found.into_iter().find(|bin| bin.join("initdb").exists() && bin.join("pg_ctl").exists())
}
