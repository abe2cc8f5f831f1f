//! `parse`: how a log is understood, record by record, and what to set where that is not what its writer meant.

use std::{io::Write, path::PathBuf};

use anyhow::{Result, bail};
use oddline_core::{
    amounts::counted,
    format::{AccessLayout, LogFormat, ParsedLine, TimeOptions, shown},
    readings::ValueSelection,
    record::Record,
    time::EventTime,
};
use oddline_pipeline::{LineTally, reader::LineReader};
use serde_json::{Map, Value};

use crate::{
    command::times::TimeArgs,
    publish::sink::clean,
    replay::{self, ReplayLog},
    source::SourceItem,
};

/// Shows how a log file is understood, line by line, and what to set if that is wrong
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The log; - for standard input
    #[arg(value_name = "FILE")]
    pub log: PathBuf,
    /// The format of its lines
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub format: LogFormat,
    /// The format of an access log's lines as its program has it: nginx's log_format, Apache's LogFormat
    #[arg(long, value_name = "LAYOUT")]
    pub log_format: Option<AccessLayout>,
    #[command(flatten)]
    pub times: TimeArgs,
    /// Print one JSON object a record
    #[arg(long)]
    pub json: bool,
}

/// The first lines, on which other formats are tried when this one does not fit.
const TRIED_LINES_MAX: usize = 500;
/// Characters shown of a line.
const SHOWN_CHARS_MAX: usize = 160;

/// Lines as they are read.
struct Understanding {
    tally: LineTally,
    /// The first lines with their file's time.
    first: Vec<(Vec<u8>, Option<EventTime>)>,
    format: &'static str,
    /// What of its names is no longer used.
    names_grown: Option<String>,
}

impl Understanding {
    /// The records that a line holds or ends besides its own.
    fn further(&mut self, args: &Args, reader: &mut LineReader, line: u64, out: &mut impl Write) -> Result<()> {
        while let Some(record) = reader.further(None) {
            self.tally.further += 1;
            let has_value = !record.numbers.is_empty() || record.value.is_some();
            self.tally.count_record(&record, has_value && record.time.is_some());
            let text = reader.parser().joined().or(record.message.as_deref()).unwrap_or_default().as_bytes().to_vec();
            self.tally.note(&record, || cut(&shown(&text)));
            print(args, line, &text, &record, out)?;
        }
        Ok(())
    }
}

/// Runs the command.
///
/// # Errors
/// When the log cannot be read, or nobody reads the output.
pub fn run(args: &Args, out: &mut impl Write) -> Result<()> {
    let times = args.times.options()?;
    let format = args.format.clone().laid_out(args.log_format.clone())?;
    let log = ReplayLog::new(&args.log, format.clone(), ValueSelection::Numbers, times);
    let mut source = log.open()?;
    let mut reader = LineReader::new(format, times);
    let mut read = Understanding { tally: LineTally::default(), first: Vec::new(), format: "", names_grown: None };
    // The first line of a record that is not whole yet.
    let mut begun = None;
    loop {
        match source.next()? {
            SourceItem::File => reader.start_of_file(),
            SourceItem::Line(line) => {
                if read.first.len() < TRIED_LINES_MAX {
                    read.first.push((line.bytes.to_vec(), line.modified));
                }
                let parsed = reader.read(line.bytes, line.modified);
                read.tally.count(&parsed, |record| !record.numbers.is_empty() || record.value.is_some());
                match parsed {
                    ParsedLine::Record(record) => {
                        let joined = reader.parser().joined().map(|text| text.as_bytes().to_vec());
                        let number = begun.take_if(|_| joined.is_some()).unwrap_or(line.number);
                        let text = joined.as_deref().unwrap_or(line.bytes);
                        read.tally.note(&record, || cut(&shown(text)));
                        print(args, number, text, &record, out)?;
                    }
                    ParsedLine::Pending => {
                        begun.get_or_insert(line.number);
                    }
                    ParsedLine::Continued => {
                        note(args, line.number, line.bytes, "belongs to the record before it", out)?;
                    }
                    ParsedLine::Skipped => note(args, line.number, line.bytes, "no record", out)?,
                }
                read.further(args, &mut reader, line.number, out)?;
            }
            SourceItem::Gap(_) => bail!("{}: the file changed while it was read", clean(&args.log.to_string_lossy())),
            SourceItem::Wait => replay::pause(),
            SourceItem::End if log.is_streamed() => replay::pause(),
            SourceItem::End | SourceItem::Closed => break,
        }
    }
    reader.flush(None);
    read.further(args, &mut reader, begun.unwrap_or_default(), out)?;
    read.format = reader.parser().format_name();
    read.names_grown = reader.growth().problem();
    if !args.json {
        summary(args, &read, out)?;
    }
    Ok(())
}

