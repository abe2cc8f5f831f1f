//! A PostgreSQL server of a test's own, on a socket in its folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use oddline_collector::store::Address;

use crate::not_run::not_run;

/// A running server; stopped when dropped.
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
}

impl Postgres {
    /// Starts one, unless it is not installed: then the test is named as not run.
    ///
    /// # Panics
    /// When it is installed and does not start.
    #[must_use]
    pub fn begin(test: &str, folder: &Path) -> Option<Self> {
        let Some(programs) = programs() else {
            not_run(test, "PostgreSQL is not installed");
            return None;
        };
        let folder = folder.join("pg");
        fs::create_dir_all(&folder).expect("the test's folder can be written");
        let server = Self { folder, programs };
        server.own_folder();
        server.run("initdb", &["-D", &server.path("data"), "-U", "odd", "-A", "trust", "--no-sync"]);
        // Killed processes of ours are the test; a machine that loses power is not.
        let options = format!("-c listen_addresses= -k {} -c fsync=off", server.folder.display());
        server.run("pg_ctl", &["-D", &server.path("data"), "-o", &options, "-l", &server.path("log"), "-w", "start"]);
        Some(server)
    }

    /// Where it is.
    ///
    /// # Panics
    /// Never: the folder of a test makes a good address.
    #[must_use]
    pub fn address(&self) -> Address {
        let host: String = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://odd@{host}/postgres").parse().expect("a good address")
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Root may not run it.
    fn own_folder(&self) {
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
        let status = command.args(arguments).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "{arguments:?}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.path("data"), "-m", "immediate", "stop"]);
    }
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions.flatten().map(|entry| entry.path().join("bin")).collect();
    found.retain(|folder| folder.join("initdb").is_file());
    found.sort();
    found.pop()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}
