//! One `[[source]]`: what it reads and what its records are called.

use std::{ops::RangeInclusive, time::Duration};

use oddline_config::ConfigSection;
use oddline_core::{
    format::{DATE_ORDERS, LogFormat, Mapping, TimeOptions},
    id::{AgentName, FleetName},
    readings::{VALUES, ValueSelection},
    time::UtcOffset,
};
use oddline_link::{address::BrokerAddress, client_id, settings::LinkSettings};

use super::broker;
use crate::{
    clock,
    source::{MqttSubscription, SyslogAddress, SystemInterval, TopicFilter, discover::Pattern, journal, mqtt::lines},
};

const JOURNALCTL: &str = "journalctl";
/// Seconds between two readings of this host.
const INTERVAL_S: RangeInclusive<u64> = 1..=3_600;

/// One `[[source]]`.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    pub what: SourceKind,
    /// The format of its lines.
    pub format: LogFormat,
    /// Server of records that name none.
    pub server: String,
    /// Component of records that name none; the file's name without its ending when `None`.
    pub component: Option<String>,
    /// Which numbers of its records are judged.
    pub values: ValueSelection,
    /// How its times are read.
    pub times: TimeOptions,
    /// Where the first reading begins.
    pub begin: StartAt,
}

#[derive(Debug, Clone)]
pub enum SourceKind {
    Files {
        include: Vec<Pattern>,
        exclude: Vec<Pattern>,
    },
    Journal(journal::JournalCommand),
    Stdin,
    Syslog(SyslogAddress),
    Mqtt(Box<MqttSubscription>),
    /// The metrics of this host.
    System(SystemInterval),
}

/// Where reading begins when nothing is known of a source yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest that is there.
    Start,
    /// With what is written from now on.
    End,
}

/// What a source takes from the rest of the configuration, as far as that has no mistakes.
pub(super) struct SourceDefaults<'a> {
    pub names: Option<(&'a AgentName, &'a FleetName)>,
    /// The way to the agent's own broker.
    pub link: Option<&'a LinkSettings>,
    /// Whether there is a `[broker]`, with mistakes or without.
    pub has_broker: bool,
}

/// Reads one; its mistakes are noted.
pub(super) fn read(section: ConfigSection<'_>, defaults: &SourceDefaults<'_>) -> Option<SourceConfig> {
    let found = inner(&section, defaults);
    section.finish();
    found
}

fn inner(section: &ConfigSection<'_>, defaults: &SourceDefaults<'_>) -> Option<SourceConfig> {
    let what = what(section, defaults);
    let format = format(section);
    let values = section.choice("values", &VALUES).unwrap_or_default();
    let times = times(section);
    let begin = section.choice("begin", &[("start", StartAt::Start), ("end", StartAt::End)]).unwrap_or(StartAt::End);
    let own_name = || defaults.names.map_or_else(String::new, |(agent, _)| agent.to_string());
    let server = section.value("server").unwrap_or_else(own_name);
    let component = section.value("component");
    if component.is_some() && section.has("mqtt") {
        section.problem(
            "component",
            "means nothing with mqtt, whose topics are the components: fields = { component = ... } names another key",
        );
    }
    if section.flag("system") == Some(true) {
        for key in ["format", "log_format", "fields", "component", "values"].into_iter().filter(|key| section.has(key))
        {
            section.problem(key, "means nothing with system = true");
        }
    }
    let what = what?;
    let format = match (&what, format) {
        (SourceKind::System(_), _) => LogFormat::Csv,
        (SourceKind::Journal(_), LogFormat::Auto) => LogFormat::Journal,
        (SourceKind::Syslog(_), LogFormat::Auto) => LogFormat::Syslog,
        (SourceKind::Mqtt(_), LogFormat::Auto) => LogFormat::Jsonl(lines::mapping(Mapping::default())),
        (SourceKind::Mqtt(_), LogFormat::Jsonl(own)) => LogFormat::Jsonl(lines::mapping(own)),
        (SourceKind::Mqtt(_), other) => {
            section.problem("format", format!("{other} means nothing with mqtt: payloads are numbers, JSON or text"));
            other
        }
        (_, format) => format,
    };
    Some(SourceConfig { what, format, server, component, values, times, begin })
}