fn print(args: &Args, line: u64, bytes: &[u8], record: &Record<'_>, out: &mut impl Write) -> Result<()> {
    if args.json {
        return Ok(writeln!(out, "{}", oddline_core::terminal::json(&as_json(line, record).to_string()))?);
    }
    writeln!(out, "{line}: {}", clean(&cut(&shown(bytes))))?;
    let time = record.time.map_or_else(|| "none".to_owned(), |time| time.to_string());
    write!(out, "    {}  time {time}", record.format)?;
    if record.time_assumed {
        write!(out, " (assumed)")?;
    }
    let named = [("server", &record.server), ("component", &record.component)];
    for (what, name) in named.into_iter().filter_map(|(what, name)| Some((what, name.as_ref()?))) {
        write!(out, "  {what} {}", clean(name))?;
    }
    if let Some(level) = record.level {
        write!(out, "  level {}", level.name())?;
    }
    for (name, value) in values(record) {
        write!(out, "  {}={value}", clean(name))?;
    }
    writeln!(out)?;
    if let Some(message) = &record.message {
        writeln!(out, "    {}", clean(&cut(message)))?;
    }
    if let Some(fault) = record.fault {
        writeln!(out, "    FAULT: {}", fault.describe())?;
    }
    Ok(())
}

fn note(args: &Args, line: u64, bytes: &[u8], what: &str, out: &mut impl Write) -> Result<()> {
    if !args.json {
        writeln!(out, "{line}: {}\n    {what}", clean(&cut(&shown(bytes))))?;
    }
    Ok(())
}

/// The numbers of a record: its own value is called `value`.
fn values<'r>(record: &'r Record<'_>) -> impl Iterator<Item = (&'r str, f64)> {
    let own = record.value.map(|value| ("value", value));
    own.into_iter().chain(record.numbers.iter().map(|(name, value)| (&**name, *value)))
}

fn as_json(line: u64, record: &Record<'_>) -> Value {
    let numbers: Map<String, Value> = values(record).map(|(name, value)| (name.to_owned(), value.into())).collect();
    serde_json::json!({
        "line": line,
        "time": record.time.filter(|_| !record.time_assumed).map(|time| time.to_string()),
        "assumed_time": record.time.filter(|_| record.time_assumed).map(|time| time.to_string()),
        "server": record.server,
        "component": record.component,
        "level": record.level.map(oddline_core::record::Level::name),
        "message": record.message,
        "values": numbers,
        "format": record.format,
        "fault": record.fault.map(oddline_core::record::Fault::describe),
    })
}

fn summary(args: &Args, read: &Understanding, out: &mut impl Write) -> Result<()> {
    let tally = &read.tally;
    let (lines, records) = (counted(tally.lines(), "line"), counted(tally.records(), "record"));
    writeln!(
        out,
        "\nread as {}: {lines}, {records} ({} with a value), {} continued, {} no record, {} without a time",
        read.format, tally.scored, tally.continued, tally.skipped, tally.untimed
    )?;
    for fault in tally.faults() {
        writeln!(out, "{} x {}, first: {}", fault.count, fault.fault, clean(&fault.first))?;
    }
    if let Some(grown) = &read.names_grown {
        writeln!(out, "NAMES: {grown}")?;
    }
    if let Some(problem) = tally.problem(true) {
        writeln!(out, "NOT UNDERSTOOD: {}", clean(&problem))?;
        let format = better(&read.first, &args.format);
        let advice = match &format {
            Some(format) => format!("format = \"{format}\" understands more of it"),
            None => "no format understands more of it; fields says which keys of JSON or logfmt mean what".to_owned(),
        };
        writeln!(out, "in the [[source]] of the agent, or as --format: {advice}")?;
    }
    Ok(())
}

