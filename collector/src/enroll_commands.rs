//! `enroll`, `revoke`, `enrolled`: who belongs to the fleet, from arguments to answers. The work is `enroll`'s.

use std::path::Path;

use oddline_core::id::DEFAULT_FLEET;

use crate::{
    args::{EnrollArgs, OutputArgs},
    clock::now,
    config::CollectorConfig,
    daemon::{authority, new_authority},
    enroll::{Authority, BundleRenewal, EnrollError, Request, trusted_key},
    error::CommandError,
    show::{
        OutputFormat,
        table::{ColumnAlign, OutputTable},
    },
    text::counted,
};

/// Makes an agent's bundle; the authority at first use.
///
/// # Errors
/// When the name is taken, or a file cannot be written.
pub(crate) fn enroll(config: &CollectorConfig, args: &EnrollArgs) -> Result<String, CommandError> {
    let authority = authority(&config.state)?;
    let EnrollArgs { agent, fleet, broker, trusted_key: keys, out, renew } = args.clone();
    let trusted_keys = keys.into_iter().map(trusted_key).collect::<Result<_, _>>()?;
    let bundle = if renew {
        authority.renew(&BundleRenewal { agent, fleet, broker, trusted_keys }, &out, now())?
    } else {
        let fleet = fleet.unwrap_or_else(|| DEFAULT_FLEET.parse().expect("the name of a fleet"));
        let broker = broker.unwrap_or_default();
        authority.enroll(&Request { agent, fleet, broker, trusted_keys }, &out, now())?
    };
    Ok(format!(
        "{}{} until {}; on its server: tar -C /etc -xf {}\n",
        note(&authority, config),
        args.agent,
        bundle.expires,
        bundle.archive.display()
    ))
}

/// Makes the files of a broker that runs elsewhere; the authority at first use.
///
/// # Errors
/// When a name is none, or a file cannot be written.
pub(crate) fn enroll_broker(config: &CollectorConfig, names: &[String], out: &Path) -> Result<String, CommandError> {
    let authority = authority(&config.state)?;
    let expires = authority.outside(names, out, now())?;
    Ok(format!(
        "{}until {expires}, in {}: ca.pem, crl.pem, server.pem and server.key for the broker; ca.pem, collector.pem and \
         collector.key for this collector\n",
        note(&authority, config),
        out.display()
    ))
}

/// A new authority is worth a word: somebody may have lost the one before.
fn note(authority: &Authority, config: &CollectorConfig) -> String {
    if authority.is_new() { format!("{}\n", new_authority(&config.state)) } else { String::new() }
}

/// The authority, if there is one, in a folder that must be there: a path with a mistake in it is not an empty fleet.
fn existing(config: &CollectorConfig) -> Result<Option<Authority>, CommandError> {
    if !config.state.is_dir() {
        return Err(CommandError::Name(format!(
            "there is no folder {}: is that the `state` of this collector? `enroll` makes it at its first use",
            config.state.display()
        )));
    }
    Ok(Authority::existing(config.state.join("authority"))?)
}

/// Takes an agent's certificates back.
///
/// # Errors
/// When it has none, or a file cannot be written.
pub(crate) fn revoke(config: &CollectorConfig, agent: &oddline_core::id::AgentName) -> Result<String, CommandError> {
    // Where there is no authority nobody has a certificate, and none is made by asking.
    if existing(config)?.is_none() {
        return Err(EnrollError::NotEnrolled(agent.clone()).into());
    }
    let count = authority(&config.state)?.revoke(agent, now())?;
    let certificates = counted(count as u64, "certificate");
    Ok(format!("revoked {certificates} of {agent}; a running collector disconnects it within a second\n"))
}

/// Who is enrolled.
///
/// # Errors
/// When a record cannot be read.
pub(crate) fn enrolled(config: &CollectorConfig, output: OutputArgs) -> Result<String, CommandError> {
    let agents = existing(config)?.map_or(Ok(Vec::new()), |authority| authority.agents(now()))?;
    let (left, right) = (ColumnAlign::Left, ColumnAlign::Right);
    let table = OutputTable::new(
        &agents,
        &[
            ("agent", left, &|holder| holder.agent.to_string()),
            ("fleet", left, &|holder| holder.fleet.to_string()),
            ("certificates", right, &|holder| holder.serials.len().to_string()),
            ("until", left, &|holder| holder.expires.clone()),
            ("note", left, &|holder| (if holder.is_due { "renew it" } else { "" }).to_owned()),
        ],
    );
    Ok(match output.format() {
        OutputFormat::Table if table.is_empty() => "no agents enrolled\n".to_owned(),
        OutputFormat::Table => table.to_text(),
        OutputFormat::Csv => table.to_csv(),
        OutputFormat::Json => {
            let all = agents.iter().map(|agent| {
                let serials: Vec<&str> = agent.serials.iter().map(crate::enroll::revoked::Serial::as_str).collect();
                serde_json::json!({
                    "agent": agent.agent, "fleet": agent.fleet, "serials": serials,
                    "expires": agent.expires, "is_due": agent.is_due,
                })
            });
            crate::show::json(&serde_json::Value::Array(all.collect()))
        }
    })
}
