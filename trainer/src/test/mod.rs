//! Judging unseen logs with a model, and what comes of it: anomalies, charts, and, where the truth is known, figures.

mod kinds;
mod series;
mod truth;

use std::{
    collections::{HashMap, VecDeque},
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use oddline_core::{
    episode::EpisodeStep, stream::StreamName, terminal::csv_field, time::EventTime, verdict::CSV_HEADER,
};
use oddline_detector::{Judge, JudgedRow, OpenModel, RecordIntake};
use serde_json::{Value, json};

use self::{
    kinds::{TruthKind, TruthKinds},
    series::UnseenSeries,
    truth::TruthComparison,
};
use crate::{
    chart::{self, ErrorSeries},
    dataset::{
        InputLogs, ReadArgs, ReadOptions,
        read::{ReadItem, ReadSummary},
    },
    error::{DataError, UsageError},
    evaluate::{histogram::ScoreHistogram, report, summary::TestSummary},
    output::{self, OutputFiles},
    say,
};

/// Scores unseen logs with a model and reports the anomalies
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Logs to judge: files, folders (each log a stream), patterns such as 'app.log*', or - for standard input
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = "logs/unseen_logs.txt")]
    pub logs: Vec<String>,
    /// How they are read
    #[command(flatten)]
    pub read: ReadArgs,
    /// The model to score with
    #[arg(long, value_name = "FILE", default_value = "models/autoencoder.onnx")]
    pub model: PathBuf,
    /// File for the anomalies; - for standard output
    #[arg(long, value_name = "FILE", default_value = "logs/anomalies.csv")]
    pub anomalies: PathBuf,
    /// Folder of the charts
    #[arg(long, value_name = "DIR", default_value = "charts")]
    pub charts: PathBuf,
    /// Compare with the ground truth in the column 'anomalous'
    #[arg(long, env = "DEBUG_WITH_ANOMALY_FLAG", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub debug_with_anomaly_flag: bool,
    /// File for the records on which verdict and ground truth differ
    #[arg(long, value_name = "FILE", default_value = "logs/debug_logs.txt")]
    pub debug_logs: PathBuf,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write every record with its score and verdict as CSV
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,
    /// Treat this first part of each stream as history: followed, not scored
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub skip_part: f64,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// What is kept of a record until its verdict comes.
struct AwaitedTruth {
    anomalous: bool,
    kind: Option<TruthKind>,
    skipped: bool,
}

/// Everything a run writes to.
struct TestRun {
    judge: Judge,
    waiting: VecDeque<AwaitedTruth>,
    judged: Vec<JudgedRow>,
    anomalies: OutputFiles,
    scores: Option<OutputFiles>,
    comparison: Option<TruthComparison>,
    histogram: ScoreHistogram,
    series: UnseenSeries,
    counts: TestCounts,
    known: KnownTruth,
}

/// Streams the model was not fitted on.
#[derive(Default)]
struct KnownTruth(HashMap<Arc<StreamName>, bool>);

#[derive(Default)]
struct TestCounts {
    records: u64,
    anomalies: u64,
    episodes: u64,
    learning: u64,
    windows: u64,
    windows_anomalous: u64,
    window_episodes: u64,
}

/// Runs the command.
///
/// # Errors
/// When the model is refused, the log cannot be used, or a file cannot be written.
pub fn run(args: &Args) -> Result<()> {
    if !(0.0..1.0).contains(&args.skip_part) {
        return Err(UsageError("--skip-part must be at least 0 and less than 1".to_owned()).into());
    }
    let model = open(&args.model)?;
    let logs = InputLogs::find(&args.logs, args.read.over(ReadOptions::default())?)?;
    let skip = skipped_records(&logs, args.skip_part)?;
    let mut kinds = if args.debug_with_anomaly_flag { beside(&args.logs)? } else { None };
    let mut run = TestRun::begin(args, &model)?;
    let mut seen: HashMap<String, u64> = HashMap::new();
    let read = logs.for_each(|item| {
        let kind = kinds.as_mut().map(|k| k.of(&key_of(&item))).transpose()?.flatten();
        let skipped = if skip.is_empty() { false } else { count_towards(&mut seen, &skip, &item) };
        run.push(&item, kind, skipped)
    })?;
    run.judge.flush(&mut run.judged)?;
    run.take_verdicts()?;
    say::notes(&read.notes);
    if args.debug_with_anomaly_flag && !read.has_truth {
        let message = format!("{} has no column 'anomalous' to compare with", args.logs.join(", "));
        return Err(DataError(message).into());
    }
    run.finish(args, &model, &read)
}

fn open(path: &Path) -> Result<OpenModel> {
    let advice = "train one with `oddline-trainer train`, or name yours with --model";
    let bytes = fs::read(path).with_context(|| format!("cannot read the model {}: {advice}", path.display()))?;
    OpenModel::open(&bytes).with_context(|| format!("the model {} is refused", path.display()))
}

