//! `status`: what the running agent says of itself.

use std::{io::Write, path::Path};

use anyhow::{Context, Result};

use crate::{
    config,
    control::{self, StatusAnswer},
    figures::{AgentFigures, BudgetFigures, SourceFigures},
    memory::SOURCE_BYTES,
    publish::sink::clean,
};
use oddline_cli::table::table;
use oddline_core::amounts::{counted, size};
use oddline_pipeline::FaultSummary;

/// Asks the running agent and prints its answer.
///
/// # Errors
/// When the configuration has mistakes, or no agent answers.
pub fn run(file: &Path, as_json: bool, out: &mut impl Write) -> Result<()> {
    let answer = ask(file, "status")?;
    if as_json {
        return Ok(write!(out, "{answer}")?);
    }
    let status: StatusAnswer = serde_json::from_str(&answer).context("the agent's answer is of another version")?;
    print(&status, out)
}

/// One question to the agent that runs with this configuration.
///
/// # Errors
/// When the configuration has mistakes, or no agent answers.
pub fn ask(file: &Path, question: &str) -> Result<String> {
    let config = config::load(file)?.config;
    let socket = config.control.context("the configuration turns the local socket off (control = \"\")")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime
        .block_on(control::ask(&socket, question))
        .with_context(|| format!("no agent answers at {}: does it run, as this user or root?", socket.display()))
}

fn print(status: &StatusAnswer, out: &mut impl Write) -> Result<()> {
    let StatusAnswer { who, reading, .. } = status;
    writeln!(out, "{} of fleet {}, oddline-agent {}", who.name, who.fleet, who.version)?;
    let link = match status.connected {
        Some(true) => " (connected)",
        Some(false) => " (not connected)",
        None => "",
    };
    writeln!(
        out,
        "events     {} emitted, {} queued, to {}{link}",
        reading.last_sequence, reading.waiting, who.destination
    )?;
    let scored = counted(reading.judged_by_model, "record");
    writeln!(out, "model      {}, {scored} scored since it was activated", reading.model)?;
    if let Some(refused) = status.models.as_ref().and_then(|models| models.refused.as_ref()) {
        writeln!(out, "           model {} was refused: {}", refused.model.version, clean(&refused.reason))?;
    }
    if let Some(why) = &reading.stopped {
        writeln!(out, "PAUSED     {}", clean(why))?;
    }
    if reading.gaps > 0 {
        writeln!(out, "GAPS       {} with {}, lost before they were read", reading.gaps, size(reading.gap_bytes))?;
    }
    if reading.set_aside > 0 {
        writeln!(out, "STATE RESET {} set aside so far", counted(reading.set_aside, "damaged state file"))?;
    }
    if reading.left_out > 0 {
        writeln!(out, "NOT FOLLOWED {}: too many match", counted(reading.left_out, "matching file"))?;
    }
    if reading.full() > 0 {
        let (used, all) = (reading.memory_bytes() >> 20, reading.memory_bytes_max >> 20);
        let of = format!("{} of {}", reading.full(), counted(reading.sources.len(), "source"));
        writeln!(out, "MEMORY     {used} of {all} MiB: no further streams are learnt in {of} (memory_mib)")?;
    }
    if let Some(memory) = memory(reading) {
        writeln!(out, "memory     {memory}")?;
    }
    for source in &reading.sources {
        if let Some(BudgetFigures { asked_milli, used_milli, server_days }) = source.budget {
            let [asked, used] = [asked_milli, used_milli].map(|milli| milli as f64 / 1e3);
            let (name, days) = (clean(&source.name), counted(server_days, "day"));
            writeln!(
                out,
                "budget     {asked} false alerts per server and day asked, {used:.2} told in {days}: {name}"
            )?;
        }
    }
    if let Some(streams) = streams(reading) {
        writeln!(out, "streams    {streams}")?;
    }
    // The table stays last: what is long is above it.
    for source in &reading.sources {
        faults(source, out)?;
    }
    writeln!(out)?;
    let rows: Vec<Vec<String>> = reading.sources.iter().map(row).collect();
    let heading = [
        "source",
        "lines",
        "scored",
        "anomalous",
        "texts",
        "continued",
        "other",
        "parse errors",
        "streams",
        "lag",
        "state",
    ];
    write!(out, "{}", if rows.is_empty() { "no source is there yet\n".to_owned() } else { table(&heading, &rows) })?;
    Ok(())
}

