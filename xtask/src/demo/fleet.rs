//! A fleet on this machine: a collector with its own broker and database, agents on logs that are being written, and a
//! new model for all of them. What the collector has at the end is compared with the truth and with a replay.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use oddline_testkit::free_port;
use serde_json::Value;

use super::{
    processes::{Process, ask, until, wait},
    system,
    truth::{self, Span},
};
use crate::{
    bench::replay::date_of,
    pipeline::{Live, MODEL, PUBLIC_KEY, SERVER_LOGS, Scenario, Trainer, quietly},
    shell, table,
};

const FLEET: &str = "demo";
/// The one whose agent reads this machine's own metrics too.
const ON_THIS_MACHINE: &str = "server-01";
/// Simulated seconds per second: a day in less than three minutes.
const SPEED: u32 = 600;
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// Nothing here takes longer on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Anomalies asked for at once: more than a minute of a fleet has.
const ANOMALIES_MAX: &str = "10000";

/// A fleet under way.
pub(super) struct Fleet<'a> {
    trainer: &'a Trainer,
    folder: PathBuf,
    programs: PathBuf,
    servers: Vec<Server>,
    collector: Process,
    seconds: u32,
}

struct Server {
    name: String,
    config: PathBuf,
    log: PathBuf,
    agent: Process,
    writer: Process,
}

impl<'a> Fleet<'a> {
    /// Starts all of it: `scenario.servers` agents on logs that are written for so many seconds.
    pub(super) fn start(trainer: &'a Trainer, scenario: &Scenario, seconds: u32) -> Result<Self> {
        let folder = trainer.dir().join("fleet");
        fs::create_dir_all(&folder)?;
        let programs = shell::target_dir()?.join("debug");
        quietly(&mut trainer.keygen())?;
        let (port, start) = (free_port(), start_time(seconds)?);
        let collector = collector(&programs, &folder, port)?;
        let ground = Ground { trainer, scenario, programs: &programs, folder: &folder, port, start, seconds };
        let names = (1..=scenario.servers).map(|number| format!("server-{number:02}"));
        let servers = names.map(|name| Server::start(&ground, name)).collect::<Result<_>>()?;
        Ok(Self { trainer, folder, programs, servers, collector, seconds })
    }

    /// Shows how it goes until every record is written, judged and stored.
    pub(super) fn watch(&mut self) -> Result<()> {
        let began = Instant::now();
        let mut shown = Instant::now();
        loop {
            self.collector.must_run()?;
            let mut is_done = true;
            for server in &mut self.servers {
                server.agent.must_run()?;
                is_done &= server.writer.has_ended()?;
            }
            if is_done {
                break;
            }
            if shown.elapsed() >= PROGRESS_EVERY {
                shown = Instant::now();
                self.progress(began.elapsed())?;
            }
            let limit = Duration::from_secs(self.seconds.into()) + PATIENCE;
            ensure!(began.elapsed() < limit, "the logs are not written to their end");
            wait(Duration::from_millis(200));
        }
        for server in &self.servers {
            let lines = fs::read_to_string(&server.log)?.lines().count() as u64;
            until(&format!("{} does not read and deliver all of its log", server.name), PATIENCE, || {
                Ok(self
                    .status(server)?
                    .is_some_and(|status| sum(&status, "lines") >= lines && status["reading"]["waiting"] == 0))
            })?;
        }
        self.progress(began.elapsed())
    }

    fn progress(&self, passed: Duration) -> Result<()> {
        let (mut records, mut events) = (0, 0);
        for server in &self.servers {
            if let Some(status) = self.status(server)? {
                records += sum(&status, "judged");
                events += status["acked"].as_u64().unwrap_or(0);
            }
        }
        println!("{:>4} s  {records:>7} records judged, {events:>6} events stored", passed.as_secs());
        Ok(())
    }

