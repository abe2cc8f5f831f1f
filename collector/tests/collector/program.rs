//! The program between a broker, agents and a database, while one of them is killed.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use oddline_collector::store::{DatabaseAddress, OpenMode, Store};
use oddline_core::topic::Channel;
use oddline_testkit::{
    MosquittoServer, TestProcess, free_port,
    mosquitto::open_to_all,
    waiting::{pass_async, until_async},
};
use tokio::time::{Instant, timeout};

use crate::{
    entries::{entry, epoch, postgres, who},
    fleet::Agent,
};

/// Nothing here takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// `oddline-collector run`; killed when dropped.
pub(crate) struct Program {
    process: TestProcess,
    config: PathBuf,
    /// Where the log of the newest start begins.
    began: usize,
}

impl Program {
    pub(crate) fn new(folder: &Path, config: &str) -> Self {
        let path = folder.join("collector.toml");
        fs::write(&path, config).unwrap();
        Self { process: TestProcess::default(), config: path, began: 0 }
    }

    pub(crate) fn up(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = command();
        self.began = self.log().len();
        command.arg("--config").arg(&self.config).arg("run").stderr(log).stdin(Stdio::null());
        self.process.start(&mut command);
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// SIGTERM, once it is at work; its exit code.
    pub(crate) async fn terminate(&mut self) -> i32 {
        let at_work = async || self.log()[self.began..].contains("connected to the broker");
        until_async("it is at work", || self.log(), at_work).await;
        self.process.terminate(PATIENCE).expect("it ends in time").code().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// What a command beside it says; it must succeed.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let output = command().arg("--config").arg(&self.config).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn log_path(&self) -> PathBuf {
        self.config.with_file_name("collector.log")
    }
}

/// A mosquitto that lets everybody in.
pub(crate) fn open_broker(test: &str, folder: &Path) -> Option<MosquittoServer> {
    let mut broker = MosquittoServer::prepare(test, folder, open_to_all)?;
    broker.start();
    Some(broker)
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oddline-collector"));
    command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC");
    command
}

pub(crate) fn config(store: &DatabaseAddress, broker: &str) -> String {
    let store = match store {
        DatabaseAddress::Sqlite(path) => path.display().to_string(),
        DatabaseAddress::Postgres(url) => url.clone(),
    };
    format!("store = '{store}'\n{broker}\n[api]\nenabled = false\n")
}

/// Messages that are not stored yet, as the API tells it.
fn waiting(api: u16) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", api)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix("oddline_queue_messages "));
    value.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// Every entry of every agent is there once.
pub(crate) async fn check(address: &DatabaseAddress, agents: &[Agent], last: u64) {
    let store = Store::open(address, OpenMode::Use).await.unwrap();
    let rows = store.events(None, 1_000_000).await.unwrap();
    assert_eq!(rows.len() as u64, last * agents.len() as u64);
    for agent in agents {
        let own: Vec<u64> = rows
            .iter()
            .filter(|row| row.who == agent.who && row.epoch == agent.epoch)
            .map(|row| row.sequence)
            .collect();
        assert_eq!(own, (1..=last).collect::<Vec<_>>(), "{}", agent.who);
    }
    assert!(rows.iter().all(|row| row.entry == entry(row.sequence)));
    store.close().await;
}

/// Delivers in rounds; between them somebody is killed.
async fn kills(
    program: &mut Program,
    agents: &mut [Agent],
    mut broker: Option<&mut MosquittoServer>,
    rounds: u64,
) -> u64 {
    let mut last = 0;
    for round in 0..rounds {
        last += 1_500;
        let delivered = futures_util::future::join_all(agents.iter_mut().map(|agent| agent.deliver(last)));
        let killing = async {
            // In the middle of it, wherever that is.
            pass_async(Duration::from_millis(20 + 37 * round)).await;
            match (round % 3, &mut broker) {
                (2, Some(broker)) => {
                    broker.kill();
                    broker.start();
                }
                _ => {
                    program.kill();
                    program.up();
                }
            }
        };
        let began = Instant::now();
        let both = timeout(PATIENCE, async { tokio::join!(delivered, killing) }).await;
        assert!(both.is_ok(), "round {round}: not all was acknowledged\n{}", program.log());
        println!("round {round}: all is stored {:.1} s after the kill began", began.elapsed().as_secs_f64());
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_collector_and_broker_are_killed() {
    let test = "program: kills";
    let folder = tempfile::tempdir().unwrap();
    let mut addresses = vec![DatabaseAddress::Sqlite(folder.path().join("collector.db"))];
    addresses.extend(postgres(test));
    for address in addresses {
        let Some(mut broker) = open_broker(test, folder.path()) else { return };
        let outside = format!("fleets = ['home']\n[broker]\nurl = 'mqtt://127.0.0.1:{}'", broker.port());
        let mut program = Program::new(folder.path(), &config(&address, &outside));
        program.up();
        let names = ["pi", "web-1", "db-1"];
        let mut agents: Vec<Agent> = names
            .iter()
            .zip(1..)
            .map(|(name, n)| Agent::connect(who("home", name), epoch(n), broker.port(), n == 2))
            .collect();
        let last = kills(&mut program, &mut agents, Some(&mut broker), 6).await;
        assert_eq!(program.terminate().await, 0, "{}", program.log());
        check(&address, &agents, last).await;
        fs::remove_file(folder.path().join("collector.log")).unwrap();
    }
}

/// As on a machine where nobody has made a folder for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_makes_its_folder_or_says_which_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = || format!("[embedded]\nlisten = '127.0.0.1:{}'", free_port());
    let path = folder.path().join("not/there/collector.db");
    let mut program = Program::new(folder.path(), &config(&DatabaseAddress::Sqlite(path.clone()), &embedded()));
    program.up();
    assert_eq!(program.terminate().await, 0, "{}", program.log());
    assert!(path.exists());

    let taken = folder.path().join("taken");
    fs::write(&taken, "a file").unwrap();
    let mut program =
        Program::new(folder.path(), &config(&DatabaseAddress::Sqlite(taken.join("x/collector.db")), &embedded()));
    program.up();
    until_async(
        "it says which",
        || program.log(),
        async || program.log().contains(&*taken.join("x").to_string_lossy()),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_dies_and_comes_back_with_its_collector() {
    let folder = tempfile::tempdir().unwrap();
    let address = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
    let port = free_port();
    let mut program =
        Program::new(folder.path(), &config(&address, &format!("[embedded]\nlisten = '127.0.0.1:{port}'")));
    program.up();
    let mut agents = vec![Agent::connect(who("home", "pi"), epoch(1), port, false)];
    let last = kills(&mut program, &mut agents, None, 4).await;
    assert_eq!(program.terminate().await, 0, "{}", program.log());
    check(&address, &agents, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_model_reaches_agents_and_what_nobody_wishes_is_cleared() {
    let test = "program: push";
    let folder = tempfile::tempdir().unwrap();
    let Some(mut broker) = open_broker(test, folder.path()) else { return };
    let address = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
    let outside = format!("[broker]\nurl = 'mqtt://127.0.0.1:{}'", broker.port());
    let mut program = Program::new(folder.path(), &config(&address, &outside));
    let mut pi = Agent::connect(who("home", "pi"), epoch(1), broker.port(), false);
    pi.connected().await;
    // Left by another life of the database.
    pi.say(Channel::ModelDesired, "{}".to_owned()).await;
    assert_eq!(timeout(PATIENCE, pi.heard()).await.unwrap().1, b"{}");
    program.up();
    let cleared = timeout(PATIENCE, pi.heard()).await.unwrap_or_else(|_| panic!("{}", program.log()));
    assert_eq!(cleared.1, b"", "nobody wishes it any more");
    let birth = r#"{"fleet":"home","agent":"pi","version":"0.1.0","epoch":"1","oldest":1}"#;
    pi.say(Channel::Birth, birth.to_owned()).await;
    pi.say(Channel::Status, r#"{"state":"up","figures":null}"#.to_owned()).await;
    until_async("the agent is known", || program.log(), async || program.log().contains("new agent home/pi")).await;

    let models: Vec<PathBuf> = (1..=2).map(|version| crate::cli::model(folder.path(), version)).collect();
    let path = |at: usize| models[at].display().to_string();
    assert!(program.ask(&["push", &path(0), "--to", "all"]).contains("model 1"));
    let wish = timeout(PATIENCE, pi.heard()).await.unwrap();
    assert!(wish.0.ends_with("home/pi/model/desired"), "{}", wish.0);
    let first = oddline_core::wire::DesiredModel::from_json(&wish.1).unwrap();
    assert_eq!(first.model.version, 1);
    let bytes_topic = |hash| format!("oddline/v1/home/_models/{hash}");
    pi.listen(bytes_topic(first.model.sha256)).await;
    let (topic, payload) = timeout(PATIENCE, pi.heard()).await.unwrap();
    assert_eq!(topic, bytes_topic(first.model.sha256));
    let framed = oddline_core::wire::decode_model(&payload).unwrap();
    assert_eq!(framed.model, fs::read(&models[0]).unwrap());
    assert!(framed.signature.starts_with("untrusted comment:"));

    let refused = format!(
        r#"{{"current":null,"good":[],"refused":{{"sha256":"{}","version":1,"reason":"no key is trusted here"}}}}"#,
        first.model.sha256
    );
    pi.say(Channel::ModelState, refused).await;
    let rollouts = async || program.ask(&["rollouts"]).contains("refused");
    until_async("the refusal is shown", || program.log(), rollouts).await;
    assert!(program.ask(&["rollouts"]).contains("no key is trusted here"));

    // The next one replaces it: its bytes come, the first one's go.
    program.ask(&["push", &path(1), "--to", "pi"]);
    let mut seen = [timeout(PATIENCE, pi.heard()).await.unwrap(), timeout(PATIENCE, pi.heard()).await.unwrap()];
    seen.sort();
    assert_eq!(seen[0], (bytes_topic(first.model.sha256), Vec::new()), "the first model is cleared");
    let second = oddline_core::wire::DesiredModel::from_json(&seen[1].1).unwrap();
    assert_eq!(second.model.version, 2);

    // A broker that forgot everything is told again.
    broker.kill();
    broker.start();
    pi.connected().await;
    pi.listen(bytes_topic(second.model.sha256)).await;
    let mut seen = [timeout(PATIENCE, pi.heard()).await.unwrap().0, timeout(PATIENCE, pi.heard()).await.unwrap().0];
    seen.sort();
    assert!(seen[0].ends_with(&second.model.sha256.to_string()) && seen[1].ends_with("model/desired"), "{seen:?}");
    assert_eq!(program.terminate().await, 0, "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_holds_delays_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.db");
    let address = DatabaseAddress::Sqlite(path.clone());
    let port = free_port();
    let api = free_port();
    let embedded = format!("[embedded]\nlisten = '127.0.0.1:{port}'\n");
    let config = config(&address, &embedded).replace("enabled = false", &format!("listen = '127.0.0.1:{api}'"));
    let mut program = Program::new(folder.path(), &config);
    program.up();
    let mut agents = vec![Agent::connect(who("home", "pi"), epoch(1), port, false)];
    agents[0].deliver(200).await;
    let drained = async || waiting(api) == 0;
    until_async("all is stored", || program.log(), drained).await;
    let holder = rusqlite::Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Longer than a statement waits: the transaction fails and is tried again.
    let held = async {
        let told = async || program.log().contains("nothing is acknowledged meanwhile");
        until_async("the failure is told", || program.log(), told).await;
        assert!(waiting(api) > 0, "in the writer's hands is not stored");
        // Questions are answered all the same.
        assert!(program.ask(&["agents"]).contains("home/pi"));
        holder.execute_batch("ROLLBACK").unwrap();
    };
    let delivered = timeout(PATIENCE, async { tokio::join!(agents[0].deliver(2_000), held) }).await;
    assert!(delivered.is_ok(), "{}", program.log());
    until_async("all is stored", || program.log(), drained).await;
    assert_eq!(program.terminate().await, 0, "{}", program.log());
    check(&address, &agents, 2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_is_set_aside_and_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.db");
    let address = DatabaseAddress::Sqlite(path.clone());
    Store::open(&address, OpenMode::Serve).await.unwrap().close().await;
    let other = rusqlite::Connection::open(&path).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN new.sequence = 45 BEGIN \
                  SELECT RAISE(ABORT, 'not this one'); END";
    other.execute_batch(refuse).unwrap();
    let port = free_port();
    let mut program =
        Program::new(folder.path(), &config(&address, &format!("[embedded]\nlisten = '127.0.0.1:{port}'")));
    program.up();
    let mut agents = vec![Agent::connect(who("home", "pi"), epoch(1), port, false)];
    let delivered = timeout(PATIENCE, agents[0].deliver(200)).await;
    assert!(delivered.is_ok(), "one bad batch stops nobody\n{}", program.log());
    let listed = program.ask(&["dead-letters", "list"]);
    assert!(listed.contains("the database refused it: not this one") && listed.contains("home/pi"), "{listed}");
    assert_eq!(listed.lines().count(), 2, "only the batch itself: {listed}");
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    assert!(program.ask(&["dead-letters", "retry"]).starts_with("1 batch with 20 entries stored, 0 still"));
    assert_eq!(program.terminate().await, 0, "{}", program.log());
    check(&address, &agents, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_the_database_refuses_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.db");
    let address = DatabaseAddress::Sqlite(path.clone());
    Store::open(&address, OpenMode::Serve).await.unwrap().close().await;
    let other = rusqlite::Connection::open(&path).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON agents WHEN new.birth IS NOT NULL BEGIN \
                  SELECT RAISE(ABORT, 'not this one'); END";
    other.execute_batch(refuse).unwrap();
    let port = free_port();
    let mut program =
        Program::new(folder.path(), &config(&address, &format!("[embedded]\nlisten = '127.0.0.1:{port}'")));
    program.up();
    let mut agents = vec![Agent::connect(who("home", "pi"), epoch(1), port, false)];
    agents[0].connected().await;
    let birth = r#"{"fleet":"home","agent":"pi","version":"0.1.0","epoch":"1","oldest":1}"#;
    agents[0].say(Channel::Birth, birth.to_owned()).await;
    let delivered = timeout(PATIENCE, agents[0].deliver(200)).await;
    assert!(delivered.is_ok(), "one bad word stops nobody\n{}", program.log());
    assert!(program.log().contains("the database refused what home/pi says of itself: not this one"));
    assert!(program.is_alive(), "{}", program.log());
    assert_eq!(program.terminate().await, 0, "{}", program.log());
    check(&address, &agents, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_signature_reaches_agents() {
    let test = "program: signatures";
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = open_broker(test, folder.path()) else { return };
    let address = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
    let outside = format!("fleets = ['home']\n[broker]\nurl = 'mqtt://127.0.0.1:{}'", broker.port());
    let mut program = Program::new(folder.path(), &config(&address, &outside));
    let mut pi = Agent::connect(who("home", "pi"), epoch(1), broker.port(), false);
    pi.connected().await;
    program.up();
    let birth = r#"{"fleet":"home","agent":"pi","version":"0.1.0","epoch":"1","oldest":1}"#;
    pi.say(Channel::Birth, birth.to_owned()).await;
    until_async("the agent is known", || program.log(), async || program.log().contains("new agent home/pi")).await;
    pi.listen("oddline/v1/home/_models/#".to_owned()).await;

    let model = crate::cli::model(folder.path(), 1);
    let signature = model.with_extension("onnx.minisig");
    for text in ["untrusted comment: wrong\nRW\n", "untrusted comment: right\nRW\n"] {
        fs::write(&signature, text).unwrap();
        program.ask(&["push", &model.display().to_string(), "--to", "all"]);
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.push(timeout(PATIENCE, pi.heard()).await.unwrap_or_else(|_| panic!("{text}\n{}", program.log())));
        }
        // The model's bytes, then the wish.
        assert_eq!(oddline_core::wire::decode_model(&seen[0].1).unwrap().signature, text);
        let desired = oddline_core::wire::DesiredModel::from_json(&seen[1].1).unwrap();
        assert_eq!(desired.signature.as_deref(), Some(text));
    }
    assert_eq!(program.terminate().await, 0, "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_claims_stays_within_its_line_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let address = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
    let port = free_port();
    let mut program =
        Program::new(folder.path(), &config(&address, &format!("[embedded]\nlisten = '127.0.0.1:{port}'")));
    program.up();
    let mut pi = Agent::connect(who("home", "pi"), epoch(1), port, false);
    pi.connected().await;
    let birth = r#"{"fleet":"x\nINFO ok\u001b[2J","agent":"pi","epoch":"1","oldest":1}"#;
    pi.say(Channel::Birth, birth.to_owned()).await;
    until_async("it is told", || program.log(), async || program.log().contains("the birth says")).await;
    let log = program.log();
    assert!(log.contains("the birth says x\u{fffd}INFO ok\u{fffd}[2J/pi"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("INFO ok")) && !log.contains('\x1b'), "{log}");
    assert_eq!(program.terminate().await, 0, "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_under_one_name_are_told_and_after_a_restart_nobody_is_up_unheard() {
    let folder = tempfile::tempdir().unwrap();
    let address = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
    let port = free_port();
    let mut program =
        Program::new(folder.path(), &config(&address, &format!("[embedded]\nlisten = '127.0.0.1:{port}'")));
    program.up();
    let twin = async |life: u64| {
        let mut agent = Agent::connect(who("home", "pi"), epoch(life), port, false);
        agent.connected().await;
        let birth = format!(r#"{{"fleet":"home","agent":"pi","epoch":"{life}","oldest":1,"boot":"{life}"}}"#);
        agent.say(Channel::Birth, birth).await;
        agent.say(Channel::Status, r#"{"state":"up","figures":null}"#.to_owned()).await;
        let heard = async || program.ask(&["agents", "--json"]).contains(&format!("\"epoch\": \"{life}\""));
        until_async("its birth is stored", || program.log(), heard).await;
    };
    for life in [1, 2, 1] {
        twin(life).await;
    }
    let told = async || program.log().contains("two agents use the name home/pi");
    until_async("it is told", || program.log(), told).await;
    assert!(program.ask(&["agents"]).contains("two agents use this name"));
    until_async(
        "it is up",
        || program.log(),
        async || program.ask(&["agents", "--json"]).contains("\"state\": \"up\""),
    )
    .await;
    program.kill();
    program.up();
    until_async(
        "it is at work",
        || program.log(),
        async || program.log().matches("connected to the broker").count() == 2,
    )
    .await;
    let agents = program.ask(&["agents", "--json"]);
    assert!(agents.contains("\"state\": \"unknown\""), "{agents}");
    assert_eq!(program.terminate().await, 0, "{}", program.log());
}
