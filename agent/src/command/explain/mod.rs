//! `explain`: what the agent says of a line, or why it says nothing: values, pauses, counts and names, each beside what was
//! expected. Every line goes the way it goes in a replay, in one pass; what is asked for is picked out by the pipeline's
//! trace.

mod json;
mod text;

use std::{io::Write, path::PathBuf};

use anyhow::{Result, bail};
use oddline_core::{
    activity::ActivityNotice,
    format::{AccessLayout, LogFormat},
    readings::ValueSelection,
    stream::StreamName,
    time::EventTime,
};
use oddline_detector::OpenModel;
use oddline_pipeline::{FoundItem, LineFinding, Pipeline, PipelineOutput, TracedLines};

use crate::{
    command::times::TimeArgs,
    publish::sink::clean,
    replay::{self, ReplayLog},
    source::SourceItem,
};

/// Explains why a line of a log is or is not anomalous
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The log, scored from its start as the agent scores it
    #[arg(value_name = "FILE")]
    pub log: PathBuf,
    /// The model to score with
    #[arg(long, value_name = "FILE", default_value = "models/autoencoder.onnx")]
    pub model: PathBuf,
    /// The format of its lines
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub format: LogFormat,
    /// The format of an access log's lines as its program has it: nginx's log_format, Apache's LogFormat
    #[arg(long, value_name = "LAYOUT")]
    pub log_format: Option<AccessLayout>,
    /// Which numbers of lines without a value are judged: their measurements, or all with length, status and bytes
    #[arg(long, value_name = "measured|numbers", default_value_t)]
    pub values: ValueSelection,
    #[command(flatten)]
    pub times: TimeArgs,
    /// The line, by its number in the file [default without --time: the last one at which something anomalous was found]
    #[arg(long, value_name = "NUMBER", conflicts_with = "time")]
    pub line: Option<u64>,
    /// The records of this instant
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub time: Option<EventTime>,
    /// Only records of this server
    #[arg(long)]
    pub server: Option<String>,
    /// Only records of this component
    #[arg(long)]
    pub component: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What is to be said.
#[derive(Default)]
struct Explanation {
    findings: Vec<LineFinding>,
    /// Of the line that was asked for, when there is one.
    plain: Option<PlainLine>,
    /// Lines read.
    lines: u64,
}

