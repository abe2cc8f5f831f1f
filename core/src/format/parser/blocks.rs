//! Lines that are one record only together because their program prints its fields so: kept until it is whole.

use super::{Context, DetectedFormat, ParsedLine, Parser, name};
use crate::{
    format::{
        assembly::JoinedLine,
        block::{self, BlockLine},
    },
    record::{Fault, Record},
};

impl Parser {
    /// Takes a line of a block; `None` for one that belongs to none.
    pub(super) fn parse_block<'a>(&mut self, text: &'a str, context: &Context) -> Option<ParsedLine<'a>> {
        let Some(under_way) = self.assembly.block() else {
            if !block::begins(text) || !self.reads_blocks() {
                return None;
            }
            self.assembly.begin_block(text);
            self.at_start = false;
            return Some(ParsedLine::Pending);
        };
        match block::step(under_way, text) {
            BlockLine::Part if !self.assembly.add_to_block(text) => Some(ParsedLine::Pending),
            BlockLine::Part => {
                let joined = self.assembly.take_block()?;
                Some(self.parse_whole_block(joined, context))
            }
            BlockLine::Last => {
                self.assembly.add_to_block(text);
                let joined = self.assembly.take_block()?;
                Some(self.parse_whole_block(joined, context))
            }
            BlockLine::Other => {
                let joined = self.assembly.take_block()?;
                let first = self.parse_whole_block(joined, context);
                Some(self.in_turn(first, text, context))
            }
        }
    }

    pub(super) fn parse_whole_block(&mut self, joined: JoinedLine, context: &Context) -> ParsedLine<'static> {
        let record = match block::query(&joined.text, context) {
            Some(record) => Record { format: name(DetectedFormat::Plain), ..record },
            None => {
                let entry = block::entry(&joined.text, context);
                self.parse_as(DetectedFormat::Journal, &entry, context).map(Record::into_owned).unwrap_or_default()
            }
        };
        let record = Record { fault: joined.is_cut.then_some(Fault::TooLong).or(record.fault), ..record };
        self.joined = Some(joined.text.replace('\n', " "));
        ParsedLine::Record(record)
    }

    fn reads_blocks(&self) -> bool {
        matches!(self.format.kind(), None | Some(DetectedFormat::Plain | DetectedFormat::Journal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{format::LogFormat, time::EventTime};

    /// What each line is (`R`ecord, pending `.`, `-` none), and the records with those that end at the end.
    fn read(format: &str, log: &str) -> (String, Vec<String>) {
        let context = Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() };
        let mut parser = Parser::new(format.parse::<LogFormat>().unwrap());
        let (mut steps, mut records) = (String::new(), Vec::new());
        let show = |record: Record<'_>| {
            let mut shown: Vec<String> = record.time.map(|time| time.to_string()).into_iter().collect();
            shown.extend(record.server.map(|name| format!("@{name}")));
            shown.extend(record.component.map(|name| format!("#{name}")));
            shown.extend(record.level.map(|level| level.name().to_owned()));
            shown.extend(record.message.map(|message| format!("'{message}'")));
            shown.extend(record.numbers.iter().map(|(name, value)| format!("{name}={value}")));
            shown.extend(record.fault.map(|fault| format!("{fault:?}")));
            shown.join(" ")
        };
        for line in log.lines() {
            let parsed = parser.parse(line.as_bytes(), &context);
            steps.push(match &parsed {
                ParsedLine::Record(_) => 'R',
                ParsedLine::Pending => '.',
                ParsedLine::Continued => '|',
                ParsedLine::Skipped => '-',
            });
            records.extend(parsed.record().map(show));
            while let Some(record) = parser.further() {
                records.push(show(record));
            }
        }
        parser.flush(&context);
        while let Some(record) = parser.further() {
            records.push(show(record));
        }
        assert!(!parser.is_pending());
        (steps, records)
    }

    #[test]
    fn a_slow_query_is_one_record() {
        let log = "# Time: 2026-01-05T10:00:00.5Z
# User@Host: shop[shop] @ web-1 [192.0.2.7]  Id:    12
# Query_time: 1.25  Lock_time: 0.0001 Rows_sent: 1  Rows_examined: 90000
use shop;
SET timestamp=1767607199;
SELECT name
  FROM items WHERE id = 7;
# User@Host: shop[shop] @ web-2 [192.0.2.8]  Id:    13
# Query_time: 2  Lock_time: 0 Rows_sent: 0  Rows_examined: 5
SET timestamp=1767607201;
DELETE FROM carts;
# Time: 260105 10:00:02
# User@Host: root[root] @ localhost []
# Query_time: 3.5  Lock_time: 0 Rows_sent: 0  Rows_examined: 0
# administrator command: Quit;
# Time: 2026-01-05T10:00:03Z
# User@Host: shop[shop] @ web-2 [192.0.2.8]  Id:    13
# Query_time: 4  Lock_time: 0
# Time: 2026-01-05T10:00:04Z
SELECT 1;
2026-01-05 10:00:05 INFO up";
        let (steps, records) = read("auto", log);
        assert_eq!(steps, "......R...R...R...RRR");
        assert_eq!(
            records,
            [
                "2026-01-05T10:00:00.5Z 'SELECT name FROM items WHERE id = 7;' query_time=1.25 lock_time=0.0001 rows_sent=1 rows_examined=90000",
                "2026-01-05T10:00:01Z 'DELETE FROM carts;' query_time=2 lock_time=0 rows_sent=0 rows_examined=5",
                "2026-01-05T10:00:02Z 'administrator command: Quit;' query_time=3.5 lock_time=0 rows_sent=0 rows_examined=0",
                "2026-01-05T10:00:03Z query_time=4 lock_time=0",
                "2026-01-05T10:00:04Z 'SELECT 1;'",
                "2026-01-05T10:00:05Z info 'up'",
            ]
        );
        // In a table or in JSON lines such a line is what it was.
        assert_eq!(read("jsonl", "# Time: 2026-01-05T10:00:00Z").0, "R");
    }

    #[test]
    fn a_verbose_entry_of_the_journal_is_one_record() {
        let log = "Mon 2026-01-05 10:00:00.5 UTC [s=ab;i=1;b=cd;m=2;t=3;x=4]
    _HOSTNAME=pi
    PRIORITY=3
    _SYSTEMD_UNIT=ssh.service
    MESSAGE=disk full
            of logs
    _PID=12
Mon 2026-01-05 10:00:01 UTC [s=ab;i=2;b=cd;m=2;t=3;x=4]
    SYSLOG_IDENTIFIER=cron
    MESSAGE=run a=1";
        for format in ["auto", "journald"] {
            let (steps, records) = read(format, log);
            assert_eq!(steps, ".......R..");
            assert_eq!(
                records,
                [
                    "2026-01-05T10:00:00.5Z @pi #ssh.service error 'disk full\nof logs'",
                    "2026-01-05T10:00:01Z #cron 'run a=1'",
                ]
            );
        }
    }

    #[test]
    fn a_block_is_bounded() {
        let log = format!("# Time: 2026-01-05T10:00:00Z\n{}", "SELECT\n".repeat(2_000));
        let (steps, records) = read("auto", &log);
        assert_eq!(steps.find('R'), Some(1_023));
        assert!(records[0].ends_with("TooLong"), "{}", records[0].len());
    }
}
