//! `explain`: why a line is anomalous, or why it is not: every feature beside what was expected of it.

use std::{io::Write, ops::RangeInclusive, path::PathBuf};

use anyhow::{Result, bail};
use oddline_core::{
    event::{
        Event, NUMBERS_APART,
        words::{reason_with_value, short},
    },
    format::{AccessLayout, LogFormat},
    profile::RecordView,
    readings::ValueSelection,
    stream::{RecordFigures, character::StreamCharacter},
    time::EventTime,
    verdict::Verdict,
};
use oddline_detector::OpenModel;
use oddline_pipeline::{OutputWanted, Pipeline, PipelineOutput};

use crate::{
    command::times::TimeArgs,
    publish::sink::{self, LineMarks, clean},
    replay::{self, ReplayLog},
    source::{SourceItem, SourceLine},
};
use oddline_cli::table::table;

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
    /// The line, by its number in the file [default without --time: the last anomalous one]
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

/// Records of one instant that are explained.
const SHOWN_MAX: usize = 50;

/// What is to be said of a line.
struct ExplainedRecord {
    line: u64,
    text: String,
    what: ExplainTarget,
}

enum ExplainTarget {
    /// A value of it was judged.
    Judged(Box<Verdict>),
    /// It was told of for another reason: a rate, a silence that it ended or made known, something new.
    Told(Event),
}

/// Runs the command.
///
/// # Errors
/// When the model is refused, the log cannot be read, or nothing in it is meant.
pub fn run(args: &Args, out: &mut impl Write) -> Result<()> {
    let model = replay::open(&args.model)?;
    let found = search(args, &model)?;
    if found.is_empty() {
        bail!("{}", nothing(args));
    }
    for ExplainedRecord { line, text, what } in &found {
        match (what, args.json) {
            (ExplainTarget::Judged(verdict), true) => as_json(*line, verdict, &model, out)?,
            (ExplainTarget::Judged(verdict), false) => as_text(*line, text, verdict, &model.profile.record, out)?,
            (ExplainTarget::Told(event), true) => {
                writeln!(out, "{}", serde_json::json!({ "line": line, "event": event }))?;
            }
            (ExplainTarget::Told(event), false) => {
                writeln!(out, "line {line}: {}\nTOLD: {}\n", clean(text), sink::line(event, LineMarks::Plain))?;
            }
        }
    }
    Ok(())
}

/// What is meant, found in two passes: records are judged in blocks, and only near what is meant one by one, so that what
/// comes out belongs to one line. A verdict is the same in any company.
fn search(args: &Args, model: &OpenModel) -> Result<Vec<ExplainedRecord>> {
    let mut found: Vec<ExplainedRecord> = Vec::new();
    let lines = match args.line {
        Some(line) => line..=line,
        None if args.log.as_os_str() == "-" => 0..=u64::MAX,
        None => match lines_near(args, model)? {
            Some(lines) => lines,
            None => return Ok(found),
        },
    };
    // The first line of a record that is not whole yet.
    let mut begun = None;
    each_line(args, model, |pipeline, line, output| {
        let first = begun.unwrap_or(line.number);
        let is_near = first <= *lines.end() && line.number >= *lines.start();
        if is_near {
            // What waits is of the lines before.
            pipeline.idle(output)?;
            output.judged.clear();
            output.events.clear();
        }
        let records = pipeline.tally().records();
        pipeline.line(line.bytes, line.modified, output)?;
        let is_ended = pipeline.tally().records() > records;
        begun = pipeline.is_pending().then_some(if is_ended { line.number } else { first });
        let is_wanted_later = line.number < *lines.end() || begun.is_some_and(|first| first <= *lines.end());
        if !is_near {
            return Ok(is_wanted_later);
        }
        pipeline.idle(output)?;
        for what in targets(output).filter(|what| what.is_meant(args, first..=line.number)) {
            if args.line.is_none() && args.time.is_none() {
                found.clear();
            }
            if found.len() < SHOWN_MAX {
                let text = String::from_utf8_lossy(line.bytes).into_owned();
                found.push(ExplainedRecord { line: first, text, what });
            }
        }
        Ok(is_wanted_later)
    })?;
    Ok(found)
}

