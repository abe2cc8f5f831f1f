//! Twelve faults of different kinds, one after the other from the second day on, and what each does to the values of the
//! streams it shows in.

use super::at;
use crate::data::{LabelledWindow, random::SplitMix};

/// The first begins in the second night, when two days are not known yet; the others follow at this distance, in minutes.
const FIRST: f64 = 1_500.0;
const APART: f64 = 675.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    DiskFilling,
    CpuRunaway,
    StuckSensor,
    ServiceStopped,
    ErrorBurst,
    LatencyShift,
    NetworkLoss,
    CounterReset,
    MemoryLeak,
    TemperatureRise,
    SwapStorm,
    UnseenStatus,
}

/// A fault with its time.
pub(crate) struct PlantedFault {
    pub kind: FaultKind,
    pub window: LabelledWindow,
    /// Minutes of the week.
    start: f64,
    minutes: f64,
}

/// All twelve, in order of time.
pub(crate) fn planted() -> Vec<PlantedFault> {
    let planted = |(number, kind): (usize, FaultKind)| {
        let (start, minutes) = (FIRST + number as f64 * APART, kind.minutes());
        PlantedFault { kind, window: LabelledWindow { start: at(start), end: at(start + minutes) }, start, minutes }
    };
    FaultKind::ALL.into_iter().enumerate().map(planted).collect()
}

impl FaultKind {
    pub(crate) const ALL: [Self; 12] = [
        Self::CpuRunaway,
        Self::ErrorBurst,
        Self::StuckSensor,
        Self::DiskFilling,
        Self::ServiceStopped,
        Self::LatencyShift,
        Self::NetworkLoss,
        Self::CounterReset,
        Self::MemoryLeak,
        Self::TemperatureRise,
        Self::SwapStorm,
        Self::UnseenStatus,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DiskFilling => "disk filling",
            Self::CpuRunaway => "cpu runaway",
            Self::StuckSensor => "stuck sensor",
            Self::ServiceStopped => "service stopped sending",
            Self::ErrorBurst => "burst of errors",
            Self::LatencyShift => "latency shift",
            Self::NetworkLoss => "network loss",
            Self::CounterReset => "counter reset",
            Self::MemoryLeak => "memory leak",
            Self::TemperatureRise => "temperature rise",
            Self::SwapStorm => "swap storm",
            Self::UnseenStatus => "status never seen",
        }
    }

    /// The streams it shows in.
    pub(crate) fn streams(self) -> &'static [&'static str] {
        match self {
            Self::DiskFilling => &["disk./.used", "disk.sda.written"],
            Self::CpuRunaway => &["cpu.busy", "load1", "pressure.cpu", "temperature.cpu"],
            Self::StuckSensor => &["humidity"],
            Self::ServiceStopped => &["queue.depth"],
            Self::ErrorBurst => &["web.errors"],
            Self::LatencyShift => &["web.latency_ms"],
            Self::NetworkLoss => &["net.eth0.received", "net.eth0.sent"],
            Self::CounterReset => &["web.requests_total"],
            Self::MemoryLeak => &["memory.used"],
            Self::TemperatureRise => &["temperature.cpu"],
            Self::SwapStorm => &["swap.used", "pressure.memory", "disk.sda.busy"],
            Self::UnseenStatus => &["web.status"],
        }
    }

    fn minutes(self) -> f64 {
        match self {
            Self::DiskFilling | Self::MemoryLeak => 300.0,
            Self::CpuRunaway => 90.0,
            Self::StuckSensor => 180.0,
            Self::ServiceStopped => 120.0,
            Self::ErrorBurst => 20.0,
            Self::LatencyShift => 60.0,
            Self::NetworkLoss | Self::SwapStorm => 40.0,
            Self::CounterReset => 10.0,
            Self::TemperatureRise => 150.0,
            Self::UnseenStatus => 15.0,
        }
    }
}

impl PlantedFault {
    /// The minute of the week it begins in.
    pub(super) fn start(&self) -> f64 {
        self.start
    }

    /// What the fault makes of a stream's value in this minute; `None`: there is no record. `before` is the value of the
    /// stream's record before the fault.
    pub(super) fn apply(
        &self,
        stream: &str,
        minute: f64,
        value: f64,
        before: f64,
        random: &mut SplitMix,
    ) -> Option<f64> {
        let into = minute - self.start;
        // A counter goes on from where it was reset.
        let is_over = into >= self.minutes && self.kind != FaultKind::CounterReset;
        if into < 0.0 || is_over || !self.kind.streams().contains(&stream) {
            return Some(value);
        }
        let share = into / self.minutes;
        Some(match (self.kind, stream) {
            (FaultKind::DiskFilling, "disk./.used") => value + 40.0 * share,
            (FaultKind::DiskFilling, _) => value + 9e6,
            (FaultKind::CpuRunaway, "load1") => value + 6.0 * (1.0 - (-into / 4.0).exp()),
            (FaultKind::CpuRunaway, "temperature.cpu") => value + 8.0 * (1.0 - (-into / 8.0).exp()),
            (FaultKind::CpuRunaway, _) => 100.0 - 1.5 * random.uniform(),
            (FaultKind::StuckSensor, _) => before,
            (FaultKind::ServiceStopped, _) => return None,
            (FaultKind::ErrorBurst, _) => value + (25.0 + 10.0 * random.uniform()).round(),
            (FaultKind::LatencyShift, _) => value * 2.5,
            (FaultKind::NetworkLoss, _) => value * 0.01,
            (FaultKind::CounterReset, _) => value - before,
            (FaultKind::MemoryLeak, _) => (value + 38.0 * share).min(98.0),
            (FaultKind::TemperatureRise, _) => value + 20.0 * share,
            (FaultKind::SwapStorm, "disk.sda.busy") => (value + 70.0).min(100.0),
            (FaultKind::SwapStorm, _) => value + 35.0 + 6.0 * random.gaussian(),
            (FaultKind::UnseenStatus, _) if random.chance(0.4) => 507.0,
            (FaultKind::UnseenStatus, _) => value,
        })
    }
}
