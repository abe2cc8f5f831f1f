//! What a model says of its budget: where the tails of the streams it was calibrated on were.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::tail::TailPrior;
use crate::{
    limits::{BASELINES_MAX, PRIORS_MAX},
    robust::median,
    stream::StreamName,
};

/// How far a limit falls below what training found, at most, in logarithms.
const FALL: f64 = 0.03;

/// How far it rises, at most, as long as the scores are no misfit.
const RISE: f64 = 0.05;

/// A server and day with no more incidents far beyond the limits than this has hardly any anomalies, however few are asked
/// for.
const APART_MIN: f64 = 3.0;

/// Nor has one with no more than this for each of its streams: many streams have many first times.
const APART_OF_STREAM: f64 = 0.5;

/// The budget and the priors of all tails. Lists are sorted by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetProfile {
    /// Normal incidents per server and day asked for.
    pub asked: f64,
    /// Tail of a stream that nothing is known of.
    pub middle: TailPrior,
    /// Factor on the limits of a server that nothing is known of.
    pub factor: f64,
    /// Tails of single streams.
    pub streams: Vec<StreamTail>,
    /// Tails of components on any server.
    pub components: Vec<ComponentTail>,
    /// Factors of single servers.
    pub servers: Vec<ServerFactor>,
    /// What unseen days showed.
    pub measured: MeasuredIncidents,
}

/// Incidents of days that neither fitting nor calibration had seen, judged with what these gave.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct MeasuredIncidents {
    /// Incidents near the limit: the tail of what is normal.
    #[serde(alias = "episodes")]
    pub incidents: u64,
    /// Incidents that stand apart above it, as true anomalies do and gaps in the training.
    pub apart: u64,
    /// Days of all servers together.
    pub server_days: f64,
}

/// One stream's tail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamTail {
    /// The server.
    pub server: String,
    /// The component on it.
    pub component: String,
    /// Its tail.
    pub tail: TailPrior,
}

/// The middle of one component's tails over the servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentTail {
    /// The component.
    pub component: String,
    /// Its middle tail.
    pub tail: TailPrior,
}

/// What the limits of a server's streams are multiplied with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerFactor {
    /// The server.
    pub server: String,
    /// Its factor.
    pub factor: f64,
}

impl BudgetProfile {
    /// Before anything was seen: what scores in training quantiles are like.
    #[must_use]
    pub fn unknown(asked: f64) -> Self {
        Self::new(asked, Vec::new(), Vec::new())
    }

