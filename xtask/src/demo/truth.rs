//! What was planted in a generated log, and how much of it was found. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bench::replay::days_of;

/// Normal records that end an episode: more of them are two.
const GAP_RECORDS: u32 = 5;
const DAY_US: i64 = 86_400_000_000;

/// Instants from the first odd record to the last, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub first_us: i64,
    pub last_us: i64,
}

/// The planted episodes of a log by component, and how many records it has.
pub(super) fn planted(log: &str) -> (BTreeMap<String, Vec<Span>>, u64) {
    let mut episodes: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    let mut quiet: BTreeMap<String, u32> = BTreeMap::new();
    let mut records = 0;
    for line in log.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [time, _, component, _, anomalous] = fields[..] else { continue };
        let Some(time_us) = micros(time) else { continue };
        records += 1;
        let since = quiet.entry(component.to_owned()).or_insert(GAP_RECORDS);
        if anomalous != "1" {
            *since = since.saturating_add(1);
            continue;
        }
        let spans = episodes.entry(component.to_owned()).or_default();
        match spans.last_mut().filter(|_| *since < GAP_RECORDS) {
            Some(span) => span.last_us = time_us,
            None => spans.push(Span { first_us: time_us, last_us: time_us }),
        }
        *since = 0;
    }
    (episodes, records)
}

/// How well what was found fits what was planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Score {
    /// Planted episodes that something was found in.
    pub found: u64,
    /// Planted episodes that nothing was found in.
    pub missed: u64,
    /// Findings that touch no planted episode.
    pub wrong: u64,
}

/// Compares findings (component and span) with what was planted.
pub(super) fn score(planted: &BTreeMap<String, Vec<Span>>, findings: &[(String, Span)]) -> Score {
    let touches = |a: &Span, b: &Span| a.first_us <= b.last_us && b.first_us <= a.last_us;
    let mut score = Score::default();
    for (component, spans) in planted {
        for span in spans {
            let is_found = findings.iter().any(|(name, found)| name == component && touches(found, span));
            if is_found { score.found += 1 } else { score.missed += 1 }
        }
    }
    for (component, found) in findings {
        let spans = planted.get(component).map(Vec::as_slice).unwrap_or_default();
        score.wrong += u64::from(!spans.iter().any(|span| touches(found, span)));
    }
    score
}

/// What `oddline-agent replay` prints: component and first record of each episode that was opened.
pub(super) fn opened(replay: &str) -> Vec<(String, i64)> {
    let opened = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        let episode = event.get("episode_opened")?;
        Some((episode["component"].as_str()?.to_owned(), micros(episode["first"].as_str()?)?))
    };
    replay.lines().filter_map(opened).collect()
}

/// Microseconds of an instant such as `2026-01-05T00:00:00.5Z`.
pub(super) fn micros(time: &str) -> Option<i64> {
    let (date, time) = time.strip_suffix('Z')?.split_once('T')?;
    let mut parts = time.split(':');
    let (hours, minutes) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let (seconds, fraction) = parts.next()?.split_once('.').unwrap_or_else(|| (time.get(6..).unwrap_or("0"), "0"));
    let fraction = format!("{fraction:0<6}");
    let micros = fraction.get(..6)?.parse::<i64>().ok()?;
    let seconds = hours * 3_600 + minutes * 60 + seconds.parse::<i64>().ok()?;
    Some(days_of(date)? * DAY_US + seconds * 1_000_000 + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "timestamp,server,component,value,anomalous\n\
                       1970-01-01T00:00:01Z,s,cpu,1,0\n\
                       1970-01-01T00:00:02Z,s,cpu,9,1\n\
                       1970-01-01T00:00:02Z,s,disk,9,1\n\
                       1970-01-01T00:00:03Z,s,cpu,1,0\n\
                       1970-01-01T00:00:04Z,s,cpu,9,1\n";

    #[test]
    fn neighbouring_records_are_one_episode() {
        let (episodes, records) = planted(LOG);
        assert_eq!(records, 5);
        assert_eq!(episodes["cpu"], [Span { first_us: 2_000_000, last_us: 4_000_000 }]);
        assert_eq!(episodes["disk"].len(), 1);
    }

    #[test]
    fn found_missed_and_wrong() {
        let (episodes, _) = planted(LOG);
        let at = |us| Span { first_us: us, last_us: us };
        let findings = [("cpu".to_owned(), at(3_000_000)), ("cpu".to_owned(), at(9_000_000))];
        assert_eq!(score(&episodes, &findings), Score { found: 1, missed: 1, wrong: 1 });
    }

    #[test]
    fn instants() {
        assert_eq!(micros("1970-01-02T00:00:01.5Z"), Some(86_401_500_000));
        assert_eq!(micros("1970-01-01T01:02:03Z"), Some(3_723_000_000));
        assert_eq!(micros("yesterday"), None);
        let line = r#"{"episode_opened":{"component":"cpu","first":"1970-01-01T00:00:02Z"}}"#;
        assert_eq!(opened(&format!("{line}\n{{\"gap\":{{}}}}\n")), [("cpu".to_owned(), 2_000_000)]);
    }
}
