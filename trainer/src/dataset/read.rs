//! The readings of all logs one after the other, in constant memory: through the parser and the rules of the agent.

use std::{io::BufRead, path::Path};

use anyhow::{Context, Result};
use oddline_core::{
    format::{LogFormat, csv::Csv, journal},
    record::{Fault, Record},
    series::{self, NO_COMPONENT},
    time::EventTime,
};
use oddline_detector::DefaultNames;
use oddline_pipeline::reader::{LineReader, each_reading};
use sha2::{Digest, Sha256};

use super::{
    files::{self, LogFiles},
    input::{self, JournalExport, cannot_read},
    lines::next_line,
    notes::Notes,
    options::ReadOptions,
};
use crate::{error::DataError, say};

/// Server of records that name none.
const SERVER: &str = "server";
const JOURNAL: &str = "the journal";

/// What is read, and how.
#[derive(Debug, Clone)]
pub struct InputLogs {
    logs: Vec<LogFiles>,
    options: ReadOptions,
}

/// What a reader gets of each reading.
pub struct ReadItem<'a> {
    /// The reading as a record with a time and a value; with the truth where the log says it.
    pub record: &'a Record<'a>,
    pub time: EventTime,
    pub value: f64,
    /// What it is called where it does not say.
    pub names: DefaultNames<'a>,
}

#[derive(Debug, Clone, Default)]
pub struct ReadSummary {
    pub notes: Notes,
    /// SHA-256 of all bytes that lines were made of, in hexadecimal.
    pub sha256: String,
    /// The logs know the truth.
    pub has_truth: bool,
}

struct LogReader<'a> {
    names: DefaultNames<'a>,
    options: &'a ReadOptions,
    reader: LineReader,
    /// Time of the last reading: applies to those that follow without.
    last: Option<EventTime>,
    /// The first line of the first file, cut.
    first_line: String,
    records: u64,
    readings: u64,
    sound: u64,
    name: String,
}

impl InputLogs {
    /// What paths, folders and patterns mean; the journal where the options say so.
    ///
    /// # Errors
    /// As [`files::find`].
    pub fn find(patterns: &[String], options: ReadOptions) -> Result<Self> {
        let logs = if options.journal.is_some() { Vec::new() } else { files::find(patterns)? };
        Ok(Self { logs, options })
    }

