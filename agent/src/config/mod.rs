//! What an operator writes in `agent.toml`, as types that cannot be wrong. One reading finds all mistakes; files that
//! are named are looked at by [`check_files`], so that `validate` says everything at once. Starts nothing.

mod broker;
mod places;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use oddline_config::{ConfigProblems, ConfigReader, ConfigSection, Layers};
use oddline_core::id::{AgentName, DEFAULT_FLEET, FleetName};

use crate::{
    clock,
    memory::MemoryBudget,
    model::verify::TrustedKeys,
    publish::{delivery::Encoding, session::PublishSettings, sink::Rotation},
    redact::{AddressPolicy, RedactionRules, SamplePolicy},
};

use self::places::AccessProblem;
use self::source::SourceDefaults;
pub use self::source::{SourceConfig, SourceKind, StartAt};

/// Where the configuration is, unless told otherwise.
pub const FILE: &str = "/etc/oddline/agent.toml";
const STATE_DIR: &str = "/var/lib/oddline/agent";
const CONTROL: &str = "/run/oddline-agent/control.sock";
const FACTORY: &str = "/usr/share/oddline/factory.onnx";
/// Episodes an hour and source that travel one by one.
pub const FLOOD_LIMIT: u32 = 60;
/// Sources of one configuration: each may mean hundreds of files.
const SOURCES_MAX: usize = 64;

#[derive(Debug, Clone)]
pub struct AgentConfig {
    pub name: AgentName,
    pub fleet: FleetName,
    /// Folder of the state file and the models.
    pub state_dir: PathBuf,
    /// Local socket for `status` and `model rollback`.
    pub control: Option<PathBuf>,
    pub metrics: Option<SocketAddr>,
    /// Names under which they may be asked, besides addresses.
    pub metrics_hosts: Vec<String>,
    /// The model that came with the package.
    pub factory: PathBuf,
    /// Minisign public keys whose models are taken.
    pub trusted_keys: Vec<String>,
    pub destination: EventDestination,
    pub sources: Vec<SourceConfig>,
    /// What is shown of an odd line.
    pub redaction: RedactionRules,
    /// Episodes an hour and source that travel one by one.
    pub flood_limit: u32,
    /// Memory that all of it may take.
    pub memory: MemoryBudget,
}

#[derive(Debug, Clone)]
pub enum EventDestination {
    Broker(Box<PublishSettings>, Encoding),
    File(PathBuf, Rotation),
    /// To standard output, or through it to the journal.
    Stdout,
}

/// A configuration, and variables that nearly mean something here.
#[derive(Debug)]
pub struct LoadedConfig {
    pub config: AgentConfig,
    /// Variables that are probably misspelt, with what was meant.
    pub strange: Vec<(String, String)>,
}

/// Reads `file`, the folder beside it and the environment.
pub fn load(file: &Path) -> Result<LoadedConfig, ConfigProblems> {
    let reader = Layers::of(file).read();
    let config = read(&reader);
    let strange = reader.strange_variables();
    reader.finish()?;
    Ok(LoadedConfig { config: config.expect("without a mistake everything was read"), strange })
}

