//! The parts that timestamps are made of, read from left to right: digits, names, a time of day.
//! Knows no timestamp's shape; a part that is not there leaves the place where it was or refuses the whole.

const MONTHS: [&[u8]; 12] = [
    b"january",
    b"february",
    b"march",
    b"april",
    b"may",
    b"june",
    b"july",
    b"august",
    b"september",
    b"october",
    b"november",
    b"december",
];
const WEEKDAYS: [&[u8]; 7] = [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];
/// Digits of a fraction down to the microsecond.
const MICRO_DIGITS: usize = 6;
/// Letters of a name's short form.
const SHORT: usize = 3;
/// The short forms as numbers.
const MONTH_KEYS: [u32; 12] = short_forms(&MONTHS);
const WEEKDAY_KEYS: [u32; 7] = short_forms(&WEEKDAYS);

const fn short_forms<const N: usize>(names: &[&[u8]; N]) -> [u32; N] {
    let mut keys = [0; N];
    let mut at = 0;
    while at < N {
        keys[at] = short_form(names[at][0], names[at][1], names[at][2]);
        at += 1;
    }
    keys
}

/// Three letters without case.
const fn short_form(a: u8, b: u8, c: u8) -> u32 {
    u32::from_be_bytes([0, a | 0x20, b | 0x20, c | 0x20])
}

/// A place in a text's bytes, never beyond their end.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ClockParts {
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub micros: u32,
    /// It was written with AM or PM.
    pub twelve_hours: bool,
}

impl ClockParts {
    /// `None` for a time of day that does not exist; a leap second does.
    pub(crate) fn checked(self) -> Option<Self> {
        (self.hour <= 23 && self.minute <= 59 && self.second <= 60).then_some(self)
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(crate) fn take(&mut self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        let byte = self.peek().filter(|&b| wanted(b))?;
        self.at += 1;
        Some(byte)
    }

    /// Passes blanks and tabs; how many there were.
    pub(crate) fn blanks(&mut self) -> usize {
        let count = self.rest().iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        self.at += count;
        count
    }

    #[inline]
    pub(crate) fn digit_run(&self) -> usize {
        self.rest().iter().take(20).take_while(|b| b.is_ascii_digit()).count()
    }

    pub(crate) fn digits(&mut self, count: usize) -> Option<u32> {
        let mut number = 0_u32;
        for &byte in self.bytes.get(self.at..self.at + count)? {
            number = number * 10 + u32::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
        self.at += count;
        Some(number)
    }

    /// A number of one or two digits, and how many.
    pub(crate) fn short_number(&mut self) -> Option<(u32, usize)> {
        match self.digit_run() {
            run @ 1..=2 => self.digits(run).map(|number| (number, run)),
            _ => None,
        }
    }

    /// `00:00:00,123`, `9:05`, `10:00:00 AM`, `000000`, `15.42.50.675872`.
    pub(crate) fn clock(&mut self) -> Option<ClockParts> {
        let run = self.digit_run();
        let mut clock = match (run, self.bytes.get(self.at + run)) {
            (6, _) => self.clock_digits()?,
            (1 | 2, Some(&separator @ (b':' | b'.'))) => {
                let hour = self.digits(run)?;
                self.at += 1;
                let minute = self.two_digits()?;
                let seconds = self.peek() == Some(separator) && self.digit_follows();
                // `10.30` is a number, `10:30` is none.
                if !seconds && separator == b'.' {
                    return None;
                }
                self.at += usize::from(seconds);
                let second = if seconds { self.two_digits()? } else { 0 };
                let micros = if seconds { self.fraction() } else { 0 };
                ClockParts { hour, minute, second, micros, twelve_hours: false }
            }
            _ => return None,
        };
        self.meridiem(&mut clock);
        clock.checked()
    }

    /// Six digits.
    pub(crate) fn clock_digits(&mut self) -> Option<ClockParts> {
        let (hour, minute, second) = (self.digits(2)?, self.digits(2)?, self.digits(2)?);
        Some(ClockParts { hour, minute, second, micros: self.fraction(), twelve_hours: false })
    }

    fn two_digits(&mut self) -> Option<u32> {
        if self.digit_run() == 2 { self.digits(2) } else { None }
    }

    /// Whether the byte after the next one is a digit.
    fn digit_follows(&self) -> bool {
        self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit)
    }

    /// Microseconds after `.`, `,` or `:`; digits beyond the sixth are read and dropped.
    pub(crate) fn fraction(&mut self) -> u32 {
        if !matches!(self.peek(), Some(b'.' | b',' | b':')) || !self.digit_follows() {
            return 0;
        }
        self.at += 1;
        let run = self.digit_run();
        let read = &self.rest()[..run.min(MICRO_DIGITS)];
        let micros = read.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        let missing = MICRO_DIGITS - read.len();
        self.at += run;
        (0..missing).fold(micros, |micros, _| micros * 10)
    }

    /// `AM`, `pm`, `a.m.`, after a blank of any width; a clock of 24 hours may have a `PM` too.
    pub(crate) fn meridiem(&mut self, clock: &mut ClockParts) {
        let blank = match self.rest() {
            [b' ', ..] => 1,
            // The narrow and the usual no-break space, as formatters of the Unicode consortium write them.
            [0xe2, 0x80, 0xaf, ..] => 3,
            [0xc2, 0xa0, ..] => 2,
            _ => 0,
        };
        let (is_afternoon, length) = match &self.rest()[blank..] {
            [half @ (b'a' | b'A' | b'p' | b'P'), b'm' | b'M', ..] => (half.eq_ignore_ascii_case(&b'p'), 2),
            [half @ (b'a' | b'A' | b'p' | b'P'), b'.', b'm' | b'M', b'.', ..] => (half.eq_ignore_ascii_case(&b'p'), 4),
            _ => return,
        };
        let end = self.at + blank + length;
        if self.bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) || (!is_afternoon && clock.hour > 12) {
            return;
        }
        self.at = end;
        clock.hour = match (is_afternoon, clock.hour) {
            (false, 12) => 0,
            (true, hour @ 1..=11) => hour + 12,
            (_, hour) => hour,
        };
        clock.twelve_hours = true;
    }

