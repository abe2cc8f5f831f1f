//! What all streams of one server have told, and the factor on their limits that keeps it within the budget.

use core::ops::Range;

use serde::{Deserialize, Serialize};

use super::{ScoredRecord, histogram::EpisodeHistogram, levels::reached, profile::BudgetProfile};
use crate::{
    incident::{self, IncidentRun},
    time::EventTime,
    weight,
};

/// Episodes up to this far above the limits count against the budget, in logarithms: further out they are what is
/// looked for.
const NEAR: f64 = 0.2;
/// Those beyond, where normal ones thin out with this decay: few.
const DECAY: f64 = 6.0;
/// The model's own promise counts as if it had been seen for so many days.
const PRIOR_DAYS: f64 = 2.0;
/// No stream's limit is less than this share of the middle one.
const LEAST: f64 = 0.7;
/// One incident for each episode counts as if it had been seen so often.
const MERGING_WEIGHT: f64 = 3.0;
/// How fast the usual gap is followed.
const GAP_FOLLOW: f32 = 0.05;
/// Bounds of the factor, and the steps it is looked for in, in logarithms.
pub(super) const LN_FACTOR_MIN: f64 = -0.357;
const LN_FACTOR_MAX: f64 = 0.6;
/// Episodes that thicken by this factor from where they were nearly within the budget are no tail.
const APART: f64 = 1.5;
const VALLEY: f64 = 4.0;
const STEP: f64 = 0.01;
/// The factor moves by at most this between two looks, in logarithms.
const RISE_MAX: f64 = 0.11;
const FALL_MAX: f64 = 0.04;

/// One server's budget. Scores are in limits of their streams here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ServerBudget {
    pub(super) name: String,
    /// Episodes of its streams.
    seen: EpisodeHistogram,
    /// Incidents that they make.
    merged: EpisodeHistogram,
    /// The incident it is in, by the level that its streams reached.
    incidents: Vec<IncidentRun>,
    /// Seconds within which its episodes are neighbours, usually.
    gap_s: f32,
    /// Streams that it has, and those of them that ever had an episode at any level.
    pub(super) streams: u32,
    pub(super) lively: u32,
    /// Streams of it that the model knows a tail of: when only some of them are judged, the others keep their shares.
    known: u32,
    /// Least limit of its streams, in logarithms: near the middle of all, however quiet a stream was.
    pub(super) ln_least: f64,
    pub(super) ln_factor: f64,
    ln_factor_before: f64,
    pub(super) due: Option<EventTime>,
}

impl ServerBudget {
    pub(super) fn new(name: &str, profile: &BudgetProfile) -> Self {
        let ln_factor = libm::log(profile.factor(name)).clamp(LN_FACTOR_MIN, LN_FACTOR_MAX);
        Self {
            name: name.to_owned(),
            seen: EpisodeHistogram::default(),
            merged: EpisodeHistogram::default(),
            incidents: Vec::new(),
            gap_s: 0.0,
            streams: 0,
            lively: 0,
            ln_least: libm::log(LEAST * profile.middle.limit),
            known: u32::try_from(profile.streams.iter().filter(|s| s.server == name).count()).unwrap_or(u32::MAX),
            ln_factor,
            ln_factor_before: ln_factor,
            due: None,
        }
    }

    /// An episode of one of its streams begins at these levels; the first from which on an incident begins with it.
    #[expect(clippy::cast_possible_truncation, reason = "an hour at most")]
    pub(super) fn begins(&mut self, levels: Range<usize>, record: ScoredRecord) -> usize {
        if self.incidents.len() < levels.end {
            self.incidents.resize(levels.end, IncidentRun::default());
        }
        let gap_s = incident::gap_s(record.pause_s) as f32;
        let share = if self.gap_s > 0.0 { GAP_FOLLOW } else { 1.0 };
        self.gap_s += share * (gap_s - self.gap_s);
        let mut first = levels.start;
        for level in levels {
            if !self.incidents[level].push(record.time, record.pause_s) {
                first = level + 1;
            }
        }
        first
    }

    /// An episode began at these levels, an incident with it from `first` on.
    pub(super) fn add(&mut self, levels: Range<usize>, first: usize) {
        let end = levels.end;
        self.seen.add(levels);
        self.merged.add(first..end);
    }

    /// How many incidents an episode that reaches a level makes, beyond what chance merges: the streams of one server that
    /// go up together are one cause, those that have episodes all day long meet without one.
    fn merging(&self, level: usize) -> f64 {
        let episodes = self.seen.at(level);
        let met = episodes / self.seen.days().max(f64::MIN_POSITIVE) * f64::from(self.gap_s) / 86_400.0;
        let apart = episodes * libm::exp(-met);
        ((self.merged.at(level) + MERGING_WEIGHT) / (apart + MERGING_WEIGHT)).min(1.0)
    }

    /// The factor at which normal episodes meet the budget, in logarithms; where none does, the one that comes nearest.
    pub(super) fn wanted(&self, budget: f64) -> f64 {
        let budget = self.share(budget) * f64::from(self.lively.max(1));
        let beyond = -libm::expm1(-DECAY * NEAR);
        let rate = |at: f64| {
            let near = (self.seen.above(at) - self.seen.at(usize::from(reached(at + NEAR)))).max(0.0);
            let known = PRIOR_DAYS * budget * libm::exp(-DECAY * (at - self.ln_factor_before));
            let merging = self.merging(usize::from(reached(at)).saturating_sub(1));
            (merging * near / beyond + known) / (self.seen.days() + PRIOR_DAYS)
        };
        let (mut best, mut least) = (LN_FACTOR_MIN, f64::INFINITY);
        let mut at = LN_FACTOR_MIN;
        while at < LN_FACTOR_MAX {
            let found = rate(at);
            // Where they thicken again another population begins.
            if found <= budget || found > APART * least && least < VALLEY * budget {
                return if found <= budget { at } else { best };
            }
            if found < 0.98 * least {
                (best, least) = (at, found);
            }
            at += STEP;
        }
        best
    }

    /// Time goes on: the factor moves towards what is wanted.
    pub(super) fn follow(&mut self, now: EventTime, budget: f64, ln_least: f64) {
        let days = self.seen.advance(now, false);
        self.merged.advance(now, false);
        self.due = self.due.max(Some(now));
        if days > 0.0 {
            self.ln_factor =
                self.wanted(budget).max(ln_least).clamp(self.ln_factor - FALL_MAX, self.ln_factor + RISE_MAX);
        }
    }

    /// Of the budget, for each stream that may need it.
    pub(super) fn share(&self, budget: f64) -> f64 {
        budget / f64::from(self.lively.max(self.known).max(1))
    }

    /// Incidents that would have been told of with today's factor, and the days they come from.
    pub(super) fn told(&self) -> (f64, f64) {
        (self.merged.above(self.ln_factor), self.merged.days())
    }

    pub(super) fn bytes(&self) -> usize {
        weight::block(self.name.capacity())
            + self.seen.bytes()
            + self.merged.bytes()
            + weight::items::<IncidentRun>(self.incidents.capacity())
    }
}
