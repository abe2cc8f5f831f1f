//! Severity in its spellings: words, syslog priorities, numbers of JSON loggers, and a word at a usual place in a text.
//! Refuses to read severity into ordinary sentences: `no error found` has none.

use std::ops::Range;

use crate::record::Level;

/// A level stands near a line's beginning or nowhere.
const TOKENS_MAX: usize = 8;
/// A word such as `error:` in small letters is a level only among the first of a text.
const TOKENS_SMALL_MAX: usize = 3;
/// The longest word, `information` and `emergencies` alike.
const WORD_BYTES_MAX: usize = 11;

/// Where a level stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub level: Level,
    /// First byte of the level with its brackets.
    pub start: usize,
    /// First byte after it.
    pub end: usize,
    /// The name before the colon in Apache's `[core:error]`.
    pub module: Option<Range<usize>>,
}

/// Reads a level's name, in any case.
#[must_use]
pub(crate) fn word(text: &str) -> Option<Level> {
    let bytes = text.as_bytes();
    let mut small = [0_u8; WORD_BYTES_MAX];
    let small = small.get_mut(..bytes.len())?;
    small.copy_from_slice(bytes);
    small.make_ascii_lowercase();
    Some(match &*small {
        b"trace" | b"trc" | b"verbose" | b"finest" | b"finer" => Level::Trace,
        b"debug" | b"dbg" | b"dbug" | b"fine" => Level::Debug,
        b"info" | b"inf" | b"information" | b"default" => Level::Info,
        b"notice" => Level::Notice,
        b"warn" | b"warning" | b"wrn" => Level::Warning,
        b"error" | b"err" | b"eror" | b"severe" => Level::Error,
        b"critical" | b"crit" | b"fatal" | b"ftl" | b"dpanic" => Level::Critical,
        b"alert" => Level::Alert,
        b"emerg" | b"emergency" | b"panic" => Level::Emergency,
        _ => return None,
    })
}

/// The severity in a syslog priority: facility times 8 plus severity.
#[must_use]
pub(crate) fn priority(priority: u32) -> Level {
    match priority & 7 {
        0 => Level::Emergency,
        1 => Level::Alert,
        2 => Level::Critical,
        3 => Level::Error,
        4 => Level::Warning,
        5 => Level::Notice,
        6 => Level::Info,
        _ => Level::Debug,
    }
}

/// A level as a number: syslog's 0-7 (GELF, journald) or Bunyan's and Pino's 10-60.
#[must_use]
pub(crate) fn number(number: i64) -> Option<Level> {
    match number {
        0..=7 => u32::try_from(number).ok().map(priority),
        10 => Some(Level::Trace),
        20 => Some(Level::Debug),
        30 => Some(Level::Info),
        40 => Some(Level::Warning),
        50 => Some(Level::Error),
        60 => Some(Level::Critical),
        _ => None,
    }
}

/// One capital letter between brackets, or before glog's date.
#[must_use]
pub(crate) fn letter(letter: u8) -> Option<Level> {
    Some(match letter {
        b'T' => Level::Trace,
        b'D' => Level::Debug,
        b'I' => Level::Info,
        b'N' => Level::Notice,
        b'W' => Level::Warning,
        b'E' => Level::Error,
        b'F' | b'C' => Level::Critical,
        _ => return None,
    })
}

/// Finds a level among a text's first words: `ERROR`, `[error]`, `[core:error]`, `<Notice>`, `warning:`, `level=warn`.
#[must_use]
pub(crate) fn find(text: &str) -> Option<Spot> {
    let bytes = text.as_bytes();
    let mut gaps = memchr::memchr3_iter(b' ', b'\t', b'|', bytes);
    let (mut start, mut index) = (0, 0);
    while start < bytes.len() && index < TOKENS_MAX {
        let end = gaps.next().unwrap_or(bytes.len());
        if start < end {
            if may_be_level(&bytes[start..end], index)
                && let Some(spot) = token(&text[start..end], index)
            {
                let module = spot.module.map(|m| m.start + start..m.end + start);
                return Some(Spot { start: spot.start + start, end: spot.end + start, module, ..spot });
            }
            index += 1;
        }
        start = end + 1;
    }
    None
}

