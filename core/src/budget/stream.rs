//! One stream's limit: its tail looked at every few hours, followed in bounded steps.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    ScoredRecord,
    histogram::{EpisodeHistogram, RecentLevels},
    levels::{LEVELS, reached},
    server::{LN_FACTOR_MIN, ServerBudget},
    tail::{self, KnownTail, LN_LIVELY, PRIOR_DAYS, TailPrior},
};
use crate::{stream::StreamName, time::EventTime};

/// A limit moves by at most this between two looks, in logarithms: half as much again a day ...
const RISE_MAX: f64 = 0.11;
/// ... and a seventh less.
const FALL_MAX: f64 = 0.04;
/// Time constant of what was told lately, in days.
const TOLD_DAYS: f64 = 0.5;
/// Scores are a misfit when so many episodes were told of ...
const MISFIT_MIN: f32 = 4.0;
/// ... and this share of all that the stream has at the level where it has most.
const MISFIT: f64 = 0.5;
/// ... and, where the model expects anomalies, so many of its records: those are fewer.
const MISFIT_RECORDS: f32 = 0.15;
/// How fast that share is followed: within some hundreds of records.
const BEYOND_FOLLOW: f32 = 1.0 / 256.0;
/// What is known beforehand is trusted while so much of its weight is left.
const TRUSTED: f32 = 0.5;
/// What the limit rises by then, whatever the tail, in logarithms.
const MISFIT_RISE: f64 = 0.15;
/// So much of what was told lately would still be.
const MISFIT_LEFT: f32 = 0.4;
/// Time constant of what came near the limit lately, in days.
const NEAR_DAYS: f64 = 3.0;
/// What comes near, in logarithms of the score.
const NEAR: f64 = 0.4;
/// Scores have calmed down when so many were expected lately ...
const CALM_MIN: f64 = 8.0;
/// ... and less than this share came.
const CALM: f64 = 0.25;
/// Episodes that wait for the next look, at most: more are a misfit's.
const WAITING_MAX: usize = 16;
/// So many days a stream is new that the model does not know.
const NEW_DAYS: f64 = 7.0;
/// Time constant of what was known beforehand once it proved wrong, in days.
const DISTRUST_DAYS: f64 = 1.5;

/// One stream's scores and the limit made of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StreamBudget {
    pub(super) name: Arc<StreamName>,
    pub(super) server: u32,
    pub(super) ln_limit: f64,
    pub(super) due: Option<EventTime>,
    /// Until then its limit is a first one: neither the model knows it nor days of its own.
    new_until: Option<EventTime>,
    seen: EpisodeHistogram,
    /// Of scores, and of scores in limits.
    recent: [RecentLevels; 2],
    prior: TailPrior,
    /// Days that the prior counts for.
    prior_days: f32,
    /// Episodes told of lately, and those near the limit.
    told: f32,
    near: f32,
    /// Share of the last records that reached the limit.
    beyond: f32,
    /// At the last look its scores were a misfit: they are part of no incident.
    was_misfit: bool,
    /// Levels of episodes, in limits, that the server does not know of yet: the first, the first at which it begins an
    /// incident, and the end.
    waiting: heapless::Vec<[u8; 3], WAITING_MAX>,
}

impl StreamBudget {
    /// Of a stream that begins to learn at `learns_from`, unless it is known.
    pub(super) fn new(name: &Arc<StreamName>, server: u32, prior: TailPrior, learns_from: Option<EventTime>) -> Self {
        Self {
            name: Arc::clone(name),
            server,
            ln_limit: libm::log(prior.limit),
            due: None,
            new_until: learns_from.map(|from| from.plus_seconds(86_400.0 * NEW_DAYS)),
            seen: EpisodeHistogram::default(),
            recent: [RecentLevels::default(); 2],
            prior,
            prior_days: PRIOR_DAYS,
            told: 0.0,
            near: 0.0,
            beyond: 0.0,
            was_misfit: false,
            waiting: heapless::Vec::new(),
        }
    }

    /// Counts a record; whether an episode began that its limit depends on.
    pub(super) fn count(&mut self, record: ScoredRecord, server: &mut ServerBudget) -> bool {
        let ln_score = libm::log(record.score);
        let is_beyond = ln_score >= self.ln_limit + server.ln_factor;
        self.beyond += BEYOND_FOLLOW * (f32::from(u8::from(is_beyond)) - self.beyond);
        let was_lively = self.is_lively();
        let levels = self.recent[0].push(ln_score);
        if !levels.is_empty() {
            self.seen.add(levels);
            server.lively += u32::from(!was_lively && self.is_lively());
        }
        let levels = self.recent[1].push(ln_score - self.ln_limit);
        if !levels.is_empty() {
            let begins_at = |ln: f64| f32::from(u8::from(levels.contains(&usize::from(reached(ln)))));
            self.told += begins_at(server.ln_factor);
            self.near += begins_at(-NEAR);
            // Unless they are those of a misfit, the incidents that begin are the server's at the next look.
            if !self.was_misfit && levels.end > usize::from(reached(LN_FACTOR_MIN)) {
                let first = server.begins(levels.clone(), record);
                let waits = [levels.start, first, levels.end].map(narrow);
                let _is_full = self.waiting.push(waits);
            }
        }
        !levels.is_empty() && is_beyond
    }

