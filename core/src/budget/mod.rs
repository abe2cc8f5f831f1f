//! The alert budget on the host: what score each stream may reach before it is told of, so that a server has as many
//! normal incidents a day as were asked for. Pure, on event time, bounded.
//!
//! Each stream has a share of its server's budget and a limit that follows the tail of its own scores ([`tail`]); each server
//! a factor on these limits that follows what its streams told together ([`server`]). Both start from what the model's
//! training saw ([`profile`]) and move in days: an incident does not raise a limit, scores that are wrong as a whole do.
//! A limit is in force before the record it judges is counted, and changes at event times only, so that live and replay
//! agree.

mod histogram;
mod levels;
pub mod profile;
mod server;
mod stream;
mod tail;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    profile::{BudgetProfile, MeasuredIncidents, StreamTail},
    tail::TailPrior,
};
use self::{server::ServerBudget, stream::StreamBudget};
use crate::{
    stream::{StreamName, StreamSlot},
    time::EventTime,
    weight,
};

/// Seconds of event time after which a limit is looked at again.
const DUE_S: f64 = 6.0 * 3600.0;

/// A record's score and when it came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredRecord {
    /// Event time.
    pub time: EventTime,
    /// Seconds since the stream's record before.
    pub pause_s: f64,
    /// The score.
    pub score: f64,
    /// What its stream is like is found out here: no model knows it.
    pub is_learning: bool,
}

/// What was asked of a source's servers and what they used.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BudgetUse {
    /// Normal incidents per server and day asked for; `None`: the model has a quantile instead.
    pub asked: Option<f64>,
    /// Incidents per server and day that were told of, normal or not, over the days remembered.
    pub used: f64,
    /// Days of all servers remembered.
    pub server_days: f64,
}

/// The budgets of one source's streams and servers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BudgetTable {
    /// By the slot of the stream.
    streams: Vec<Option<StreamBudget>>,
    servers: Vec<ServerBudget>,
}

impl BudgetTable {
    /// The score that the stream may reach at this record. Then counts the record's own.
    pub fn limit(
        &mut self,
        profile: &BudgetProfile,
        slot: StreamSlot,
        name: &Arc<StreamName>,
        record: ScoredRecord,
    ) -> f64 {
        let (at, time) = (slot as usize, record.time);
        if self.streams.get(at).is_none_or(|s| s.as_ref().is_none_or(|s| s.name != *name)) {
            self.admit(profile, at, name, record.is_learning.then_some(time));
        }
        let stream = self.streams[at].as_mut().expect("it was admitted");
        let server = &mut self.servers[stream.server as usize];
        if is_due(server.due, time) {
            server.follow(time, profile.asked, profile.least_factor(&server.name));
        }
        if is_due(stream.due, time) {
            stream.follow(time, server, profile.asked, profile.limit_bounds(name));
        }
        let limit = libm::exp(stream.ln_limit + server.ln_factor);
        if stream.count(record, server) {
            stream.follow_first(time);
        }
        limit
    }

    /// Goes over to another model: streams that it knows start from what it says.
    pub fn adopt(&mut self, profile: Option<&BudgetProfile>) {
        let Some(profile) = profile else {
            *self = Self::default();
            return;
        };
        for at in 0..self.streams.len() {
            let known = |s: &StreamBudget| profile.known(&s.name.server, &s.name.component).is_some();
            if self.streams[at].as_ref().is_some_and(known) {
                self.forget(at);
            }
        }
    }

    /// What the streams' scores so far would have a model say: each stream's tail at its share of `asked`, each server's factor. `now` is
    /// when the last of them came.
    #[must_use]
    pub fn learnt(&self, asked: f64, now: EventTime) -> BudgetProfile {
        let tails = self
            .streams
            .iter()
            .flatten()
            .filter(|s| s.is_lively())
            .map(|s| (Arc::clone(&s.name), s.learnt(&self.servers[s.server as usize], asked, now)));
        let servers = self.servers.iter().filter(|s| s.streams > 0);
        let factors = servers.map(|s| (s.name.clone(), libm::exp(s.wanted(asked))));
        BudgetProfile::new(asked, tails.collect(), factors.collect())
    }

    /// Asked and used.
    #[must_use]
    pub fn used(&self, profile: Option<&BudgetProfile>) -> BudgetUse {
        let told = self.servers.iter().filter(|s| s.streams > 0).map(ServerBudget::told);
        let (incidents, server_days) = told.fold((0.0, 0.0), |sum, told| (sum.0 + told.0, sum.1 + told.1));
        let used = if server_days > 0.0 { incidents / server_days } else { 0.0 };
        BudgetUse { asked: profile.map(|p| p.asked), used, server_days }
    }

    /// The limits in force: of each stream, in slots' order.
    pub fn limits(&self) -> impl Iterator<Item = (&Arc<StreamName>, f64)> {
        let limit = |s: &StreamBudget| libm::exp(s.ln_limit + self.servers[s.server as usize].ln_factor);
        self.streams.iter().flatten().map(move |s| (&s.name, limit(s)))
    }

    /// What it weighs in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        weight::items::<Option<StreamBudget>>(self.streams.capacity())
            + weight::items::<ServerBudget>(self.servers.capacity())
            + self.streams.iter().flatten().map(StreamBudget::bytes).sum::<usize>()
            + self.servers.iter().map(ServerBudget::bytes).sum::<usize>()
    }

    fn admit(&mut self, profile: &BudgetProfile, at: usize, name: &Arc<StreamName>, learns_from: Option<EventTime>) {
        if self.streams.len() <= at {
            self.streams.resize(at + 1, None);
        }
        self.forget(at);
        let found = self.servers.iter().position(|s| s.streams > 0 && s.name == name.server);
        let server = found.unwrap_or_else(|| {
            let server = ServerBudget::new(&name.server, profile);
            // The place of a server whose streams are all gone.
            if let Some(free) = self.servers.iter().position(|s| s.streams == 0) {
                self.servers[free] = server;
                return free;
            }
            self.servers.push(server);
            self.servers.len() - 1
        });
        self.servers[server].streams += 1;
        let prior = profile.tail(&name.server, &name.component);
        let server = u32::try_from(server).expect("there are no more servers than streams");
        self.streams[at] = Some(StreamBudget::new(name, server, prior, learns_from));
    }

    fn forget(&mut self, at: usize) {
        if let Some(stream) = self.streams[at].take() {
            let server = &mut self.servers[stream.server as usize];
            server.streams -= 1;
            server.lively -= u32::from(stream.is_lively());
        }
    }
}

fn is_due(last: Option<EventTime>, now: EventTime) -> bool {
    last.is_none_or(|last| now.seconds_since(last) >= DUE_S)
}
