//! Whether the time of a record can be right: one that is far from its neighbours and from the clock is wrong, and never the
//! source's new now. A log that really jumps goes on: what a second record confirms is believed.
//!
//! | the record's time | is believed |
//! |---|---|
//! | within a day of the record before it | always |
//! | later, and not after the clock | always; when one of the next records is where time stood before, it was the leap that was wrong |
//! | more than a day after the clock | with the eighth record near it; where no record was before, with the second |
//! | more than a day earlier | with the second record near it; before the year 2000 with the eighth |
//! | earlier, the first of a file | always |
//!
//! The clock is when the file was last written; one before this program was is a clock that was never set, and counts for nothing.

use oddline_core::{
    format::DateOrder,
    time::{DAY_S, EventTime, WRITTEN},
};
use serde::{Deserialize, Serialize};

const FAR_MICROS: u64 = DAY_S.unsigned_abs() * 1_000_000;
/// 2000-01-01: a clock before it was never set.
const UNSET: EventTime = EventTime::from_micros(946_684_800_000_000);
/// Records that say the same before a jump back is believed: a log that goes on elsewhere loses one time.
const CONFIRMED: u32 = 2;
/// The same of what no clock shows: a burst from a device is shorter, and no log is later than its clock.
const CONFIRMED_AGAINST_THE_CLOCK: u32 = 8;
/// After so many records in between, records far away say nothing about each other.
const RECORDS_APART_MAX: u32 = 64;
/// A leap that so many records followed is believed: what comes from before it is a jump back like any other.
const LEAP_RECORDS: u32 = 8;

/// What is known of a source's times besides the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TimeMemory {
    /// The order of numbers that its dates have shown.
    pub(crate) order_shown: Option<DateOrder>,
    /// The latest time that was not believed.
    claim: Option<ClaimedTime>,
    /// Where time stood before a leap, and the records since.
    before_leap: Option<(EventTime, u32)>,
    /// No record of this file has had a time.
    at_start: bool,
}

/// A time that records claim and others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct ClaimedTime {
    time: EventTime,
    /// Records near it.
    records: u32,
    /// Records elsewhere since.
    apart: u32,
}

impl TimeMemory {
    pub(crate) fn start_of_file(&mut self) {
        self.at_start = true;
    }

    /// Takes a record's time; whether it is believed. `previous` is the last that was, no line is after `reference`.
    pub(crate) fn believes(
        &mut self,
        time: EventTime,
        previous: Option<EventTime>,
        reference: Option<EventTime>,
    ) -> bool {
        let at_start = std::mem::take(&mut self.at_start);
        let is_usual = previous.is_some_and(|previous| is_near(time, previous));
        if is_usual && self.claim.is_none() && self.before_leap.is_none() {
            return true;
        }
        let reference = reference.filter(|reference| *reference >= WRITTEN);
        let is_ahead = |time: EventTime| reference.is_some_and(|clock| time > clock && !is_near(time, clock));
        let needed = match previous {
            _ if is_usual => 0,
            None if is_ahead(time) => CONFIRMED,
            None => 0,
            Some(_) if is_ahead(time) => CONFIRMED_AGAINST_THE_CLOCK,
            Some(previous) if time > previous => {
                self.before_leap = Some((previous, 0));
                return self.elsewhere();
            }
            Some(previous) if at_start || is_ahead(previous) || self.is_back_from_a_leap(time) => {
                self.before_leap = None;
                0
            }
            Some(_) if time < UNSET => CONFIRMED_AGAINST_THE_CLOCK,
            Some(_) => CONFIRMED,
        };
        if needed == 0 {
            return self.elsewhere();
        }
        let records = match self.claim {
            Some(claim) if is_near(time, claim.time) => claim.records.saturating_add(1),
            _ => 1,
        };
        self.claim = Some(ClaimedTime { time, records, apart: 0 });
        records >= needed
    }

    /// A record that is believed lies not where the claim does.
    fn elsewhere(&mut self) -> bool {
        if let Some(claim) = &mut self.claim {
            claim.apart += 1;
        }
        self.claim = self.claim.filter(|claim| claim.apart <= RECORDS_APART_MAX);
        if let Some((_, records)) = &mut self.before_leap {
            *records += 1;
        }
        self.before_leap = self.before_leap.filter(|(_, records)| *records <= LEAP_RECORDS);
        true
    }

    fn is_back_from_a_leap(&self, time: EventTime) -> bool {
        self.before_leap.is_some_and(|(before, _)| time >= before || is_near(time, before))
    }
}