/// The lines among which those are that are meant, judged in blocks; `None` when there are none.
fn lines_near(args: &Args, model: &OpenModel) -> Result<Option<RangeInclusive<u64>>> {
    let (mut settled, mut near, mut last) = (0, None, 0);
    let mut take = |pipeline: &Pipeline, number: u64, output: &mut PipelineOutput| {
        if targets(output).filter(|what| what.is_meant(args, number..=number)).count() > 0 {
            let first =
                near.as_ref().filter(|_| args.time.is_some()).map_or(settled + 1, |near| *RangeInclusive::start(near));
            near = Some(first..=number);
        }
        if pipeline.is_settled() {
            settled = number;
        }
    };
    let (pipeline, mut output) = each_line(args, model, |pipeline, line, output| {
        pipeline.line(line.bytes, line.modified, output)?;
        last = line.number;
        take(pipeline, line.number, output);
        Ok(true)
    })?;
    take(&pipeline, last, &mut output);
    Ok(near)
}

/// What came out.
fn targets(output: &mut PipelineOutput) -> impl Iterator<Item = ExplainTarget> {
    let verdicts = output.judged.drain(..).map(|judged| ExplainTarget::Judged(Box::new(judged.verdict)));
    verdicts.chain(output.events.drain(..).map(ExplainTarget::Told))
}

