//! What was wrong with input lines: counted per kind, the first of each kept to be shown.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use oddline_core::{format::shown, record::Fault, terminal::tame};

/// Characters shown of the first line of a kind.
const SHOWN_CHARS_MAX: usize = 80;

/// Faults of the lines read so far.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    faults: BTreeMap<Fault, InputNote>,
    pub lines: u64,
    /// Of these, lines without a reading: no number, or no time for it.
    pub unusable: u64,
}

#[derive(Debug, Clone)]
struct InputNote {
    count: u64,
    file: PathBuf,
    line: u64,
    text: String,
}

impl Notes {
    /// Counts a fault at `line` (from 1) of `file`.
    pub fn note(&mut self, fault: Fault, file: &std::path::Path, line: u64, bytes: &[u8]) {
        let noted = self.faults.entry(fault).or_insert_with(|| {
            let text: String = shown(bytes).chars().take(SHOWN_CHARS_MAX).collect();
            InputNote { count: 0, file: file.to_owned(), line, text: tame(&text).into_owned() }
        });
        noted.count += 1;
    }

    /// Whether every line was fine.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

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
    /// One line a fault, with the first line that has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (fault, InputNote { count, file, line, text })) in self.faults.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            let place = format!("{}, line {line}", file.display());
            write!(f, "{separator}{count} x {}, first at {place}: {text}", fault.describe())?;
        }
        Ok(())
    }
}