/// The kinds beside the one log that is read.
fn beside(logs: &[String]) -> Result<Option<TruthKinds>> {
    match logs {
        [log] => TruthKinds::beside(Path::new(log)),
        _ => Ok(None),
    }
}

fn stream_key(item: &ReadItem<'_>) -> String {
    let server = item.record.server.as_deref().unwrap_or(item.names.server);
    let component = item.record.component.as_deref().unwrap_or(item.names.component);
    format!("{server},{component}")
}

/// How a kinds file names a record.
fn key_of(item: &ReadItem<'_>) -> String {
    let time = item.record.time.map(|t| t.to_string()).unwrap_or_default();
    format!("{time},{}", stream_key(item))
}

/// Records to skip per stream; empty when nothing is skipped.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a count")]
fn skipped_records(logs: &InputLogs, part: f64) -> Result<HashMap<String, u64>> {
    let mut counts = HashMap::new();
    if part == 0.0 {
        return Ok(counts);
    }
    if !logs.is_repeatable() {
        let what = "--skip-part needs files: standard input and the journal cannot be read twice";
        return Err(UsageError(what.to_owned()).into());
    }
    logs.for_each(|item| {
        *counts.entry(stream_key(&item)).or_insert(0) += 1;
        Ok(())
    })?;
    counts.values_mut().for_each(|n: &mut u64| *n = (*n as f64 * part).round() as u64);
    Ok(counts)
}

fn count_towards(seen: &mut HashMap<String, u64>, skip: &HashMap<String, u64>, item: &ReadItem<'_>) -> bool {
    let key = stream_key(item);
    let limit = skip.get(&key).copied().unwrap_or(0);
    let count = seen.entry(key).or_insert(0);
    *count += 1;
    *count <= limit
}

impl TestRun {
    fn begin(args: &Args, model: &OpenModel) -> Result<Self> {
        let mut anomalies = OutputFiles::create(&args.anomalies)?;
        writeln!(anomalies, "{CSV_HEADER}").with_context(|| anomalies.trouble())?;
        let mut scores = args.scores.as_deref().map(OutputFiles::create).transpose()?;
        if let Some(scores) = &mut scores {
            writeln!(scores, "time,server,component,value,score,verdict").with_context(|| scores.trouble())?;
        }
        let comparison =
            if args.debug_with_anomaly_flag { Some(TruthComparison::begin(&args.debug_logs)?) } else { None };
        Ok(Self {
            judge: Judge::new(model)?,
            waiting: VecDeque::new(),
            judged: Vec::new(),
            anomalies,
            scores,
            comparison,
            histogram: ScoreHistogram::default(),
            series: UnseenSeries::default(),
            counts: TestCounts::default(),
            known: KnownTruth::default(),
        })
    }

    fn push(&mut self, item: &ReadItem<'_>, kind: Option<TruthKind>, skipped: bool) -> Result<()> {
        let intake = self.judge.push(item.record, item.names, &mut self.judged)?;
        for window in self.judge.drain_windows().filter(|_| !skipped) {
            self.counts.windows += 1;
            self.counts.windows_anomalous += u64::from(window.anomalous);
            self.counts.window_episodes += u64::from(window.step == EpisodeStep::Opened);
        }
        if let RecordIntake::Judged(_) = intake {
            let anomalous = item.record.anomalous.unwrap_or(false);
            self.waiting.push_back(AwaitedTruth { anomalous, kind, skipped });
        }
        if self.judged.is_empty() { Ok(()) } else { self.take_verdicts() }
    }

    fn take_verdicts(&mut self) -> Result<()> {
        for judged in std::mem::take(&mut self.judged) {
            let waiting = self.waiting.pop_front().expect("each verdict belongs to a record that waits");
            self.take(&judged, &waiting)?;
        }
        Ok(())
    }

    fn take(&mut self, judged: &JudgedRow, waiting: &AwaitedTruth) -> Result<()> {
        let verdict = &judged.verdict;
        if waiting.skipped {
            return Ok(());
        }
        self.counts.records += 1;
        self.counts.anomalies += u64::from(verdict.anomalous);
        self.counts.episodes += u64::from(judged.step == EpisodeStep::Opened);
        self.counts.learning += u64::from(verdict.learning);
        if verdict.learning && !self.known.0.contains_key(&verdict.stream) {
            self.known.0.insert(Arc::clone(&verdict.stream), true);
        }
        self.histogram.push(verdict.score.value);
        if verdict.anomalous {
            verdict.write_csv(&mut self.anomalies).with_context(|| self.anomalies.trouble())?;
        }
        if let Some(scores) = &mut self.scores {
            score_row(scores, judged).with_context(|| scores.trouble())?;
        }
        let view = &self.judge.model().profile.record;
        self.series.push(verdict, view, waiting.anomalous && self.comparison.is_some());
        if let Some(comparison) = &mut self.comparison {
            comparison.push(verdict, view, waiting.anomalous, waiting.kind.as_ref())?;
        }
        Ok(())
    }

