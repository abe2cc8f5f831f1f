//! Anomalies as incidents: what has one cause is one thing to look at. Pure; rows in, groups out.
//!
//! An agent says which of its anomalies belong together, source by source. What its other sources say of the same server
//! within minutes is joined here, and so are incidents of several servers that begin with the same component and kind.

use std::collections::BTreeMap;

use oddline_core::{
    incident::{EpisodeOpening, INCIDENT_GAP_S, incidents},
    limits::EPISODE_GAP_RECORDS,
    time::EventTime,
};

use crate::store::AnomalyRow;

/// One incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident<'a> {
    /// Its anomalies in the order of their begins; one at least.
    pub parts: Vec<&'a AnomalyRow>,
}

impl<'a> Incident<'a> {
    /// What it began with.
    #[must_use]
    pub fn first(&self) -> &'a AnomalyRow {
        self.parts[0]
    }

    /// The part furthest beyond its limit, the earliest of several.
    #[must_use]
    pub fn worst(&self) -> &'a AnomalyRow {
        let further =
            |worst: &'a AnomalyRow, row: &&'a AnomalyRow| if beyond(row) > beyond(worst) { *row } else { worst };
        self.parts.iter().fold(self.first(), |worst, row| further(worst, row))
    }

    /// When its last odd record was, so far.
    #[must_use]
    pub fn last_us(&self) -> i64 {
        self.parts.iter().map(|row| row.last_us).max().unwrap_or_default()
    }

    /// The servers that it shows on, in the order in which it did.
    #[must_use]
    pub fn servers(&self) -> Vec<&'a str> {
        let mut servers = Vec::new();
        for row in &self.parts {
            if !servers.contains(&row.server.as_str()) {
                servers.push(&row.server);
            }
        }
        servers
    }
}

/// Incidents that may be parts of larger ones.
type IncidentOpenings<'a> = Vec<EpisodeOpening<Incident<'a>>>;

/// How many times the limit the largest score of an anomaly is.
#[must_use]
pub fn beyond(row: &AnomalyRow) -> f64 {
    row.peak / row.threshold.max(f64::MIN_POSITIVE)
}

/// The incidents that these anomalies are, the one that began last first.
#[must_use]
pub fn grouped(anomalies: &[AnomalyRow]) -> Vec<Incident<'_>> {
    let mut servers: BTreeMap<(&str, &str), IncidentOpenings<'_>> = BTreeMap::new();
    for incident in of_sources(anomalies) {
        let first = incident.first();
        servers.entry((&first.fleet, &first.server)).or_default().push(opening(incident));
    }
    // Of one cause on several servers the first anomaly is the same.
    let mut fleets: BTreeMap<(&str, &str, String), IncidentOpenings<'_>> = BTreeMap::new();
    for incident in servers.into_values().flat_map(incidents).map(joined) {
        let AnomalyRow { fleet, component, kind, .. } = incident.first();
        fleets.entry((fleet, component, kind.to_string())).or_default().push(opening(incident));
    }
    let mut all: Vec<Incident<'_>> = fleets.into_values().flat_map(incidents).map(joined).collect();
    all.sort_by_key(|incident| core::cmp::Reverse(incident.first().first_us));
    all
}

/// As the agents say; an anomaly of an agent that says nothing is one of its own.
fn of_sources(anomalies: &[AnomalyRow]) -> Vec<Incident<'_>> {
    let mut said: BTreeMap<(&str, &str, &str, &str, u64), IncidentOpenings<'_>> = BTreeMap::new();
    let mut all = Vec::new();
    for row in anomalies {
        let alone = Incident { parts: vec![row] };
        match row.extras.get("incident").and_then(serde_json::Value::as_u64) {
            Some(number) => {
                let key = (row.fleet.as_str(), row.agent.as_str(), row.source.as_str(), row.server.as_str(), number);
                // Of one source and number they belong together, as far apart as an agent that lives on can say so.
                let time = EventTime::from_micros(row.first_us);
                said.entry(key).or_default().push(EpisodeOpening { time, pause_s: f64::MAX, what: alone });
            }
            None => all.push(alone),
        }
    }
    // An agent that starts anew counts from the beginning: of two incidents of one number hours lie between.
    all.extend(said.into_values().flat_map(incidents).map(joined));
    all
}

