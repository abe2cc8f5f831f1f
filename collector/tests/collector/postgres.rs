//! A PostgreSQL of our own, one for all tests of this process, a database for each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use oddline_collector::store::Address;

struct Server {
    bin: PathBuf,
    folder: PathBuf,
}

/// A new, empty database; `None`, noted for the report, when PostgreSQL is not installed.
pub fn database(test: &str) -> Option<Address> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(server) = SERVER.get_or_init(start) else {
        crate::not_run(test, "postgresql is not installed");
        return None;
    };
    let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let made =
        Command::new(server.bin.join("createdb")).arg("-h").arg(&server.folder).args(["-U", "odd", &name]).status();
    assert!(made.unwrap().success());
    let folder = server.folder.display().to_string().replace('/', "%2F");
    Some(format!("postgres://odd@{folder}/{name}").parse().unwrap())
}

fn start() -> Option<Server> {
    let bin = bin()?;
    // Short: a socket's path has at most 107 bytes. Removed by the watcher below.
    let folder = tempfile::Builder::new().prefix("oddpg").tempdir_in("/tmp").unwrap().keep();
    let data = folder.join("d");
    fs::create_dir(&data).unwrap();
    let as_nobody = is_root();
    if as_nobody {
        assert!(Command::new("chown").arg("-R").arg("nobody:nogroup").arg(&folder).status().unwrap().success());
    }
    let run = |program: &str, arguments: &[&str]| {
        let mut command = if as_nobody {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(bin.join(program));
            command
        } else {
            Command::new(bin.join(program))
        };
        command.args(arguments).current_dir(&folder).stdout(Stdio::null()).status().unwrap()
    };
    let text = |path: &Path| path.display().to_string();
    assert!(run("initdb", &["-D", &text(&data), "-U", "odd", "-A", "trust", "--no-sync", "-E", "UTF8"]).success());
    let options = format!("-c listen_addresses= -k {} -c fsync=off -c max_connections=200", text(&folder));
    let log = text(&folder.join("log"));
    assert!(run("pg_ctl", &["-D", &text(&data), "-o", &options, "-l", &log, "-w", "start"]).success());
    // A test process ends without telling anybody: a shell waits for its end and then stops the server.
    let watch = format!(
        "while kill -0 {} 2>/dev/null; do sleep 1; done; kill -QUIT $(head -1 {}/postmaster.pid); sleep 1; rm -rf {}",
        std::process::id(),
        text(&data),
        text(&folder)
    );
    #[expect(clippy::zombie_processes, reason = "it outlives this process on purpose")]
    let _watcher = Command::new("setsid")
        .args(["sh", "-c", &watch])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Some(Server { bin, folder })
}

/// The folder of its programs.
pub fn bin() -> Option<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    found.into_iter().find(|bin| bin.join("initdb").exists() && bin.join("pg_ctl").exists())
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t"))
}