fn what(section: &ConfigSection<'_>, defaults: &SourceDefaults<'_>) -> Option<SourceKind> {
    let include: Option<Vec<Pattern>> = section.list("files");
    let exclude: Vec<Pattern> = section.list("exclude").unwrap_or_default();
    let journal = section.flag("journal").unwrap_or(false);
    let arguments: Option<Vec<String>> = section.list("journal_arguments");
    let stdin = section.flag("stdin").unwrap_or(false);
    let syslog = section.value::<SyslogAddress>("syslog");
    let network = section.flag("network").unwrap_or(false);
    let mqtt = mqtt(section, defaults);
    let system = section.flag("system").unwrap_or(false);
    let interval = section.seconds("interval", INTERVAL_S);
    let kinds = [include.is_some(), journal, stdin, section.has("syslog"), section.has("mqtt"), system];
    if kinds.into_iter().filter(|is_there| *is_there).count() != 1 {
        let expected = "exactly one of files = [...], journal = true, stdin = true, syslog = \"udp://...\", \
                        mqtt = \"sensors/#\" and system = true is expected";
        section.problem("files", expected);
        return None;
    }
    if let Some(address) = syslog.filter(|address| !address.is_local() && !network) {
        let what =
            format!("{address} can be reached from outside this host, by anyone: set network = true if that is meant");
        section.problem("syslog", what);
    }
    if network && !section.has("syslog") {
        section.problem("network", "means nothing without syslog");
    }
    if section.has("interval") && !system {
        section.problem("interval", "means nothing without system = true");
    }
    if system {
        return Some(SourceKind::System(
            interval.map(|seconds| SystemInterval(Duration::from_secs(seconds))).unwrap_or_default(),
        ));
    }
    if arguments.is_some() && !journal {
        section.problem("journal_arguments", "means nothing without journal = true");
    }
    if journal {
        let reader =
            journal::JournalCommand { program: JOURNALCTL.to_owned(), arguments: arguments.unwrap_or_default() };
        return Some(SourceKind::Journal(reader));
    }
    if stdin {
        return Some(SourceKind::Stdin);
    }
    if section.has("syslog") {
        return syslog.map(SourceKind::Syslog);
    }
    if section.has("mqtt") {
        return mqtt.map(|subscription| SourceKind::Mqtt(Box::new(subscription)));
    }
    let include = include.unwrap_or_default();
    if section.is_empty_list("files") {
        section.problem("files", "has no pattern in it");
    }
    Some(SourceKind::Files { include, exclude })
}

/// Topics of a broker: the agent's own, or one that the section names.
fn mqtt(section: &ConfigSection<'_>, defaults: &SourceDefaults<'_>) -> Option<MqttSubscription> {
    let filter = section.value::<TopicFilter>("mqtt");
    let address: Option<BrokerAddress> = section.value("broker");
    let access = broker::access(section, "broker", address.as_ref());
    let is_named = section.has("broker");
    if is_named && !section.has("mqtt") {
        section.problem("broker", "means nothing without mqtt");
    }
    if !section.has("mqtt") {
        return None;
    }
    if !is_named && !defaults.has_broker {
        section.problem("broker", "is missing: without [broker], broker = \"mqtt://host\" says where the topics are");
    }
    let (filter, (agent, fleet)) = (filter?, defaults.names?);
    let link = match (is_named, address, defaults.link) {
        (true, Some(broker), _) => LinkSettings { broker, client_id: String::new(), access, jitter_seed: 0 },
        (false, _, Some(link)) => link.clone(),
        (true, None, _) | (false, _, None) => return None,
    };
    let client_id = client_id::of_listener(fleet, agent, &filter.to_string());
    let link = LinkSettings { client_id, jitter_seed: clock::random(), ..link };
    Some(MqttSubscription { filter, link, is_one_of_several: false })
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
