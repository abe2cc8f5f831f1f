//! What formats are called: their names, what other programs call them, and the one that a mistyped name may mean.

use std::{fmt, str::FromStr};

use super::{LogFormat, Mapping};

/// The names in the configuration.
pub(crate) const NAMES: [&str; 8] = ["auto", "csv", "jsonl", "syslog", "journald", "logfmt", "access", "plain"];

/// Other people's names of the same formats.
const ALIASES: [(&str, &str); 22] = [
    ("nginx", "access"),
    ("apache", "access"),
    ("apache2", "access"),
    ("httpd", "access"),
    ("caddy", "access"),
    ("haproxy", "access"),
    ("traefik", "access"),
    ("iis", "csv"),
    ("w3c", "csv"),
    ("combined", "access"),
    ("common", "access"),
    ("clf", "access"),
    ("json", "jsonl"),
    ("ndjson", "jsonl"),
    ("json-lines", "jsonl"),
    ("jsonlines", "jsonl"),
    ("journal", "journald"),
    ("text", "plain"),
    ("tsv", "csv"),
    ("table", "csv"),
    ("rfc3164", "syslog"),
    ("rfc5424", "syslog"),
];

/// As many letters may be wrong in a name that is suggested.
const WRONG_MAX: usize = 2;

/// A name that no format has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnknownFormat {
    /// The name as given.
    pub name: String,
}

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no log format (one of {})", self.name, NAMES.join(", "))?;
        match alike(&self.name) {
            Some(name) => write!(f, "; did you mean {name:?}?"),
            None => Ok(()),
        }
    }
}

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    /// Names and aliases are read without case.
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let written = name.trim().to_ascii_lowercase().replace('_', "-");
        let alias = ALIASES.iter().find(|(alias, _)| *alias == written);
        Ok(match alias.map_or(written.as_str(), |(_, name)| name) {
            "auto" => Self::Auto,
            "csv" => Self::Csv,
            "jsonl" => Self::Jsonl(Mapping::default()),
            "syslog" => Self::Syslog,
            "journald" => Self::Journal,
            "logfmt" => Self::Logfmt,
            "access" => Self::Access,
            "plain" => Self::Plain,
            _ => return Err(UnknownFormat { name: name.to_owned() }),
        })
    }
}

/// The known name that differs least from `name`, if by little.
fn alike(name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase();
    let wrong_max = WRONG_MAX.min(name.chars().count() / 2);
    let known = NAMES.into_iter().chain(ALIASES.into_iter().map(|(alias, _)| alias));
    let distances = known.map(|other| (differences(&name, other), other));
    distances.filter(|(wrong, _)| *wrong <= wrong_max).min_by_key(|(wrong, _)| *wrong).map(|(_, other)| other)
}

/// Letters to put in, take out or replace to make one word the other (Levenshtein).
fn differences(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (above, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (left, b) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[left + 1];
            row[left + 1] = replaced.min(diagonal + 1).min(row[left] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_read() {
        for (alias, name) in ALIASES.into_iter().chain(NAMES.map(|name| (name, name))) {
            assert_eq!(alias.parse::<LogFormat>().unwrap().to_string(), name, "{alias}");
        }
        for name in ["NGINX", "Json_Lines", " RFC5424 "] {
            assert!(name.parse::<LogFormat>().is_ok(), "{name}");
        }
    }

    #[test]
    fn an_unknown_format_is_refused_with_the_known_ones_and_a_suggestion() {
        let error = |name: &str| name.parse::<LogFormat>().unwrap_err().to_string();
        assert!(
            error("xml").contains("\"xml\"") && error("xml").contains("jsonl") && error("xml").contains("journald")
        );
        for (name, expected) in [("sylog", "syslog"), ("ngnix", "nginx"), ("logfmr", "logfmt"), ("jornald", "journald")]
        {
            assert!(error(name).ends_with(&format!("did you mean {expected:?}?")), "{}", error(name));
        }
        for name in ["xml", "", "evtx", "parquet"] {
            assert!(!error(name).contains("mean"), "{}", error(name));
        }
    }
}