    /// The table against the truth; whether everything that a replay finds is stored.
    pub(super) fn compare(&self) -> Result<(String, bool)> {
        let anomalies = self.anomalies()?;
        let (mut rows, mut is_complete) = (Vec::new(), true);
        for server in &self.servers {
            let log = fs::read_to_string(&server.log)?;
            let (planted, records) = truth::planted(&log);
            let stored = anomalies.get(&server.name).map(Vec::as_slice).unwrap_or_default();
            let score = truth::score(&planted, stored);
            let replayed = self.replayed(server)?;
            let known: BTreeSet<(&str, i64)> = stored.iter().map(|(c, s)| (c.as_str(), s.first_us)).collect();
            let lost = replayed.iter().filter(|(c, first)| !known.contains(&(c.as_str(), *first))).count();
            is_complete &= lost == 0;
            rows.push(vec![
                server.name.clone(),
                records.to_string(),
                (score.found + score.missed).to_string(),
                score.found.to_string(),
                score.missed.to_string(),
                score.wrong.to_string(),
                replayed.len().to_string(),
                lost.to_string(),
            ]);
        }
        let heading = ["server", "records", "planted", "found", "missed", "false", "in a replay", "not stored"];
        Ok((table::markdown(&heading, &rows), is_complete))
    }

    /// What the collector has, by server.
    fn anomalies(&self) -> Result<BTreeMap<String, Vec<(String, Span)>>> {
        let mut command = self.ask_collector("anomalies");
        command.args(["--since", "7d", "--limit", ANOMALIES_MAX, "--json"]);
        let answer = ask(&mut command)?.context("the collector's database gives no answer")?;
        let mut found: BTreeMap<String, Vec<(String, Span)>> = BTreeMap::new();
        for anomaly in answer.as_array().context("a list of anomalies is expected")? {
            let text = |name: &str| anomaly[name].as_str().map(str::to_owned);
            let time = |name: &str| anomaly[name].as_i64();
            let (Some(server), Some(component)) = (text("server"), text("component")) else { continue };
            let (Some(first_us), Some(last_us)) = (time("first_us"), time("last_us")) else { continue };
            found.entry(server).or_default().push((component, Span { first_us, last_us }));
        }
        Ok(found)
    }

    fn replayed(&self, server: &Server) -> Result<Vec<(String, i64)>> {
        let mut command = Command::new(self.programs.join("oddline-agent"));
        command.arg("replay").arg(&server.log).arg("--model").arg(self.trainer.dir().join(MODEL));
        let output = command.output()?;
        ensure!(output.status.success(), "replay: {}", String::from_utf8_lossy(&output.stderr));
        Ok(truth::opened(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Learns from what was written meanwhile, signs the model, pushes it, and waits until every agent judges with it.
    pub(super) fn push_another(&self) -> Result<String> {
        let logs = self.folder.join("all.csv");
        let mut all = fs::read_to_string(self.trainer.dir().join(SERVER_LOGS))?;
        for server in &self.servers {
            let log = fs::read_to_string(&server.log)?;
            all += log.split_once('\n').map(|(_, body)| body).unwrap_or_default();
        }
        fs::write(&logs, all)?;
        let model = self.folder.join("second.onnx");
        quietly(&mut self.trainer.train_again(&logs, &model))?;
        quietly(&mut self.trainer.sign(&model))?;
        let began = Instant::now();
        let mut push = self.ask_collector("push");
        push.arg(&model).args(["--to", "all"]);
        quietly(&mut push)?;
        let version = version(&self.programs, &model)?;
        for server in &self.servers {
            until(&format!("{} does not take model {version}", server.name), PATIENCE, || {
                Ok(self.status(server)?.is_some_and(|status| status["reading"]["model"].as_u64() == Some(version)))
            })?;
        }
        Ok(format!(
            "model {version} is judging on {} servers, {:.1} s after the push",
            self.servers.len(),
            began.elapsed().as_secs_f64()
        ))
    }

    /// What is said of this machine.
    pub(super) fn this_machine(&self) -> Result<String> {
        let server = self.servers.iter().find(|server| server.name == ON_THIS_MACHINE);
        let status = server.map(|server| self.status(server)).transpose()?.flatten();
        system::described(&status.context("its agent does not answer")?, &self.programs.join("oddline-agent"))
    }

    /// Commands to look further.
    pub(super) fn where_to_look(&self) -> String {
        let mut text = String::new();
        for (name, more) in [
            ("agents", ""),
            ("anomalies", " --since 1d"),
            ("anomalies", " --since 1d --server server-01 --min-score 5"),
            ("rollouts", ""),
        ] {
            text += &format!("  {}{more}\n", shell::shown(&self.ask_collector(name)));
        }
        if let Some(server) = self.servers.first() {
            text += &format!("  {}\n", shell::shown(&self.ask_agent(server, &["status"])));
        }
        text
    }

    /// Ends everything in order.
    pub(super) fn stop(self) -> Result<()> {
        for server in self.servers {
            server.agent.stop()?;
        }
        self.collector.stop()
    }

    /// Lets it run on; how to end it.
    pub(super) fn leave(self) -> String {
        let mut ids = vec![self.collector.leave()];
        for server in self.servers {
            ids.push(server.agent.leave());
        }
        let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
        format!("kill {}", ids.join(" "))
    }

    fn status(&self, server: &Server) -> Result<Option<Value>> {
        ask(&mut self.ask_agent(server, &["status", "--json"]))
    }

    fn ask_agent(&self, server: &Server, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("oddline-agent"));
        command.args(arguments).arg("--config").arg(&server.config);
        command
    }

    fn ask_collector(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join("oddline-collector"));
        command.arg("--config").arg(self.folder.join("collector.toml")).arg(name);
        command
    }
}

/// What all servers have in common.
struct Ground<'a> {
    trainer: &'a Trainer,
    scenario: &'a Scenario,
    programs: &'a Path,
    folder: &'a Path,
    port: u16,
    start: String,
    seconds: u32,
}