    /// Of tails and factors as they were learnt.
    #[must_use]
    pub fn new(asked: f64, mut tails: Vec<(Arc<StreamName>, TailPrior)>, mut factors: Vec<(String, f64)>) -> Self {
        tails.sort_by(|a, b| a.0.cmp(&b.0));
        tails.truncate(BASELINES_MAX);
        factors.sort_by(|a, b| a.0.cmp(&b.0));
        factors.truncate(BASELINES_MAX);
        let mut names: Vec<&str> = tails.iter().map(|(name, _)| name.component.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let of = |component: &str| {
            let of_component = tails.iter().filter(|(name, _)| name.component == component);
            middle(of_component.map(|(_, tail)| *tail).collect(), asked)
        };
        let components = names.iter().take(PRIORS_MAX);
        Self {
            asked,
            middle: middle(tails.iter().map(|(_, tail)| *tail).collect(), asked),
            factor: if factors.is_empty() { 1.0 } else { median(&factors.iter().map(|f| f.1).collect::<Vec<_>>()) },
            components: components.map(|c| ComponentTail { component: (*c).to_owned(), tail: of(c) }).collect(),
            streams: tails
                .iter()
                .map(|(name, tail)| StreamTail {
                    server: name.server.clone(),
                    component: name.component.clone(),
                    tail: *tail,
                })
                .collect(),
            servers: factors.into_iter().map(|(server, factor)| ServerFactor { server, factor }).collect(),
            measured: MeasuredIncidents::default(),
        }
    }

    /// The tail of a stream that was calibrated on.
    #[must_use]
    pub fn known(&self, server: &str, component: &str) -> Option<&TailPrior> {
        let name = (server, component);
        let found = self.streams.binary_search_by(|s| (s.server.as_str(), s.component.as_str()).cmp(&name));
        found.ok().map(|at| &self.streams[at].tail)
    }

    /// What is known of a stream's tail: its own, its component's, or the middle of all.
    #[must_use]
    pub fn tail(&self, server: &str, component: &str) -> TailPrior {
        let of_component = || {
            let found = self.components.binary_search_by(|c| c.component.as_str().cmp(component));
            found.ok().map(|at| &self.components[at].tail)
        };
        *self.known(server, component).or_else(of_component).unwrap_or(&self.middle)
    }

    /// The factor on a server's limits.
    #[must_use]
    pub fn factor(&self, server: &str) -> f64 {
        let found = self.servers.binary_search_by(|s| s.server.as_str().cmp(server));
        found.map_or(self.factor, |at| self.servers[at].factor)
    }

    /// Whether the last part of the training log had more incidents far beyond the limits than were asked for near them, and
    /// than [`APART_MIN`]: true anomalies, which the host may have as well.
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    fn has_anomalies(&self) -> bool {
        let streams = self.streams.len() as f64 / self.servers.len().max(1) as f64;
        let few = self.asked.max(APART_MIN).max(APART_OF_STREAM * streams);
        self.measured.apart as f64 > few * self.measured.server_days
    }

    /// Logarithms of the least and the largest limit of a stream. Where the model knows it, hardly less than that: days
    /// that look calm have not seen all that training saw, and many true anomalies leave few normal episodes to be
    /// counted. Where it knows it from a log with anomalies in it, little more either: they come again and again, which
    /// is no reason to tell of less.
    pub(super) fn limit_bounds(&self, name: &StreamName) -> (f64, f64) {
        let Some(known) = self.known(&name.server, &name.component) else {
            return (f64::NEG_INFINITY, f64::INFINITY);
        };
        let limit = libm::log(known.limit);
        (limit - FALL, if self.has_anomalies() { limit + RISE } else { f64::INFINITY })
    }

    /// Logarithm of the least factor of a server, likewise.
    pub(super) fn least_factor(&self, server: &str) -> f64 {
        let found = self.servers.binary_search_by(|s| s.server.as_str().cmp(server)).ok();
        found.map_or(f64::NEG_INFINITY, |at| libm::log(self.servers[at].factor) - FALL)
    }

    /// Takes over what an older model knows of streams and servers that this one does not, as far as there is room.
    pub fn keep_absent(&mut self, old: &Self) {
        let absent = |s: &&StreamTail| self.known(&s.server, &s.component).is_none();
        let room = BASELINES_MAX.saturating_sub(self.streams.len());
        let streams: Vec<StreamTail> = old.streams.iter().filter(absent).take(room).cloned().collect();
        let known = |server: &str| self.servers.binary_search_by(|s| s.server.as_str().cmp(server)).is_ok();
        let room = BASELINES_MAX.saturating_sub(self.servers.len());
        let servers = old.servers.iter().filter(|s| !known(&s.server)).take(room).cloned();
        self.servers.extend(servers.collect::<Vec<_>>());
        self.servers.sort_by(|a, b| a.server.cmp(&b.server));
        self.streams.extend(streams);
        self.streams.sort_by(|a, b| (&a.server, &a.component).cmp(&(&b.server, &b.component)));
    }

    /// Whether every number is finite and positive and every list sorted and bounded: what a model file must promise.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let mut tails = self.streams.iter().map(|s| &s.tail).chain(self.components.iter().map(|c| &c.tail));
        let mut numbers = self.servers.iter().map(|s| s.factor).chain([self.asked, self.factor]);
        numbers.all(|x| x.is_finite() && x > 0.0)
            && self.middle.is_sound()
            && self.measured.server_days.is_finite()
            && tails.all(TailPrior::is_sound)
            && self.streams.len().max(self.servers.len()) <= BASELINES_MAX
            && self.components.len() <= PRIORS_MAX
            && self.streams.is_sorted_by(|a, b| (&a.server, &a.component) < (&b.server, &b.component))
            && self.components.is_sorted_by(|a, b| a.component < b.component)
            && self.servers.is_sorted_by(|a, b| a.server < b.server)
    }
}

/// The middle of some tails; of none, what streams are like that fit their model.
fn middle(tails: Vec<TailPrior>, asked: f64) -> TailPrior {
    if tails.is_empty() {
        return TailPrior { limit: 1.3, rate: asked / 6.0, decay: 6.0 };
    }
    let of = |get: fn(&TailPrior) -> f64| median(&tails.iter().map(get).collect::<Vec<f64>>());
    TailPrior { limit: of(|t| t.limit), rate: of(|t| t.rate), decay: of(|t| t.decay) }
}