fn read(reader: &ConfigReader) -> Option<AgentConfig> {
    let top = reader.top();
    let name = name(&top);
    let fleet = if top.has("fleet") { top.value("fleet") } else { DEFAULT_FLEET.parse().ok() };
    let state_dir = top.path("state_dir").unwrap_or_else(|| STATE_DIR.into());
    let control = top.path("control").unwrap_or_else(|| CONTROL.into());
    let metrics = top.section("metrics");
    let model = top.section("model");
    let sources = top.sections("source");
    if sources.is_empty() && !top.has("source") {
        top.problem("source", "there is none: say what to read, such as [[source]] with journal = true");
    }
    if sources.len() > SOURCES_MAX {
        top.problem("source", format!("{} of them, at most {SOURCES_MAX} are allowed", sources.len()));
    }
    // Everything is asked for before anything is given up: one reading finds all mistakes.
    let names = name.as_ref().zip(fleet.as_ref());
    let destination = destination(&top, names, &state_dir);
    let defaults = SourceDefaults {
        names,
        link: match &destination {
            Some(EventDestination::Broker(settings, _)) => Some(&settings.link),
            Some(EventDestination::File(..) | EventDestination::Stdout) | None => None,
        },
        has_broker: top.section("broker").is_there() || destination.is_none(),
    };
    let mut sources: Vec<Option<SourceConfig>> =
        sources.into_iter().map(|section| source::read(section, &defaults)).collect();
    twice(&top, &mut sources);
    let (listen, factory) = (metrics.value("listen"), model.path("factory"));
    let trusted_keys = trusted_keys(&model);
    let samples = top.choice(
        "samples",
        &[("none", SamplePolicy::None), ("redacted", SamplePolicy::Redacted), ("full", SamplePolicy::Full)],
    );
    let addresses = top.choice("addresses", &[("keep", AddressPolicy::Keep), ("hide", AddressPolicy::Hide)]);
    let flood_limit = top.number("flood_limit", 1..=100_000);
    let metrics_hosts = metrics.list("hosts").unwrap_or_default();
    let memory_mib = top.number("memory_mib", 16..=1_048_576);
    let memory = MemoryBudget::of(memory_mib).map_err(|why| top.problem("memory_mib", why)).ok();
    metrics.finish();
    model.finish();
    top.finish();
    Some(AgentConfig {
        destination: destination?,
        name: name?,
        fleet: fleet?,
        state_dir,
        control: Some(control).filter(|path| !path.as_os_str().is_empty()),
        metrics: listen,
        metrics_hosts,
        factory: factory.unwrap_or_else(|| FACTORY.into()),
        trusted_keys,
        sources: sources.into_iter().flatten().collect(),
        redaction: RedactionRules {
            samples: samples.unwrap_or(SamplePolicy::Redacted),
            addresses: addresses.unwrap_or(AddressPolicy::Keep),
        },
        flood_limit: flood_limit.unwrap_or(FLOOD_LIMIT),
        memory: memory?,
    })
}

fn name(top: &ConfigSection<'_>) -> Option<AgentName> {
    if top.has("name") {
        return top.value("name");
    }
    let host = clock::host_name();
    let fitted: String =
        host.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    let name = fitted.trim_matches('-').parse().ok();
    if name.is_none() {
        top.problem(
            "name",
            format!("the host's name {host:?} makes no agent's name: say one of letters, digits and -"),
        );
    }
    name
}

/// Two sources that read the same would share one place in the state.
fn twice(top: &ConfigSection<'_>, sources: &mut [Option<SourceConfig>]) {
    name_apart(sources);
    let count = |is: fn(&SourceKind) -> bool| sources.iter().flatten().filter(|source| is(&source.what)).count();
    if count(|what| matches!(what, SourceKind::Journal(_))) > 1 {
        top.problem("source", "the journal is read by one source only: put all its arguments into one");
    }
    if count(|what| matches!(what, SourceKind::Stdin)) > 1 {
        top.problem("source", "standard input is read by one source only");
    }
    if count(|what| matches!(what, SourceKind::System(_))) > 1 {
        top.problem("source", "this host's metrics are read by one source only");
    }
    let addresses = sources.iter().flatten().filter_map(|source| match &source.what {
        SourceKind::Syslog(address) => Some(address.to_string()),
        SourceKind::Mqtt(subscription) => Some(subscription.to_string()),
        SourceKind::Files { .. } | SourceKind::Journal(_) | SourceKind::Stdin | SourceKind::System(_) => None,
    });
    let mut seen = BTreeSet::new();
    for address in addresses {
        if !seen.insert(address.clone()) {
            top.problem("source", format!("{address} is listened to by one source only"));
        }
    }
}

