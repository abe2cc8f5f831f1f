//! All streams together, in the order of time: an iterator with one tick in memory.

use super::scenario::{COMPONENTS, Phase, Scenario, ScenarioError};
use super::stream::{GeneratedRecord, GeneratedStream};

/// The records of a scenario, sorted by time, then server, then component.
///
/// # Errors
/// [`ScenarioError`] for settings that cannot be met.
pub fn records(scenario: &Scenario) -> Result<Records, ScenarioError> {
    records_after_event(scenario, 0)
}

/// As [`records`], with events numbered from `event` + 1.
///
/// # Errors
/// [`ScenarioError`] for settings that cannot be met.
pub(super) fn records_after_event(scenario: &Scenario, event: u64) -> Result<Records, ScenarioError> {
    scenario.check()?;
    let streams = scenario
        .servers
        .clone()
        .flat_map(|server| COMPONENTS.iter().map(move |component| (server, component)))
        .map(|(server, component)| GeneratedStream::new(scenario, server, component))
        .collect();
    Ok(Records { scenario: scenario.clone(), streams, tick: 0, events: event, ready: Vec::new().into_iter() })
}

/// See [`records`].
pub struct Records {
    scenario: Scenario,
    streams: Vec<GeneratedStream>,
    tick: u64,
    events: u64,
    ready: std::vec::IntoIter<GeneratedRecord>,
}

impl Iterator for Records {
    type Item = GeneratedRecord;

    fn next(&mut self) -> Option<GeneratedRecord> {
        loop {
            if let Some(record) = self.ready.next() {
                return Some(record);
            }
            self.ready = self.step()?.into_iter();
        }
    }
}

impl Records {
    /// All records of the next tick; `None` after the last.
    fn step(&mut self) -> Option<Vec<GeneratedRecord>> {
        let training = self.scenario.ticks(Phase::Training);
        if self.tick >= training + self.scenario.ticks(Phase::Unseen) {
            return None;
        }
        let phase = if self.tick < training { Phase::Training } else { Phase::Unseen };
        if self.tick == training {
            let share = self.scenario.share(Phase::Unseen);
            self.streams.iter_mut().for_each(|stream| stream.enter(share));
        }
        let offset_s = self.tick * u64::from(self.scenario.period_s);
        let tick_s = self.scenario.start_s + offset_s as i64;
        let mut ready: Vec<GeneratedRecord> =
            self.streams.iter_mut().filter_map(|stream| stream.step(tick_s, phase, &mut self.events)).collect();
        // Stable: streams are in the order of servers and components already.
        ready.sort_by_key(|record| record.time_s);
        self.tick += 1;
        Some(ready)
    }
}
