//! How lines are read: the keys of an agent's `[[source]]` that change what a record is, under the same names, typed or in
//! `trainer.toml`.

use oddline_config::ConfigSection;
use oddline_core::{
    format::{AccessLayout, DATE_ORDERS, DateOrder, FIELD_NAMES, LogFormat, Mapping, TimeOptions, ZoneNames},
    readings::{VALUES, ValueSelection},
    time::UtcOffset,
};

use crate::error::UsageError;

/// How lines are read, as typed.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ReadArgs {
    /// The format of the lines: auto, csv, jsonl, syslog, journald, logfmt, access or plain [default: auto]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<LogFormat>,
    /// The format of an access log's lines as its program has it: nginx's log_format, Apache's LogFormat
    #[arg(long, value_name = "LAYOUT")]
    pub log_format: Option<AccessLayout>,
    /// Which keys of jsonl mean what: timestamp, server, component, level, message, value; may be given again
    #[arg(long, value_name = "FIELD=KEY[|KEY]")]
    pub fields: Vec<String>,
    /// Server of records that name none [default: the name of a folder that was named, else server]
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Component of records that name none [default: the file's name without its ending]
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
    /// Which numbers of lines without a value are read: their measurements, or all with length, status and bytes [default: measured]
    #[arg(long, value_name = "measured|numbers")]
    pub values: Option<ValueSelection>,
    /// Offset from UTC of times that name no zone, such as +01:00
    #[arg(long, value_name = "+HH:MM", allow_hyphen_values = true)]
    pub utc_offset: Option<UtcOffset>,
    /// What is meant by the name of a zone, such as IST=+02:00; may be given again
    #[arg(long, value_name = "NAME=+HH:MM")]
    pub zone: Vec<ZoneNames>,
    /// The order of numbers in dates such as 03/04/2026 [default: as the lines show it]
    #[arg(long, value_name = "day-first|month-first|year-first")]
    pub date_order: Option<DateOrder>,
    /// Read the journal of this machine instead of files
    #[arg(long)]
    pub journal: bool,
    /// An argument for journalctl, such as --unit=nginx.service; may be given again
    #[arg(long, value_name = "ARGUMENT", requires = "journal", allow_hyphen_values = true)]
    pub journal_arguments: Vec<String>,
}

/// How lines are read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadOptions {
    /// Their format.
    pub format: LogFormat,
    /// Server of records that name none.
    pub server: Option<String>,
    /// Component of records that name none.
    pub component: Option<String>,
    /// Which numbers of a record are read.
    pub values: ValueSelection,
    /// How times are read.
    pub times: TimeOptions,
    /// Arguments for journalctl where the journal is read instead of files.
    pub journal: Option<Vec<String>>,
}

impl ReadArgs {
    /// What is typed counts before what is written.
    ///
    /// # Errors
    /// When a field is none, or it or a layout means nothing to the format.
    pub fn over(&self, written: ReadOptions) -> Result<ReadOptions, UsageError> {
        let mut mapping = Mapping::default();
        for field in &self.fields {
            let set = field.split_once('=').is_some_and(|(field, names)| mapping.set(field.trim(), names));
            if !set {
                let what = format!("--fields {field}: a field, = and its keys are expected; {FIELD_NAMES} are fields");
                return Err(UsageError(what));
            }
        }
        let format = match (self.format.clone(), self.fields.is_empty()) {
            (None, true) if self.log_format.is_some() => LogFormat::Access,
            (format, true) => format.unwrap_or(written.format),
            (Some(LogFormat::Jsonl(_)) | None, false) => LogFormat::Jsonl(mapping),
            (Some(other), false) => {
                return Err(UsageError(format!("--fields means nothing to the format {other}: it is for jsonl")));
            }
        };
        let format = format.laid_out(self.log_format.clone()).map_err(|error| UsageError(error.to_string()))?;
        let zones = self.zone.iter().try_fold(written.times.zones, ZoneNames::with);
        let zones = zones.map_err(|error| UsageError(format!("--zone: {error}")))?;
        let journal = if self.journal { Some(self.journal_arguments.clone()) } else { written.journal };
        Ok(ReadOptions {
            format: if journal.is_some() && format == LogFormat::Auto { LogFormat::Journal } else { format },
            server: self.server.clone().or(written.server),
            component: self.component.clone().or(written.component),
            values: self.values.unwrap_or(written.values),
            times: TimeOptions {
                offset_s: self.utc_offset.map_or(written.times.offset_s, UtcOffset::seconds),
                zones,
                date_order: self.date_order.or(written.times.date_order),
            },
            journal,
        })
    }
}

