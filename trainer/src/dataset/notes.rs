//! What was wrong with input lines: counted per kind, the first of each kept to be shown.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use oddline_core::record::Fault;

/// Faults of the lines read so far.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    faults: BTreeMap<Fault, Noted>,
    /// Data lines read.
    pub lines: u64,
    /// Of these, lines without a value or time to judge.
    pub unusable: u64,
}

#[derive(Debug, Clone)]
struct Noted {
    count: u64,
    file: PathBuf,
    line: u64,
}

impl Notes {
    /// Counts a fault at `line` (from 1) of `file`.
    pub fn note(&mut self, fault: Fault, file: &std::path::Path, line: u64) {
        let noted = self.faults.entry(fault).or_insert_with(|| Noted { count: 0, file: file.to_owned(), line });
        noted.count += 1;
    }

    /// Whether every line was fine.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// Lines with a fault.
    #[must_use]
    pub fn faulty(&self) -> u64 {
        self.faults.values().map(|noted| noted.count).sum()
    }

    /// Count per fault, for a report.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.faults.iter().map(|(fault, noted)| (fault.describe(), noted.count))
    }
}

impl fmt::Display for Notes {
    /// One line a fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (fault, Noted { count, file, line })) in self.faults.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            let place = format!("{}, line {line}", file.display());
            write!(f, "{separator}{count} x {}, first at {place}", fault.describe())?;
        }
        Ok(())
    }
}
