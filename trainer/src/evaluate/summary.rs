//! The figures of a finished test run, as values.
//!
//! Filled by `metrics`, printed by `report`, which also draws the JSON shape these types take.

use super::confusion::{ClassReport, Confusion};
use super::histogram::ScoreHistogram;
use super::poisson::PoissonRate;
use serde::Serialize;

/// Everything the report says. Ratios are as `Confusion` defines them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestSummary {
    pub confusion: Confusion,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub classes: ClassReport,
    pub events: EventCounts,
    pub episodes: EpisodeSummary,
    pub incidents: IncidentSummary,
    pub kinds: Vec<KindRow>,
    pub streams: Vec<StreamRow>,
    #[serde(skip)]
    pub scores: Scores,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    pub events: u64,
    pub found: u64,
    pub missed: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EpisodeCounts {
    /// Episodes that touch an event. Several may touch one event.
    #[serde(rename = "true")]
    pub true_: u64,
    /// All others, those after an event included.
    #[serde(rename = "false")]
    pub false_: u64,
    /// False ones that begin within `AFTER_EVENT_RECORDS` behind an event.
    pub after_event: u64,
}

/// Episodes of one server that open within minutes of each other are one incident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct IncidentCounts {
    /// Incidents with an episode that touches an event.
    #[serde(rename = "true")]
    pub true_: u64,
    /// All others.
    #[serde(rename = "false")]
    pub false_: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentSummary {
    #[serde(flatten)]
    pub counts: IncidentCounts,
    /// What the alert budget counts.
    pub false_per_server_day: PoissonRate,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpisodeSummary {
    /// Flagged records at most this many positions apart are one episode.
    pub merge_gap: u64,
    #[serde(flatten)]
    pub counts: EpisodeCounts,
    pub false_per_stream_day: PoissonRate,
    pub false_per_server_day: PoissonRate,
    /// The same without those that follow an event.
    pub unprompted_per_stream_day: PoissonRate,
    pub unprompted_per_server_day: PoissonRate,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct KindRow {
    pub kind: String,
    pub records: u64,
    pub flagged: u64,
    pub recall: f64,
    pub events: u64,
    pub found: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamRow {
    pub server: String,
    pub component: String,
    pub days: f64,
    pub confusion: Confusion,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub events: EventCounts,
    pub episodes: EpisodeCounts,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scores {
    pub normal: ScoreHistogram,
    pub anomalous: ScoreHistogram,
}
