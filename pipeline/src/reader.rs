//! Lines to records, and records to the numbers that are judged: the step that agent, replay and trainer share. Reads no
//! file: lines, and when their file was last written, come as arguments.

use std::borrow::Cow;

use oddline_core::{
    format::{Context, LogFormat, ParsedLine, Parser, TimeOptions},
    growth::NameGrowth,
    readings::{ValueSelection, readings},
    record::{Fault, Record},
    time::EventTime,
};

use super::clock_check::TimeMemory;

/// Reads the lines of one source in order: a line may leave out what an earlier one told.
///
/// A record without a time gets the time of the one before it. In a source in which no line has had one it gets the time
/// at which the file was last written, as far as that is known. Either is marked as assumed. A time that is there and
/// cannot be read, or is far from all others, is a fault: before the first that can be, it gets none.
#[derive(Debug, Clone)]
pub struct LineReader {
    parser: Parser,
    previous: Option<EventTime>,
    times: TimeOptions,
    memory: TimeMemory,
    growth: NameGrowth,
}

impl LineReader {
    /// Before a source's first line.
    #[must_use]
    pub fn new(format: LogFormat, times: TimeOptions) -> Self {
        Self::resumed(Parser::new(format), None, TimeMemory::default(), times)
    }

    /// After the lines that `parser` has read, the last with the time `previous`.
    #[must_use]
    pub fn resumed(parser: Parser, previous: Option<EventTime>, memory: TimeMemory, times: TimeOptions) -> Self {
        Self { parser, previous, times, memory, growth: NameGrowth::default() }
    }

    /// The same after the names that `growth` has seen.
    #[must_use]
    pub fn with_growth(self, growth: NameGrowth) -> Self {
        Self { growth, ..self }
    }

    /// What follows is another file of the source.
    pub fn start_of_file(&mut self) {
        self.parser.start_of_file();
        self.memory.start_of_file();
    }

    /// Reads one line of a file last written at `modified`. Then [`LineReader::further`] may have more.
    pub fn read<'a>(&mut self, line: &'a [u8], modified: Option<EventTime>) -> ParsedLine<'a> {
        let context = self.context(modified);
        let mut parsed = self.parser.parse(line, &context);
        self.memory.order_shown = context.order_shown.get();
        if let ParsedLine::Record(record) = &mut parsed {
            self.date(record, modified);
            self.growth.watch(record, self.parser.chosen_names());
        }
        parsed
    }

    /// Records that the lines so far hold beyond those that were returned, as when there are several on one line, or one is
    /// broken off by the line that was read last: to be asked until there are no more.
    pub fn further(&mut self, modified: Option<EventTime>) -> Option<Record<'static>> {
        let mut record = self.parser.further()?;
        self.date(&mut record, modified);
        self.growth.watch(&mut record, self.parser.chosen_names());
        Some(record)
    }

    /// Nothing more comes of what is [`ParsedLine::Pending`]: it is a record as it is, for [`LineReader::further`].
    pub fn flush(&mut self, modified: Option<EventTime>) {
        let context = self.context(modified);
        self.parser.flush(&context);
    }

    fn context(&self, modified: Option<EventTime>) -> Context {
        let (previous, order_shown) = (self.previous, self.memory.order_shown.into());
        Context { previous, reference: modified, times: self.times, order_shown }
    }

    /// Remembers the record's time, or gives it one.
    fn date(&mut self, record: &mut Record<'_>, modified: Option<EventTime>) {
        if let Some(time) = record.time.take() {
            if self.memory.believes(time, self.previous, modified) {
                record.time = Some(time);
                self.previous = record.time;
                return;
            }
            record.fault.get_or_insert(Fault::WrongClock);
        }
        record.time = self.previous.or(modified.filter(|_| !record.fault.is_some_and(Fault::is_of_time)));
        record.time_assumed = record.time.is_some();
    }

    /// Event time of the last record that had one of its own.
    #[must_use]
    pub fn last_time(&self) -> Option<EventTime> {
        self.previous
    }

    /// What is known of its times besides the last one.
    #[must_use]
    pub fn memory(&self) -> TimeMemory {
        self.memory
    }

    /// Whether the names that its records have keep growing.
    #[must_use]
    pub fn growth(&self) -> &NameGrowth {
        &self.growth
    }

    /// What is no longer used as a name, once.
    pub fn take_growth(&mut self) -> Option<String> {
        self.growth.take_problem()
    }

    /// What reads its lines.
    #[must_use]
    pub fn parser(&self) -> &Parser {
        &self.parser
    }
}

/// Hands out what of a record is judged: the record where it has a value of its own, else each of its numbers as a record
/// of the stream `component.name`. Nothing of a line that is no row of its table. `component` is what a record that names
/// none is called; `buffer` is memory for names, used again.
///
/// # Errors
/// As `each`.
pub fn each_reading<E>(
    record: &Record<'_>,
    component: &str,
    values: ValueSelection,
    buffer: &mut String,
    mut each: impl FnMut(&Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    if is_no_row(record) {
        return Ok(());
    }
    for (field, value) in readings(record, values) {
        let Some(field) = field else {
            each(record)?;
            continue;
        };
        buffer.clear();
        buffer.extend([record.component.as_deref().unwrap_or(component), ".", field]);
        each(&Record {
            time: record.time,
            server: record.server.as_deref().map(Cow::Borrowed),
            component: Some(Cow::Borrowed(buffer)),
            value: Some(value),
            ..Record::default()
        })?;
    }
    Ok(())
}

/// Whether a line is no row of its table: it is a fault, and nothing in it has a name.
#[must_use]
pub fn is_no_row(record: &Record<'_>) -> bool {
    matches!(record.fault, Some(Fault::Fields | Fault::Header))
}