/// A line as it was read, whatever was found in it.
struct PlainLine {
    number: u64,
    text: String,
    /// It belongs to a record that a line before it began.
    of: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// When the model is refused, the log cannot be read, or nothing in it is meant.
pub fn run(args: &Args, out: &mut impl Write) -> Result<()> {
    explain(args, &replay::open(&args.model)?, out)
}

/// The same with an open model.
///
/// # Errors
/// When the log cannot be read, or nothing in it is meant.
pub fn explain(args: &Args, model: &OpenModel, out: &mut impl Write) -> Result<()> {
    let mut explanation = search(args, model)?;
    // What was found later about a line stands with it.
    explanation.findings.sort_by_key(|finding| finding.lines.first);
    let Explanation { findings, plain, lines } = &explanation;
    match (findings.is_empty(), plain) {
        (true, Some(plain)) if args.server.is_none() && args.component.is_none() => {
            if args.json {
                json::plain(plain, out)
            } else {
                text::plain(plain, out)
            }
        }
        (true, _) => bail!("{}", nothing(args, *lines)),
        (false, _) if args.json => json::findings(findings, model, out),
        (false, _) => text::findings(findings, &model.profile.record, out),
    }
}

/// What is meant.
fn search(args: &Args, model: &OpenModel) -> Result<Explanation> {
    let log = ReplayLog::new(
        &args.log,
        args.format.clone().laid_out(args.log_format.clone())?,
        args.values,
        args.times.options()?,
    );
    let mut source = log.open()?;
    let mut pipeline = Pipeline::new(&args.log.to_string_lossy(), log.treatment(), model, None)?;
    pipeline.trace(match (args.line, args.time) {
        (Some(line), _) => TracedLines::Line(line),
        (None, Some(time)) => TracedLines::Instant(time),
        (None, None) => TracedLines::Odd,
    });
    let mut output = PipelineOutput::default();
    let mut explanation = Explanation::default();
    let mut record = None;
    loop {
        match source.next()? {
            SourceItem::File => pipeline.start_of_file(),
            SourceItem::Line(line) => {
                let records = pipeline.tally().records();
                let continued = pipeline.tally().continued;
                pipeline.line(line.bytes, line.modified, &mut output)?;
                explanation.lines = line.number;
                explanation.take(args, &mut pipeline, &mut output);
                if pipeline.tally().records() > records {
                    record = Some(line.number);
                }
                if args.line == Some(line.number) {
                    let of = record.filter(|_| pipeline.tally().continued > continued && !pipeline.is_pending());
                    let text = String::from_utf8_lossy(line.bytes).into_owned();
                    explanation.plain = Some(PlainLine { number: line.number, text, of });
                }
                if args.line.is_some_and(|asked| line.number >= asked) && !pipeline.is_following() {
                    return Ok(explanation);
                }
            }
            SourceItem::Gap(_) => bail!("{}: the file changed while it was read", clean(&args.log.to_string_lossy())),
            SourceItem::Wait => replay::pause(),
            SourceItem::End if log.is_streamed() => replay::pause(),
            SourceItem::End | SourceItem::Closed => break,
        }
    }
    pipeline.finish(&mut output)?;
    pipeline.wait_in_vain(&mut output)?;
    explanation.take(args, &mut pipeline, &mut output);
    Ok(explanation)
}

impl Explanation {
    /// Takes what was found since; without a line or an instant only the last one is kept.
    fn take(&mut self, args: &Args, pipeline: &mut Pipeline, output: &mut PipelineOutput) {
        output.events.clear();
        for finding in pipeline.findings().filter(|finding| is_meant(args, finding)) {
            if args.line.is_none() && args.time.is_none() {
                self.findings.retain(|found| found.lines == finding.lines);
            }
            self.findings.push(finding);
        }
    }
}

/// Whether it is of the server and the component that are asked for.
fn is_meant(args: &Args, finding: &LineFinding) -> bool {
    let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    stream(&finding.what).is_none_or(|of| is(&args.server, &of.server) && is(&args.component, &of.component))
}

fn stream(what: &FoundItem) -> Option<&StreamName> {
    match what {
        FoundItem::Record(record) => Some(&record.stream),
        FoundItem::Judged(judged) => Some(&judged.row.verdict.stream),
        FoundItem::Noticed(ActivityNotice::Silent(silent)) => Some(&silent.stream),
        FoundItem::Noticed(
            ActivityNotice::Spoke { stream, .. }
            | ActivityNotice::Rate { stream, .. }
            | ActivityNotice::NewComponent { stream, .. }
            | ActivityNotice::NewLevel { stream, .. },
        ) => Some(stream),
        FoundItem::Crowd => None,
    }
}

fn nothing(args: &Args, lines: u64) -> String {
    let log = clean(&args.log.to_string_lossy());
    let of: String = [("server", &args.server), ("component", &args.component)]
        .into_iter()
        .filter_map(|(what, name)| name.as_deref().map(|name| format!(" of {what} {}", clean(name))))
        .collect();
    match (args.line, args.time) {
        (Some(line), _) if line > lines => format!("{log}: no line {line}: it has {lines}"),
        (Some(line), _) => format!("{log}: line {line} has nothing{of}"),
        (None, Some(time)) => format!("{log}: no record{of} at {time}"),
        (None, None) => format!("{log}: no record{of} in it is anomalous"),
    }
}

fn time(text: &str) -> Result<EventTime, String> {
    EventTime::parse(text).ok_or_else(|| format!("{text:?} is not a valid time: expected 2026-01-05T08:00:00Z"))
}
