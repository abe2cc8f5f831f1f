//! The pipeline over a file, offline: what a live agent would have told of it.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, bail};
use oddline_cli::compressed::Compression;
use oddline_core::{
    amounts::counted,
    format::{AccessLayout, LogFormat, TimeOptions},
    readings::ValueSelection,
    series::component,
    terminal,
    time::EventTime,
    verdict::CSV_HEADER,
};
use oddline_detector::OpenModel;
use oddline_pipeline::{
    FaultSummary, LineTally, OutputWanted, Pipeline, PipelineCounts, PipelineOutput, SourceOptions,
};

use crate::{
    command::times::TimeArgs,
    config::FLOOD_LIMIT,
    publish::sink::clean,
    redact::{AddressPolicy, RedactionRules, SamplePolicy},
    source::{LogSource, Opener, SourceItem, StartPosition, Stdin},
    worker,
};

/// Scores a log file offline, as the agent would, and prints the alerts
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The log; - for standard input
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
    /// Server of records that name none
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Component of records that name none [default: the file's name without its extension]
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
    /// Which numbers of lines without a value are judged: their measurements, or all with length, status and bytes
    #[arg(long, value_name = "measured|numbers", default_value_t)]
    pub values: ValueSelection,
    #[command(flatten)]
    pub times: TimeArgs,
    /// Resume from a copy of an agent's state file: from its position in this file, with what it had learnt
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Score with another model from this record on, as a live agent did that activated it; may be repeated
    #[arg(long, value_name = "NUMBER=FILE", value_parser = change)]
    pub then: Vec<ModelChange>,
    /// Print each anomalous record as a row of anomalies.csv instead of events as JSON lines
    #[arg(long)]
    pub csv: bool,
}

/// A change of the model.
#[derive(Clone, Debug)]
pub struct ModelChange {
    /// The first record that it judges.
    position: u64,
    model: PathBuf,
}

fn change(text: &str) -> Result<ModelChange, String> {
    let parts = text.split_once('=').and_then(|(position, model)| Some((position.parse().ok()?, model)));
    let (position, model) = parts.ok_or_else(|| format!("{text:?}: a record's number, = and a file are expected"))?;
    Ok(ModelChange { position, model: model.into() })
}

/// Component of records of standard input that name none.
const STDIN_COMPONENT: &str = "-";
/// Standard input says when there is more; until then it is looked at this often.
const POLL: std::time::Duration = std::time::Duration::from_millis(10);

/// A log that is judged offline.
#[derive(Debug, Clone)]
pub struct ReplayLog {
    path: PathBuf,
    format: LogFormat,
    /// Server of records that name none.
    server: String,
    /// Component of records that name none.
    component: String,
    /// Which numbers of its records are judged.
    values: ValueSelection,
    times: TimeOptions,
    compression: Option<Compression>,
}

impl ReplaySummary {
    /// In a few lines: what became of the lines, and what is wrong with them, each kind with the first.
    #[must_use]
    pub fn describe(&self, log: &Path) -> String {
        let PipelineCounts { lines, judged, anomalous, .. } = self.counts;
        let LineTally { watched, continued, skipped, unusable, .. } = self.tally;
        let mut text =
            format!("{}, {} scored, {anomalous} anomalous", counted(lines, "line"), counted(judged, "value"));
        let rest = [
            (watched, "line", "without a value: watched for rate, pauses and what is new"),
            (continued, "line", "of a record begun before"),
            (skipped, "line", "without a record (headers, comments, empty)"),
            (unusable, "record", "of which nothing can be used"),
        ];
        for (count, noun, what) in rest.into_iter().filter(|(count, ..)| *count > 0) {
            text.push_str(&format!("; {} {what}", counted(count, noun)));
        }
        for FaultSummary { fault, count, first } in self.tally.faults() {
            text.push_str(&format!("\n{count} x {fault}, first: {}", clean(&first)));
        }
        if let Some(problem) = self.tally.problem(true) {
            let log = clean(&log.to_string_lossy());
            text.push_str(&format!("\nwarning: {log}: {}", clean(&problem)));
            text.push_str(&format!("; oddline-agent parse {log} shows how it is read"));
        }
        if let Some(problem) = &self.names_grown {
            text.push_str(&format!("\nwarning: {}: {problem}", clean(&log.to_string_lossy())));
        }
        text
    }
}

impl ReplayLog {
    /// A file, or standard input for `-`; records that name nothing are called after it.
    #[must_use]
    pub fn new(path: &Path, format: LogFormat, values: ValueSelection, times: TimeOptions) -> Self {
        let component = if path == Path::new("-") { STDIN_COMPONENT.to_owned() } else { component(path) };
        let compression = Compression::of_file(path);
        Self { path: path.to_owned(), format, server: "server".to_owned(), component, values, times, compression }
    }

    /// How it is treated: as the daemon treats its own, by default.
    #[must_use]
    pub fn treatment(&self) -> SourceOptions {
        SourceOptions {
            format: self.format.clone(),
            server: self.server.clone(),
            component: self.component.clone(),
            values: self.values,
            times: self.times,
            redactor: Arc::new(RedactionRules { samples: SamplePolicy::Redacted, addresses: AddressPolicy::Keep }),
            flood_limit: FLOOD_LIMIT,
        }
    }

