//! From the episodes at each level to the score that as many exceed as may: a tail, estimated from below.
//!
//! A rule of ranks ("tell the highest of the day") would silence whoever has many true anomalies. So the limit is the
//! lowest score at which what is seen *below* it says that few enough normal episodes lie beyond: peaks just below are
//! fitted with a power law cut off at the upper end (Pickands 1975; Hill 1975), counts just above are taken as they are,
//! and what stands apart further up counts for nothing. A heavy tail, which goes on without a gap, is followed to its
//! end. So is a narrow band that stands apart: the same height again and again is how the stream is.

use serde::{Deserialize, Serialize};

use super::{
    histogram::EpisodeHistogram,
    levels::{LEVELS, ln_level},
};

/// A stream that never reached this (.8) takes no share of a budget.
pub(super) const LN_LIVELY: f64 = -0.223;
/// The least limit of a stream with a sixth of an episode a day, in logarithms: as much as that ...
const LN_LEAST: f64 = LN_LIVELY;
/// ... and less, the more it may tell of, with this power, ...
const LEAST_POWER: f64 = -1.0 / 6.0;
/// ... within a half and .9: what is below is well within what training reached.
const LN_LEAST_BOUNDS: (f64, f64) = (-0.693, -0.105);
/// What is known beforehand counts as if it had been seen for so many days ...
pub(super) const PRIOR_DAYS: f32 = 3.0;
/// ... from this far below its limit on, in logarithms of the score.
const PRIOR_BELOW: f64 = 0.5;
/// The weight of a decay known beforehand, in peaks.
const DECAY_WEIGHT: f64 = 8.0;
/// The tail is fitted to so many peaks ...
const PEAKS: f64 = 30.0;
/// ... at least over this width and at most over that, in logarithms.
const WIDTH: (f64, f64) = (0.2, 1.2);
/// Peaks so far above a limit are counted, not extrapolated, in logarithms.
const COUNTED: f64 = 0.2;
/// Where the tail thickens again after it came this near to what is allowed, what comes is another population.
const VALLEY: f64 = 4.0;
/// Peaks by which it must thicken.
const RISE: f64 = 3.0;
/// A band holds more peaks than this many times an even spread ...
const BAND: f64 = 3.0;
/// ... by more than chance puts there, in standard deviations ...
const SIGNIFICANT: f64 = 1.5;
/// ... not further above the limit than this: features that are cut have their own height, which is that of anomalies.
const BAND_REACH: f64 = 0.5;
/// So do most of the peaks above a limit when they are this share of them, over so many levels: anomalies are of all sizes.
const HUMP: f64 = 0.64;
const HUMP_LEVELS: usize = 8;
const HUMP_PEAKS: f64 = 5.0;
/// ... over so many logarithms of the score above the limit.
const BAND_SPAN: f64 = 2.08;
/// So many peaks a day beyond a valley are how a stream is, ...
const MANY: f64 = 3.0;
/// ... where the valley is no void: the emptiest part of it, this wide in logarithms, ...
const VOID: f64 = 0.35;
/// ... and begun at most this much before its lowest point, ...
const VOID_REACH: f64 = 0.5;
/// ... holds this share of the peaks that an even spread up to where all but a tenth of them lie would put there.
const VOID_SHARE: f64 = 0.25;
const VOID_TOP: f64 = 0.1;
/// From one level to the next no smooth tail falls by more than this factor.
pub(super) const CLIFF: f64 = 4.0;
/// A first limit stands on the peaks below the highest two, faded a little, ...
const FIRST_CENSORED: f64 = 2.5;
/// ... on so many, ...
const FIRST_PEAKS: f64 = 10.0;
/// ... and what is known beforehand counts for so many; ...
const FIRST_WEIGHT: f64 = 4.0;
/// ... it is this many mean excesses beyond them: one of twenty that come so far goes further.
const FIRST_BEYOND: f64 = 3.0;
/// A score ten times theirs is told of whatever they say.
const FIRST_MOST: f64 = core::f64::consts::LN_10;
/// Bounds of a decay.
const DECAY: (f64, f64) = (0.05, 60.0);

/// Logarithm of the least limit of a stream with this share.
pub(super) fn ln_least(share: f64) -> f64 {
    (LN_LEAST + LEAST_POWER * libm::log(6.0 * share)).clamp(LN_LEAST_BOUNDS.0, LN_LEAST_BOUNDS.1)
}

/// What is known of a stream's tail before anything was seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TailPrior {
    /// A score ...
    pub limit: f64,
    /// ... that so many episodes a day exceed ...
    pub rate: f64,
    /// ... and the power of the score they fall with there.
    pub decay: f64,
}

impl TailPrior {
    /// Whether every number is finite and positive: what a model file must promise.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        [self.limit, self.rate, self.decay].iter().all(|x| x.is_finite() && *x > 0.0)
    }

    /// Episodes a day above the score of this logarithm.
    fn above(&self, ln_score: f64) -> f64 {
        let beyond = (ln_score - libm::log(self.limit)).max(-PRIOR_BELOW);
        self.rate * libm::exp(-self.decay * beyond)
    }
}