/// The format that leaves the fewest of the lines without a time or with a fault, if that is not the one in use.
fn better(lines: &[(Vec<u8>, Option<EventTime>)], used: &LogFormat) -> Option<LogFormat> {
    let lost = |format: &LogFormat| {
        let mut reader = LineReader::new(format.clone(), TimeOptions::default());
        reader.start_of_file();
        let mut is_lost = |(line, modified): &(Vec<u8>, Option<EventTime>)| {
            let record = reader.read(line, *modified).record();
            record.is_some_and(|record| record.time_assumed || record.time.is_none() || record.fault.is_some())
        };
        lines.iter().filter(|line| is_lost(line)).count()
    };
    let names = ["csv", "jsonl", "syslog", "journald", "logfmt", "access", "plain"];
    let formats = names.iter().filter_map(|name| name.parse::<LogFormat>().ok());
    let best = formats.map(|format| (lost(&format), format)).min_by_key(|(lost, _)| *lost);
    best.filter(|(count, _)| *count < lost(used)).map(|(_, format)| format)
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(log: &std::path::Path, format: &str, json: bool) -> Args {
        let (format, times) = (format.parse().unwrap(), TimeArgs::default());
        Args { log: log.to_owned(), format, log_format: None, times, json }
    }

    fn parsed(text: &str, format: &str, json: bool) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let args = arguments(file.path(), format, json);
        let mut out = Vec::new();
        run(&args, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_record_is_an_object() {
        let text = "{\"ts\":\"2026-01-05T10:00:00Z\",\"host\":\"a\",\"logger\":\"b\",\"level\":\"WARN\",\"msg\":\"x\",\"n\":2}\n\n{\"value\":3}\n";
        let out = parsed(text, "auto", true);
        let objects: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            objects[0],
            serde_json::json!({
                "line": 1, "time": "2026-01-05T10:00:00Z", "assumed_time": null, "server": "a", "component": "b",
                "level": "warning", "message": "x", "values": { "n": 2.0 }, "format": "jsonl", "fault": null
            })
        );
        assert_eq!((&objects[1]["line"], &objects[1]["values"]["value"]), (&3.into(), &3.0.into()));
        assert_eq!((&objects[1]["time"], &objects[1]["assumed_time"]), (&Value::Null, &"2026-01-05T10:00:00Z".into()));
        assert_eq!(objects.len(), 2);
    }

    #[test]
    fn a_compressed_log_is_read_as_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("auth.log");
        let text = (0..3_000).map(|i| format!("Jan  5 10:{:02}:{:02} gate sshd[{i}]: {i}\n", i / 60 % 60, i % 60));
        std::fs::write(&plain, text.collect::<String>()).unwrap();
        let shown = |log: &std::path::Path| {
            let mut out = Vec::new();
            run(&arguments(log, "auto", true), &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        let expected = shown(&plain).unwrap();
        assert_eq!(expected.lines().count(), 3_000);
        for (program, ending) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
            let packed = std::process::Command::new(program).arg("-c").arg(&plain).output();
            let Ok(packed) = packed else {
                assert!(program != "gzip", "gzip is everywhere");
                continue;
            };
            let path = dir.path().join(format!("auth.log.{ending}"));
            std::fs::write(&path, &packed.stdout).unwrap();
            assert!(shown(&path).unwrap() == expected, "{program}");
            std::fs::write(&path, &packed.stdout[..packed.stdout.len() / 2]).unwrap();
            let error = format!("{:#}", shown(&path).unwrap_err());
            assert!(error.contains(&format!("auth.log.{ending}")) && error.contains("failed"), "{error}");
        }
    }

    #[test]
    fn names_that_keep_growing_are_told() {
        let line = |i: usize| format!("{{\"ts\":{},\"service\":\"k{i}q\",\"msg\":\"x\"}}\n", 1_767_571_200 + i);
        let out = parsed(&(0..1_100).map(line).collect::<String>(), "auto", false);
        assert!(out.contains("NAMES: it names ever more components"), "{}", &out[out.len() - 400..]);
    }

    #[test]
    fn another_format_is_advised_where_it_reads_more() {
        let lines = "2026-01-05T10:00:00Z a app[1]: x\n".repeat(20);
        let out = parsed(&lines, "csv", false);
        assert!(out.contains("NOT UNDERSTOOD: all 20 records cannot be read"), "{out}");
        assert!(out.contains("format = \"syslog\"") || out.contains("format = \"plain\""), "{out}");
        let out = parsed(&lines, "auto", false);
        assert!(out.contains("server a  component app") && !out.contains("NOT UNDERSTOOD"), "{out}");
        assert!(out.contains("20 lines, 20 records (0 with a value)"), "{out}");
    }
}
