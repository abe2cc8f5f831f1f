//! One `[[source]]`: what it reads and what its records are called.

use oddline_config::Section;
use oddline_core::{
    format::{FIELD_NAMES, Format, Mapping},
    readings::{VALUES, Values},
    time::UtcOffset,
};

use crate::source::{discover::Pattern, journal};

const JOURNALCTL: &str = "journalctl";

/// One `[[source]]`.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// What is read.
    pub what: What,
    /// The format of its lines.
    pub format: Format,
    /// Server of records that name none.
    pub server: String,
    /// Component of records that name none; the file's name without its ending when `None`.
    pub component: Option<String>,
    /// Which numbers of its records are judged.
    pub values: Values,
    /// Seconds east of UTC of times without a zone.
    pub offset_s: i32,
    /// Where the first reading begins.
    pub begin: First,
}

/// What a source reads.
#[derive(Debug, Clone)]
pub enum What {
    /// Files.
    Files {
        /// Which.
        include: Vec<Pattern>,
        /// Which not.
        exclude: Vec<Pattern>,
    },
    /// The journal.
    Journal(journal::Reader),
    /// Standard input.
    Stdin,
}

/// Where reading begins when nothing is known of a source yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// With the oldest that is there.
    Start,
    /// With what is written from now on.
    End,
}

/// Reads one; its mistakes are noted.
pub(super) fn read(section: Section<'_>, server: &str) -> Option<SourceConfig> {
    let found = inner(&section, server);
    section.finish();
    found
}

fn inner(section: &Section<'_>, server: &str) -> Option<SourceConfig> {
    let what = what(section);
    let format = format(section);
    let values = section.choice("values", &VALUES).unwrap_or_default();
    let offset_s = section.value::<UtcOffset>("utc_offset").map_or(0, UtcOffset::seconds);
    let begin = section.choice("begin", &[("start", First::Start), ("end", First::End)]).unwrap_or(First::End);
    let server = section.value("server").unwrap_or_else(|| server.to_owned());
    let component = section.value("component");
    let what = what?;
    let format = match (&what, format) {
        (What::Journal(_), Format::Auto) => Format::Journal,
        (_, format) => format,
    };
    Some(SourceConfig { what, format, server, component, values, offset_s, begin })
}

fn what(section: &Section<'_>) -> Option<What> {
    let include: Option<Vec<Pattern>> = section.list("files");
    let exclude: Vec<Pattern> = section.list("exclude").unwrap_or_default();
    let journal = section.flag("journal").unwrap_or(false);
    let arguments: Option<Vec<String>> = section.list("journal_arguments");
    let stdin = section.flag("stdin").unwrap_or(false);
    if usize::from(include.is_some()) + usize::from(journal) + usize::from(stdin) != 1 {
        section.problem("files", "exactly one of files = [...], journal = true and stdin = true is expected");
        return None;
    }
    if arguments.is_some() && !journal {
        section.problem("journal_arguments", "means nothing without journal = true");
    }
    if journal {
        let reader = journal::Reader { program: JOURNALCTL.to_owned(), arguments: arguments.unwrap_or_default() };
        return Some(What::Journal(reader));
    }
    if stdin {
        return Some(What::Stdin);
    }
    let include = include.unwrap_or_default();
    if section.is_empty_list("files") {
        section.problem("files", "has no pattern in it");
    }
    Some(What::Files { include, exclude })
}

fn format(section: &Section<'_>) -> Format {
    let format: Option<Format> = section.value("format");
    let Some(fields) = section.map::<String>("fields") else { return format.unwrap_or_default() };
    let mut mapping = Mapping::default();
    for (field, key) in fields {
        if !mapping.set(&field, &key) {
            section.problem("fields", format!("{field:?} is no field: {FIELD_NAMES} are"));
        }
    }
    match format {
        Some(Format::Jsonl(_)) | None => {}
        Some(other) => section.problem("fields", format!("means nothing to the format {other}: it is for jsonl")),
    }
    Format::Jsonl(mapping)
}
