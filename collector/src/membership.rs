//! `enroll`, `revoke`, `enrolled`: who belongs to the fleet, from arguments to answers. The work is `enroll`'s.

use crate::{
    args::{Enroll, Output},
    clock::now,
    config::Config,
    enroll::Request,
    error::CommandError,
    process::authority,
    show::{
        Format,
        table::{Lean, Table},
    },
};

/// Makes an agent's bundle; the authority at first use.
///
/// # Errors
/// When the name is taken, or a file cannot be written.
pub fn enroll(config: &Config, args: &Enroll) -> Result<String, CommandError> {
    let request = Request {
        agent: args.agent.clone(),
        fleet: args.fleet.clone(),
        broker: args.broker.clone(),
        trusted_keys: args.trusted_key.clone(),
    };
    let authority = authority(&config.state)?;
    let issue = if args.renew { crate::enroll::Authority::renew } else { crate::enroll::Authority::enroll };
    let bundle = issue(&authority, &request, &args.out, now())?;
    Ok(format!(
        "{} until {}; on its server: tar -C /etc -xf {}\n",
        args.agent,
        bundle.expires,
        bundle.archive.display()
    ))
}

/// Takes an agent's certificates back.
///
/// # Errors
/// When it has none, or a file cannot be written.
pub fn revoke(config: &Config, agent: &oddline_core::id::AgentName) -> Result<String, CommandError> {
    let count = authority(&config.state)?.revoke(agent, now())?;
    Ok(format!("{count} certificates of {agent} count no longer; a running collector cuts it off within a second\n"))
}

/// Who is enrolled.
///
/// # Errors
/// When a record cannot be read.
pub fn enrolled(config: &Config, output: Output) -> Result<String, CommandError> {
    let agents = authority(&config.state)?.agents(now())?;
    let mut table = Table::new(&[
        ("agent", Lean::Left),
        ("fleet", Lean::Left),
        ("certificates", Lean::Right),
        ("until", Lean::Left),
        ("note", Lean::Left),
    ]);
    let note = |is_due: bool| if is_due { "renew it" } else { "" };
    for agent in &agents {
        table.push(vec![
            agent.agent.to_string(),
            agent.fleet.to_string(),
            agent.serials.len().to_string(),
            agent.expires.clone(),
            note(agent.is_due).to_owned(),
        ]);
    }
    Ok(match output.format() {
        Format::Table if table.is_empty() => "nobody is enrolled yet\n".to_owned(),
        Format::Table => table.to_text(),
        Format::Csv => table.to_csv(),
        Format::Json => {
            let all = agents.iter().map(|agent| {
                let serials: Vec<&str> = agent.serials.iter().map(crate::enroll::revoked::Serial::as_str).collect();
                serde_json::json!({
                    "agent": agent.agent, "fleet": agent.fleet, "serials": serials,
                    "expires": agent.expires, "is_due": agent.is_due,
                })
            });
            format!("{:#}\n", serde_json::Value::Array(all.collect()))
        }
    })
}