/// One filter at several brokers is several sources.
fn name_apart(sources: &mut [Option<SourceConfig>]) {
    let subscriptions = sources.iter_mut().flatten().filter_map(|source| match &mut source.what {
        SourceKind::Mqtt(subscription) => Some(subscription),
        SourceKind::Files { .. }
        | SourceKind::Journal(_)
        | SourceKind::Stdin
        | SourceKind::Syslog(_)
        | SourceKind::System(_) => None,
    });
    let mut by_filter: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for subscription in subscriptions {
        by_filter.entry(subscription.filter.to_string()).or_default().push(subscription);
    }
    for several in by_filter.into_values().filter(|several| several.len() > 1) {
        several.into_iter().for_each(|subscription| subscription.is_one_of_several = true);
    }
}

fn trusted_keys(model: &ConfigSection<'_>) -> Vec<String> {
    let mut keys: Vec<String> = model.list("trusted_keys").unwrap_or_default();
    for path in model.list::<PathBuf>("trusted_key_files").unwrap_or_default() {
        match std::fs::read_to_string(&path) {
            Ok(text) => keys.push(text),
            Err(error) => model.problem("trusted_key_files", format!("{}: {error}", path.display())),
        }
    }
    if let Err(errors) = TrustedKeys::parse(&keys) {
        for error in errors {
            model.problem("trusted_keys", error.to_string());
        }
    }
    keys
}

fn destination(
    top: &ConfigSection<'_>,
    names: Option<(&AgentName, &FleetName)>,
    state_dir: &Path,
) -> Option<EventDestination> {
    let (broker, output) = (top.section("broker"), top.section("output"));
    let found = if broker.has("address") {
        if output.is_there() {
            top.problem("output", "there is a [broker] too: events go to one place");
        }
        broker::destination(&broker, names)
    } else if broker.is_there() {
        broker.problem("address", "is missing: mqtt://host or mqtts://host is expected");
        None
    } else {
        Some(local(&output, state_dir))
    };
    broker.finish();
    output.finish();
    found
}

fn local(output: &ConfigSection<'_>, state_dir: &Path) -> EventDestination {
    let rotation = Rotation {
        bytes_max: output.number("bytes_max", 65_536..=1 << 40).unwrap_or(Rotation::default().bytes_max),
        kept_max: output.number("files_kept", 1..=1_000).unwrap_or(Rotation::default().kept_max),
    };
    let file = output.path("file");
    if file.as_deref() == Some(Path::new("-")) {
        return EventDestination::Stdout;
    }
    if output.flag("stdout").unwrap_or(false) {
        if file.is_some() {
            output.problem("file", "there is stdout = true too: events go to one place");
        }
        return EventDestination::Stdout;
    }
    EventDestination::File(file.unwrap_or_else(|| state_dir.join("anomalies.jsonl")), rotation)
}

/// What the files named by a configuration lack, and what its folders lack whoever writes there; empty when nothing.
/// Reads them, changes nothing.
#[must_use]
pub fn check_files(config: &AgentConfig) -> Vec<String> {
    let mut wrong = Vec::new();
    if let EventDestination::Broker(settings, _) = &config.destination
        && let Err(errors) = settings.link.access.secrets()
    {
        wrong.extend(errors.iter().map(|error| format!("broker: {error}")));
    }
    for source in &config.sources {
        if let SourceKind::Mqtt(subscription) = &source.what
            && let Err(errors) = subscription.link.access.secrets()
        {
            wrong.extend(errors.iter().map(|error| format!("{subscription}: {error}")));
        }
    }
    let model = std::fs::read(&config.factory);
    match model.map(|bytes| oddline_detector::OpenModel::open(&bytes)) {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => wrong.push(format!("model.factory: {} is refused: {error}", config.factory.display())),
        Err(error) => wrong.push(format!("model.factory: {}: {error}", config.factory.display())),
    }
    wrong.extend(lacks(config).into_iter().filter_map(|(what, lack)| match lack {
        AccessProblem::Unusable(why) => Some(format!("{what}: {why}")),
        AccessProblem::Forbidden(_) => None,
    }));
    wrong
}