/// Hands out the lines of the log from its start with a pipeline to take them, while `each` wants more; the pipeline
/// after the last, with what it still held.
fn each_line(
    args: &Args,
    model: &OpenModel,
    mut each: impl FnMut(&mut Pipeline, &SourceLine<'_>, &mut PipelineOutput) -> Result<bool>,
) -> Result<(Pipeline, PipelineOutput)> {
    let log = ReplayLog::new(
        &args.log,
        args.format.clone().laid_out(args.log_format.clone())?,
        args.values,
        args.times.options()?,
    );
    let mut source = log.open()?;
    let mut pipeline = Pipeline::new(&args.log.to_string_lossy(), log.treatment(), model, None)?;
    let mut output = PipelineOutput { wanted: OutputWanted::All, ..PipelineOutput::default() };
    loop {
        match source.next()? {
            SourceItem::File => pipeline.start_of_file(),
            SourceItem::Line(line) => {
                if !each(&mut pipeline, &line, &mut output)? {
                    break;
                }
            }
            SourceItem::Gap(_) => bail!("{}: the file changed while it was read", clean(&args.log.to_string_lossy())),
            SourceItem::Wait => replay::pause(),
            SourceItem::End if log.is_streamed() => replay::pause(),
            SourceItem::End | SourceItem::Closed => break,
        }
    }
    pipeline.idle(&mut output)?;
    Ok((pipeline, output))
}

impl ExplainTarget {
    /// `lines` are those of its record.
    fn is_meant(&self, args: &Args, lines: RangeInclusive<u64>) -> bool {
        let (server, component, time, odd) = match self {
            Self::Judged(verdict) => {
                (&*verdict.stream.server, &*verdict.stream.component, verdict.time, verdict.anomalous)
            }
            // Those of values are said by their verdicts.
            Self::Told(Event::EpisodeOpened(told)) if told.number >= NUMBERS_APART => {
                (&*told.server, &*told.component, told.first, true)
            }
            Self::Told(Event::Silence(told)) => (&*told.server, &*told.component, told.until, true),
            Self::Told(_) => return false,
        };
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        let place = match (args.line, args.time) {
            (Some(wanted), _) => lines.contains(&wanted),
            (None, Some(wanted)) => wanted == time,
            (None, None) => odd,
        };
        place && is(&args.server, server) && is(&args.component, component)
    }
}

fn nothing(args: &Args) -> String {
    let log = clean(&args.log.to_string_lossy());
    match (args.line, args.time) {
        (Some(line), _) => format!("{log}: no line {line}, or nothing in it has a value and no event names it"),
        (None, Some(time)) => format!("{log}: no such record at {time}"),
        (None, None) => format!("{log}: no record in it is anomalous"),
    }
}

fn as_text(line: u64, text: &str, verdict: &Verdict, view: &RecordView, out: &mut impl Write) -> Result<()> {
    let is = if verdict.anomalous { "ANOMALOUS" } else { "not anomalous" };
    let (server, component) = (clean(&verdict.stream.server), clean(&verdict.stream.component));
    writeln!(out, "line {line}: {}", clean(text))?;
    writeln!(out, "{} {server} {component}", verdict.time)?;
    writeln!(out, "value {}, {}", verdict.value, of_stream(verdict))?;
    writeln!(
        out,
        "{is}: score {:.3}, threshold {:.3}: {}",
        verdict.score.value,
        verdict.threshold,
        reason_with_value(&verdict.told_reason(), verdict.value, verdict.expected)
    )?;
    if verdict.learning {
        writeln!(out, "the stream is still in warm-up: mainly its value range is checked")?;
    }
    let reasons = verdict.reasons(view);
    let row = |reason: &oddline_core::verdict::VerdictReason| {
        vec![
            reason.feature.to_owned(),
            figure(reason.observed, 3),
            figure(reason.expected, 3),
            figure(reason.share.into(), 2),
        ]
    };
    let rows: Vec<Vec<String>> = reasons.iter().map(row).collect();
    writeln!(out, "\n{}", table(&["feature", "observed", "expected", "share"], &rows))?;
    Ok(())
}

/// What kind of stream it is, and what it usually says there.
fn of_stream(verdict: &Verdict) -> String {
    let Some(figures) = &verdict.figures else { return "of a stream that is not known yet".to_owned() };
    let RecordFigures { character, number, usual, range: (min, max), .. } = figures;
    let usually = match character {
        StreamCharacter::Constant => format!("always {}", short(*min)),
        StreamCharacter::FewValues => format!("known from {} to {}", short(*min), short(*max)),
        StreamCharacter::Counter if verdict.expected.is_none() => format!("usually {} a second", short(*usual)),
        StreamCharacter::Counter => {
            format!("grows by {} a second, usually {}, at most {}", short(*number), short(*usual), short(*max))
        }
        StreamCharacter::Wandering => {
            format!("{} from where it just was, seen {} to {}", short(*number), short(*min), short(*max))
        }
        StreamCharacter::Sparse | StreamCharacter::Continuous | StreamCharacter::Daily => {
            let expected = verdict.expected.map(|e| format!("{} was expected, ", short(e))).unwrap_or_default();
            format!("{expected}seen {} to {}", short(*min), short(*max))
        }
    };
    format!("of a stream of character \"{}\": {usually}", character.name())
}

/// A number of a table; what is not known is a dash.
fn figure(number: f64, decimals: usize) -> String {
    if number.is_finite() { format!("{number:.decimals$}") } else { "-".to_owned() }
}

fn as_json(line: u64, verdict: &Verdict, model: &OpenModel, out: &mut impl Write) -> Result<()> {
    let reason = |reason: &oddline_core::verdict::VerdictReason| {
        serde_json::json!({ "feature": reason.feature, "observed": reason.observed, "expected": reason.expected,
            "share": reason.share })
    };
    let reasons: Vec<serde_json::Value> = verdict.reasons(&model.profile.record).iter().map(reason).collect();
    let answer = serde_json::json!({
        "line": line,
        "time": verdict.time.to_string(),
        "server": verdict.stream.server,
        "component": verdict.stream.component,
        "value": verdict.value,
        "expected": verdict.expected,
        "score": verdict.score.value,
        "threshold": verdict.threshold,
        "anomalous": verdict.anomalous,
        "learning": verdict.learning,
        "main_reason": verdict.main_reason(),
        "told": reason_with_value(&verdict.told_reason(), verdict.value, verdict.expected),
        "character": verdict.figures.as_ref().map(|figures| figures.character.name()),
        "reasons": reasons,
    });
    Ok(writeln!(out, "{answer}")?)
}

fn time(text: &str) -> Result<EventTime, String> {
    EventTime::parse(text).ok_or_else(|| format!("{text:?} is not a valid time: expected 2026-01-05T08:00:00Z"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oddline_core::{
        profile::Threshold,
        score::{Score, ScoreCause},
        stream::StreamName,
    };

    use super::*;

    #[test]
    fn names_reach_the_terminal_without_control_characters() {
        let threshold =
            Threshold { value: 1.0, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) };
        let view = RecordView {
            center: [0.0; 8],
            scale: [1.0; 8],
            residual_quantile: [1.0; 8],
            value_quantile: [1.0; 8],
            autoencoder: true,
            novelty: true,
            threshold,
        };
        let name = |name: &str| format!("{name}\u{1b}[2J\n{name}");
        let verdict = Verdict {
            number: 0,
            time: EventTime::from_micros(0),
            stream: Arc::new(StreamName { server: name("web"), component: name("cpu") }),
            value: 1.0,
            expected: None,
            score: Score { value: 2.0, cause: ScoreCause::Range },
            threshold: 1.0,
            anomalous: true,
            learning: false,
            vector: [0.0; 8],
            residual: [0.0; 8],
            loudness: 1.0,
            figures: None,
        };
        let mut csv = Vec::new();
        verdict.write_csv(&mut csv).unwrap();
        assert_eq!(csv.iter().filter(|b| b.is_ascii_control()).count(), 1, "its line end");
        let mut out = Vec::new();
        as_text(7, "a line\r", &verdict, &view, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = out.lines().take(2).collect();
        assert_eq!(lines[0], "line 7: a line\u{fffd}");
        assert!(lines[1].ends_with("web\u{fffd}[2J\u{fffd}web cpu\u{fffd}[2J\u{fffd}cpu"), "{out:?}");
        assert!(!out.contains('\u{1b}'));
    }
}
