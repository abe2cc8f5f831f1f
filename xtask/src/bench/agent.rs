//! What the agent costs: CPU on a million lines beside `wc -l` and beside the detector alone on the same records, memory,
//! what it does when nothing happens, and how soon it speaks. The programs are the ones that are shipped.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    measure::{self, Usage, median},
    replay,
};
use crate::{
    pipeline::{Aim, MODEL, Profile, Scenario, Trainer, UNSEEN_LOGS, Without, quietly},
    shell, table,
};

/// A few anomalies, as a server has them.
const SCENARIO: Scenario = Scenario { test_days: 7, anomaly_rate: Some(0.01), ..Scenario::WEEK };
/// Records judged, and how many more show whether memory grows with them.
const RECORDS: [u64; 2] = [1_000_000, 4_000_000];
/// How long the agent is watched doing nothing: of a shorter time the clock shows one hundredth of a second or none.
const IDLE: Duration = Duration::from_secs(300);
/// Nothing measured here takes longer.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// CPU and memory of the agent
#[derive(clap::Args)]
pub(super) struct Args {
    /// Measurements of each, whose medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// Runs all measurements and prints them.
///
/// # Errors
/// When a program cannot be built or fails.
pub(super) fn run(args: &Args) -> Result<()> {
    let agent = build()?;
    let alone = build_alone()?;
    let trainer = Trainer::build(Profile::Release, "bench/agent")?;
    quietly(&mut trainer.generate(&SCENARIO))?;
    quietly(&mut trainer.train(Aim::Default, Without::Nothing))?;
    let log = fs::read_to_string(trainer.dir().join(UNSEEN_LOGS))?;
    let logs: Vec<PathBuf> = RECORDS.iter().map(|n| trainer.dir().join(format!("{n}.log"))).collect();
    for (path, records) in logs.iter().zip(RECORDS) {
        replay::write(&log, i64::from(SCENARIO.test_days), records, BufWriter::new(File::create(path)?))?;
    }
    let bench = Bench { agent, alone, folder: trainer.dir().to_owned(), model: trainer.dir().join(MODEL) };
    println!("{}", bench.cpu(&logs[0], args.rounds)?);
    println!("\n{}", bench.memory(&logs)?);
    println!("\nidle: {:.2} CPU-seconds an hour", bench.idle()?);
    println!("start to first event on disk: {} ms", bench.first_event()?.as_millis());
    let bytes = fs::metadata(&bench.agent)?.len();
    println!("program: {:.1} MiB, stripped", bytes as f64 / 1024.0 / 1024.0);
    Ok(())
}

/// The agent as it is shipped, with its own features only.
fn build() -> Result<PathBuf> {
    shell::must(shell::cargo().args(["build", "--profile", "dist", "-p", "oddline-agent"]))?;
    Ok(shell::target_dir()?.join("dist/oddline-agent"))
}

/// The detector without an agent around it.
fn build_alone() -> Result<PathBuf> {
    shell::must(shell::cargo().args(["build", "--release", "--workspace", "--example", "alone"]))?;
    Ok(shell::target_dir()?.join("release/examples/alone"))
}

struct Bench {
    agent: PathBuf,
    alone: PathBuf,
    folder: PathBuf,
    model: PathBuf,
}

/// An agent on one log.
struct Running {
    child: Child,
    config: PathBuf,
    agent: PathBuf,
}

impl Bench {
    fn cpu(&self, log: &Path, rounds: u32) -> Result<String> {
        let records = RECORDS[0] as f64;
        let [mut floor, mut alone, mut replayed, mut live] = [const { Vec::new() }; 4];
        for round in 1..=rounds {
            eprintln!("round {round} of {rounds}");
            floor.push(measure::floor(log)? * 1e6 / records);
            alone.push(self.alone(log)?);
            let mut replay = Command::new(&self.agent);
            replay.arg("replay").arg(log).arg("--model").arg(&self.model);
            replayed.push(measure::usage(&mut replay)?.cpu_s * 1e6 / records);
            live.push(self.judged(log, RECORDS[0])?.cpu_s * 1e6 / records);
        }
        let floor = median(floor);
        let row = |name: &str, seconds: f64| {
            vec![name.to_owned(), format!("{seconds:.3}"), format!("{:.1}", seconds / floor)]
        };
        let rows = [
            row("wc -l", floor),
            row("the detector alone, records in memory", median(alone)),
            row("oddline-agent replay", median(replayed)),
            row("oddline-agent run, into a file", median(live)),
        ];
        println!("{records} records, medians of {rounds} rounds\n");
        Ok(table::markdown(&["what", "CPU-seconds per million lines", "times wc -l"], &rows))
    }