/// Refuses to run as root on what belongs to another user, whom it would lock out of it.
///
/// # Errors
/// With the folder and what to do.
pub fn check_owner(config: &AgentConfig) -> anyhow::Result<()> {
    let output = match &config.destination {
        EventDestination::File(path, _) => path.parent(),
        EventDestination::Broker(..) | EventDestination::Stdout => None,
    };
    for folder in [Some(config.state_dir.as_path()), output].into_iter().flatten() {
        if let Some(user) = places::owned_by_another(folder) {
            anyhow::bail!(
                "{} belongs to user {user}, who could not use what root makes there: run this as that user (the service does), \
                 or name another folder",
                folder.display()
            );
        }
    }
    Ok(())
}

/// Which places of a configuration the user who asks may not write.
#[must_use]
pub fn check_access(config: &AgentConfig) -> Vec<String> {
    let forbidden = lacks(config).into_iter().filter_map(|(what, lack)| match lack {
        AccessProblem::Forbidden(why) => Some(format!("{what}: {why}")),
        AccessProblem::Unusable(_) => None,
    });
    forbidden.collect()
}

fn lacks(config: &AgentConfig) -> Vec<(String, AccessProblem)> {
    let folder = &config.state_dir;
    let state = places::folder_lacks(folder).map(|lack| (format!("state_dir: {}", folder.display()), lack));
    let file = match &config.destination {
        // The folder of the state is made when it is not there.
        EventDestination::File(path, _) if path.parent() != Some(folder) || folder.exists() => {
            places::file_lacks(path).map(|lack| (format!("output.file: {}", path.display()), lack))
        }
        EventDestination::File(..) | EventDestination::Broker(..) | EventDestination::Stdout => None,
    };
    state.into_iter().chain(file).collect()
}

#[cfg(test)]
mod tests {
    use oddline_core::format::{DateOrder, LogFormat, ZoneNames};

    use super::*;
    use crate::source::SystemInterval;

