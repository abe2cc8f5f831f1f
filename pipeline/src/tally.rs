//! What became of each line of a source, by the line: every line read is in exactly one class. Beside it what was wrong
//! with lines, by kind with the first of each, and whether the source is understood at all.

use oddline_core::{
    format::ParsedLine,
    record::{Fault, Record},
};
use serde::{Deserialize, Serialize};

use super::reader::is_no_row;

/// Records after which a source that is not understood is reported; before, its first lines may be a banner.
const RECORDS_MIN: u64 = 10;

/// Classes and faults of a source's lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LineTally {
    /// Records with at least one value that was scored.
    pub scored: u64,
    /// Records without: watched for their rate, their pauses and what is new in them.
    pub watched: u64,
    /// Records of which nothing can be used: no row of their table, or a value without any time.
    pub unusable: u64,
    /// Lines that belong to the record before them.
    pub continued: u64,
    /// Lines that are no part of a record: headers, comments, empty lines.
    pub skipped: u64,
    /// Records without a time of their own.
    pub untimed: u64,
    first_untimed: String,
    faults: Vec<FaultTally>,
    /// [`LineTally::problem`] was reported.
    pub is_reported: bool,
    /// Records beyond the first of their line.
    pub further: u64,
}

/// One kind of fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FaultTally {
    code: u8,
    count: u64,
    first: String,
}

/// A kind of fault as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultSummary {
    /// What is wrong, in words.
    pub fault: String,
    /// Lines that have it.
    pub count: u64,
    /// The first of them, as far as it may be shown.
    pub first: String,
}

impl LineTally {
    /// Records so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.scored + self.watched + self.unusable
    }

    /// Lines so far; with those under way in a record that is not whole yet, all that were read.
    #[must_use]
    pub fn lines(&self) -> u64 {
        (self.records() + self.continued + self.skipped).saturating_sub(self.further)
    }

    /// Counts a line by what it is; of a record says `has_value` whether it has something to score.
    pub fn count(&mut self, line: &ParsedLine<'_>, has_value: impl FnOnce(&Record<'_>) -> bool) {
        match line {
            ParsedLine::Record(record) => self.count_record(record, record.time.is_some() && has_value(record)),
            ParsedLine::Continued | ParsedLine::Pending => self.continued += 1,
            ParsedLine::Skipped => self.skipped += 1,
        }
    }

    /// Counts a record by what becomes of it.
    pub fn count_record(&mut self, record: &Record<'_>, has_value: bool) {
        *match () {
            () if is_no_row(record) => &mut self.unusable,
            () if has_value => &mut self.scored,
            () if record.time.is_none() => &mut self.unusable,
            () => &mut self.watched,
        } += 1;
    }

    /// Counts what is wrong with a record. `first` makes the text that is shown of it.
    pub fn note(&mut self, record: &Record<'_>, mut first: impl FnMut() -> String) {
        if record.time.is_none() || record.time_assumed {
            self.untimed += 1;
            if self.untimed == 1 {
                self.first_untimed = first();
            }
        }
        let Some(fault) = record.fault else { return };
        match self.faults.iter_mut().find(|tally| tally.code == fault.code()) {
            Some(tally) => tally.count += 1,
            None => self.faults.push(FaultTally { code: fault.code(), count: 1, first: first() }),
        }
    }

    /// The kinds of faults, the most frequent first.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultSummary> {
        let mut faults: Vec<&FaultTally> = self.faults.iter().collect();
        faults.sort_by_key(|tally| std::cmp::Reverse(tally.count));
        faults
            .into_iter()
            .map(|FaultTally { code, count, first }| FaultSummary {
                fault: fault_of(*code).map_or("a fault of a newer version", Fault::describe).to_owned(),
                count: *count,
                first: first.clone(),
            })
            .collect()
    }

    /// Why most of what was read cannot be what its writer meant, in words to stand after the source's name; `None`
    /// while it is understood, and while too little was read to say, unless that `is_all`.
    #[must_use]
    pub fn problem(&self, is_all: bool) -> Option<String> {
        let records = self.records();
        if records == 0 || (records < RECORDS_MIN && !is_all) {
            return None;
        }
        let worst = self.faults.iter().filter(|tally| fault_of(tally.code).is_some_and(Fault::is_not_understood));
        if let Some(FaultTally { code, count, first }) = worst.max_by_key(|tally| tally.count)
            && count * 2 > records
        {
            let fault = fault_of(*code).map_or("", Fault::describe);
            return Some(format!("{}: {fault}{}", share(*count, records, "cannot be read"), quoted(first)));
        }
        (self.untimed * 2 > records).then(|| {
            let what = share(self.untimed, records, "have no time that is known");
            let first = quoted(&self.first_untimed);
            format!("{what}{first}; each takes the time before it, or the time when it was written")
        })
    }
}

fn fault_of(code: u8) -> Option<Fault> {
    Fault::ALL.get(usize::from(code)).copied()
}

fn share(count: u64, records: u64, what: &str) -> String {
    match (count, records) {
        (1, 1) => format!("the only record {}", what.replacen("have", "has", 1)),
        _ if count == records => format!("all {records} records {what}"),
        _ => format!("{count} of {records} records {what}"),
    }
}

fn quoted(first: &str) -> String {
    if first.is_empty() { String::new() } else { format!(" (first: {first})") }
}

#[cfg(test)]
mod tests {
    use oddline_core::time::EventTime;

    use super::*;

    fn record(fault: Option<Fault>, time: Option<i64>) -> Record<'static> {
        Record { fault, time: time.map(EventTime::from_micros), ..Record::default() }
    }

    fn tally(records: &[Record<'_>]) -> LineTally {
        let mut tally = LineTally::default();
        for (number, record) in records.iter().enumerate() {
            tally.note(record, || format!("line {number}"));
            tally.watched += 1;
        }
        tally
    }

    #[test]
    fn every_fault_has_its_code() {
        for (code, fault) in (0..).zip(Fault::ALL) {
            assert_eq!((fault.code(), fault_of(code)), (code, Some(fault)));
        }
    }

    #[test]
    fn what_most_lines_lack_is_a_problem_once_there_are_enough() {
        let (good, bad) = (record(None, Some(1)), record(Some(Fault::Unknown), Some(1)));
        let mut records = vec![bad.clone(); 9];
        assert_eq!(tally(&records).problem(false), None);
        let problem = tally(&records).problem(true).unwrap();
        assert_eq!(problem, "all 9 records cannot be read: no known format fits (first: line 0)");
        records.extend(vec![good.clone(); 9]);
        assert_eq!(tally(&records).problem(true), None, "half of them are read");
        records.push(bad);
        assert!(tally(&records).problem(false).unwrap().starts_with("10 of 19 records cannot be read"));
        let untimed = vec![record(None, None); 12];
        assert!(
            tally(&untimed).problem(false).unwrap().starts_with("all 12 records have no time that is known (first")
        );
        assert_eq!(tally(&[]).problem(true), None);
    }

    #[test]
    fn faults_are_counted_by_kind_with_the_first_of_each() {
        let (value, time) = (record(Some(Fault::Value), Some(1)), record(Some(Fault::Time), None));
        let faults = tally(&[value, time.clone(), time]).faults();
        let shown: Vec<_> = faults.iter().map(|f| (f.count, &*f.first)).collect();
        assert_eq!(shown, [(2, "line 1"), (1, "line 0")]);
    }
}
