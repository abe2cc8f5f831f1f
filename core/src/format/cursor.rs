//! The parts that timestamps are made of, read from left to right: digits, names, a clock, an offset.
//! Knows no timestamp's shape; a part that is not there leaves the place where it was or refuses the whole.

const MONTHS: [&[u8; 3]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
const WEEKDAYS: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];

/// A place in a text's bytes, never beyond their end.
pub(crate) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl Cursor<'_> {
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn take(&mut self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        let byte = self.peek().filter(|&b| wanted(b))?;
        self.at += 1;
        Some(byte)
    }

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

    /// Hour, minute, second and microseconds: `00:00:00,123`, `000000`, `15.42.50.675872`.
    pub(crate) fn clock(&mut self) -> Option<(u32, u32, u32, u32)> {
        let hour = self.digits(2)?;
        let separator = self.take(|b| matches!(b, b':' | b'.'));
        let minute = self.digits(2)?;
        if let Some(separator) = separator {
            self.take(|b| b == separator)?;
        }
        let second = self.digits(2)?;
        Some((hour, minute, second, self.fraction()))
    }

    /// Microseconds after `.`, `,` or `:`; digits beyond the sixth are read and dropped.
    pub(crate) fn fraction(&mut self) -> u32 {
        let after = self.bytes.get(self.at + 1);
        if !matches!(self.peek(), Some(b'.' | b',' | b':')) || !after.is_some_and(u8::is_ascii_digit) {
            return 0;
        }
        self.at += 1;
        let run = self.digit_run();
        let micros = (0..6).fold(0, |n, i| {
            let digit = if i < run { self.bytes[self.at + i] - b'0' } else { 0 };
            n * 10 + u32::from(digit)
        });
        self.at += run;
        micros
    }

    /// `Z`, `+01:00`, `+0100`, `+01`, after a blank also `UTC` and `GMT`. Other zone names stay in the text.
    pub(crate) fn offset(&mut self) -> Option<i32> {
        let blank = usize::from(self.peek() == Some(b' '));
        let zone = &self.bytes[self.at + blank..];
        let named = match zone {
            [b'Z' | b'z', ..] => 1,
            [b'U', b'T', b'C', ..] | [b'G', b'M', b'T', ..] => 3,
            _ => 0,
        };
        if named > 0 && !zone.get(named).is_some_and(u8::is_ascii_alphanumeric) {
            self.at += blank + named;
            return Some(0);
        }
        let mut sign = Cursor { bytes: self.bytes, at: self.at + blank };
        let seconds = sign.signed_offset()?;
        self.at = sign.at;
        Some(seconds)
    }

    fn signed_offset(&mut self) -> Option<i32> {
        let sign = if self.take(|b| matches!(b, b'+' | b'-'))? == b'-' { -1 } else { 1 };
        let (hours, minutes) = match (self.digit_run(), self.bytes.get(self.at + 2)) {
            (2, Some(b':')) => {
                let hours = self.digits(2)?;
                self.at += 1;
                (hours, self.digits(2)?)
            }
            (4, _) => (self.digits(2)?, self.digits(2)?),
            (2, _) => (self.digits(2)?, 0),
            _ => return None,
        };
        let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok().filter(|_| hours <= 18 && minutes <= 59)?;
        Some(sign * seconds)
    }

    pub(crate) fn month(&mut self) -> Option<u32> {
        self.name(&MONTHS).and_then(|index| u32::try_from(index + 1).ok())
    }

    /// An English weekday's abbreviation.
    pub(crate) fn weekday(&mut self) -> bool {
        self.name(&WEEKDAYS).is_some()
    }

    fn name(&mut self, names: &[&[u8; 3]]) -> Option<usize> {
        let text = self.bytes.get(self.at..self.at + 3)?;
        let index = names.iter().position(|n| text.eq_ignore_ascii_case(*n))?;
        self.at += 3;
        Some(index)
    }
}