impl ReadOptions {
    /// Reads the keys of a section of `trainer.toml`; mistakes are noted there.
    #[must_use]
    pub fn written(section: &ConfigSection<'_>) -> Self {
        let journal = section.flag("journal").unwrap_or(false);
        let arguments: Option<Vec<String>> = section.list("journal_arguments");
        if arguments.is_some() && !journal {
            section.problem("journal_arguments", "means nothing without journal = true");
        }
        Self {
            format: format(section),
            server: section.value("server"),
            component: section.value("component"),
            values: section.choice("values", &VALUES).unwrap_or_default(),
            times: times(section),
            journal: journal.then(|| arguments.unwrap_or_default()),
        }
    }
}

fn times(section: &ConfigSection<'_>) -> TimeOptions {
    let (offset, zones) = (section.value("utc_offset"), section.map::<UtcOffset>("zones").unwrap_or_default());
    let zones = zones.iter().map(|(name, offset)| (name.as_str(), *offset));
    let order = section.choice("date_order", &DATE_ORDERS);
    TimeOptions::new(offset, zones, order, |what| section.problem("zones", what))
}

fn format(section: &ConfigSection<'_>) -> LogFormat {
    let (format, layout) = (section.value("format"), section.value("log_format"));
    let fields = section.map::<String>("fields");
    let fields = fields.as_ref().map(|fields| fields.iter().map(|(field, keys)| (field.as_str(), keys.as_str())));
    LogFormat::configured(format, layout, fields, |key, what| section.problem(key, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_counts_before_what_is_written() {
        let written = ReadOptions {
            component: Some("app".to_owned()),
            times: TimeOptions { offset_s: 3_600, date_order: Some(DateOrder::DayFirst), ..TimeOptions::default() },
            ..ReadOptions::default()
        };
        let typed = ReadArgs {
            fields: vec!["value=took_ms|ms".to_owned()],
            utc_offset: Some("-03:30".parse().unwrap()),
            zone: vec!["IST=+02:00".parse().unwrap()],
            journal: true,
            ..ReadArgs::default()
        };
        let read = typed.over(written.clone()).unwrap();
        let LogFormat::Jsonl(mapping) = &read.format else { panic!("{read:?}") };
        assert_eq!(mapping.value, ["took_ms", "ms"]);
        assert_eq!((read.component.as_deref(), read.times.offset_s), (Some("app"), -12_600));
        assert_eq!(
            (read.times.date_order, read.times.zones),
            (Some(DateOrder::DayFirst), "IST=+02:00".parse().unwrap())
        );
        let journal = ReadArgs { journal: true, ..ReadArgs::default() };
        assert_eq!(journal.over(written.clone()).unwrap().format, LogFormat::Journal);
        for wrong in ["value", "values=x"] {
            let typed = ReadArgs { fields: vec![wrong.to_owned()], ..ReadArgs::default() };
            assert!(typed.over(written.clone()).unwrap_err().to_string().contains("timestamp, server"), "{wrong}");
        }
        let other =
            ReadArgs { format: Some(LogFormat::Csv), fields: vec!["value=x".to_owned()], ..ReadArgs::default() };
        assert!(other.over(written).unwrap_err().to_string().contains("it is for jsonl"));
    }
}
