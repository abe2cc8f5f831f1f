//! What the names of rotated files say: which live log they belong to, and which is older. Looks at no file.
//!
//! | live | generations |
//! |---|---|
//! | `app.log` | `app.log.1` `app.log.2.gz` `app.log-20260105` `app.log.old` `app.1.log` `app-20260105.log` |

use std::{cmp::Ordering, ffi::OsStr};

/// Extensions of compressed files.
const COMPRESSED: [&str; 7] = [".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", ".Z"];
/// Endings that mean "the one before" without a number.
const WORDS: [&str; 5] = ["old", "bak", "prev", "last", "save"];
/// Between a live name and a mark.
const SEPARATORS: [char; 3] = ['.', '-', '_'];
/// Digits of a generation's number; more are a date or an epoch.
const NUMBER_DIGITS_MAX: usize = 4;

/// What a generation's name says about its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationMark {
    /// A number that grows with age: `.1`, `.2`.
    Number(u32),
    /// A date that shrinks with age.
    Date(String),
    /// Nothing: `.old`.
    Word,
}

/// Whether a file's name says that it is compressed.
#[must_use]
pub fn is_compressed(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    COMPRESSED.iter().any(|e| name.ends_with(e.as_bytes()))
}

/// What makes `name` a generation of `live`, if it is one.
#[must_use]
pub fn mark(name: &OsStr, live: &OsStr) -> Option<RotationMark> {
    let (name, live) = (name.to_str()?, live.to_str()?);
    let name = COMPRESSED.iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name);
    if let Some(rest) = name.strip_prefix(live) {
        return read_mark(rest);
    }
    let (stem, extension) = live.rsplit_once('.')?;
    let middle = name.strip_prefix(stem)?.strip_suffix(extension)?.strip_suffix('.')?;
    read_mark(middle).filter(|_| is_infix(middle))
}

/// The live names that a name with a mark at its end extends: `app.log` of `app.log.1`.
#[must_use]
pub fn suffixed(name: &OsStr) -> Vec<&str> {
    let Some(text) = name.to_str() else { return Vec::new() };
    let text = COMPRESSED.iter().find_map(|e| text.strip_suffix(e)).unwrap_or(text);
    bases(text)
}

/// The live names that a name with a mark before its extension extends: `app.log` of `app-20260105.log`.
#[must_use]
pub fn infixed(name: &OsStr) -> Vec<String> {
    let Some(text) = name.to_str() else { return Vec::new() };
    let Some((stem, extension)) = text.rsplit_once('.') else { return Vec::new() };
    let bases = bases(stem).into_iter().filter(|base| is_infix(&stem[base.len()..]));
    bases.map(|base| format!("{base}.{extension}")).collect()
}

fn bases(text: &str) -> Vec<&str> {
    let separators = text.match_indices(SEPARATORS).map(|(at, _)| at);
    separators.filter(|at| *at > 0 && read_mark(&text[*at..]).is_some()).map(|at| &text[..at]).collect()
}

/// `worker-1.log` is another worker's log, not an older one of `worker.log`.
fn is_infix(mark: &str) -> bool {
    mark.starts_with('.') || matches!(read_mark(mark), Some(RotationMark::Date(_)))
}

/// A separator and what follows it.
fn read_mark(text: &str) -> Option<RotationMark> {
    let body = text.strip_prefix(SEPARATORS)?;
    let digits = body.bytes().filter(u8::is_ascii_digit).count();
    if body.len() == digits && (1..=NUMBER_DIGITS_MAX).contains(&digits) {
        return body.parse().ok().map(RotationMark::Number);
    }
    if digits >= 6 && body.bytes().all(|b| b.is_ascii_digit() || b"-_.:TZ".contains(&b)) {
        return Some(RotationMark::Date(body.to_owned()));
    }
    WORDS.contains(&body).then_some(RotationMark::Word)
}

/// Oldest first by what the names say; `None` marks the live file. Names that do not agree on a kind of mark stand in the
/// order words, dates, numbers.
#[must_use]
pub fn by_age(a: Option<&RotationMark>, b: Option<&RotationMark>) -> Ordering {
    let kind = |mark: Option<&RotationMark>| match mark {
        Some(RotationMark::Word) => 0,
        Some(RotationMark::Date(_)) => 1,
        Some(RotationMark::Number(_)) => 2,
        None => 3,
    };
    kind(a).cmp(&kind(b)).then_with(|| match (a, b) {
        (Some(RotationMark::Number(a)), Some(RotationMark::Number(b))) => b.cmp(a),
        (Some(RotationMark::Date(a)), Some(RotationMark::Date(b))) => a.cmp(b),
        _ => Ordering::Equal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_generations() {
        let of = |name: &str| mark(OsStr::new(name), OsStr::new("app.log"));
        assert_eq!(of("app.log.1"), Some(RotationMark::Number(1)));
        assert_eq!(of("app.log.12.gz"), Some(RotationMark::Number(12)));
        assert_eq!(of("app.1.log"), Some(RotationMark::Number(1)));
        assert_eq!(of("app.log-20260105"), Some(RotationMark::Date("20260105".into())));
        assert_eq!(of("app-2026-01-05T10.log.zst"), Some(RotationMark::Date("2026-01-05T10".into())));
        assert_eq!(of("app.log.1767571200"), Some(RotationMark::Date("1767571200".into())));
        assert_eq!(of("app.log.old"), Some(RotationMark::Word));
        for other in [
            "app.log",
            "app.log.errors",
            "app2.log",
            "app-web.log",
            "other.log.1",
            "app.log.",
            "app.log.1.swp",
            "app-1.log",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn live_names_of_generations() {
        assert_eq!(suffixed(OsStr::new("app.log.1")), ["app.log"]);
        assert_eq!(suffixed(OsStr::new("app.log-20260105.gz")), ["app.log"]);
        assert!(suffixed(OsStr::new("app.log")).is_empty() && suffixed(OsStr::new(".1")).is_empty());
        assert_eq!(infixed(OsStr::new("app.1.log")), ["app.log"]);
        assert_eq!(infixed(OsStr::new("app-2026-01-05.log")), ["app.log"]);
        assert!(infixed(OsStr::new("worker-1.log")).is_empty());
    }

    #[test]
    fn generations_stand_oldest_first() {
        let mut names = ["a", "a.1", "a.10.gz", "a.2.gz", "a-20260105", "a-20260104", "a.old"];
        names.sort_by(|a, b| {
            let of = |name: &str| mark(OsStr::new(name), OsStr::new("a"));
            by_age(of(a).as_ref(), of(b).as_ref())
        });
        assert_eq!(names, ["a.old", "a-20260104", "a-20260105", "a.10.gz", "a.2.gz", "a.1", "a"]);
    }
}
