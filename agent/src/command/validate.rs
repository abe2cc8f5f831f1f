//! `validate`: everything that is wrong with a configuration, at once.

use std::{io::Write, path::Path};

use anyhow::Result;
use oddline_config::{ConfigOrigin, ConfigProblem, ConfigProblems};

use super::preview::{SourcePreview, preview};
use crate::{
    config::{self, EventDestination, SourceConfig, SourceKind},
    worker,
};

/// Reads the configuration and the files it names, and says what it comes to.
///
/// # Errors
/// All mistakes, and all that is wrong with the files.
pub fn run(file: &Path, out: &mut impl Write) -> Result<()> {
    let loaded = config::load(file)?;
    let config = loaded.config;
    let wrong = config::check_files(&config);
    if !wrong.is_empty() {
        let problem = |what| ConfigProblem { origin: ConfigOrigin::Missing, key: String::new(), what };
        return Err(ConfigProblems(wrong.into_iter().map(problem).collect()).into());
    }
    for (name, meant) in loaded.strange {
        writeln!(out, "note: environment variable {name} is not a known setting; did you mean {meant}?")?;
    }
    for why in config::check_access(&config) {
        writeln!(out, "note: {why}; run validate as the service's user to be sure")?;
    }
    writeln!(out, "{} is fine", file.display())?;
    writeln!(out, "agent {} of fleet {}", config.name, config.fleet)?;
    let opener = worker::opener(&config);
    let mut denied = false;
    for source in &config.sources {
        let what = match &source.what {
            SourceKind::Files { include, .. } => include.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            SourceKind::Journal(reader) if reader.arguments.is_empty() => "the journal".to_owned(),
            SourceKind::Journal(reader) => format!("the journal ({})", reader.arguments.join(" ")),
            SourceKind::Stdin => "standard input".to_owned(),
            SourceKind::System(interval) => {
                format!("the metrics of this host every {} s", interval.0.as_secs())
            }
            SourceKind::Syslog(address) => format!("syslog messages at {address}"),
            SourceKind::Mqtt(subscription) => {
                format!("MQTT messages of {} at {}", subscription.filter, subscription.link.broker)
            }
        };
        let SourcePreview { found, notes, is_denied } = preview(source, &opener);
        let found = if found.is_empty() { found } else { format!(": {found}") };
        writeln!(out, "reads {what} as {}{found}", source.format)?;
        for note in notes {
            writeln!(out, "note: {note}")?;
        }
        denied |= is_denied;
    }
    // What follows from the rights of whoever asks.
    if denied {
        writeln!(out, "note: the service's user may see more or less: run validate as that user to be sure")?;
    } else if rustix::process::geteuid().is_root() && config.sources.iter().any(is_of_this_host) {
        writeln!(out, "note: root may read everything: run validate as the service's user to see what that may read")?;
    }
    let to = match &config.destination {
        EventDestination::Broker(settings, _) => settings.link.broker.to_string(),
        EventDestination::File(path, _) => path.display().to_string(),
        EventDestination::Stdout => "standard output".to_owned(),
    };
    writeln!(out, "events go to {to}")?;
    writeln!(out, "memory: {}", config.memory)?;
    if config.trusted_keys.is_empty() && matches!(config.destination, EventDestination::Broker(..)) {
        writeln!(out, "note: no key is trusted (model.trusted_keys): no model that is pushed will be taken")?;
    }
    Ok(())
}

/// Whether its user's rights decide what there is to read.
fn is_of_this_host(source: &SourceConfig) -> bool {
    matches!(source.what, SourceKind::Files { .. } | SourceKind::Journal(_))
}
