//! The pipeline over a file, offline: what a live agent would have told of it.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use oddline_core::{format::Format, verdict::CSV_HEADER};
use oddline_detector::Model;

use crate::{
    pipeline::{Counts, Output, Pipeline, Treatment},
    redact::{Addresses, Samples},
    source::{Begin, Item, Source, Stdin},
};

/// Replays a log file through a model and prints what is odd
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The log; - for standard input
    #[arg(value_name = "FILE")]
    pub log: PathBuf,
    /// The model to judge with
    #[arg(long, value_name = "FILE", default_value = "models/autoencoder.onnx")]
    pub model: PathBuf,
    /// The format of its lines
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub format: Format,
    /// Print each odd record as a row of anomalies.csv instead of events as JSON lines
    #[arg(long)]
    pub csv: bool,
}

/// Episodes an hour that travel one by one.
pub const FLOOD_LIMIT: u32 = 60;
/// Component of records of standard input that name none.
const STDIN_COMPONENT: &str = "-";

/// Runs the command, printing to `out`; the counts go to the caller.
///
/// # Errors
/// When the model is refused, the file cannot be read, or nobody reads the output.
pub fn run(args: &Args, out: &mut impl Write) -> Result<Counts> {
    let model = open(&args.model)?;
    let mut source = open_source(&args.log)?;
    let name = args.log.to_string_lossy();
    let mut pipeline = Pipeline::new(&name, treatment(args), &model, None)?;
    let mut told = Output { wants_odd: args.csv, ..Output::default() };
    if args.csv {
        writeln!(out, "{CSV_HEADER}")?;
    }
    loop {
        match source.next()? {
            Item::File => pipeline.start_of_file(),
            Item::Line(line) => pipeline.line(line.bytes, line.modified, &mut told)?,
            Item::Gap(gap) => bail!("{name}: the file changed while it was read ({gap:?}): replay it again"),
            Item::Wait => std::thread::park_timeout(POLL),
            Item::End | Item::Closed => break,
        }
        print(args, &mut told, out)?;
    }
    pipeline.finish(&mut told)?;
    print(args, &mut told, out)?;
    out.flush()?;
    Ok(pipeline.counts())
}

/// Standard input says when there is more; until then it is looked at this often.
const POLL: std::time::Duration = std::time::Duration::from_millis(10);

fn open(path: &Path) -> Result<Model> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read the model {}: name yours with --model", path.display()))?;
    Model::open(&bytes).with_context(|| format!("the model {} is refused", path.display()))
}

fn open_source(log: &Path) -> Result<Source> {
    if log == Path::new("-") {
        return Ok(Source::Stdin(Stdin::new(std::io::stdin())?));
    }
    // A path that does not exist yet is nothing to wait for here.
    std::fs::metadata(log).with_context(|| format!("cannot read the log {}", log.display()))?;
    Ok(Source::file(log, Begin::Start))
}

fn treatment(args: &Args) -> Treatment {
    let stem = args.log.file_stem().map_or_else(|| STDIN_COMPONENT.into(), |stem| stem.to_string_lossy());
    Treatment {
        format: args.format.clone(),
        server: "server".to_owned(),
        component: stem.into_owned(),
        offset_s: 0,
        samples: Samples::Redacted,
        addresses: Addresses::Keep,
        flood_limit: FLOOD_LIMIT,
    }
}

fn print(args: &Args, told: &mut Output, out: &mut impl Write) -> Result<()> {
    for judged in told.odd.drain(..) {
        judged.verdict.write_csv(out).context("cannot print")?;
    }
    for event in told.events.drain(..) {
        if !args.csv {
            serde_json::to_writer(&mut *out, &event)?;
            writeln!(out).context("cannot print")?;
        }
    }
    Ok(())
}
