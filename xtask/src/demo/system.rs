//! This machine as a source of the demo: one agent reads its metrics beside a log. What it says of them at the end.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Name of the source.
const SYSTEM: &str = "system";

/// The source as the agent's configuration has it, read more often than usual: the demo is short. Its server is none of those
/// that the logs are about.
pub(super) const SOURCE: &str = "\n[[source]]\nsystem = true\ninterval = \"1s\"\nserver = \"this-machine\"\n";

/// The sources of an agent's status that are logs.
pub(super) fn logs(status: &Value) -> impl Iterator<Item = &Value> {
    let sources = status["reading"]["sources"].as_array().into_iter().flatten();
    sources.filter(|source| source["name"] != SYSTEM)
}

/// What an agent's status says of the source, and what a reading looks like.
pub(super) fn described(status: &Value, agent: &Path) -> Result<String> {
    let mut sources = status["reading"]["sources"].as_array().into_iter().flatten();
    let source = sources.find(|source| source["name"] == SYSTEM).context("the agent does not read this machine")?;
    let number = |name: &str| source[name].as_u64().unwrap_or(0);
    ensure!(number("judged") > 0, "nothing of this machine was scored");
    let mut text = format!(
        "{} values of this machine in {} streams, {} odd so far; the last reading, as `oddline-agent system` prints it:\n",
        number("judged"),
        number("streams"),
        number("anomalous"),
    );
    // Rates are of the time between two readings.
    let output = Command::new(agent).args(["system", "--interval", "1", "--count", "2"]).output()?;
    ensure!(output.status.success(), "system: {}", String::from_utf8_lossy(&output.stderr));
    let rows = String::from_utf8_lossy(&output.stdout).into_owned();
    let time = rows.lines().next_back().and_then(|row| row.split_once(',')).context("a reading is expected")?.0;
    for row in rows.lines().filter(|row| row.starts_with(time)) {
        text += &format!("  {row}\n");
    }
    Ok(text)
}