/// What is known of a tail beside its peaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownTail<'a> {
    pub prior: &'a TailPrior,
    /// The days that the prior counts for.
    pub days: f64,
    /// Logarithm of the least limit.
    pub ln_least: f64,
    /// Many bursts of all sizes are how the stream is. Not where training saw how it is: there they are anomalies.
    pub has_bursts: bool,
}

/// What the peaks say of a tail.
#[derive(Debug, Clone, Copy)]
pub(super) struct TailLimit {
    /// Logarithm of the limit.
    pub ln_limit: f64,
    /// Decay there.
    pub decay: f64,
}

/// The lowest score with no more than `rate` normal episodes a day above it.
pub(super) fn limit(seen: &EpisodeHistogram, known: KnownTail<'_>, rate: f64) -> TailLimit {
    Peaks::new(seen, known).limit(rate)
}

/// The limit of a stream of which next to nothing is known, in logarithms: as far beyond the third highest of its peaks as
/// hardly any is by the decay of those below (Hill 1975). The highest two may be what is looked for; a third makes them how
/// the stream is.
pub(super) fn first_limit(seen: &EpisodeHistogram, prior: &TailPrior) -> f64 {
    let third = (0..LEVELS).rev().find(|level| seen.at(*level) >= FIRST_CENSORED).unwrap_or(0);
    let (mut start, mut peaks, mut sum) = (third, 0.0, 0.0);
    while start > 0 && peaks < FIRST_PEAKS {
        start -= 1;
        let count = (seen.at(start) - seen.at(start + 1)).max(0.0);
        // Those further up are known to lie so far above the start.
        sum += (seen.at(start + 1) + count / 2.0) * (ln_level(start + 1) - ln_level(start));
        peaks += count;
    }
    let excess = (sum + FIRST_WEIGHT / prior.decay) / (peaks + FIRST_WEIGHT);
    ln_level(third).max(libm::log(prior.limit)) + (FIRST_BEYOND * excess).min(FIRST_MOST)
}

/// Peaks between each level and the next, of what was seen and what was known before.
struct Peaks {
    counts: [f64; LEVELS],
    days: f64,
    /// The level that most episodes reach: below it they merge.
    bulk: usize,
    decay: f64,
    ln_least: f64,
    has_bursts: bool,
}

impl Peaks {
    fn new(seen: &EpisodeHistogram, KnownTail { prior, days, ln_least, has_bursts }: KnownTail<'_>) -> Self {
        let episodes: [f64; LEVELS] =
            core::array::from_fn(|level| seen.at(level) + days * prior.above(ln_level(level)));
        let next = |level: usize| episodes.get(level + 1).copied().unwrap_or(0.0);
        let bulk = (0..LEVELS).fold(0, |best, level| if episodes[level] > episodes[best] { level } else { best });
        let counts = core::array::from_fn(|level| (episodes[level] - next(level)).max(0.0));
        Self { counts, days: seen.days() + days, bulk, decay: prior.decay, ln_least, has_bursts }
    }

    fn limit(&self, rate: f64) -> TailLimit {
        let end = TailLimit { ln_limit: ln_level(LEVELS - 1), decay: self.decay };
        let (mut valley, mut valley_level, mut valley_rate, mut before) = (end, LEVELS - 1, f64::INFINITY, None);
        let first = (self.bulk..LEVELS).find(|level| ln_level(level + 1) >= self.ln_least).unwrap_or(LEVELS - 1);
        for level in first..LEVELS {
            let at = ln_level(level);
            let (found, decay) = self.rate_above(level);
            let is_banded = self.has_band(level, rate * self.days);
            if found <= rate && !is_banded {
                let ln_limit = before.map_or(at, |before| between(before, (at, found), rate));
                return TailLimit { ln_limit: ln_limit.max(self.ln_least), decay };
            }
            let is_apart = found > 2.0 * valley_rate && (found - valley_rate) * self.days > RISE;
            if is_apart && valley_rate <= VALLEY * rate && !(self.has_bursts && self.goes_on(valley_level)) {
                return valley;
            }
            if found < valley_rate && !is_banded {
                valley_level = level;
                (valley, valley_rate) = (TailLimit { ln_limit: at.max(self.ln_least), decay }, found);
            }
            before = Some((at, found));
        }
        end
    }