    fn finish(self, args: &Args, model: &OpenModel, read: &ReadSummary) -> Result<()> {
        self.anomalies.finish()?;
        self.scores.map(OutputFiles::finish).transpose()?;
        fs::create_dir_all(&args.charts)
            .with_context(|| format!("cannot make the folder {}", args.charts.display()))?;
        let summary = self.comparison.map(TruthComparison::finish).transpose()?;
        draw(args, model, &self.histogram, summary.as_ref())?;
        draw_series(args, &self.series)?;
        let text = summary.as_ref().map(report::text).unwrap_or_default();
        let mut report = summary.as_ref().map_or_else(|| json!({ "format": report::FORMAT }), report::json);
        let learning: Vec<&StreamName> = self.known.0.keys().map(|n| &**n).collect();
        report["run"] = run_json(model, &self.counts, &self.judge, read, learning.len());
        say_learning(learning, self.counts.learning);
        if let Some(path) = &args.report {
            output::write(path, format!("{report:#}\n").as_bytes())?;
        }
        if args.json {
            return say::out(&format!("{report}\n"));
        }
        say::out(&format!("{}{text}", heading(args, model, &self.counts)))
    }
}

fn score_row(out: &mut OutputFiles, judged: &JudgedRow) -> std::io::Result<()> {
    let v = &judged.verdict;
    let time: EventTime = v.time;
    let (server, component) = (csv_field(&v.stream.server), csv_field(&v.stream.component));
    writeln!(out, "{time},{server},{component},{},{},{}", v.value, v.score.value, u8::from(v.anomalous))
}

fn draw(args: &Args, model: &OpenModel, histogram: &ScoreHistogram, summary: Option<&TestSummary>) -> Result<()> {
    let errors = match summary {
        Some(s) => ErrorSeries::Labelled { normal: &s.scores.normal, anomalous: &s.scores.anomalous },
        None => ErrorSeries::Unlabelled(histogram),
    };
    let threshold = f64::from(model.profile.record.threshold.value);
    let file = args.charts.join("unseen_data_errors.png");
    Ok(chart::unseen_data_errors(&file, errors, threshold, "Scores of the unseen log")?)
}

/// Nothing to draw leaves no picture of an earlier run behind.
fn draw_series(args: &Args, series: &UnseenSeries) -> Result<()> {
    let file = args.charts.join("unseen_data_streams.png");
    if let Some(page) = series.page() {
        return Ok(page.draw()?.save(&file)?);
    }
    say::note(&format!("nothing is anomalous: no chart {}", file.display()));
    match fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

fn heading(args: &Args, model: &OpenModel, counts: &TestCounts) -> String {
    let TestCounts { records, anomalies, episodes, .. } = counts;
    let threshold = model.profile.record.threshold.value;
    let together = match counts.windows {
        0 => String::new(),
        windows => format!(
            "Together:   {} anomalous in {} of {} of a server\n",
            counts.windows_anomalous,
            say::counted(counts.window_episodes, "episode"),
            say::counted(windows, "window")
        ),
    };
    format!(
        "Scored {}: {anomalies} anomalous in {} (threshold {threshold:.4})\n{together}\
         Anomalies:  {}\nCharts:     {}\n\n",
        say::counted(*records, "record"),
        say::counted(*episodes, "episode"),
        args.anomalies.display(),
        args.charts.display()
    )
}

fn say_learning(mut streams: Vec<&StreamName>, records: u64) {
    streams.sort();
    if let Some(first) = streams.first() {
        let StreamName { server, component } = first;
        let (streams, records) = (say::counted(streams.len(), "stream"), say::counted(records, "record"));
        say::note(&format!(
            "{streams} not in the model, {server}/{component} first: {records} scored in warm-up (value range only for \
             200 records, daily pattern after two days)"
        ));
    }
}

fn run_json(model: &OpenModel, counts: &TestCounts, judge: &Judge, read: &ReadSummary, learning: usize) -> Value {
    let streams = judge.counts();
    let faults: serde_json::Map<String, Value> =
        read.notes.counts().map(|(what, count)| (what.to_owned(), json!(count))).collect();
    json!({
        "records": counts.records, "anomalies": counts.anomalies, "episodes": counts.episodes,
        "windows": counts.windows, "windows_anomalous": counts.windows_anomalous,
        "window_episodes": counts.window_episodes, "windows_late": judge.state().windows().counts().late,
        "threshold": model.profile.record.threshold, "model_version": model.version,
        "streams_learning": learning, "records_while_learning": counts.learning,
        "lines": read.notes.lines, "lines_unusable": read.notes.unusable, "faults": faults,
        "late": streams.late, "streams_evicted": streams.evicted, "new_levels": streams.new_levels,
        "judged_by_range": streams.by_range,
    })
}
