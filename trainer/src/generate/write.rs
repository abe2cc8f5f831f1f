//! The two files of a log: rows as the seed project writes them, and beside them what each anomaly
//! was. Written aside and renamed, so that no reader ever finds half a file.
//!
//! ```text
//! server_logs.txt        timestamp,server,component,value,anomalous
//!                        2026-01-05T00:00:03Z,server-01,cpu,44.9182,0
//! server_logs.kinds.csv  timestamp,server,component,kind,event,anomalous
//!                        2026-01-05T07:12:08Z,server-01,cpu,drift,12,1
//! ```
//! Times are UTC in whole seconds, values have at most four decimals, `anomalous` is 0 or 1. The
//! kinds file has a row for every record of an event; `event` groups them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::calendar::Utc;
use super::records::records;
use super::report::{GeneratorTally, LogReport};
use super::scenario::{Phase, Scenario};
use super::stream::GeneratedRecord;
use crate::output::OutputFiles;

pub(super) const LOG_HEADER: &str = "timestamp,server,component,value,anomalous\n";
pub(super) const KINDS_HEADER: &str = "timestamp,server,component,kind,event,anomalous\n";

/// Writes both logs of a scenario into the folder.
///
/// # Errors
/// `ScenarioError`, or what the file system says, with the file's name and advice.
pub(super) fn write_logs(scenario: &Scenario, folder: &Path) -> Result<Vec<LogReport>> {
    let records = records(scenario)?;
    std::fs::create_dir_all(folder).map_err(|error| blame(folder, error))?;
    let mut training = GeneratedFile::create(folder.join("server_logs.txt"))?;
    let mut unseen = GeneratedFile::create(folder.join("unseen_logs.txt"))?;
    for record in records {
        match record.phase {
            Phase::Training => training.append(&record)?,
            Phase::Unseen => unseen.append(&record)?,
        }
    }
    Ok(vec![training.finish()?, unseen.finish()?])
}

/// One row of a log.
pub(super) fn write_row(out: &mut impl Write, record: &GeneratedRecord) -> io::Result<()> {
    let GeneratedRecord { server, component, value, .. } = record;
    let anomalous = u8::from(record.anomalous);
    writeln!(out, "{},{server},{component},{value},{anomalous}", Utc(record.time_s))
}

/// One row of a kinds file, if the record belongs to an event.
pub(super) fn write_kind(out: &mut impl Write, record: &GeneratedRecord) -> io::Result<()> {
    let Some(truth) = record.truth else {
        return Ok(());
    };
    let GeneratedRecord { server, component, .. } = record;
    let (kind, event, anomalous) = (truth.kind.name(), truth.event, u8::from(record.anomalous));
    writeln!(out, "{},{server},{component},{kind},{event},{anomalous}", Utc(record.time_s))
}

/// `logs/live.log` has its kinds in `logs/live.kinds.csv`.
pub(super) fn kinds_path(log: &Path) -> PathBuf {
    log.with_extension("kinds.csv")
}

/// Adds which file it was and what can be done; the I/O error stays within, for exit codes.
pub(super) fn blame(path: &Path, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, ask for fewer days, or choose another place with --out"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make its folder writable for this user, or choose another place with --out"
        }
        _ => "choose another place with --out if this cannot be repaired",
    };
    let context = format!("cannot write {} ({advice})", path.display());
    anyhow::Error::new(error).context(context)
}

struct GeneratedFile {
    log: UnfinishedFile,
    kinds: UnfinishedFile,
    tally: GeneratorTally,
}

impl GeneratedFile {
    fn create(path: PathBuf) -> Result<GeneratedFile> {
        let kinds = UnfinishedFile::create(kinds_path(&path), KINDS_HEADER)?;
        Ok(GeneratedFile { log: UnfinishedFile::create(path, LOG_HEADER)?, kinds, tally: GeneratorTally::default() })
    }

    fn append(&mut self, record: &GeneratedRecord) -> Result<()> {
        self.tally.count(record);
        self.log.write(|out| write_row(out, record))?;
        self.kinds.write(|out| write_kind(out, record))
    }

    fn finish(self) -> Result<LogReport> {
        let report = self.tally.report(&self.log.path, &self.kinds.path);
        self.kinds.finish()?;
        self.log.finish()?;
        Ok(report)
    }
}

/// A file that appears under its name when it is whole.
struct UnfinishedFile {
    path: PathBuf,
    file: OutputFiles,
}

impl UnfinishedFile {
    fn create(path: PathBuf, header: &str) -> Result<UnfinishedFile> {
        let file = OutputFiles::open(&path).map_err(|error| blame(&path, error))?;
        let mut aside = UnfinishedFile { path, file };
        aside.write(|out| out.write_all(header.as_bytes()))?;
        Ok(aside)
    }

    fn write(&mut self, rows: impl FnOnce(&mut OutputFiles) -> io::Result<()>) -> Result<()> {
        rows(&mut self.file).map_err(|error| blame(&self.path, error))
    }

    fn finish(self) -> Result<()> {
        let UnfinishedFile { path, file } = self;
        file.complete().map_err(|error| blame(&path, error))
    }
}
