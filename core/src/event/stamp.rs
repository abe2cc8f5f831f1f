//! Under which circumstances an event was written down: three clocks, because a Raspberry Pi starts in 1970 and jumps.

use serde::{Deserialize, Serialize};

use super::instant;
use crate::{id::BootId, time::EventTime};

/// Clocks of the host when the event entered the spool. Two events of one boot are ordered by `monotonic_us` even when
/// the wall clock jumped between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStamp {
    /// The boot.
    pub boot: BootId,
    /// Microseconds since that boot.
    pub monotonic_us: u64,
    /// Wall clock, however wrong.
    #[serde(with = "instant")]
    pub wall: EventTime,
}