impl Server {
    fn start(ground: &Ground<'_>, name: String) -> Result<Self> {
        let Ground { trainer, scenario, programs, folder, port, start, seconds } = ground;
        let own = folder.join(&name);
        fs::create_dir_all(own.join("logs"))?;
        let (log, config) = (own.join("logs/live.log"), own.join("agent.toml"));
        let mut text = format!(
            "name = {name:?}\nfleet = {FLEET:?}\nstate_dir = {:?}\ncontrol = {:?}\n\n[model]\nfactory = {:?}\n\
             trusted_key_files = [{:?}]\n\n[broker]\naddress = \"mqtt://127.0.0.1:{port}\"\n\n[[source]]\n\
             files = [{:?}]\nbegin = \"start\"\n",
            own.join("state"),
            own.join("control.sock"),
            trainer.dir().join(MODEL),
            trainer.dir().join(PUBLIC_KEY),
            own.join("logs/*.log"),
        );
        if name == ON_THIS_MACHINE {
            text += system::SOURCE;
        }
        fs::write(&config, text)?;
        let mut agent = Command::new(programs.join("oddline-agent"));
        let agent = Process::start(&format!("{name}-agent"), folder, agent.arg("run").arg("--config").arg(&config))?;
        let live = Live { scenario, server: &name, file: &log, start, speed: SPEED, seconds: *seconds };
        let writer = Process::start(&format!("{name}-writer"), folder, &mut trainer.live(&live))?;
        Ok(Self { name, config, log, agent, writer })
    }
}

fn collector(programs: &Path, folder: &Path, port: u16) -> Result<Process> {
    let config = folder.join("collector.toml");
    let api = free_port();
    let text = format!(
        "state = {folder:?}\n\n[embedded]\nlisten = \"127.0.0.1:{port}\"\n\n[api]\nlisten = \"127.0.0.1:{api}\"\n"
    );
    fs::write(&config, text)?;
    println!("the collector's API: http://127.0.0.1:{api}/api/v1/anomalies?since=1d");
    let mut command = Command::new(programs.join("oddline-collector"));
    Process::start("collector", folder, command.arg("--config").arg(&config).arg("run"))
}

fn version(programs: &Path, model: &Path) -> Result<u64> {
    let mut command = Command::new(programs.join("oddline-trainer"));
    let answer = ask(command.args(["inspect", "--json"]).arg(model))?.context("the new model cannot be inspected")?;
    answer["version"].as_u64().context("the new model has no version")
}

/// The simulation ends about now, so that relative times mean what they say.
fn start_time(seconds: u32) -> Result<String> {
    #[expect(clippy::disallowed_methods, reason = "the demo's logs end about now")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let start = now - u64::from(seconds) * u64::from(SPEED);
    let (date, second) = (date_of(i64::try_from(start / 86_400)?), start % 86_400);
    Ok(format!("{date}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60))
}

/// Over the logs that an agent reads.
fn sum(status: &Value, name: &str) -> u64 {
    system::logs(status).filter_map(|source| source[name].as_u64()).sum()
}
