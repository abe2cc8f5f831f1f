//! Which format a source has, told from its first lines: each line that shows a format votes for it.
//! Refuses nothing: a source that shows none is plain text.

use serde::{Deserialize, Serialize};

use super::{Context, access, logfmt, plain, syslog, timestamp, wrapper::is_dated};

/// Votes that decide. One foreign line does not outweigh them.
const VOTES_MAX: u8 = 32;
/// Lines after which it is decided by the votes there are: longer than any banner or stack trace at the beginning.
const LINES_MAX: u16 = 256;

/// The formats that a line can show by itself; a table shows itself by its header only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DetectedFormat {
    Csv,
    Journal,
    Jsonl,
    Access,
    Syslog,
    Logfmt,
    Plain,
}

/// In this order a tie is decided: the stricter shape first.
const CANDIDATES: [DetectedFormat; 6] = [
    DetectedFormat::Journal,
    DetectedFormat::Jsonl,
    DetectedFormat::Access,
    DetectedFormat::Syslog,
    DetectedFormat::Logfmt,
    DetectedFormat::Plain,
];

/// The votes so far, by [`CANDIDATES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Votes {
    lines: u16,
    counts: [u8; CANDIDATES.len()],
}

impl Votes {
    /// Counts a line that is not empty; the decision once enough have voted.
    pub(crate) fn count(&mut self, text: &str, context: &Context) -> Option<DetectedFormat> {
        if let Some(kind) = shown(text, context) {
            let at = CANDIDATES.iter().position(|c| *c == kind).unwrap_or(CANDIDATES.len() - 1);
            self.counts[at] += 1;
        }
        self.lines = self.lines.saturating_add(1);
        let votes: u8 = self.counts.iter().sum();
        (votes >= VOTES_MAX || self.lines >= LINES_MAX).then(|| self.leader())
    }

    fn leader(&self) -> DetectedFormat {
        let most = self.counts.iter().max().copied().unwrap_or(0);
        if most == 0 {
            return DetectedFormat::Plain;
        }
        CANDIDATES
            .into_iter()
            .zip(self.counts)
            .find(|(_, n)| *n == most)
            .map_or(DetectedFormat::Plain, |(kind, _)| kind)
    }
}

/// The format that a line shows; `None` for a text without a time, which may continue a line of any format.
pub(crate) fn shown(text: &str, context: &Context) -> Option<DetectedFormat> {
    let line = text.trim();
    if line.starts_with('{') && line.ends_with('}') {
        let is_entry = line.contains("\"__REALTIME_TIMESTAMP\"");
        return Some(if is_entry { DetectedFormat::Journal } else { DetectedFormat::Jsonl });
    }
    // A line that begins with a priority or a time may hold an access log's, and is none.
    let begins_otherwise = text.starts_with('<') || is_dated(text) && timestamp::leading(text, context).is_some();
    if !begins_otherwise && access::parse(text, context).is_some() {
        return Some(DetectedFormat::Access);
    }
    if is_logfmt(line) {
        return Some(DetectedFormat::Logfmt);
    }
    if syslog::is_likely(text, context) {
        return Some(DetectedFormat::Syslog);
    }
    plain::has_time(text, context).then_some(DetectedFormat::Plain)
}

/// At least two pairs, the first word among them, and few words alone.
pub(crate) fn is_logfmt(line: &str) -> bool {
    let mut words = logfmt::LogfmtPairs { rest: line };
    if words.next().is_none_or(|(_, value)| value.is_none()) {
        return false;
    }
    let (pairs, alone) =
        words.fold((1_usize, 0_usize), |(p, a), (_, value)| if value.is_some() { (p + 1, a) } else { (p, a + 1) });
    pairs >= 2 && alone * 4 <= pairs
}
