//! The shapes of dates, from the part that tells them apart, and what stands between a date and its time of day.

use crate::format::{
    calendar,
    cursor::{ClockParts, Cursor},
    date_order::{NumericDate, full_year},
};

/// A date as a line has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateParts {
    /// Year, month and day.
    Full((i32, u32, u32)),
    /// The same in digits without anything between them.
    Compact((i32, u32, u32)),
    /// Month and day.
    WithoutYear((u32, u32)),
    /// Three numbers in an order that is not told.
    Numbers(NumericDate),
}

impl DateParts {
    pub(super) fn has_year(&self) -> bool {
        !matches!(self, Self::WithoutYear(_))
    }
}

/// Years that digits without anything between them may mean.
const COMPACT_YEARS: std::ops::Range<i32> = 1_970..2_100;

impl Cursor<'_> {
    /// Passes a weekday; `None` for a word that only begins like one.
    pub(super) fn leading_weekday(&mut self) -> Option<bool> {
        if !self.peek()?.is_ascii_alphabetic() || !self.weekday() {
            return Some(false);
        }
        let _ = self.take(|b| matches!(b, b',' | b'.'));
        (self.blanks() > 0).then_some(true)
    }

    pub(super) fn date(&mut self) -> Option<DateParts> {
        let run = self.digit_run();
        match (run, self.bytes.get(self.at + run)) {
            (0, _) => self.month_first(),
            (4, Some(b'-' | b'/' | b'.' | b' ' | b'W')) => self.year_first(),
            (1 | 2, Some(b'/' | b' ' | b'-' | b'.')) => self.day_first(),
            (6, Some(b' ') | None) => self.short_date(),
            (7, Some(b'T') | None) => self.compact_ordinal(),
            (8, Some(b'T' | b't' | b' ' | b'-' | b'_') | None) | (14 | 17, _) => self.compact_date(),
            _ => None,
        }
    }

    /// `2026-01-05`, `2026/1/5`, `2026-Jan-05`, `2026 Jan  5`, `2026-005`, `2026-W02-1`, `2026W021`.
    fn year_first(&mut self) -> Option<DateParts> {
        let year = self.year(4)?;
        let separator = self.take(|b| b != b'W').unwrap_or(b'W');
        if separator == b'W' || (separator == b'-' && self.peek() == Some(b'W')) {
            self.at += 1;
            return self.week(year, separator == b'-');
        }
        if self.peek().is_some_and(|b| b.is_ascii_alphabetic()) {
            let month = self.month()?;
            let gap = if separator == b' ' { self.some_blanks() } else { self.take(|b| b == separator).map(drop) };
            gap?;
            let (day, _) = self.short_number()?;
            return Some(DateParts::Full((year, month, day)));
        }
        if separator == b' ' {
            return None;
        }
        if separator == b'-' && self.digit_run() == 3 {
            let (month, day) = calendar::day_of_year(year, self.digits(3)?)?;
            return Some(DateParts::Full((year, month, day)));
        }
        let (month, _) = self.short_number()?;
        self.take(|b| b == separator)?;
        let (day, _) = self.short_number()?;
        Some(DateParts::Full((year, month, day)))
    }

    fn week(&mut self, year: i32, has_dashes: bool) -> Option<DateParts> {
        let week = self.digits(2)?;
        if has_dashes {
            self.take(|b| b == b'-')?;
        }
        calendar::day_of_week(year, week, self.digits(1)?).map(DateParts::Full)
    }

    /// `05/Jan/2026`, `5-Jan-26`, `05 January 2026`, `05 Jan`, `05.01.2026`; `13/01/2026` and `26-01-05`; `01-05` is month
    /// and day.
    fn day_first(&mut self) -> Option<DateParts> {
        let (first, first_run) = self.short_number()?;
        let separator = self.take(|_| true)?;
        if self.peek()?.is_ascii_alphabetic() {
            let month = self.month()?;
            return self.year_after_name(separator, month, first);
        }
        if separator == b' ' {
            return None;
        }
        let (second, second_run) = self.short_number()?;
        if self.take(|b| b == separator).is_none() {
            let is_padded = separator == b'-' && first_run == 2 && second_run == 2;
            return if is_padded { without_year(first, second) } else { None };
        }
        let run = self.digit_run();
        let third = if matches!(run, 2 | 4) { self.digits(run)? } else { return None };
        if separator == b'.' {
            let year = i32::try_from(third).ok()?;
            return Some(DateParts::Full((if run == 4 { year } else { full_year(year) }, second, first)));
        }
        let is_padded = |number: u32, run: usize| run == 2 && number < 10;
        Some(DateParts::Numbers(NumericDate {
            numbers: [first, second, third],
            has_full_year: run == 4,
            is_unpadded: !is_padded(first, first_run) && !is_padded(second, second_run),
        }))
    }

    /// `January 5, 2026`, `Jan  5 2026`, `Jan-05-2026`, `Jan  5`.
    fn month_first(&mut self) -> Option<DateParts> {
        let month = self.month()?;
        let _ = self.take(|b| b == b'.');
        let separator = self.peek()?;
        match separator {
            b' ' | b'\t' => self.some_blanks()?,
            b'-' | b'/' => self.at += 1,
            _ => return None,
        }
        let (day, _) = self.short_number()?;
        self.year_after_name(separator, month, day)
    }

    /// The year after a day and a month's name; between blanks it may be missing.
    fn year_after_name(&mut self, separator: u8, month: u32, day: u32) -> Option<DateParts> {
        if matches!(separator, b'-' | b'/' | b'.') {
            self.take(|b| b == separator)?;
            let year = match self.digit_run() {
                4 => self.year(4)?,
                2 => full_year(self.year(2)?),
                _ => return None,
            };
            return Some(DateParts::Full((year, month, day)));
        }
        let before = self.at;
        let _ = self.take(|b| matches!(b, b',' | b'.'));
        self.blanks();
        if self.digit_run() == 4 && self.at > before && self.bytes.get(self.at + 4) != Some(&b':') {
            return Some(DateParts::Full((self.year(4)?, month, day)));
        }
        self.at = before;
        without_year(month, day)
    }

    /// `081109`: two digits each from the year down, as Hadoop and MySQL write them.
    fn short_date(&mut self) -> Option<DateParts> {
        Some(DateParts::Full((full_year(self.year(2)?), self.digits(2)?, self.digits(2)?)))
    }

    /// `20260105`, with what follows it also `20260105100000`.
    fn compact_date(&mut self) -> Option<DateParts> {
        let year = self.year(4).filter(|year| COMPACT_YEARS.contains(year))?;
        Some(DateParts::Compact((year, self.digits(2)?, self.digits(2)?)))
    }

    /// `2026005`.
    fn compact_ordinal(&mut self) -> Option<DateParts> {
        let year = self.year(4)?;
        let (month, day) = calendar::day_of_year(year, self.digits(3)?)?;
        Some(DateParts::Compact((year, month, day)))
    }

    /// The time of day that belongs to a date.
    pub(super) fn clock_after(&mut self, date: &DateParts) -> Option<ClockParts> {
        let is_compact = matches!(date, DateParts::Compact(_));
        if is_compact && self.peek().is_some_and(|b| b.is_ascii_digit()) {
            let mut clock = self.clock_digits()?;
            if self.digit_run() == 3 {
                clock.micros = self.digits(3)? * 1_000;
            }
            return clock.checked();
        }
        let gap = self.take(|b| matches!(b, b'T' | b't' | b' ' | b'\t' | b'_' | b'-' | b':' | b','))?;
        if matches!(gap, b' ' | b'\t' | b',') {
            self.blanks();
            self.at += match self.rest() {
                [b'@' | b'-', b' ', ..] => 2,
                [b'a', b't', b' ', ..] => 3,
                _ => 0,
            };
        }
        if is_compact && gap == b'T' && self.digit_run() == 4 {
            let (hour, minute) = (self.digits(2)?, self.digits(2)?);
            return ClockParts { hour, minute, ..ClockParts::default() }.checked();
        }
        self.clock()
    }

    /// The year that stands after the time of day, where the date has none.
    pub(super) fn trailing_year(&mut self, date: &mut DateParts) -> bool {
        let DateParts::WithoutYear((month, day)) = *date else { return false };
        let mut ahead = *self;
        let blank = ahead.take(|b| b == b' ').is_some();
        if !blank || ahead.digit_run() != 4 {
            return false;
        }
        let Some(year) = ahead.year(4) else { return false };
        *date = DateParts::Full((year, month, day));
        self.at = ahead.at;
        true
    }

    fn year(&mut self, digits: usize) -> Option<i32> {
        self.digits(digits).and_then(|year| i32::try_from(year).ok())
    }

    fn some_blanks(&mut self) -> Option<()> {
        (self.blanks() > 0).then_some(())
    }
}

fn without_year(month: u32, day: u32) -> Option<DateParts> {
    let exists = (1..=12).contains(&month) && (1..=31).contains(&day);
    exists.then_some(DateParts::WithoutYear((month, day)))
}
