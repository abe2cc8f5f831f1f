//! The agent of other machines, as it is shipped, on this one: its verdicts beside this machine's, what it delivers to a
//! collector, its size and its memory. qemu runs the programs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use oddline_testkit::free_port;

use super::summary::{NotRun, Outcome};
use crate::{
    demo::processes::{Process, ask, until, wait},
    dist::{self, target::Program, target::Target},
    pipeline::{Aim, MODEL, Profile, Scenario, Trainer, UNSEEN_LOGS, Without, quietly},
    shell, table,
};

const TRIPLES: [&str; 2] = ["aarch64-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf"];
/// Across processors residuals differ in their last bits: a record this near to the threshold may fall on either side.
const NEAR: f64 = 1e-4;
/// An emulated program takes some thirty times as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Looks at the store, two seconds apart, without anything new: then no more will come.
const QUIET: u32 = 4;
/// The same while fewer are there than this machine's agent found: an emulated program is slow.
const PATIENCE_LOOKS: u32 = 30;

/// A row of `anomalies.csv` without its figures, and its score and threshold.
type Rows = BTreeMap<String, (f64, f64)>;

pub(super) fn arm(not_run: &mut NotRun) -> Result<Outcome> {
    let mut agents = Vec::new();
    for triple in TRIPLES {
        let target = dist::target::named(triple)?;
        match ready(target) {
            Ok(emulator) => agents.push((target, emulator)),
            Err(why) => not_run.0.push(format!("arm: {why:#}")),
        }
    }
    if agents.is_empty() {
        return Ok(Outcome::NotRun("neither of the two can be built and run here".to_owned()));
    }
    let trainer = Trainer::build(Profile::Dev, "xtask/arm")?;
    shell::must(shell::cargo().args(["build", "--workspace", "--bin", "oddline-collector", "--examples"]))?;
    let scenario = Scenario { servers: 2, days: 2, test_days: 2, ..Scenario::WEEK };
    quietly(&mut trainer.generate(&scenario))?;
    quietly(&mut trainer.train(Aim::Default, Without::Nothing))?;
    let here = dist::program(dist::target::host()?, Program::Agent)?;
    let expected = replay(&mut Command::new(&here), trainer.dir())?;
    ensure!(expected.len() > 100, "only {} odd records: too few to compare", expected.len());
    let size = |file: &Path| Ok::<_, anyhow::Error>(format!("{:.1}", fs::metadata(file)?.len() as f64 / 1_048_576.0));
    let delivered = deliver(dist::target::host()?, Command::new(&here), trainer.dir(), None)?;
    let wanted = delivered.anomalies;
    let memory = format!("{:.1}", delivered.memory_mib);
    let mut rows = vec![vec!["this machine".to_owned(), size(&here)?, String::new(), wanted.to_string(), memory]];
    for (target, emulator) in agents {
        let program = dist::program(target, Program::Agent)?;
        let emulated = || {
            let root = target.emulator.1;
            let mut command = Command::new(&emulator);
            // Without the path the loader of this root would take the C library of another, when this machine has one:
            // programs that mix the two stop at their first thread.
            command.args(["-L", root, "-E", &format!("LD_LIBRARY_PATH={root}/lib")]).arg(&program);
            command
        };
        let found = replay(&mut emulated(), trainer.dir())?;
        let differing = compare(&expected, &found).with_context(|| target.triple.to_owned())?;
        let delivered =
            deliver(target, emulated(), trainer.dir(), Some(wanted)).with_context(|| target.triple.to_owned())?;
        rows.push(vec![
            target.triple.to_owned(),
            size(&program)?,
            format!("{} of {}", differing.len(), expected.len()),
            delivered.anomalies.to_string(),
            format!("{:.1}", delivered.memory_mib),
        ]);
        for row in differing {
            println!("{}: on the other side of the threshold: {row}", target.triple);
        }
    }
    let heading = ["agent", "MiB", "verdicts that differ", "anomalies delivered", "peak RSS MiB, with the emulator's"];
    println!("{}", table::markdown(&heading, &rows));
    Ok(Outcome::Passed)
}

/// What runs the target's programs here; an error says what is missing.
fn ready(target: &'static Target) -> Result<PathBuf> {
    dist::can_build(target)?;
    let (name, library) = target.emulator;
    ensure!(Path::new(library).is_dir(), "{}: no C library in {library}", target.triple);
    shell::find_program(name).with_context(|| format!("{name} is not installed (Debian package qemu-user-static)"))
}

fn replay(agent: &mut Command, folder: &Path) -> Result<Rows> {
    agent.arg("replay").arg(folder.join(UNSEEN_LOGS)).arg("--csv").arg("--model").arg(folder.join(MODEL));
    let output = agent.output().with_context(|| format!("starting {}", shell::shown(agent)))?;
    ensure!(output.status.success(), "{}: {}", shell::shown(agent), String::from_utf8_lossy(&output.stderr));
    rows(&String::from_utf8_lossy(&output.stdout))
}