    /// Whether it ever reached a score that may be told of: others take no share of the budget.
    pub(super) fn is_lively(&self) -> bool {
        self.seen.reached() > usize::from(reached(LN_LIVELY))
    }

    /// Looks at the tail and moves the limit towards it.
    #[expect(clippy::cast_possible_truncation, reason = "counts are kept in f32")]
    pub(super) fn follow(&mut self, now: EventTime, server: &mut ServerBudget, asked: f64, bounds: (f64, f64)) {
        let is_new = self.is_new(now);
        let is_misfit = !is_new && self.is_misfit() && (bounds.1.is_infinite() || self.beyond > MISFIT_RECORDS);
        self.was_misfit = is_misfit;
        let is_outdated = is_misfit || self.is_calm();
        let days = self.seen.advance(now, is_outdated);
        self.due = self.due.max(Some(now));
        self.told *= libm::exp(-days / TOLD_DAYS) as f32;
        self.near *= libm::exp(-days / NEAR_DAYS) as f32;
        for [start, first, end] in core::mem::take(&mut self.waiting) {
            if !is_misfit {
                server.add(usize::from(start)..usize::from(end), usize::from(first));
            }
        }
        if is_outdated {
            self.prior_days *= libm::exp(-days / DISTRUST_DAYS) as f32;
        }
        if is_new {
            self.set_first();
        } else if days > 0.0 && self.seen.reached() > 0 {
            let share = server.share(asked);
            let known = self.known(server, share, bounds.0.is_infinite());
            let wanted = tail::limit(&self.seen, known, share).ln_limit;
            let (least, most) = if is_misfit { (MISFIT_RISE, MISFIT_RISE) } else { (-FALL_MAX, RISE_MAX) };
            // What the model knows holds until it proves wrong.
            let is_trusted = self.prior_days > TRUSTED * PRIOR_DAYS;
            let wanted = if is_trusted { wanted.clamp(bounds.0, bounds.1) } else { wanted.max(bounds.0) };
            self.ln_limit = wanted.clamp(self.ln_limit + least, self.ln_limit + most);
            if is_misfit {
                self.told *= MISFIT_LEFT;
            }
        }
    }

    fn is_new(&self, now: EventTime) -> bool {
        self.new_until.is_some_and(|until| now < until)
    }

    /// After a record at `now`: a first limit follows at once.
    pub(super) fn follow_first(&mut self, now: EventTime) {
        if self.is_new(now) {
            self.set_first();
        }
    }

    fn set_first(&mut self) {
        self.ln_limit = tail::first_limit(&self.seen, &self.prior);
    }

    /// The tail as it is now.
    pub(super) fn learnt(&self, server: &ServerBudget, asked: f64, now: EventTime) -> TailPrior {
        let share = server.share(asked);
        let mut seen = self.seen.clone();
        seen.advance(now, false);
        let found = tail::limit(&seen, self.known(server, share, true), share);
        TailPrior { limit: libm::exp(found.ln_limit), rate: share, decay: found.decay }
    }

    fn known(&self, server: &ServerBudget, share: f64, has_bursts: bool) -> KnownTail<'_> {
        let ln_least = server.ln_least.max(tail::ln_least(share));
        KnownTail { prior: &self.prior, days: f64::from(self.prior_days), ln_least, has_bursts }
    }

    pub(super) fn bytes(&self) -> usize {
        self.seen.bytes()
    }

    /// A good part of all its episodes is told of: the scores are wrong, not the stream.
    fn is_misfit(&self) -> bool {
        let most = (0..LEVELS).map(|level| self.seen.at(level)).fold(0.0, f64::max);
        self.told > MISFIT_MIN && f64::from(self.told) / TOLD_DAYS > MISFIT * most / self.seen.days().max(TOLD_DAYS)
    }

    /// Hardly anything comes near the limit any more that used to.
    fn is_calm(&self) -> bool {
        let usual = self.seen.above(self.ln_limit - NEAR) / self.seen.days().max(NEAR_DAYS) * NEAR_DAYS;
        usual > CALM_MIN && f64::from(self.near) < CALM * usual
    }
}

#[expect(clippy::cast_possible_truncation, reason = "less than a hundred levels")]
fn narrow(level: usize) -> u8 {
    level as u8
}
