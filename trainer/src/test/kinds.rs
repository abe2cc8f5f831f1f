//! The kinds of anomaly beside a generated log: `timestamp,server,component,kind,event,anomalous`, in the log's order.

use std::{
    fs::File,
    io::{BufReader, Lines},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::error::DataError;

/// What the file says of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TruthKind {
    pub kind: String,
    /// Running number of its event.
    pub event: u32,
}

/// Reads a kinds file in step with its log.
pub(super) struct TruthKinds {
    lines: Lines<BufReader<File>>,
    path: PathBuf,
    line: u64,
    next: Option<(String, TruthKind)>,
}

impl TruthKinds {
    /// Opens the file beside `log` (`unseen_logs.txt` -> `unseen_logs.kinds.csv`); `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(super) fn beside(log: &Path) -> Result<Option<Self>> {
        let path = log.with_extension("kinds.csv");
        if !path.is_file() {
            return Ok(None);
        }
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let lines: Lines<_> = std::io::BufRead::lines(BufReader::new(file));
        let mut kinds = Self { lines, path, line: 0, next: None };
        kinds.line()?;
        kinds.advance()?;
        Ok(Some(kinds))
    }

    /// What is said of the record with this key (`timestamp,server,component`), asked in the log's order.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub(super) fn of(&mut self, key: &str) -> Result<Option<TruthKind>> {
        match self.next.take() {
            Some((next, kind)) if next == key => {
                self.advance()?;
                Ok(Some(kind))
            }
            other => {
                self.next = other;
                Ok(None)
            }
        }
    }

    fn line(&mut self) -> Result<Option<String>> {
        self.line += 1;
        self.lines.next().transpose().with_context(|| format!("cannot read {}", self.path.display()))
    }

    fn advance(&mut self) -> Result<()> {
        let Some(line) = self.line()? else { return Ok(()) };
        let mut fields = line.rsplitn(4, ',');
        let parsed = (|| {
            let _anomalous = fields.next()?;
            let event = fields.next()?.parse().ok()?;
            let kind = fields.next()?.to_owned();
            Some((fields.next()?.to_owned(), TruthKind { kind, event }))
        })();
        let bad = || DataError(format!("{}, line {}: not a row of a kinds file", self.path.display(), self.line));
        self.next = Some(parsed.ok_or_else(bad)?);
        Ok(())
    }
}