/// It opens with its first anomaly, and has neighbours as long as its others do and for the least gap after.
fn opening(incident: Incident<'_>) -> EpisodeOpening<Incident<'_>> {
    let [first, last] = [Some(incident.first()), incident.parts.last().copied()]
        .map(|row| EventTime::from_micros(row.map_or(0, |row| row.first_us)));
    let gap_s = last.seconds_since(first) + INCIDENT_GAP_S;
    EpisodeOpening { time: first, pause_s: gap_s / f64::from(EPISODE_GAP_RECORDS), what: incident }
}

fn joined(incidents: Vec<Incident<'_>>) -> Incident<'_> {
    let mut parts: Vec<&AnomalyRow> = incidents.into_iter().flat_map(|incident| incident.parts).collect();
    parts.sort_by_key(|row| row.first_us);
    Incident { parts }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{AnomalyKind, AnomalyState};

    /// An anomaly that begins at this minute, a score of twice its limit.
    pub(crate) fn row(server: &str, component: &str, minute: i64, incident: Option<u64>) -> AnomalyRow {
        AnomalyRow {
            id: format!("{server}{component}{minute:08}"),
            fleet: "home".to_owned(),
            agent: server.to_owned(),
            source: "log".to_owned(),
            server: server.to_owned(),
            component: component.to_owned(),
            kind: AnomalyKind::Score.into(),
            state: AnomalyState::Ended.into(),
            first_us: minute * 60_000_000,
            last_us: (minute + 2) * 60_000_000,
            records: 3,
            peak: 4.0,
            threshold: 2.0,
            main_reason: "extreme residual".to_owned(),
            reasons: Value::Null,
            value: Some(97.0),
            expected: Some(40.0),
            learning: false,
            by_clock: false,
            samples: Value::Null,
            model: 1,
            received_us: 0,
            updated_us: 0,
            verdict: None,
            extras: incident.map_or_else(|| json!({}), |incident| json!({"incident": incident})),
        }
    }

    fn said(rows: &[AnomalyRow]) -> Vec<String> {
        let name = |row: &&AnomalyRow| format!("{}/{}@{}", row.server, row.component, row.first_us / 60_000_000);
        grouped(rows).iter().map(|i| i.parts.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn what_an_agent_says_belongs_together_does() {
        let rows = [
            row("a", "cpu", 100, Some(7)),
            row("a", "disk", 140, Some(7)),
            row("a", "cpu", 180, Some(9)),
            row("b", "net", 101, Some(7)),
        ];
        assert_eq!(said(&rows), ["a/cpu@180", "b/net@101", "a/cpu@100 a/disk@140"]);
    }

    #[test]
    fn an_agent_that_starts_anew_counts_anew() {
        let rows = [row("a", "cpu", 100, Some(7)), row("a", "cpu", 900, Some(7))];
        assert_eq!(said(&rows).len(), 2);
    }

    #[test]
    fn other_sources_of_a_server_and_the_same_on_other_servers_are_joined() {
        let mut journal = row("a", "sshd", 103, Some(40));
        journal.source = "journal".to_owned();
        let rows = [row("a", "cpu", 100, Some(7)), journal, row("b", "cpu", 102, Some(1)), row("c", "mem", 102, None)];
        assert_eq!(said(&rows), ["c/mem@102", "a/cpu@100 b/cpu@102 a/sshd@103"]);
        let all = grouped(&rows);
        assert_eq!(all[1].servers(), ["a", "b"]);
    }

    #[test]
    fn the_worst_is_furthest_beyond_its_own_limit() {
        let (mut high, mut near) = (row("a", "cpu", 100, Some(7)), row("a", "disk", 101, Some(7)));
        (high.peak, high.threshold) = (20.0, 10.0);
        (near.peak, near.threshold) = (6.0, 2.0);
        let rows = [high, near];
        let all = grouped(&rows);
        assert_eq!((all[0].first().component.as_str(), all[0].worst().component.as_str()), ("cpu", "disk"));
        assert_eq!(all[0].last_us(), 103 * 60_000_000);
    }
}