/// Whether the bytes at a token's ends allow one: most words of a text end here.
fn may_be_level(token: &[u8], index: usize) -> bool {
    let is_closed = || index < TOKENS_SMALL_MAX && token.last() == Some(&b':');
    match token {
        [b'[' | b'<' | b'l' | b's', ..] | [b'A'..=b'Z', b'A'..=b'Z', b'A'..=b'Z', ..] => true,
        [b'A'..=b'Z' | b'a'..=b'z', ..] => is_closed(),
        _ => false,
    }
}

fn token(token: &str, index: usize) -> Option<Spot> {
    match token.as_bytes() {
        [b'[' | b'<', ..] => bracketed(token),
        [b'A'..=b'Z', ..] => capital(token).or_else(|| before_colon(token, index)),
        [b'a'..=b'z', ..] => before_colon(token, index).or_else(|| pair(token)),
        _ => None,
    }
}

/// `[error]`, `[core:error]`, `[E]`, and `[INFO` of the padded `[INFO ]`.
fn bracketed(token: &str) -> Option<Spot> {
    let Some(close) = memchr::memchr2(b']', b'>', token.as_bytes()) else {
        let spot = capital(&token[1..])?;
        return Some(Spot { end: spot.end + 1, ..spot });
    };
    let inner = &token[1..close];
    let (module, name) = inner.rsplit_once(':').unwrap_or(("", inner));
    let level = match name.as_bytes() {
        [only] => letter(*only)?,
        _ => word(name)?,
    };
    let module = (!module.is_empty()).then(|| 1..1 + module.len());
    Some(Spot { level, start: 0, end: close + 1, module })
}

/// `ERROR` alone or before punctuation, as in `ERROR:root:text`.
fn capital(token: &str) -> Option<Spot> {
    let end = token.bytes().position(|b| !b.is_ascii_uppercase()).unwrap_or(token.len());
    let closed = matches!(token.as_bytes().get(end), None | Some(b':' | b',' | b']' | b')' | b'>' | b';' | b'/'));
    if !closed || end < 3 {
        return None;
    }
    word(&token[..end]).map(|level| Spot { level, start: 0, end, module: None })
}

fn before_colon(token: &str, index: usize) -> Option<Spot> {
    let name = token.strip_suffix(':').filter(|_| index < TOKENS_SMALL_MAX)?;
    word(name).map(|level| Spot { level, start: 0, end: token.len(), module: None })
}

fn pair(token: &str) -> Option<Spot> {
    let (key, value) = token.split_once('=')?;
    if !matches!(key, "level" | "lvl" | "severity" | "loglevel") {
        return None;
    }
    let value = value.trim_matches(['"', '\'', ',', ';']);
    word(value).map(|level| Spot { level, start: 0, end: token.len(), module: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Level> {
        find(text).map(|s| s.level)
    }

    #[test]
    fn levels_stand_at_usual_places() {
        assert_eq!(found("[main] INFO com.shop.Cart - added"), Some(Level::Info));
        assert_eq!(found("[error] child in state 6"), Some(Level::Error));
        assert_eq!(found("[ssl:warn] [pid 12] expired"), Some(Level::Warning));
        assert_eq!(found("[E] disk"), Some(Level::Error));
        assert_eq!(found("error: cannot open"), Some(Level::Error));
        assert_eq!(found("ERROR:root:cannot open"), Some(Level::Error));
        assert_eq!(found("name - WARNING - text"), Some(Level::Warning));
        assert_eq!(found("x|ERR|y"), Some(Level::Error));
        assert_eq!(found("caller=a.go:1 level=warn text"), Some(Level::Warning));
        assert_eq!(found("app[12] <Notice>: up"), Some(Level::Notice));
    }

    #[test]
    fn sentences_have_no_level() {
        for text in ["child in error state", "no error found", "Errors: 0", "Information about", "WARNINGS", "", "I am"]
        {
            assert_eq!(found(text), None, "{text}");
        }
        assert_eq!(found("one two three four five six seven eight ERROR"), None);
    }

    #[test]
    fn a_spot_covers_the_level() {
        let text = "12 [core:error] text";
        let spot = find(text).unwrap();
        assert_eq!(&text[spot.start..spot.end], "[core:error]");
        assert_eq!(&text[spot.module.unwrap()], "core");
    }
}
