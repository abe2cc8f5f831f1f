//! More names than there are places: told once an incident, and while it lasts a name that is not known says nothing. Pure;
//! event time only.

use oddline_core::time::EventTime;
use serde::{Deserialize, Serialize};

/// Without a name too many for so long, in seconds, the next one is another incident.
const OVER_S: f64 = 86_400.0;
/// For so long after one, in seconds, a name that seems new may be one that had to go.
const DOUBTFUL_S: f64 = 7.0 * 86_400.0;

/// When a name had to go last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct NameOverflow(Option<EventTime>);

impl NameOverflow {
    /// A name had to go at this event time; whether that is to be told.
    pub(crate) fn evicted(&mut self, now: EventTime) -> bool {
        let is_new = self.0.is_none_or(|last| now.seconds_since(last).abs() >= OVER_S);
        self.0 = Some(now);
        is_new
    }

    /// Whether a name that is not known was perhaps known.
    #[must_use]
    pub(crate) fn is_doubtful(&self, now: EventTime) -> bool {
        self.0.is_some_and(|last| now.seconds_since(last) < DOUBTFUL_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_makes_another_incident() {
        let at = |hours: i64| EventTime::from_micros(hours * 3_600_000_000);
        let mut crowd = NameOverflow::default();
        let told: Vec<bool> = [0, 1, 24, 47, 71, 100].map(|hours| crowd.evicted(at(hours))).into();
        assert_eq!(told, [true, false, false, false, true, true]);
        assert!(crowd.is_doubtful(at(200)) && !crowd.is_doubtful(at(300)));
        assert!(!NameOverflow::default().is_doubtful(at(0)));
    }
}
