//! Answers as people and programs read them: aligned tables, JSON, CSV. Values in, text out.

pub mod agents;
pub mod anomalies;
pub mod incidents;
pub mod letters;
pub mod rollouts;
pub mod table;

use oddline_core::id::ModelHash;

use crate::time::TimeZoneChoice;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    Table,
    Json,
    Csv,
}

/// JSON for programs, harmless on a terminal.
#[must_use]
pub fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("text and numbers can always be written");
    format!("{}\n", oddline_core::terminal::json(&text))
}

/// A heading of times: people are told their zone, programs read it in each.
fn times(name: &str, format: OutputFormat, zone: &TimeZoneChoice) -> String {
    if format == OutputFormat::Table { format!("{name} ({zone})") } else { name.to_owned() }
}

/// Enough of a model's hash to tell it from others.
#[must_use]
pub fn short_hash(hash: ModelHash) -> String {
    hash.to_string().chars().take(12).collect()
}