    /// An English month, in full or its first letters.
    pub(crate) fn month(&mut self) -> Option<u32> {
        self.name(&MONTHS, &MONTH_KEYS).and_then(|index| u32::try_from(index + 1).ok())
    }

    /// An English weekday, in full or its first letters.
    pub(crate) fn weekday(&mut self) -> bool {
        self.name(&WEEKDAYS, &WEEKDAY_KEYS).is_some()
    }

    /// The month whose first letters these are.
    pub(crate) fn short_month(letters: [u8; SHORT]) -> Option<u32> {
        let [a, b, c] = letters;
        let is_name = letters.iter().all(u8::is_ascii_alphabetic);
        let index = MONTH_KEYS.iter().position(|key| is_name && *key == short_form(a, b, c))?;
        u32::try_from(index + 1).ok()
    }

    /// A name in full or its first letters.
    fn name(&mut self, names: &[&[u8]], keys: &[u32]) -> Option<usize> {
        let text = self.rest();
        let &[a, b, c] = text.first_chunk()?;
        let first = short_form(a, b, c);
        let index = keys.iter().position(|key| *key == first)?;
        let letters = text[SHORT..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let full = names[index];
        // `Sept` is the one abbreviation of another length that people write.
        let is_name = letters == 0 || (letters == 1 && full == b"september") || letters + SHORT == full.len();
        if !is_name || !text[..letters + SHORT].eq_ignore_ascii_case(&full[..letters + SHORT]) {
            return None;
        }
        self.at += letters + SHORT;
        Some(index)
    }
}
