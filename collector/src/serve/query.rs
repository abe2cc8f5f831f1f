//! From the text behind `?` to values that cannot be wrong. A parameter that is unknown, doubled or no value of its kind is
//! refused with what was expected: a filter that is silently ignored would give a wrong answer.

use std::ops::RangeInclusive;

use axum::{extract::Query as Pairs, http::Uri};
use oddline_config::closest;

use super::error::ApiProblem;
use crate::{
    store::{AnomalyKind, StoredWord},
    time::{TIMES_EXPECTED, TimeArgument, TimeZoneChoice},
};

/// Bytes of a name: longer ones are not stored.
const NAME_BYTES_MAX: usize = 256;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(&'static str, String)>,
    now_us: i64,
}

/// Whether a query can be read, with a value of each kind in it: for those who try what nobody sends.
#[must_use]
pub fn is_query(text: &str) -> bool {
    let Ok(uri) = format!("/?{text}").parse::<Uri>() else { return false };
    let Ok(query) = Query::read(&uri, super::api::COUNTS, 0) else { return false };
    query.name("server").is_ok()
        && query.word::<AnomalyKind>("kind").is_ok()
        && query.choices("by", &["server"]).is_ok()
        && query.number("limit", 1..=10, 5).is_ok()
        && query.time("since").is_ok()
        && query.score("min_score").is_ok()
        && query.cursor::<2>().is_ok()
}

impl Query {
    /// Those that a route knows.
    pub(super) fn read(uri: &Uri, known: &'static [&'static str], now_us: i64) -> Result<Self, ApiProblem> {
        let wrong =
            |error: String, expected: String| ApiProblem::new(axum::http::StatusCode::BAD_REQUEST, error, expected);
        let read = Pairs::<Vec<(String, String)>>::try_from_uri(uri);
        let read = read.ok().filter(|_| uri.query().is_none_or(is_encoded));
        let Pairs(read) = read.ok_or_else(|| {
            wrong(
                "the query cannot be read".to_owned(),
                "write it as name=value&name=value, percent-encoded".to_owned(),
            )
        })?;
        let mut pairs: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in read {
            let Some(name) = known.iter().find(|known| **known == name) else {
                return Err(wrong(format!("unknown parameter {:?}", shown(&name)), suggestion(&name, known)));
            };
            if pairs.iter().any(|(before, _)| before == name) {
                return Err(ApiProblem::parameter(name, "it is there twice", "say it once"));
            }
            // Neither is in a stored name, and PostgreSQL takes no NUL.
            if value.chars().any(char::is_control) {
                return Err(ApiProblem::parameter(name, "it holds a control character", "leave it out"));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs, now_us })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A name as it is stored.
    pub(super) fn name(&self, name: &'static str) -> Result<Option<String>, ApiProblem> {
        match self.get(name) {
            Some(value) if value.is_empty() || value.len() > NAME_BYTES_MAX => {
                Err(ApiProblem::parameter(name, format!("it has {} bytes", value.len()), "1 to 256 are expected"))
            }
            value => Ok(value.map(ToOwned::to_owned)),
        }
    }

    /// One of the words of a set.
    pub(super) fn word<T: StoredWord>(&self, name: &'static str) -> Result<Option<T>, ApiProblem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        T::parse(value).map(Some).ok_or_else(|| {
            let error = format!("{:?} is none of them", shown(value));
            ApiProblem::parameter(name, error, format!("one of {} is expected", T::words().join(", ")))
        })
    }

    /// Several of several words, with commas.
    pub(super) fn choices(&self, name: &'static str, choices: &[&str]) -> Result<Vec<&str>, ApiProblem> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let given: Vec<&str> = value.split(',').collect();
        match given.iter().find(|given| !choices.contains(given)) {
            Some(wrong) => {
                let error = format!("{:?} is none of them", shown(wrong));
                Err(ApiProblem::parameter(
                    name,
                    error,
                    format!("some of {}, with commas, are expected", choices.join(", ")),
                ))
            }
            None => Ok(given),
        }
    }

    pub(super) fn number(&self, name: &'static str, range: RangeInclusive<u32>, usual: u32) -> Result<u32, ApiProblem> {
        let Some(value) = self.get(name) else { return Ok(usual) };
        let number = value.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let expected = format!("a whole number from {} to {} is expected", range.start(), range.end());
            ApiProblem::parameter(name, format!("{:?} is not allowed", shown(value)), expected)
        })
    }

    pub(super) fn score(&self, name: &'static str) -> Result<Option<f64>, ApiProblem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.parse::<f64>() {
            Ok(score) if score.is_finite() => Ok(Some(score)),
            Ok(_) | Err(_) => Err(ApiProblem::parameter(
                name,
                format!("{:?} is no number", shown(value)),
                "a number like 1.5 is expected",
            )),
        }
    }

    /// A point in time, microseconds.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<i64>, ApiProblem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.parse::<TimeArgument>() {
            Ok(when) => Ok(Some(when.resolve(self.now_us, &TimeZoneChoice::utc()))),
            Err(_) => {
                let expected = format!("{TIMES_EXPECTED} or RFC 3339 (a + in it as %2B) is expected");
                Err(ApiProblem::parameter(name, format!("{:?} is not a valid time", shown(value)), expected))
            }
        }
    }

    /// Where the page before ended: the parts of a cursor, as many as it must have.
    pub(super) fn cursor<const PARTS: usize>(&self) -> Result<Option<[&str; PARTS]>, ApiProblem> {
        let Some(value) = self.get("cursor") else { return Ok(None) };
        // The last part is a name, which may hold anything.
        let parts: Vec<&str> = value.splitn(PARTS, '~').collect();
        parts.try_into().map(Some).map_err(|_| Self::bad_cursor())
    }

    /// A cursor that was not made here.
    pub(super) fn bad_cursor() -> ApiProblem {
        ApiProblem::parameter("cursor", "it is none of ours", "send `next` of the page before, unchanged")
    }
}

