//! The collector as a process, and what its database holds.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use oddline_collector::store::{DatabaseAddress, OpenMode, RetentionPolicy, Store, StoredEvent};
use oddline_core::id::AgentName;
use oddline_testkit::TestProcess;

use crate::{
    heard::Heard,
    mosquitto::{AUTHORITY, COLLECTOR, Mosquitto},
    programs::copied,
};

/// The collector ends within this time of SIGTERM, on a busy machine too.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// Rows read at once.
const PAGE: u32 = 20_000;

/// One collector; killed when dropped.
pub struct Collector {
    folder: PathBuf,
    program: PathBuf,
    address: DatabaseAddress,
    process: TestProcess,
}

/// The part of a configuration that names an outside broker.
#[must_use]
pub fn behind(broker: &Mosquitto) -> String {
    let file = |name: &str, ending: &str| broker.folder().join(format!("{name}.{ending}"));
    format!(
        "[broker]\nurl = \"mqtts://localhost:{}\"\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n",
        broker.port(),
        file(AUTHORITY, "pem"),
        file(COLLECTOR, "pem"),
        file(COLLECTOR, "key")
    )
}

impl Collector {
    /// Writes its configuration, of which `broker` is a part; does not start it.
    #[must_use]
    pub fn new(folder: &Path, address: DatabaseAddress, broker: &str) -> Self {
        fs::create_dir_all(folder).expect("the test's folder can be written");
        let store = match &address {
            DatabaseAddress::Sqlite(path) => path.display().to_string(),
            DatabaseAddress::Postgres(url) => url.clone(),
        };
        let text = format!("state = {folder:?}\nstore = {store:?}\n{broker}\n[api]\nenabled = false\n");
        fs::write(folder.join("collector.toml"), text).expect("the test's folder can be written");
        let program = copied("oddline-collector", folder);
        Self { folder: folder.to_owned(), program, address, process: TestProcess::default() }
    }

    /// Starts it; waits for nothing.
    pub fn start(&mut self) {
        let said = OpenOptions::new().create(true).append(true).open(self.folder.join("stderr"));
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.folder.join("collector.toml")).arg("run").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(said.expect("the test's folder can be written"));
        self.process.start(&mut command);
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM; it ends well and in time.
    pub fn stop(&mut self) {
        assert!(self.is_alive(), "it does not run: {}", self.said());
        let status = self.process.terminate(STOP_PATIENCE);
        assert!(status.is_some_and(|status| status.success()), "after SIGTERM: {status:?}; it said: {}", self.said());
    }

    /// All that it said on standard error, in all its lives.
    #[must_use]
    pub fn said(&self) -> String {
        let bytes = fs::read(self.folder.join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What a command beside it answers; it must succeed.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.folder.join("collector.toml")).args(arguments);
        let output = command.output().expect("the collector can be started");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The rows of `events` of one agent, in the order of their sequences; none while there is no database yet.
    #[must_use]
    pub fn stored(&self, agent: &AgentName) -> Vec<Heard> {
        let rows = self.with_store(async |store| {
            let mut rows: Vec<StoredEvent> = Vec::new();
            loop {
                let last = rows.last().map(|row| (row.who.clone(), row.epoch, row.sequence));
                let after = last.as_ref().map(|(who, epoch, sequence)| (who, *epoch, *sequence));
                let page = store.events(after, PAGE).await.expect("the rows can be read");
                let is_last = page.len() < PAGE as usize;
                rows.extend(page);
                if is_last {
                    return rows;
                }
            }
        });
        let own = rows.unwrap_or_default().into_iter().filter(|row| row.who.agent == *agent);
        own.map(|row| Heard::new(row.epoch, row.sequence, row.entry)).collect()
    }

    /// First and last sequence of each dead letter of one agent, in their order.
    #[must_use]
    pub fn dead_letters(&self, agent: &AgentName) -> Vec<(u64, u64)> {
        let letters = self.with_store(async |store| store.dead_letters(0, PAGE).await.expect("they can be read"));
        let own = letters.unwrap_or_default().into_iter().filter(|letter| letter.who.agent == *agent);
        let mut ranges: Vec<(u64, u64)> = own.map(|letter| (letter.first, letter.last)).collect();
        ranges.sort_unstable();
        ranges
    }

    /// Retention beside the running collector, with the same bites as its own: all that came before goes. How many rows
    /// of `events` went.
    #[must_use]
    pub fn trim(&self, since_us: i64) -> u64 {
        let gone = self.with_store(async |store| {
            let mut gone = 0;
            loop {
                // A bite that meets a lock is tried again.
                let Ok(bite) = store.trim(RetentionPolicy { since_us, bytes_max: None }).await else { continue };
                gone += bite.events;
                if !bite.more {
                    return gone;
                }
            }
        });
        gone.unwrap_or_default()
    }

    fn with_store<T>(&self, work: impl AsyncFnOnce(&Store) -> T) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(async {
            let store = Store::open(&self.address, OpenMode::Use).await.ok()?;
            let done = work(&store).await;
            store.close().await;
            Some(done)
        })
    }
}