fn is_near(a: EventTime, b: EventTime) -> bool {
    a.micros().abs_diff(b.micros()) <= FAR_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const CLOCK: &str = "2027-03-10T00:00:00Z";

    fn at(text: &str) -> EventTime {
        EventTime::parse(text).unwrap()
    }

    /// Which of the times are believed, in a file last written at [`CLOCK`].
    fn believed(times: &[EventTime]) -> Vec<bool> {
        let (mut memory, mut previous) = (TimeMemory::default(), None);
        let mut believes = |time: &EventTime| {
            let believed = memory.believes(*time, previous, Some(at(CLOCK)));
            previous = if believed { Some(*time) } else { previous };
            believed
        };
        times.iter().map(&mut believes).collect()
    }

    /// A minute apart, from a time on.
    fn minutes(from: &str, count: i64) -> Vec<EventTime> {
        (0..count).map(|i| at(from).plus_seconds((i * 60) as f64)).collect()
    }

    #[test]
    fn one_wild_time_is_wrong_and_the_source_goes_on() {
        for wild in ["2099-01-01T00:00:00Z", "1970-01-01T00:00:09Z", "2027-03-12T00:00:00Z", "2020-05-05T05:05:05Z"] {
            let times =
                [minutes("2027-03-01T00:00:00Z", 20), vec![at(wild)], minutes("2027-03-01T00:20:00Z", 20)].concat();
            let expected: Vec<bool> = (0..41).map(|i| i != 20).collect();
            assert_eq!(believed(&times), expected, "{wild}");
        }
    }

    #[test]
    fn a_few_wild_times_are_wrong_too() {
        for wild in ["2099-01-01T00:00:00Z", "1970-01-01T00:00:09Z"] {
            let times =
                [minutes("2027-03-01T00:00:00Z", 20), minutes(wild, 5), minutes("2027-03-01T00:20:00Z", 20)].concat();
            let expected: Vec<bool> = (0..45).map(|i| !(20..25).contains(&i)).collect();
            assert_eq!(believed(&times), expected, "{wild}");
        }
    }

    #[test]
    fn after_a_leap_that_may_be_a_silence_the_log_goes_on_where_it_was() {
        let times = [
            minutes("2027-03-01T00:00:00Z", 5),
            minutes("2027-03-08T00:00:00Z", 1),
            minutes("2027-03-01T00:05:00Z", 9),
        ];
        assert!(believed(&times.concat()).into_iter().all(|b| b));
        let silence = [minutes("2027-03-01T00:00:00Z", 5), minutes("2027-03-08T00:00:00Z", 90)].concat();
        assert!(believed(&silence).into_iter().all(|b| b));
        let wild = [silence, minutes("2027-03-01T00:05:00Z", 1), minutes("2027-03-08T01:30:00Z", 9)].concat();
        assert_eq!(believed(&wild).iter().position(|b| !b), Some(95));
    }

    #[test]
    fn a_log_that_jumps_back_loses_one_time() {
        let times = [minutes("2027-03-05T00:00:00Z", 9), minutes("2027-02-01T00:00:00Z", 9)].concat();
        assert_eq!(believed(&times).iter().filter(|b| !**b).count(), 1);
        let (mut memory, previous) = (TimeMemory::default(), Some(at("2027-03-05T00:00:00Z")));
        memory.start_of_file();
        assert!(
            memory.believes(at("2027-02-01T00:00:00Z"), previous, Some(at(CLOCK))),
            "another file may begin earlier"
        );
    }

    #[test]
    fn servers_days_apart_in_one_log_are_both_believed() {
        let times: Vec<EventTime> = (0..100)
            .map(|i| at("2027-03-05T00:00:00Z").plus_seconds((i * 60 - if i % 2 == 0 { 72 * HOUR } else { 0 }) as f64))
            .collect();
        assert!(believed(&times).into_iter().filter(|b| !b).count() <= 1);
    }

    #[test]
    fn a_log_from_the_future_and_a_clock_that_was_never_set_lose_little() {
        let future = minutes("2031-01-01T00:00:00Z", 50);
        assert_eq!(believed(&future).into_iter().filter(|b| !b).count(), 1);
        let mut memory = TimeMemory::default();
        assert!(memory.believes(at(CLOCK), None, Some(at("1970-01-01T00:01:00Z"))));
        assert!(memory.believes(at(CLOCK), None, None));
        let first = [minutes("2099-01-01T00:00:00Z", 1), minutes("2027-03-01T00:00:00Z", 9)].concat();
        assert_eq!(believed(&first).iter().position(|b| !b), Some(0));
        assert_eq!(believed(&first).into_iter().filter(|b| !b).count(), 1);
        let boot = [minutes("1970-01-01T00:00:00Z", 50), minutes("2027-03-01T00:00:00Z", 50)].concat();
        assert!(believed(&boot).into_iter().all(|b| b));
    }
}