    /// Whether what lies beyond a valley is frequent, and begins without a gap: bursts of all sizes from the smallest on,
    /// as a busy machine has them.
    fn goes_on(&self, valley: usize) -> bool {
        let beyond: f64 = self.counts[valley..].iter().sum();
        if beyond < MANY * self.days {
            return false;
        }
        let mut rest = beyond;
        let is_top = |level: &usize| {
            rest -= self.counts[*level];
            rest < VOID_TOP * beyond
        };
        let top = (valley..LEVELS - 1).find(is_top).unwrap_or(LEVELS - 1);
        let density = |low: usize, high: usize| {
            let width = libm::exp(ln_level(high)) - libm::exp(ln_level(low));
            self.counts[low..high].iter().sum::<f64>() / width.max(1e-9)
        };
        let even = density(valley, (top + 1).min(LEVELS - 1));
        let starts = (0..=valley).filter(|low| *low >= self.bulk && ln_level(*low) >= ln_level(valley) - VOID_REACH);
        let void = |low: usize| {
            let high = (low..LEVELS - 1).find(|high| ln_level(*high) >= ln_level(low) + VOID).unwrap_or(LEVELS - 1);
            density(low, high.max(low + 1))
        };
        starts.map(void).fold(f64::INFINITY, f64::min) > VOID_SHARE * even
    }

    /// Normal episodes a day above a level, and the decay they were extrapolated with.
    fn rate_above(&self, level: usize) -> (f64, f64) {
        let until = ln_level(level) + COUNTED - 1e-9;
        let end = (level..LEVELS - 1).find(|level| ln_level(*level) >= until).unwrap_or(LEVELS - 1);
        let counted: f64 = self.counts[level..end].iter().sum();
        // As many as there are at least, but for chance.
        let counted = (counted - SIGNIFICANT * counted.sqrt()).max(0.0);
        let (above, _) = self.extrapolated(level);
        let (beyond, decay) = self.extrapolated(end);
        ((counted + beyond).max(above) / self.days, decay)
    }

    /// Peaks above the level `end` as those below it promise, and how they decay.
    fn extrapolated(&self, end: usize) -> (f64, f64) {
        let top = ln_level(end);
        let (mut start, mut peaks, mut sum) = (end, 0.0, 0.0);
        while start > self.bulk {
            let width = top - ln_level(start);
            if (peaks >= PEAKS && width >= WIDTH.0) || width >= WIDTH.1 {
                break;
            }
            start -= 1;
            peaks += self.counts[start];
            sum += self.counts[start] * (ln_level(start) + ln_level(start + 1)) / 2.0;
        }
        if peaks <= 0.0 {
            return (0.0, self.decay);
        }
        let width = top - ln_level(start);
        let decay = self.decay_of(peaks, sum / peaks - ln_level(start), width);
        (peaks / libm::expm1(decay * width), decay)
    }

    /// Likeliest decay of peaks with this mean above the start of a window that is cut at `width`, by bisection.
    fn decay_of(&self, peaks: f64, mean: f64, width: f64) -> f64 {
        let slope = |decay: f64| {
            let seen = 1.0 / decay - mean - width / libm::expm1(decay * width);
            peaks * seen + DECAY_WEIGHT * (1.0 / decay - 1.0 / self.decay)
        };
        let (mut low, mut high) = DECAY;
        for _ in 0..20 {
            let middle = (low * high).sqrt();
            if slope(middle) > 0.0 { low = middle } else { high = middle }
        }
        (low * high).sqrt()
    }

    /// Whether significantly more peaks than are allowed lie close together above a level: not spread as anomalies are.
    fn has_band(&self, level: usize, allowed: f64) -> bool {
        let end = ln_level(level) + BAND_SPAN;
        let spread: f64 = (level..LEVELS).take_while(|l| ln_level(*l) < end).map(|l| self.counts[l]).sum();
        let is_wide = |low: usize| {
            let peaks: f64 = self.counts[low..low + HUMP_LEVELS].iter().sum();
            let chance = SIGNIFICANT * (spread * HUMP * (1.0 - HUMP)).sqrt();
            peaks - HUMP * spread > chance && peaks - SIGNIFICANT * peaks.sqrt() > allowed
        };
        let near = ln_level(level) + BAND_REACH;
        let wide = (level..LEVELS - HUMP_LEVELS).take_while(|low| ln_level(*low) < near);
        if spread > HUMP_PEAKS && wide.into_iter().any(is_wide) {
            return true;
        }
        (level..LEVELS - 2).take_while(|low| ln_level(*low) < near).any(|low| {
            let peaks = self.counts[low] + self.counts[low + 1];
            let even = spread / BAND_SPAN * (ln_level(low + 2) - ln_level(low));
            peaks - BAND * even - SIGNIFICANT * peaks.sqrt() - 1.0 > allowed
        })
    }
}

/// Where a rate that falls from one level to the next is met. Where it falls at once, the same score comes again and
/// again: the limit lies above it, wherever it is between the two.
fn between((low, rate_low): (f64, f64), (high, rate_high): (f64, f64), rate: f64) -> f64 {
    if rate_low <= rate || rate_low > CLIFF * rate_high {
        return high;
    }
    let share = libm::log(rate_low / rate) / libm::log(rate_low / rate_high.max(1e-12));
    low + (high - low) * share.clamp(0.0, 1.0)
}