/// What was wrong with the lines of a source, each kind with its first line.
fn faults(source: &SourceFigures, out: &mut impl Write) -> Result<()> {
    if source.faulty.is_empty() && source.not_understood.is_none() && source.names_grown.is_none() {
        return Ok(());
    }
    writeln!(out, "\n{}", clean(&source.name))?;
    if let Some(problem) = &source.not_understood {
        writeln!(out, "  NOT UNDERSTOOD: {}", clean(problem))?;
        writeln!(out, "  see: oddline-agent parse {}", clean(&source.name))?;
    }
    if let Some(problem) = &source.names_grown {
        writeln!(out, "  {}", clean(problem))?;
    }
    for FaultSummary { fault, count, first } in &source.faulty {
        let first = if first.is_empty() { String::new() } else { format!(", first: {}", clean(first)) };
        writeln!(out, "  {count} x {fault}{first}")?;
    }
    Ok(())
}

/// What the sources hold, and what of it each stream takes: one that learns takes more than one that is known.
fn memory(reading: &AgentFigures) -> Option<String> {
    let streams: u64 = reading.sources.iter().map(|source| source.streams).sum();
    let fixed = reading.sources.len() as u64 * SOURCE_BYTES;
    let each = reading.memory_bytes().saturating_sub(fixed).checked_div(streams)?;
    let (used, all) = (size(reading.memory_bytes()), size(reading.memory_bytes_max));
    let (each, of, learning) = (size(each), counted(streams, "stream"), reading.learning());
    Some(format!("{used} of {all}: {each} for each of {of}, {learning} of them learning"))
}

/// All streams by their character; those without one are counted as learning.
fn streams(reading: &AgentFigures) -> Option<String> {
    let all: u64 = reading.sources.iter().map(|source| source.streams).sum();
    let characters = reading.characters();
    let unknown = all.saturating_sub(characters.iter().map(|(_, count)| count).sum());
    let mut parts: Vec<String> = characters.iter().map(|(name, count)| format!("{count} {}", clean(name))).collect();
    if unknown > 0 {
        parts.push(format!("{unknown} not known yet"));
    }
    let learning = reading.learning();
    let of_them = if learning > 0 { format!(" ({learning} learning)") } else { String::new() };
    (all > 0).then(|| format!("{all}: {}{of_them}", parts.join(", ")))
}

/// A path and what is wrong with it are text of the file system.
fn row(source: &SourceFigures) -> Vec<String> {
    vec![
        clean(&source.name),
        source.counts.lines.to_string(),
        source.classes.scored.to_string(),
        source.counts.anomalous.to_string(),
        source.classes.watched.to_string(),
        source.classes.continued.to_string(),
        (source.classes.skipped + source.classes.unusable).to_string(),
        source.counts.faults.to_string(),
        format!("{}{}", source.streams, learning(source.learning)),
        source.lag_bytes.map_or_else(|| "-".to_owned(), size),
        state(source),
    ]
}

fn state(source: &SourceFigures) -> String {
    match (&source.failed, &source.not_understood) {
        (Some(why), _) => clean(why),
        (None, Some(_)) => "NOT UNDERSTOOD".to_owned(),
        (None, None) => "ok".to_owned(),
    }
}

fn learning(learning: u64) -> String {
    if learning == 0 { String::new() } else { format!(" ({learning} learning)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_by_the_stream() {
        let memory_bytes = SOURCE_BYTES + 60 * 1_024;
        let source = SourceFigures { streams: 40, learning: 2, memory_bytes, ..SourceFigures::default() };
        let mut reading = AgentFigures { memory_bytes_max: 88 << 20, ..AgentFigures::default() };
        assert_eq!(memory(&reading), None);
        reading.sources.push(source);
        let expected = "108 KiB of 88 MiB: 1.5 KiB for each of 40 streams, 2 of them learning";
        assert_eq!(memory(&reading).unwrap(), expected);
    }

    #[test]
    fn a_row_holds_no_control_characters() {
        let source = SourceFigures {
            name: "/var/log/a\u{1b}[2J\n.log".to_owned(),
            failed: Some("no \u{7}\n".to_owned()),
            ..SourceFigures::default()
        };
        let row = row(&source);
        assert_eq!((&*row[0], &*row[10]), ("/var/log/a\u{fffd}[2J\u{fffd}.log", "no \u{fffd}\u{fffd}"));
    }
}