    fn load_text(text: &str) -> Result<AgentConfig, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.toml");
        std::fs::write(&file, text).unwrap();
        let reader = Layers { file: Some(file), ..Layers::default() }.read();
        let config = read(&reader);
        match reader.finish() {
            Ok(()) => Ok(config.unwrap()),
            Err(problems) => Err(problems.0.iter().map(|p| format!("{}: {}", p.key, p.what)).collect()),
        }
    }

    #[test]
    fn little_is_enough() {
        let config = load_text("name = 'pi'\n[[source]]\njournal = true\n").unwrap();
        assert_eq!(config.fleet.as_str(), "default");
        assert!(matches!(&config.destination, EventDestination::File(path, _) if path.ends_with("anomalies.jsonl")));
        let [source] = &config.sources[..] else { panic!("one source") };
        assert!(matches!(source.what, SourceKind::Journal(_)) && source.begin == StartAt::End && source.server == "pi");
        assert_eq!(source.format, LogFormat::Journal);
    }

    #[test]
    fn five_mistakes_are_five_lines() {
        let text = "name = 'A B'\nflood_limt = 3\n[broker]\naddress = 'mqtts://broker'\nuser = 'me'\n\
                    [[source]]\nfiles = ['logs/*.log']\nformat = 'xml'\n";
        let problems = load_text(text).unwrap_err();
        for expected in [
            "name: ",
            "flood_limt: unknown key; did you mean \"flood_limit\"?",
            "broker.ca: is missing",
            "broker.user: user and password_file come together",
            "source.1.files: \"logs/*.log\" is not an absolute path",
            "source.1.format: \"xml\" is no log format",
        ] {
            assert!(problems.iter().any(|p| p.starts_with(expected)), "{expected}\n{problems:#?}");
        }
    }

    #[test]
    fn fields_of_json_lines_are_mapped() {
        let config = load_text(
            "name='a'\n[[source]]\nfiles=['/x']\nformat='jsonl'\nutc_offset='-03:30'\nbegin='start'\n\
             fields={value='duration_ms', timestamp='ts|time'}\n",
        )
        .unwrap();
        let LogFormat::Jsonl(mapping) = &config.sources[0].format else { panic!("json") };
        assert_eq!((mapping.value.join(","), mapping.timestamp.join(",")), ("duration_ms".into(), "ts,time".into()));
        assert_eq!((config.sources[0].times.offset_s, config.sources[0].begin), (-12_600, StartAt::Start));
    }

    #[test]
    fn zones_and_orders_of_dates_are_those_of_the_source() {
        let text = "name='a'\n[[source]]\nfiles=['/x']\nzones={IST='+02:00', QQQ='-01:00'}\ndate_order='month-first'\n";
        let times = load_text(text).unwrap().sources[0].times;
        assert_eq!(times.date_order, Some(DateOrder::MonthFirst));
        assert_ne!(times.zones, ZoneNames::default());
        for (wrong, expected) in [
            ("zones={ist='+02:00'}", "source.1.zones: \"ist\" is no name of a zone"),
            ("zones={IST='2'}", "source.1.zones.IST: \"2\" is no offset"),
            ("date_order='dmy'", "source.1.date_order: \"dmy\" is none of"),
        ] {
            let problems = load_text(&format!("name='a'\n[[source]]\nfiles=['/x']\n{wrong}\n")).unwrap_err();
            assert!(problems[0].starts_with(expected), "{problems:?}");
        }
    }

    #[test]
    fn an_access_log_has_its_own_format() {
        let text = |what: &str| format!("name='a'\n[[source]]\nfiles=['/x']\n{what}\n");
        for format in ["", "format='nginx'\n"] {
            let config = load_text(&text(&format!("{format}log_format='$remote_addr \"$request\" $status'"))).unwrap();
            assert!(matches!(config.sources[0].format, LogFormat::LaidOut(_)));
        }
        for (what, expected) in [
            ("log_format='%h %y'", "source.1.log_format: character 4: %y is no directive of Apache"),
            (
                "format='syslog'\nlog_format='%h %r'",
                "source.1.log_format: log_format means nothing to the format syslog",
            ),
            ("format='sylog'", "did you mean \"syslog\"?"),
        ] {
            let problems = load_text(&text(what)).unwrap_err();
            assert!(problems[0].contains(expected), "{problems:?}");
        }
    }

    #[test]
    fn a_source_reads_one_thing() {
        for text in ["", "journal = true\nstdin = true", "files = ['/a']\njournal = true", "mqtt = 'a'\nstdin = true"] {
            let problems = load_text(&format!("name='a'\n[[source]]\n{text}\n")).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains("exactly one of")), "{problems:?}");
        }
        let problems = load_text("name='a'\n[[source]]\njournal=true\n[[source]]\njournal=true\n").unwrap_err();
        assert!(problems[0].contains("one source only"), "{problems:?}");
    }

    #[test]
    fn this_host_is_read_at_an_interval_and_has_no_format() {
        let config = load_text("name='a'\n[[source]]\nsystem = true\n").unwrap();
        assert!(matches!(config.sources[0].what, SourceKind::System(at) if at == SystemInterval::default()));
        assert_eq!((&config.sources[0].format, config.sources[0].server.as_str()), (&LogFormat::Csv, "a"));
        let config = load_text("name='a'\n[[source]]\nsystem = true\ninterval = '1m'\n").unwrap();
        assert!(matches!(config.sources[0].what, SourceKind::System(at) if at.0.as_secs() == 60));
        for (text, expected) in [
            ("system = true\nfiles = ['/a']", "source.1.files: exactly one of"),
            ("system = true\ninterval = '0s'", "source.1.interval:"),
            ("system = true\ncomponent = 'x'", "source.1.component: means nothing with system"),
            ("system = true\nformat = 'jsonl'", "source.1.format: means nothing with system"),
            ("files = ['/a']\ninterval = '5s'", "source.1.interval: means nothing without system = true"),
            ("system = true\n[[source]]\nsystem = true", "source: this host's metrics are read by one source only"),
        ] {
            let problems = load_text(&format!("name='a'\n[[source]]\n{text}\n")).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{text}: {problems:?}");
        }
    }

    #[test]
    fn topics_are_those_of_the_agents_broker_or_of_another() {
        let subscriptions = |text: &str| -> Vec<(String, String, String)> {
            let config = load_text(&format!("name='pi'\n{text}")).unwrap();
            let sources = config.sources.iter().map(|source| match &source.what {
                SourceKind::Mqtt(at) => (at.to_string(), at.link.broker.to_string(), at.link.client_id.clone()),
                other => panic!("{other:?}"),
            });
            sources.collect()
        };
        let own = subscriptions("[broker]\naddress='mqtt://hub'\n[[source]]\nmqtt='sensors/#'\n");
        let [(name, broker, client_id)] = &own[..] else { panic!("{own:?}") };
        assert_eq!((name.as_str(), broker.as_str()), ("mqtt sensors/#", "mqtt://hub:1883"));
        assert!(client_id.starts_with("oddline_default_pi_"), "{client_id}");
        let several = "[[source]]\nmqtt='#'\nbroker='mqtt://a'\n[[source]]\nmqtt='#'\nbroker='mqtt://b'\nuser='me'\n\
                       password_file='/p'\nfields={value='temp'}\n";
        let names: Vec<String> = subscriptions(several).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["mqtt # at mqtt://a:1883", "mqtt # at mqtt://b:1883"]);
        for (text, expected) in [
            ("mqtt='sensors/#'", "source.1.broker: is missing: without [broker]"),
            (
                "mqtt='a/#/b'\nbroker='mqtt://a'",
                "source.1.mqtt: \"a/#/b\" is no MQTT topic filter: # is the last level",
            ),
            ("mqtt='oddline/#'\nbroker='mqtt://a'", "source.1.mqtt: \"oddline/#\" are topics of agents"),
            ("mqtt='a'\nbroker='a'", "source.1.broker: broker \"a\": mqtt://host[:port]"),
            ("mqtt='a'\nbroker='mqtts://a'", "source.1.ca: is missing"),
            ("mqtt='a'\nbroker='mqtt://a'\nformat='csv'", "source.1.format: csv means nothing with mqtt"),
            ("mqtt='a'\nbroker='mqtt://a'\ncomponent='x'", "source.1.component: means nothing with mqtt"),
            ("files=['/a']\nbroker='mqtt://a'", "source.1.broker: means nothing without mqtt"),
            ("mqtt='a'\nbroker='mqtt://a'\n[[source]]\nmqtt='a'\nbroker='mqtt://a'", "source: mqtt a at mqtt://a:1883"),
        ] {
            let problems = load_text(&format!("name='a'\n[[source]]\n{text}\n")).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{text}: {problems:?}");
        }
        let problems = load_text("name='a'\n[broker]\naddress='x'\n[[source]]\nmqtt='a'\n").unwrap_err();
        assert!(problems.len() == 1 && problems[0].starts_with("broker.address"), "{problems:?}");
    }

    #[test]
    fn every_variable_is_known_to_the_family() {
        let reader = Layers::default().read();
        let _: Option<AgentConfig> = read(&reader);
        let unknown: Vec<String> = reader
            .variables()
            .into_iter()
            .filter(|name| !oddline_config::family::VARIABLES.contains(&name.as_str()))
            .collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
    }
}
