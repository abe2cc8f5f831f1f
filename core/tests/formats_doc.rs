//! `docs/formats.md` says the truth: every example in its tables is read as the table says.

use std::{fs, path::Path};

use oddline_core::{
    format::{Context, LogFormat, Parser},
    record::Record,
    time::EventTime,
};

/// The head of a table with examples.
const HEAD: &str = "| Line | Time | Server | Component | Level | Numbers | Message |";

/// That of a table whose examples stand below a header.
const HEAD_OF_TABLES: &str = "| Header | Line | Time | Server | Component | Level | Numbers | Message |";

/// The cells of a row; a bar inside one is written with a backslash.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\0");
    row.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

fn shown(record: &Record<'_>) -> Vec<String> {
    let own = record.value.map(|value| format!("value={value}"));
    let numbers: Vec<String> =
        own.into_iter().chain(record.numbers.iter().map(|(name, value)| format!("{name}={value}"))).collect();
    [
        record.time.map(|time| time.to_string()),
        record.server.as_deref().map(str::to_owned),
        record.component.as_deref().map(str::to_owned),
        record.level.map(|level| level.name().to_owned()),
        Some(numbers.join(" ")).filter(|numbers| !numbers.is_empty()),
        record.message.as_deref().map(str::to_owned).filter(|message| !message.is_empty()),
    ]
    .into_iter()
    .map(|cell| cell.unwrap_or_else(|| "-".to_owned()))
    .collect()
}

#[test]
fn every_example_is_read_as_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
    #[expect(clippy::disallowed_methods, reason = "the page lies in a file")]
    let text = fs::read_to_string(path).unwrap();
    let context = Context {
        previous: EventTime::parse("2026-01-05T09:59:00Z"),
        reference: EventTime::parse("2026-02-01T00:00:00Z"),
        ..Context::default()
    };
    let (mut in_table, mut has_header, mut examples) = (false, false, 0);
    for (number, line) in text.lines().enumerate() {
        if !line.starts_with('|') {
            in_table = false;
        } else if line == HEAD || line == HEAD_OF_TABLES {
            (in_table, has_header) = (true, line == HEAD_OF_TABLES);
        } else if in_table && !line.starts_with("|---") {
            let mut cells = cells(line);
            let (mut parser, context) = (Parser::new(LogFormat::Auto), context.clone());
            if has_header {
                let header = cells.remove(0);
                let parsed = parser.parse(header.trim_matches('`').as_bytes(), &context);
                assert!(parsed.record().is_none(), "line {}: no header", number + 1);
            }
            let example = cells[0].trim_matches('`');
            let record = parser.parse(example.as_bytes(), &context).record();
            let record = record.unwrap_or_else(|| panic!("line {}: no record", number + 1));
            assert_eq!(shown(&record), cells[1..], "docs/formats.md, line {}", number + 1);
            examples += 1;
        }
    }
    assert!(examples >= 12, "only {examples} examples were found");
}
