//! How far a source's event time has come: the largest time of its records, except where one record alone says so.
//!
//! A timestamp from the far future, read once, must not end the judging of everything that stops: a leap counts when a
//! second record confirms it. A clock that was wrong for long and is set right counts after many records in a row.

use serde::{Deserialize, Serialize};

use crate::time::EventTime;

/// Further ahead than this waits for a second record; further back counts towards a clock set back. An hour is more
/// than the skew of servers that have a clock at all, and a zone or a daylight saving gone wrong is not less.
const LEAP_S: f64 = 3_600.0;
/// So many records in a row, each further back than [`LEAP_S`], mean a clock set back: more than a buffer that a server
/// delivers late, few enough to go on within a day of minutes.
const BACK_RECORDS: u32 = 512;

/// The largest event time of a source, robustly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Watermark {
    at: Option<EventTime>,
    /// A leap that one record claims.
    ahead: Option<EventTime>,
    /// Records in a row that are far behind, and the latest of them.
    behind: Option<(u32, EventTime)>,
}

/// What a record's time was to the watermark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WatermarkProgress {
    /// The watermark went on by so many seconds, or stands where the record is.
    On(f64),
    /// The record is older.
    Late,
    /// The record leaps ahead and is not believed yet.
    Ahead,
    /// Time begins anew, further back.
    SetBack,
}

impl Watermark {
    /// Where the source's event time stands; `None` before the first record.
    #[must_use]
    pub fn at(&self) -> Option<EventTime> {
        self.at
    }

    /// Takes the next record's time.
    pub fn push(&mut self, time: EventTime) -> WatermarkProgress {
        let Some(at) = self.at else {
            self.at = Some(time);
            return WatermarkProgress::On(0.0);
        };
        let step = time.seconds_since(at);
        if step > LEAP_S {
            return self.leap(at, time);
        }
        if step < -LEAP_S {
            return self.far_back(time);
        }
        self.ahead = None;
        self.behind = None;
        if step < 0.0 {
            return WatermarkProgress::Late;
        }
        self.at = Some(time);
        WatermarkProgress::On(step)
    }

    fn leap(&mut self, at: EventTime, time: EventTime) -> WatermarkProgress {
        self.behind = None;
        let Some(claimed) = self.ahead.filter(|claimed| time.seconds_since(*claimed) >= -LEAP_S) else {
            self.ahead = Some(time);
            return WatermarkProgress::Ahead;
        };
        // Where records are hours apart each one is a leap: time then follows one record behind.
        let again = time.seconds_since(claimed) > LEAP_S;
        let to = if again { claimed } else { claimed.max(time) };
        self.ahead = again.then_some(time);
        self.at = Some(to);
        WatermarkProgress::On(to.seconds_since(at))
    }

    fn far_back(&mut self, time: EventTime) -> WatermarkProgress {
        let (records, latest) = self.behind.map_or((1, time), |(records, latest)| (records + 1, latest.max(time)));
        self.behind = Some((records, latest));
        if records < BACK_RECORDS {
            return WatermarkProgress::Late;
        }
        *self = Self { at: Some(latest), ahead: None, behind: None };
        WatermarkProgress::SetBack
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_micros(seconds * 1_000_000)
    }

    fn pushed(times: &[i64]) -> (Watermark, Vec<WatermarkProgress>) {
        let mut watermark = Watermark::default();
        let progress = times.iter().map(|t| watermark.push(at(*t))).collect();
        (watermark, progress)
    }

    #[test]
    fn it_follows_the_largest_time() {
        let (watermark, progress) = pushed(&[100, 160, 130, 160, 170]);
        assert_eq!(watermark.at(), Some(at(170)));
        let expected = [
            WatermarkProgress::On(0.0),
            WatermarkProgress::On(60.0),
            WatermarkProgress::Late,
            WatermarkProgress::On(0.0),
            WatermarkProgress::On(10.0),
        ];
        assert_eq!(progress, expected);
    }

    #[test]
    fn one_wild_time_moves_nothing_and_two_do() {
        let (watermark, progress) = pushed(&[0, 100 * HOUR, 60]);
        assert_eq!(
            (watermark.at(), progress[1], progress[2]),
            (Some(at(60)), WatermarkProgress::Ahead, WatermarkProgress::On(60.0))
        );
        let (watermark, progress) = pushed(&[0, 10 * HOUR, 10 * HOUR + 5]);
        assert_eq!((watermark.at(), progress[2]), (Some(at(10 * HOUR + 5)), WatermarkProgress::On(36_005.0)));
        let (watermark, _) = pushed(&[0, 100 * HOUR, 60, 10 * HOUR]);
        assert_eq!(watermark.at(), Some(at(60)), "the wild time is forgotten");
    }

    #[test]
    fn records_hours_apart_are_followed_one_behind() {
        let (watermark, _) = pushed(&[0, 5 * HOUR, 10 * HOUR, 15 * HOUR]);
        assert_eq!(watermark.at(), Some(at(10 * HOUR)));
    }

    #[test]
    fn a_clock_set_back_counts_after_many_records() {
        let mut watermark = Watermark::default();
        let _ = watermark.push(at(1_000 * HOUR));
        let progress: Vec<WatermarkProgress> = (0..600).map(|i| watermark.push(at(i))).collect();
        assert_eq!(progress.iter().position(|p| *p == WatermarkProgress::SetBack), Some(511));
        assert_eq!(watermark.at(), Some(at(599)));
        let _ = watermark.push(at(599 + 2 * HOUR));
        assert_eq!(watermark.at(), Some(at(599)));
    }
}