    /// Whether the same can be read once more.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.options.journal.is_none() && !self.logs.iter().any(|log| log.live == Path::new("-"))
    }

    /// Hands out all readings in order.
    ///
    /// # Errors
    /// When a log cannot be read, is empty, or is a table without a usable row, or `each` fails.
    pub fn for_each(&self, mut each: impl FnMut(ReadItem<'_>) -> Result<()>) -> Result<ReadSummary> {
        let mut read = ReadSummary::default();
        let mut digest = Sha256::new();
        if let Some(arguments) = &self.options.journal {
            let mut export = JournalExport::start(arguments)?;
            let mut log = LogReader::new(SERVER, NO_COMPONENT, &self.options);
            log.lines(Path::new(JOURNAL), &mut export.entries(&mut digest), None, &mut read, &mut each)?;
            export.finish()?;
        }
        for log in &self.logs {
            self.read(log, &mut digest, &mut read, &mut each)?;
        }
        read.sha256 = crate::hex(&digest.finalize());
        Ok(read)
    }

    fn read(
        &self,
        log: &LogFiles,
        digest: &mut Sha256,
        read: &mut ReadSummary,
        each: &mut impl FnMut(ReadItem<'_>) -> Result<()>,
    ) -> Result<()> {
        let server = log.folder.as_deref().unwrap_or(SERVER);
        let is_stdin = log.live == Path::new("-");
        let component = if is_stdin { NO_COMPONENT.to_owned() } else { series::component(&log.live) };
        let mut under_way = LogReader::new(server, &component, &self.options);
        let mut is_empty = true;
        for file in &log.files {
            let (mut input, modified) = input::open(file, digest)?;
            is_empty &= input.fill_buf().with_context(|| cannot_read(file))?.is_empty();
            under_way.lines(file, &mut input, modified, read, each)?;
        }
        under_way.judge_itself(log, is_empty, &read.notes)
    }
}

impl<'a> LogReader<'a> {
    fn new(server: &'a str, component: &'a str, options: &'a ReadOptions) -> Self {
        let server = options.server.as_deref().unwrap_or(server);
        let component = options.component.as_deref().unwrap_or(component);
        Self {
            names: DefaultNames { server, component },
            options,
            reader: LineReader::new(options.format.clone(), options.times),
            last: None,
            first_line: String::new(),
            records: 0,
            readings: 0,
            sound: 0,
            name: String::new(),
        }
    }

    /// Reads one file to its end.
    fn lines(
        &mut self,
        file: &Path,
        input: &mut impl BufRead,
        modified: Option<EventTime>,
        read: &mut ReadSummary,
        each: &mut impl FnMut(ReadItem<'_>) -> Result<()>,
    ) -> Result<()> {
        self.reader.start_of_file();
        let (mut buffer, mut number) = (Vec::new(), 0);
        while let Some(line) = next_line(input, &mut buffer).with_context(|| cannot_read(file))? {
            number += 1;
            if number == 1 && self.records == 0 {
                self.first_line = String::from_utf8_lossy(&buffer).into_owned();
            }
            if self.options.journal.is_some() && journal::is_own(&buffer) {
                continue;
            }
            let mut next = self.reader.read(&buffer, modified).record();
            let mut is_cut = line.cut;
            while let Some(record) = next {
                let fault = if std::mem::take(&mut is_cut) { Some(Fault::TooLong) } else { record.fault };
                if let Some(fault) = fault {
                    read.notes.note(fault, file, number, &buffer);
                }
                self.take(&record, fault, read, each)?;
                next = self.reader.further(modified);
            }
        }
        // Nothing more comes of what is not whole.
        self.reader.flush(modified);
        while let Some(record) = self.reader.further(modified) {
            self.take(&record, record.fault, read, each)?;
        }
        read.has_truth |= self.reader.parser().has_truth();
        Ok(())
    }

    /// Counts a record and hands out its readings.
    fn take(
        &mut self,
        record: &Record<'_>,
        fault: Option<Fault>,
        read: &mut ReadSummary,
        each: &mut impl FnMut(ReadItem<'_>) -> Result<()>,
    ) -> Result<()> {
        self.records += 1;
        self.sound += u64::from(fault.is_none());
        read.notes.lines += 1;
        read.has_truth |= record.anomalous.is_some();
        // Its value is right, but nobody knows when it was: it is not learnt.
        let is_wrong = record.fault == Some(Fault::WrongClock);
        let readings = if is_wrong { 0 } else { self.readings(record, each)? };
        self.readings += readings;
        read.notes.unusable += u64::from(readings == 0);
        Ok(())
    }

    /// Hands out the readings of a record. How many there were.
    fn readings(&mut self, record: &Record<'_>, each: &mut impl FnMut(ReadItem<'_>) -> Result<()>) -> Result<u64> {
        let mut count = 0;
        let (names, last) = (self.names, &mut self.last);
        each_reading(record, names.component, self.options.values, &mut self.name, |reading| {
            let (Some(value), Some(time)) = (reading.value, reading.time.or(*last)) else { return Ok(()) };
            *last = Some(time);
            count += 1;
            if reading.time.is_some() {
                return each(ReadItem { record: reading, time, value, names });
            }
            each(ReadItem { record: &Record { time: Some(time), ..reading.clone() }, time, value, names })
        })?;
        Ok(count)
    }

    /// After the last line: a log that holds nothing to use is passed over where it was only matched, a mistake where it was
    /// named; text without numbers is neither.
    fn judge_itself(&self, log: &LogFiles, is_empty: bool, notes: &Notes) -> Result<()> {
        let name = log.live.display();
        if self.readings > 0 {
            return Ok(());
        }
        let is_table = self.reader.parser().format_name() == "csv" || log.live.extension().is_some_and(|e| e == "csv");
        if self.sound > 0 && !is_table {
            say::note(&format!(
                "{name}: {} records of the format {}, none of them with a number that is read (--values numbers reads \
                 lengths, status and bytes too)",
                self.records,
                self.reader.parser().format_name()
            ));
            return Ok(());
        }
        if log.is_matched {
            let what = if self.records == 0 { "no record in it yet" } else { "no usable record in it" };
            say::note(&format!("{name}: {what}, passed over"));
            return Ok(());
        }
        if is_empty {
            return Err(DataError(format!("{name}: the file is empty; a table starts with a header line")).into());
        }
        let header = match Csv::from_header(&self.first_line) {
            Err(error) if is_table || self.options.format == LogFormat::Csv => format!("; line 1: {error}"),
            Ok(_) | Err(_) => String::new(),
        };
        let faults = if notes.is_clean() { String::new() } else { format!(":\n{notes}") };
        Err(DataError(format!("{name}: no usable record{header}{faults}")).into())
    }
}
