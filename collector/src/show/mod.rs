//! Answers as people and programs read them: aligned tables, JSON, CSV. Values in, text out.

pub mod agents;
pub mod anomalies;
pub mod letters;
pub mod rollouts;
pub mod table;
pub mod time;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON value.
    Json,
    /// Comma-separated with a header.
    Csv,
}

/// JSON for programs, harmless on a terminal.
#[must_use]
pub fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("text and numbers can always be written");
    format!("{}\n", oddline_core::terminal::json(&text))
}

/// The name most like `name`, when one is like it.
#[must_use]
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this two names have little in common.
    const SIMILARITY_MIN: f64 = 0.6;
    let scored = known.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= SIMILARITY_MIN).then_some(best.1)
}