    /// CPU-seconds per million records.
    fn alone(&self, log: &Path) -> Result<f64> {
        let output = Command::new(&self.alone).arg(&self.model).arg(log).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "the detector alone: {}", String::from_utf8_lossy(&output.stderr));
        said.trim().parse().with_context(|| format!("no figure: {said}"))
    }

    fn memory(&self, logs: &[PathBuf]) -> Result<String> {
        let mut rows = Vec::new();
        for (log, records) in logs.iter().zip(RECORDS) {
            let usage = self.judged(log, records)?;
            rows.push(vec![records.to_string(), format!("{:.1}", usage.rss_peak_kib as f64 / 1024.0)]);
        }
        Ok(table::markdown(&["records read by the daemon", "peak RSS, MiB"], &rows))
    }

    /// What the daemon used up to the moment when everything was read and told.
    fn judged(&self, log: &Path, records: u64) -> Result<Usage> {
        let running = self.start(log)?;
        let usage = running.read_to(records)?;
        running.stop()?;
        Ok(usage)
    }

    /// CPU-seconds an hour with nothing to read.
    fn idle(&self) -> Result<f64> {
        let log = self.folder.join("short.log");
        let text = fs::read_to_string(self.folder.join(UNSEEN_LOGS))?;
        let head: String = text.lines().take(2_001).map(|line| format!("{line}\n")).collect();
        fs::write(&log, head)?;
        let running = self.start(&log)?;
        let before = running.read_to(2_000)?.cpu_s;
        wait(IDLE);
        let after = running.usage()?.cpu_s;
        running.stop()?;
        Ok((after - before) * 3_600.0 / IDLE.as_secs_f64())
    }

    fn first_event(&self) -> Result<Duration> {
        let began = Instant::now();
        let running = self.start(&self.folder.join("short.log"))?;
        let told = self.folder.join("live/odd.jsonl");
        while fs::metadata(&told).map_or(0, |file| file.len()) == 0 {
            ensure!(began.elapsed() < PATIENCE, "the agent tells nothing");
            wait(LOOK_EVERY);
        }
        let took = began.elapsed();
        running.stop()?;
        Ok(took)
    }

    fn start(&self, log: &Path) -> Result<Running> {
        let live = self.folder.join("live");
        if live.exists() {
            fs::remove_dir_all(&live)?;
        }
        fs::create_dir_all(&live)?;
        let config = live.join("agent.toml");
        let text = format!(
            "name = \"bench\"\nstate_dir = {:?}\ncontrol = {:?}\n[model]\nfactory = {:?}\n[output]\nfile = {:?}\n\
             [[source]]\nfiles = [{log:?}]\nformat = \"csv\"\nbegin = \"start\"\n",
            live.join("state"),
            live.join("control.sock"),
            self.model,
            live.join("odd.jsonl"),
        );
        fs::write(&config, text)?;
        let said = File::create(live.join("stderr"))?;
        let mut command = Command::new(&self.agent);
        command.arg("run").arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        Ok(Running { child: command.spawn()?, config, agent: self.agent.clone() })
    }
}

impl Running {
    /// Waits until so many records are judged and told; what that took.
    fn read_to(&self, records: u64) -> Result<Usage> {
        let began = Instant::now();
        loop {
            let status = Command::new(&self.agent).args(["status", "--json", "--config"]).arg(&self.config).output()?;
            if let Ok(status) = serde_json::from_slice::<serde_json::Value>(&status.stdout) {
                let (reading, judged) = (&status["reading"], status["reading"]["judged_by_model"].as_u64());
                if judged >= Some(records) && reading["waiting"] == 0 {
                    return self.usage();
                }
            }
            ensure!(began.elapsed() < PATIENCE, "{records} records were not judged in time");
            wait(Duration::from_millis(200));
        }
    }

    fn usage(&self) -> Result<Usage> {
        measure::now(self.child.id())
    }

    fn stop(mut self) -> Result<()> {
        shell::must(Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())))?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { bail!("the agent ended with {status}") }
    }
}

#[expect(clippy::disallowed_methods, reason = "a sampling interval, not a wait for something")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
