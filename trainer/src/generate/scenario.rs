//! What is to be generated: the components' normal behaviour, the two scenarios, and the checked
//! settings of one run. It refuses settings that cannot be met; it draws nothing itself.

use std::ops::Range;

use super::anomaly::SHARE_MAX;
use super::calendar;

/// One year of a large fleet is 6 streams a server; 10,000 servers need about 20 MB of state.
pub(super) const SERVERS_MAX: u32 = 10_000;
/// A hundred years: keeps every timestamp within four-digit years.
pub(super) const DAYS_MAX: u32 = 36_500;
/// A longer period has no daily curve left to see.
pub(super) const PERIOD_S_MAX: u32 = 21_600;
const JITTER_S_MAX: u32 = 5;
const JITTER_PERIODS: u32 = 12;

/// Normal behaviour of one component; `daily_amplitude` and `noise_sd` in the unit of `mean`.
#[derive(Debug, PartialEq)]
pub struct Component {
    /// As in the logs.
    pub name: &'static str,
    /// Before the server's offset.
    pub mean: f64,
    /// Of the first harmonic.
    pub daily_amplitude: f64,
    /// Of the values around the daily curve.
    pub noise_sd: f64,
    /// Least value possible.
    pub low: f64,
    /// Greatest value possible.
    pub high: f64,
    /// Hour of the day (UTC) at which the first harmonic peaks.
    pub peak_h: f64,
}

/// In the order of their names, which is the order of rows with the same time.
pub const COMPONENTS: [Component; 6] = [
    component("cpu", [45.0, 10.0, 4.0], 100.0, 14.0),
    component("disk_io", [120.0, 30.0, 15.0], f64::INFINITY, 2.0),
    component("error_rate", [2.0, 0.5, 0.5], f64::INFINITY, 13.0),
    component("latency", [80.0, 20.0, 8.0], f64::INFINITY, 15.0),
    component("memory", [60.0, 5.0, 2.0], 100.0, 17.0),
    component("network", [300.0, 120.0, 30.0], f64::INFINITY, 20.0),
];

const fn component(name: &'static str, scale: [f64; 3], high: f64, peak_h: f64) -> Component {
    let [mean, daily_amplitude, noise_sd] = scale;
    Component { name, mean, daily_amplitude, noise_sd, low: 0.0, high, peak_h }
}

/// Which of the two scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CurveShape {
    /// Independent noise around a mean; anomalies are single records far outside the normal range.
    Basic,
    /// Daily curves, autocorrelated noise and eight kinds of anomalous events.
    Full,
}

impl CurveShape {
    /// Share of anomalous records in the unseen log unless told otherwise.
    pub fn anomaly_rate(self) -> f64 {
        match self {
            CurveShape::Basic => 0.10,
            CurveShape::Full => 0.24,
        }
    }
}

/// Part of a run, a log each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `server_logs.txt`
    Training,
    /// `unseen_logs.txt`
    Unseen,
}

/// Settings of one run. Training comes first, the unseen phase follows without a break.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Which scenario.
    pub shape: CurveShape,
    /// Numbers of the servers; `1..4` are server-01 to server-03.
    pub servers: Range<u32>,
    /// Between two records of a stream.
    pub period_s: u32,
    /// Unix time of the first tick, seconds.
    pub start_s: i64,
    /// 0: no training phase.
    pub training_days: u32,
    /// At least 1.
    pub unseen_days: u32,
    /// Share of anomalous records in the training phase.
    pub contamination: f64,
    /// Share of anomalous records in the unseen phase.
    pub anomaly_rate: f64,
    /// Same seed, same records.
    pub seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            shape: CurveShape::Full,
            servers: 1..4,
            period_s: 60,
            start_s: calendar::seconds(2026, 1, 5, 0),
            training_days: 7,
            unseen_days: 7,
            contamination: 0.02,
            anomaly_rate: CurveShape::Full.anomaly_rate(),
            seed: 42,
        }
    }
}

/// Options that cannot be met, all of them at once.
#[derive(Debug, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct ScenarioError {
    /// A sentence each, with the option's name.
    pub problems: Vec<String>,
}

impl Scenario {
    /// # Errors
    /// [`ScenarioError`] names every setting out of range by its command line option.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let last = self.servers.end.saturating_sub(1);
        expect(
            self.servers.start >= 1 && !self.servers.is_empty() && last <= SERVERS_MAX,
            format!("--servers must be 1 to {SERVERS_MAX}"),
        );
        expect(
            (1..=PERIOD_S_MAX).contains(&self.period_s),
            format!("--period-s must be 1 to {PERIOD_S_MAX}, not {}", self.period_s),
        );
        expect(
            self.training_days <= DAYS_MAX,
            format!("--days must be at most {DAYS_MAX}, not {}", self.training_days),
        );
        expect(
            (1..=DAYS_MAX).contains(&self.unseen_days),
            format!("--test-days must be 1 to {DAYS_MAX}, not {}", self.unseen_days),
        );
        for (option, share) in [("--contamination", self.contamination), ("--anomaly-rate", self.anomaly_rate)] {
            expect(
                (0.0..SHARE_MAX).contains(&share),
                format!("{option} must be 0 or more and less than {SHARE_MAX}, not {share}"),
            );
        }
        let years = calendar::seconds(1970, 1, 1, 0)..calendar::seconds(3000, 1, 1, 0);
        expect(years.contains(&self.start_s), "--start must be in the years 1970 to 2999".into());
        if problems.is_empty() { Ok(()) } else { Err(ScenarioError { problems }) }
    }

    /// Records of a stream in the phase, missing ones included.
    pub fn ticks(&self, phase: Phase) -> u64 {
        let days = match phase {
            Phase::Training => self.training_days,
            Phase::Unseen => self.unseen_days,
        };
        u64::from(days) * 86_400 / u64::from(self.period_s)
    }

    /// Aimed share of anomalous records.
    pub fn share(&self, phase: Phase) -> f64 {
        match phase {
            Phase::Training => self.contamination,
            Phase::Unseen => self.anomaly_rate,
        }
    }

    /// A record lies at its tick plus 0 to twice this. At most a twelfth of the period, so that
    /// ticks never overlap and sorting within a tick sorts the file; whole seconds, so that
    /// timestamps need no fraction.
    pub fn jitter_s(&self) -> u32 {
        (self.period_s / JITTER_PERIODS).min(JITTER_S_MAX)
    }
}

pub(super) fn server_name(number: u32) -> String {
    format!("server-{number:02}")
}
