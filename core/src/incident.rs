//! Neighbouring episodes of one server are one incident: one cause shows in many streams within minutes, and is one thing
//! to look at. Pure; event time is an argument.
//!
//! An episode belongs to the incident under way when it opens soon after the one before it did. How soon, the stream says
//! that opened that one: what is read every five minutes shows a cause later than what is read every second. Records that
//! go on being odd hold no incident open: another cause may come while they last.

use serde::{Deserialize, Serialize};

use crate::{limits::EPISODE_GAP_RECORDS, time::EventTime};

/// Episodes that open within so many seconds are neighbours, at least ...
pub const INCIDENT_GAP_S: f64 = 300.0;
/// ... and at most, where records are far apart.
pub const INCIDENT_GAP_MAX_S: f64 = 3_600.0;
/// An incident takes in no more after so many seconds: what goes on all day has more causes than one.
pub const INCIDENT_MAX_S: f64 = 6.0 * 3_600.0;

/// The incident that a server is in.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct IncidentRun(Option<Neighbourhood>);

/// When an incident began, and from and until when episodes that open are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Neighbourhood {
    first: EventTime,
    from: EventTime,
    until: EventTime,
}

impl IncidentRun {
    /// An episode opens at `time` in a stream whose last two records were `pause_s` apart. Whether an incident begins with
    /// it.
    pub fn push(&mut self, time: EventTime, pause_s: f64) -> bool {
        let gap_s = gap_s(pause_s);
        let (from, until) = (time.plus_seconds(-gap_s), time.plus_seconds(gap_s));
        if !self.holds(time) {
            self.0 = Some(Neighbourhood { first: time, from, until });
            return true;
        }
        if let Some(open) = &mut self.0 {
            (open.from, open.until) = (open.from.min(from), open.until.max(until));
        }
        false
    }

    /// Whether an episode that opens at `time` is part of the incident.
    #[must_use]
    pub fn holds(&self, time: EventTime) -> bool {
        self.0.is_some_and(|open| {
            (open.from..=open.until).contains(&time) && time.seconds_since(open.first).abs() <= INCIDENT_MAX_S
        })
    }

    /// Whether nothing that opens at `time` or later is part of it.
    #[must_use]
    pub fn is_over(&self, time: EventTime) -> bool {
        self.0.is_none_or(|open| open.until < time)
    }
}

/// Seconds within which an episode opens that is a neighbour of one in a stream whose last two records were `pause_s` apart.
#[must_use]
pub fn gap_s(pause_s: f64) -> f64 {
    (pause_s * f64::from(EPISODE_GAP_RECORDS)).clamp(INCIDENT_GAP_S, INCIDENT_GAP_MAX_S)
}

/// An episode as an incident sees it, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpisodeOpening<T> {
    /// Its first odd record.
    pub time: EventTime,
    /// Seconds between that and the stream's record before.
    pub pause_s: f64,
    /// What is known of it.
    pub what: T,
}

/// The incidents that one server's episodes are, given in any order; in order of time.
#[must_use]
pub fn incidents<T>(mut episodes: Vec<EpisodeOpening<T>>) -> Vec<Vec<T>> {
    episodes.sort_by_key(|episode| episode.time);
    let mut run = IncidentRun::default();
    let mut found: Vec<Vec<T>> = Vec::new();
    for EpisodeOpening { time, pause_s, what } in episodes {
        match found.last_mut() {
            Some(open) if !run.push(time, pause_s) => open.push(what),
            Some(_) => found.push(vec![what]),
            None => {
                run.push(time, pause_s);
                found.push(vec![what]);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_micros(seconds * 1_000_000)
    }

    fn begin(openings: &[(i64, f64)]) -> Vec<bool> {
        let mut run = IncidentRun::default();
        openings.iter().map(|(seconds, pause_s)| run.push(at(*seconds), *pause_s)).collect()
    }

    #[test]
    fn what_opens_within_minutes_is_one_incident() {
        assert_eq!(begin(&[(0, 1.0), (300, 1.0), (600, 1.0), (901, 1.0)]), [true, false, false, true]);
        let (minutes, hours) = ((300, 300.0), (3_601, 3_600.0));
        assert_eq!(begin(&[(0, 300.0), minutes, (1_800, 300.0), hours]), [true, false, false, true]);
    }

    #[test]
    fn a_late_record_is_part_of_it_and_one_of_long_ago_is_not() {
        assert_eq!(begin(&[(1_000, 1.0), (800, 1.0), (1_000, 1.0), (100, 1.0)]), [true, false, false, true]);
    }

    #[test]
    fn no_incident_takes_in_a_whole_day() {
        let openings: Vec<(i64, f64)> = (0..24 * 60).map(|minute| (minute * 60, 60.0)).collect();
        assert_eq!(begin(&openings).iter().filter(|begins| **begins).count(), 4);
    }

    #[test]
    fn episodes_are_grouped_whatever_their_order() {
        let opening = |minute: i64| EpisodeOpening { time: at(60 * minute), pause_s: 60.0, what: minute };
        let found = incidents([60, 0, 5, 3, 62, 90].map(opening).to_vec());
        assert_eq!(found, [vec![0, 3, 5], vec![60, 62], vec![90]]);
        assert!(incidents::<()>(Vec::new()).is_empty());
    }
}
