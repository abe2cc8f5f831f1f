//! A disk that is full for a while: the collector waits, says so, and goes on by itself. Root mounts a small file system
//! in memory; whoever may not is named as not run.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use oddline_collector::store::DatabaseAddress;
use oddline_core::topic::Channel;
use oddline_testkit::{free_port, not_run, waiting::until_async};
use tokio::time::timeout;

use crate::{
    entries::{epoch, who},
    fleet::Agent,
    program::{PATIENCE, Program, check, config},
};

/// A small disk, with room for the journal of the database (4 MB) and for what a test stores; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(test: &str, folder: &Path) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m,mode=0755", "oddline-collector"]).arg(folder);
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(folder.to_owned())),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                not_run(test, &format!("a small file system is wanted: {why}"));
                None
            }
            Err(error) => {
                not_run(test, &format!("mount: {error}"));
                None
            }
        }
    }

    /// Until not another byte has room.
    fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.0.join("filler")).unwrap();
        for size in [4096, 1] {
            let error = loop {
                if let Err(error) = filler.write_all(&vec![0; size]) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a collector that is being killed may still have a file open.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// A collector with the embedded broker, the API and its database in `folder`.
struct Scene {
    program: Program,
    address: DatabaseAddress,
    port: u16,
    api: u16,
}

impl Scene {
    fn new(folder: &Path, database: &Path) -> Self {
        let (port, api) = (free_port(), free_port());
        let address = DatabaseAddress::Sqlite(database.join("collector.db"));
        let text = config(&address, &format!("[embedded]\nlisten = '127.0.0.1:{port}'\n"));
        let text = text.replace("enabled = false", &format!("listen = '127.0.0.1:{api}'"));
        Self { program: Program::new(folder, &text), address, port, api }
    }

    /// Status and body of an answer; 0 while there is none.
    fn http(&self, head: &str, body: &str) -> (u16, String) {
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.api))?;
            let kind = "content-type: application/json\r\nconnection: close";
            let length = body.len();
            write!(stream, "{head} HTTP/1.1\r\nhost: localhost\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            std::io::Result::Ok(text)
        };
        let text = ask().unwrap_or_default();
        (text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0), text)
    }

    fn health(&self) -> u16 {
        self.http("GET /healthz", "").0
    }

    fn judge(&self, id: &str) -> u16 {
        let note = "x".repeat(3_000);
        let body = format!("{{\"verdict\": \"real\", \"note\": \"{note}\"}}");
        self.http(&format!("POST /api/v1/anomalies/{id}/verdict"), &body).0
    }

    fn anomalies(&self) -> Vec<String> {
        let (_, text) = self.http("GET /api/v1/anomalies?since=36500d&limit=60", "");
        text.split("\"id\":\"").skip(1).map(|after| after[..16].to_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_delays_and_loses_nothing_and_all_goes_on_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount("disk: full for a while", &folder.path().join("disk")) else { return };
    let mut scene = Scene::new(folder.path(), &disk.0);
    scene.program.up();
    let process = scene.program.id();
    let mut agents = vec![Agent::connect(who("home", "pi"), epoch(1), scene.port, false)];
    agents[0].deliver(200).await;
    until_async("it is well", || scene.program.log(), async || scene.health() == 200).await;
    let ids = scene.anomalies();
    assert_eq!(scene.judge(&ids[0]), 200);

    let (mut last, mut refused) = (200, 0);
    for round in 0..3 {
        disk.fill();
        let mark = scene.program.log().len();
        last += 1_000;
        let held = async {
            let told = async || scene.program.log()[mark..].contains("there is no room left for the database");
            until_async("the full disk is told", || scene.program.log(), told).await;
            assert_eq!(scene.health(), 503, "round {round}");
            // What has still room in the database's journal is written, the rest fails as something that passes.
            for id in &ids {
                let status = scene.judge(id);
                assert!(matches!(status, 200 | 503), "round {round}: {status}");
                refused += u32::from(status == 503);
            }
            // Questions are answered all the same.
            assert!(scene.program.ask(&["agents"]).contains("home/pi"));
            disk.empty();
        };
        let delivered = timeout(PATIENCE, async { tokio::join!(agents[0].deliver(last), held) }).await;
        assert!(delivered.is_ok(), "round {round}: {}", scene.program.log());
        until_async("it is well again", || scene.http("GET /healthz", "").1, async || scene.health() == 200).await;
        assert_eq!(scene.judge(&ids[0]), 200, "round {round}: {}", scene.program.log());
    }
    assert!(refused > 0, "no verdict met the full disk");
    assert_eq!(scene.program.id(), process);
    assert!(scene.program.is_alive(), "{}", scene.program.log());
    assert!(scene.program.log().contains("takes entries again"), "{}", scene.program.log());
    assert_eq!(scene.program.terminate().await, 0, "{}", scene.program.log());
    check(&scene.address, &agents, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_it_starts_later_and_stops_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount("disk: full at the start", &folder.path().join("disk")) else { return };
    disk.fill();
    let mut scene = Scene::new(folder.path(), &disk.0.join("state"));
    scene.program.up();
    let told = async || scene.program.log().contains("it begins as soon as there is some");
    until_async("it waits for room", || scene.program.log(), told).await;
    assert!(scene.program.is_alive());
    disk.empty();
    let mut pi = Agent::connect(who("home", "pi"), epoch(1), scene.port, false);
    timeout(PATIENCE, pi.deliver(100)).await.unwrap_or_else(|_| panic!("{}", scene.program.log()));

    disk.fill();
    let mut words = 0;
    let failing = async || {
        words += 1;
        pi.say(Channel::Status, format!(r#"{{"state":"{}"}}"#, if words % 2 == 0 { "up" } else { "down" })).await;
        scene.program.log().contains("nothing is acknowledged meanwhile")
    };
    until_async("nothing can be stored", || scene.program.log(), failing).await;
    assert_eq!(scene.program.terminate().await, 0, "{}", scene.program.log());
    assert!(scene.program.log().contains("it comes again"), "{}", scene.program.log());
    disk.empty();
}