/// Time, server, component and value name a record; score and threshold follow.
fn rows(text: &str) -> Result<Rows> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| header.iter().position(|column| *column == name).with_context(|| format!("no {name}"));
    let (score, threshold) = (column("score")?, column("threshold")?);
    let read = |line: &str| {
        let fields: Vec<&str> = line.splitn(header.len(), ',').collect();
        let number = |at: usize| fields.get(at)?.parse::<f64>().ok();
        Some((fields.get(..score)?.join(","), (number(score)?, number(threshold)?)))
    };
    lines.map(|line| read(line).with_context(|| format!("no row: {line}"))).collect()
}

/// Records that only one of the two calls odd, all of them near the threshold.
fn compare(expected: &Rows, found: &Rows) -> Result<Vec<String>> {
    let mut differing = Vec::new();
    for (one, other) in [(expected, found), (found, expected)] {
        for (record, (score, threshold)) in one.iter().filter(|(record, _)| !other.contains_key(*record)) {
            let distance = (score - threshold).abs();
            ensure!(distance <= NEAR, "{record}: odd on one machine only, with {score} of {threshold}");
            differing.push(format!("{record}, by {distance:e}"));
        }
    }
    for (record, (score, _)) in expected {
        let other = found.get(record).map_or(*score, |(score, _)| *score);
        let near = NEAR * score.abs().max(1.0);
        ensure!((score - other).abs() <= near, "{record}: {score} here, {other} there");
    }
    Ok(differing)
}

struct Delivered {
    anomalies: usize,
    memory_mib: f64,
}

/// The agent reads a log and delivers to a collector on this machine until no more anomalies come; as many as `wanted` must
/// be stored then, neither fewer nor more.
fn deliver(target: &Target, mut agent: Command, folder: &Path, wanted: Option<usize>) -> Result<Delivered> {
    let work = folder.join(target.debian);
    fs::create_dir_all(&work)?;
    let port = free_port();
    let programs = shell::target_dir()?.join("debug");
    let database = work.join("collector.db");
    let collector_toml = work.join("collector.toml");
    fs::write(
        &collector_toml,
        format!("state = {work:?}\n[embedded]\nlisten = \"127.0.0.1:{port}\"\n[api]\nenabled = false\n"),
    )?;
    let agent_toml = work.join("agent.toml");
    fs::write(
        &agent_toml,
        format!(
            "name = \"emulated\"\nstate_dir = {:?}\ncontrol = \"\"\n[model]\nfactory = {:?}\n[broker]\n\
             address = \"mqtt://127.0.0.1:{port}\"\n[[source]]\nfiles = [{:?}]\nbegin = \"start\"\n",
            work.join("state"),
            folder.join(MODEL),
            folder.join(UNSEEN_LOGS)
        ),
    )?;
    let mut collector = Command::new(programs.join("oddline-collector"));
    let collector = Process::start("collector", &work, collector.arg("run").arg("--config").arg(&collector_toml))?;
    let mut agent = Process::start("agent", &work, agent.arg("run").arg("--config").arg(&agent_toml))?;
    let (mut before, mut since, mut memory_mib) = (0, 0, 0.0);
    until("not all anomalies of the agent are stored", PATIENCE, || {
        agent.must_run()?;
        memory_mib = memory(agent.id()).unwrap_or(memory_mib);
        let mut question = Command::new(programs.join("oddline-collector"));
        question.arg("--store").arg(&database).args([
            "anomalies",
            "--since",
            "2020-01-01",
            "--limit",
            "10000",
            "--json",
        ]);
        let stored = ask(&mut question)?.and_then(|answer| answer.as_array().map(Vec::len)).unwrap_or(0);
        since = if stored == before && stored > 0 { since + 1 } else { 0 };
        before = stored;
        wait(Duration::from_secs(2));
        Ok(since >= if wanted.is_none_or(|wanted| stored >= wanted) { QUIET } else { PATIENCE_LOOKS })
    })?;
    if let Some(wanted) = wanted {
        ensure!(before == wanted, "{before} anomalies are stored, {wanted} of this machine's agent");
    }
    agent.stop()?;
    collector.stop()?;
    Ok(Delivered { anomalies: before, memory_mib })
}

/// Peak of a process's resident memory.
fn memory(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "timestamp,server,component,value,score,threshold,reason\n";

    fn table(lines: &[&str]) -> Rows {
        rows(&format!("{HEADER}{}\n", lines.join("\n"))).unwrap()
    }

    #[test]
    fn only_a_record_at_the_threshold_may_differ() {
        let one = table(&["t1,a,b,1,1.00001,1.0,spike, or so", "t2,a,b,9,3.0,1.0,spike"]);
        let other = table(&["t2,a,b,9,3.00001,1.0,spike"]);
        assert_eq!(compare(&one, &other).unwrap().len(), 1);
        let far = table(&["t1,a,b,1,1.00001,1.0,x", "t2,a,b,9,3.0,1.0,x", "t3,a,b,9,1.1,1.0,x"]);
        assert!(compare(&far, &one).is_err());
        let scores = table(&["t1,a,b,1,1.00001,1.0,x", "t2,a,b,9,3.1,1.0,x"]);
        assert!(compare(&one, &scores).is_err());
    }
}