/// The beginning of what a client sent, short enough for an answer.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

fn suggestion(name: &str, known: &[&str]) -> String {
    match closest(&shown(name), known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => "none is expected here".to_owned(),
        None => format!("one of {} is expected", known.join(", ")),
    }
}

/// Whether every percent sign is followed by two hexadecimal digits, and all of it is UTF-8: what is not would be read as
/// something else.
fn is_encoded(query: &str) -> bool {
    let mut bytes = Vec::with_capacity(query.len());
    let mut parts = query.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(Ok(byte)) = digits.map(|digits| u8::from_str_radix(digits, 16)) else { return false };
        bytes.push(byte);
        bytes.extend(part[2..].bytes());
    }
    std::str::from_utf8(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["server", "limit", "since", "by", "cursor", "min_score"];

    #[test]
    fn what_is_percent_encoded_is_told_from_what_is_not() {
        for fine in ["", "a=b+c", "a=%C3%A9&b=%25", "a=\u{e9}"] {
            assert!(is_encoded(fine), "{fine}");
        }
        for bad in ["a=%", "a=%2", "a=%zz", "a=%ff", "a=%+f", "a=%\u{e9}"] {
            assert!(!is_encoded(bad), "{bad}");
        }
    }

    fn read(query: &str) -> Result<Query, ApiProblem> {
        Query::read(&format!("/x?{query}").parse().unwrap(), KNOWN, 7_200_000_000)
    }

    #[test]
    fn values_are_read_and_what_is_wrong_is_named() {
        let query = read("server=web%201&limit=7&since=1h&by=server,kind&cursor=5~a~b~c&min_score=-1e3").unwrap();
        assert_eq!(query.name("server").unwrap().unwrap(), "web 1");
        assert_eq!(query.number("limit", 1..=10, 5).unwrap(), 7);
        assert_eq!(query.time("since").unwrap(), Some(3_600_000_000));
        assert_eq!(query.choices("by", &["server", "kind"]).unwrap(), ["server", "kind"]);
        assert_eq!(query.cursor::<3>().unwrap(), Some(["5", "a", "b~c"]));
        assert_eq!(query.score("min_score").unwrap(), Some(-1000.0));
        assert_eq!(read("").unwrap().number("limit", 1..=10, 5).unwrap(), 5);

        assert_eq!(read("servr=1").unwrap_err().what_to_do, "did you mean \"server\"?");
        assert!(read("unheard_of=1").unwrap_err().what_to_do.starts_with("one of server, limit"));
        assert_eq!(read("server=a&server=b").unwrap_err().parameter, Some("server"));
        assert_eq!(read("server=a%00b").unwrap_err().parameter, Some("server"));
        let wrong = |query: &str, name: &'static str| {
            let query = read(query).unwrap();
            let results = [
                query.name("server").err(),
                query.number("limit", 1..=10, 5).err(),
                query.time("since").err(),
                query.choices("by", &["server"]).err(),
                query.cursor::<3>().err(),
                query.score("min_score").err(),
            ];
            let found: Vec<_> = results.into_iter().flatten().map(|problem| problem.parameter).collect();
            assert_eq!(found, [Some(name)]);
        };
        wrong("server=", "server");
        wrong("limit=0", "limit");
        wrong("limit=11", "limit");
        wrong("limit=1.5", "limit");
        wrong("since=whenever", "since");
        wrong("by=server,", "by");
        wrong("cursor=1~2", "cursor");
        wrong("min_score=NaN", "min_score");
        wrong("min_score=inf", "min_score");
    }
}
