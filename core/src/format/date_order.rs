//! Dates of three numbers whose order the line does not tell, such as `03/04/2026` and `05/01/26`: which of the readings is
//! meant, told by the source's option, by what its lines have shown, and by the clock. Refuses to guess.

use serde::{Deserialize, Serialize};

use super::{
    Context,
    calendar::{AHEAD_MICROS_MAX, Civil},
    cursor::ClockParts,
};
use crate::{record::Fault, time::EventTime};

/// A log that is being written, or was written last, on the day in question.
const SAME_DAY_MICROS: u64 = 86_400_000_000;
/// Years of two digits: a log is rarely older than a year when only the century of the others would be possible.
const RECENT_MICROS: u64 = 366 * SAME_DAY_MICROS;

/// The order of numbers in a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateOrder {
    /// `31/12/2026`, most of the world.
    DayFirst,
    /// `12/31/2026`, North America.
    MonthFirst,
    /// `26/12/31`, years of two digits only.
    YearFirst,
}

/// The spellings of the configuration.
pub const DATE_ORDERS: [(&str, DateOrder); 3] =
    [("day-first", DateOrder::DayFirst), ("month-first", DateOrder::MonthFirst), ("year-first", DateOrder::YearFirst)];

/// An order that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no order of dates (one of day-first, month-first, year-first)")]
pub struct UnknownDateOrder(String);

impl std::str::FromStr for DateOrder {
    type Err = UnknownDateOrder;

    fn from_str(text: &str) -> Result<Self, UnknownDateOrder> {
        let found = DATE_ORDERS.iter().find(|(name, _)| *name == text);
        found.map(|(_, order)| *order).ok_or_else(|| UnknownDateOrder(text.to_owned()))
    }
}

/// A date of three numbers, in the order of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumericDate {
    pub numbers: [u32; 3],
    /// The last number is a year of four digits.
    pub has_full_year: bool,
    /// Written without leading zeros, as American programs write it together with AM and PM.
    pub is_unpadded: bool,
}

impl NumericDate {
    /// The instant; `None` when no reading is a date.
    pub(crate) fn resolve(
        self,
        clock: ClockParts,
        offset_s: i32,
        context: &Context,
    ) -> Option<Result<EventTime, Fault>> {
        let mut readings: heapless::Vec<(DateOrder, EventTime), 3> = heapless::Vec::new();
        for (_, order) in DATE_ORDERS {
            if let Some(time) = self.date(order).and_then(|date| Civil::of(date, clock).resolve(offset_s, context)) {
                // Three orders are three readings at most.
                let _ = readings.push((order, time));
            }
        }
        let first = readings.first()?.1;
        if let Some(order) = context.times.date_order {
            // The option is about days and months; a year first shows itself where the others do not fit.
            return Some(find(&readings, order).ok_or(Fault::DateOrder));
        }
        if readings.len() > 1 && readings.iter().all(|(_, time)| *time == first) {
            return Some(Ok(first));
        }
        Some(self.choose(readings, clock, context))
    }

    fn date(self, order: DateOrder) -> Option<(i32, u32, u32)> {
        let [a, b, c] = self.numbers;
        let (year, month, day) = match order {
            DateOrder::DayFirst => (c, b, a),
            DateOrder::MonthFirst => (c, a, b),
            DateOrder::YearFirst if self.has_full_year => return None,
            DateOrder::YearFirst => (a, b, c),
        };
        let year = i32::try_from(year).ok()?;
        Some((if self.has_full_year { year } else { full_year(year) }, month, day))
    }

    fn choose(
        self,
        mut readings: heapless::Vec<(DateOrder, EventTime), 3>,
        clock: ClockParts,
        context: &Context,
    ) -> Result<EventTime, Fault> {
        let told = |order: DateOrder, time: EventTime| {
            context.order_shown.set(Some(order));
            Ok(time)
        };
        if let [(order, time)] = *readings {
            return told(order, time);
        }
        if let Some(time) = context.order_shown.get().and_then(|order| find(&readings, order)) {
            return Ok(time);
        }
        let all = readings.clone();
        let mut is_old = false;
        if let Some(reference) = context.reference {
            readings.retain(|(_, time)| time.micros() <= reference.micros().saturating_add(AHEAD_MICROS_MAX));
            if !self.has_full_year {
                readings.retain(|(_, time)| distance(*time, reference) <= RECENT_MICROS);
                is_old = readings.is_empty();
            }
            if let [(order, time)] = *readings {
                return told(order, time);
            }
            // On the day on which the file was written last only one of them fits, unless by chance.
            readings.retain(|(_, time)| distance(*time, reference) <= SAME_DAY_MICROS);
            if let [(_, time)] = *readings {
                return Ok(time);
            }
        }
        let usual = match (self.has_full_year, clock.twelve_hours && self.is_unpadded) {
            (true, true) => find(&all, DateOrder::MonthFirst),
            // A log that is years old: big programs write the year first.
            (false, _) if is_old => find(&all, DateOrder::YearFirst),
            _ => None,
        };
        usual.ok_or(Fault::DateOrder)
    }
}

/// The century of a year of two digits.
pub(crate) fn full_year(year: i32) -> i32 {
    if year < 70 { 2_000 + year } else { 1_900 + year }
}

fn find(readings: &[(DateOrder, EventTime)], order: DateOrder) -> Option<EventTime> {
    readings.iter().find(|(known, _)| *known == order).map(|(_, time)| *time)
}

fn distance(a: EventTime, b: EventTime) -> u64 {
    a.micros().abs_diff(b.micros())
}
