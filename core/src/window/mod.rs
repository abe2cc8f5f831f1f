//! Many metrics of one server together: the window view. Pure, on event time, bounded.
//!
//! ```text
//!  readings of a server's streams -> [`WindowTable`] joins them by interval -> ClosedWindow -> (detector) -> residuals
//!                                                                                                   |
//!                                       WindowVerdict <- smoothed over some windows <- score of the window
//! ```
//!
//! A metric is three numbers of a window's vector: its mean residual on its stream's own scale, how far that lately was from
//! where it slowly is, and its step from the window before. What the streams' baselines say is all that is needed to make
//! them, and no verdict takes part: live and replay agree by construction. A metric without a reading is as expected, and its
//! residual does not count.
//!
//! Smoothing is worth as much as the method (docs/decisions/2026-11-27-window.md): what is judged is the mean of the last
//! windows' scores; the single window's tells the time and the metrics.

mod metric;
mod table;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::table::{ClosedWindow, WindowCounts, WindowReading, WindowTable};
use crate::{
    budget::BudgetProfile, episode::EpisodeStep, limits::WINDOW_METRICS_MAX, stream::StreamName, time::EventTime,
};

/// Numbers of a metric in a window's vector: residual, level, step.
pub const METRIC_FEATURES: usize = 3;
/// Shortest interval, in seconds; streams that come more seldom have a longer one.
pub const INTERVAL_MIN_S: u32 = 300;
/// Longest interval: there must be some windows a day.
pub const INTERVAL_MAX_S: u32 = 21_600;
/// A server with fewer known metrics has nothing to say together.
pub const METRICS_MIN: usize = 2;

/// How windows are made and scored. Metrics are components, the same on every server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowView {
    /// Seconds of an interval, which begins at a multiple of it since 1970.
    pub interval_s: u32,
    /// The metrics in the vector's order, sorted; each has [`METRIC_FEATURES`] numbers.
    pub metrics: Vec<String>,
    /// Training deviation of each number's residual, with its floor.
    pub residual_scale: Vec<f32>,
    /// Smoothed score at and above which a window is odd where nothing says more.
    pub threshold: f32,
    /// Where the servers' limits start from; without it the threshold alone says what is odd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetProfile>,
    /// Windows it was fitted to.
    pub windows: u64,
}

impl WindowView {
    /// Numbers of a window's vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.metrics.len() * METRIC_FEATURES
    }

    /// Whether everything in it can be: what a model file must promise.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_positive = |x: &f32| x.is_finite() && *x > 0.0;
        (1..=INTERVAL_MAX_S).contains(&self.interval_s)
            && (METRICS_MIN..=WINDOW_METRICS_MAX).contains(&self.metrics.len())
            && self.metrics.is_sorted_by(|a, b| a < b)
            && self.residual_scale.len() == self.width()
            && self.residual_scale.iter().all(is_positive)
            && is_positive(&self.threshold)
            && self.budget.as_ref().is_none_or(BudgetProfile::is_sound)
    }

    fn place(&self, component: &str) -> Option<usize> {
        self.metrics.binary_search_by(|metric| metric.as_str().cmp(component)).ok()
    }
}

/// The judgement of one server's window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowVerdict {
    /// Running number of the window in its source, from 0.
    pub number: u64,
    /// Time of the last reading in it.
    pub time: EventTime,
    /// The server, as a stream without a component.
    pub stream: std::sync::Arc<StreamName>,
    /// Score of this window alone, in training deviations.
    pub alone: f32,
    /// Smoothed score, in the limit of its server as often as [`WindowVerdict::threshold`] says.
    pub score: f32,
    /// The score at and above which it is odd.
    pub threshold: f32,
    /// Whether it is odd.
    pub anomalous: bool,
    /// Seconds of its interval.
    pub interval_s: f64,
    /// Metrics that had a reading.
    pub metrics: u32,
    /// The metrics that make most of it, the largest first.
    pub parts: Vec<WindowPart>,
    /// The server's episode of windows after it.
    pub step: EpisodeStep,
}

/// One metric's part in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowPart {
    /// The component.
    pub metric: String,
    /// Its mean in the interval: of a counter a rate, of a wandering stream the distance from where it was.
    pub observed: f64,
    /// What is usual then.
    pub expected: f64,
    /// Its share of the window's squared score, 0 to 1.
    pub share: f32,
}
