//! Which incident an episode is part of: findings of all kinds of one server that begin within minutes of each other
//! ([`oddline_core::incident`]). Pure; event time only.
//!
//! An event says so in its extras: `incident` is the number of the episode that the incident began with, `part` counts its
//! episodes from 1. Within an agent and epoch, source and number name an incident as they name an episode.

use std::collections::BTreeMap;

use oddline_core::{event::Extras, incident::IncidentRun, time::EventTime, weight};
use serde::{Deserialize, Serialize};

/// Servers whose incidents are followed. Beyond it the one whose incident began first is forgotten: its next episode begins
/// another one.
const SERVERS_MAX: usize = 1_024;

/// A node of a tree is two thirds full.
const NODE: usize = 2;

/// The incidents that a source's servers are in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct IncidentTable(BTreeMap<String, ServerIncident>);

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct ServerIncident {
    run: IncidentRun,
    part: IncidentPart,
}

/// An episode's place in an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct IncidentPart {
    /// Number of the episode that the incident began with.
    incident: u64,
    /// Which of its episodes this is, from 1.
    part: u64,
}

impl IncidentPart {
    /// The only one.
    pub(crate) fn alone(number: u64) -> Self {
        Self { incident: number, part: 1 }
    }

    /// What an event says of it.
    pub(crate) fn extras(self) -> Extras {
        let mut extras = Extras::default();
        for (name, number) in [("incident", self.incident), ("part", self.part)] {
            extras.set(name, &number).expect("two numbers always fit");
        }
        extras
    }
}

impl IncidentTable {
    /// An episode opens in a stream whose records are `pause_s` apart.
    pub(crate) fn take(&mut self, server: &str, number: u64, time: EventTime, pause_s: f64) -> IncidentPart {
        if !self.0.contains_key(server) {
            self.make_room(time);
            self.0.insert(server.to_owned(), ServerIncident::default());
        }
        let Some(open) = self.0.get_mut(server) else { return IncidentPart::alone(number) };
        open.part = if open.run.push(time, pause_s) {
            IncidentPart::alone(number)
        } else {
            IncidentPart { part: open.part.part + 1, ..open.part }
        };
        open.part
    }

    /// What an episode that the wall clock opens would be part of; it moves nothing.
    pub(crate) fn look(&self, server: &str, number: u64, time: EventTime) -> IncidentPart {
        match self.0.get(server) {
            Some(open) if open.run.holds(time) => IncidentPart { part: open.part.part + 1, ..open.part },
            _ => IncidentPart::alone(number),
        }
    }

    /// What it weighs in memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let of = |name: &String| weight::block(name.capacity()) + NODE * size_of::<(String, ServerIncident)>();
        self.0.keys().map(of).sum()
    }

    fn make_room(&mut self, now: EventTime) {
        if self.0.len() < SERVERS_MAX {
            return;
        }
        self.0.retain(|_, open| !open.run.is_over(now));
        if self.0.len() >= SERVERS_MAX {
            let first = self.0.iter().min_by_key(|(_, open)| open.part.incident).map(|(name, _)| name.clone());
            first.and_then(|name| self.0.remove(&name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> EventTime {
        EventTime::from_micros(minute * 60_000_000)
    }

    #[test]
    fn each_server_has_its_own() {
        let mut table = IncidentTable::default();
        let mut take = |server, number, minute| {
            let IncidentPart { incident, part } = table.take(server, number, at(minute), 60.0);
            (incident, part)
        };
        assert_eq!(
            [take("a", 7, 0), take("b", 8, 1), take("a", 9, 4), take("a", 12, 9)],
            [(7, 1), (8, 1), (7, 2), (7, 3)]
        );
        assert_eq!(take("a", 20, 15), (20, 1));
        assert_eq!(table.look("a", 30, at(16)), IncidentPart { incident: 20, part: 2 });
        assert_eq!(table.look("a", 30, at(60)), IncidentPart::alone(30));
        assert_eq!(table.take("a", 31, at(17), 60.0), IncidentPart { incident: 20, part: 2 }, "a look moves nothing");
    }

    #[test]
    fn it_is_bounded() {
        let mut table = IncidentTable::default();
        for number in 0..3 * SERVERS_MAX as u64 {
            table.take(&format!("server-{number}"), number, at(0), 60.0);
        }
        assert_eq!(table.0.len(), SERVERS_MAX);
        assert!(table.bytes() < 200 * SERVERS_MAX);
        table.take("later", 0, at(60), 60.0);
        assert_eq!(table.0.len(), 1, "what is over goes first");
    }
}