    /// Whether its end shows only when it is closed: standard input, and what a program unpacks.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        self.is_stdin() || self.compression.is_some()
    }

    fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    /// Opens what is compressed, if it is.
    fn open_packed(&self) -> Result<Option<Stdin>> {
        let Some(compression) = self.compression else { return Ok(None) };
        let cannot_read = || format!("cannot read the log {}", clean(&self.path.to_string_lossy()));
        let file = File::open(&self.path).with_context(cannot_read)?;
        let since = file.metadata().and_then(|meta| meta.modified()).ok();
        let since = since.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified = since.and_then(|since| i64::try_from(since.as_micros()).ok()).map(EventTime::from_micros);
        let unpacked = compression.unpack(file).with_context(cannot_read)?;
        Ok(Some(Stdin::of_file(&self.path, modified, unpacked)?))
    }

    /// Opens it, to be read from its start.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open(&self) -> Result<LogSource> {
        if self.is_stdin() {
            return Ok(LogSource::Stdin(Stdin::new(std::io::stdin())?));
        }
        if let Some(packed) = self.open_packed()? {
            return Ok(LogSource::Stdin(packed));
        }
        // A path that does not exist yet is nothing to wait for here.
        std::fs::metadata(&self.path)
            .with_context(|| format!("cannot read the log {}", clean(&self.path.to_string_lossy())))?;
        Ok(LogSource::ended_file(&self.path, StartPosition::Start, Opener::following_links()))
    }
}

/// What a replay read.
#[derive(Debug, Clone)]
pub struct ReplaySummary {
    pub counts: PipelineCounts,
    pub tally: LineTally,
    /// Which names in it were used no more, because they kept growing.
    pub names_grown: Option<String>,
}

/// Runs the command, printing to `out`; what was read goes to the caller.
///
/// # Errors
/// When the model is refused, the file cannot be read, or nobody reads the output.
pub fn run(args: &Args, out: &mut impl Write) -> Result<ReplaySummary> {
    let model = open(&args.model)?;
    let mut log = ReplayLog::new(
        &args.log,
        args.format.clone().laid_out(args.log_format.clone())?,
        args.values,
        args.times.options()?,
    );
    log.server = args.server.clone().unwrap_or(log.server);
    log.component = args.component.clone().unwrap_or(log.component);
    let (mut source, mut pipeline) = begin(args, &log, &model)?;
    let name = args.log.to_string_lossy();
    let mut changes = changes(args)?.into_iter().peekable();
    let mut told = PipelineOutput {
        wanted: if args.csv { OutputWanted::Odd } else { OutputWanted::None },
        ..PipelineOutput::default()
    };
    if args.csv {
        writeln!(out, "{CSV_HEADER}")?;
    }
    loop {
        match source.next()? {
            SourceItem::File => pipeline.start_of_file(),
            SourceItem::Line(line) => {
                while let Some((_, model)) = changes.next_if(|(position, _)| *position <= pipeline.number()) {
                    pipeline.judge_with(&model, &mut told)?;
                }
                pipeline.line(line.bytes, line.modified, &mut told)?;
            }
            SourceItem::Gap(gap) => {
                bail!("{}: the file changed while it was read ({gap:?}): replay it again", clean(&name))
            }
            SourceItem::Wait => pause(),
            SourceItem::End if log.is_streamed() => pause(),
            SourceItem::End | SourceItem::Closed => break,
        }
        print(args, &mut told, out)?;
    }
    pipeline.finish(&mut told)?;
    print(args, &mut told, out)?;
    out.flush()?;
    let names_grown = pipeline.names_grown();
    Ok(ReplaySummary { counts: pipeline.counts(), tally: pipeline.tally().clone(), names_grown })
}

/// The models that follow, in the order of their records.
fn changes(args: &Args) -> Result<Vec<(u64, OpenModel)>> {
    let mut changes = Vec::new();
    for ModelChange { position, model } in &args.then {
        changes.push((*position, open(model)?));
    }
    changes.sort_by_key(|(position, _)| *position);
    Ok(changes)
}

/// Waits for more of what is still being written.
pub fn pause() {
    std::thread::park_timeout(POLL);
}

/// A fresh source, or one that goes on as a copy of a state file says.
fn begin(args: &Args, log: &ReplayLog, model: &OpenModel) -> Result<(LogSource, Pipeline)> {
    let name = args.log.to_string_lossy();
    let Some(snapshot) = &args.state else {
        return Ok((log.open()?, Pipeline::new(&name, log.treatment(), model, None)?));
    };
    let stored = worker::snapshot(snapshot, &args.log)?;
    let position = worker::position(&stored);
    let remembered = worker::remembered(&stored, &name).map(|stored| stored.remembered);
    let begin = position.map_or(StartPosition::Start, StartPosition::After);
    let mut treatment = log.treatment();
    if let Some(remembered) = &remembered {
        // As the agent treated it, unless this command says otherwise.
        treatment.flood_limit = remembered.flood_limit();
        if treatment.format == LogFormat::Auto {
            treatment.format = remembered.format().clone();
        }
    }
    let source = LogSource::ended_file(&args.log, begin, Opener::following_links());
    Ok((source, Pipeline::new(&name, treatment, model, remembered)?))
}

/// Opens a model file.
///
/// # Errors
/// When it cannot be read, or is refused.
pub fn open(path: &Path) -> Result<OpenModel> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read the model {}: name yours with --model", path.display()))?;
    OpenModel::open(&bytes).with_context(|| format!("the model {} is refused", path.display()))
}

fn print(args: &Args, told: &mut PipelineOutput, out: &mut impl Write) -> Result<()> {
    for judged in told.judged.drain(..) {
        judged.verdict.write_csv(out).context("cannot print")?;
    }
    for event in told.events.drain(..) {
        if !args.csv {
            writeln!(out, "{}", terminal::json(&serde_json::to_string(&event)?)).context("cannot print")?;
        }
    }
    Ok(())
}
