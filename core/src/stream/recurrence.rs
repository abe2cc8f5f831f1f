//! Peaks that come at regular times: a job each hour, a backup each night, a compressor every 3.4 hours. What comes when
//! it always came, as high and as long as it was, is normal.
//!
//! A peak begins far from what is usual and ends after a few quiet records. The times at which the last of them began are
//! kept; when another one begins, it is asked whether peaks lie one, two, three periods back, and whether chance would
//! put them there: peaks at random times, as frequent as these are, hit a window of two tolerances with a probability
//! that is known. A period that holds is followed from peak to peak and given up when it misses some.

use serde::{Deserialize, Serialize};

use crate::{limits::RECURRING_MAX, time::EventTime};

/// Times of peaks that are kept while no period explains them.
const ONSETS: usize = 24;
/// A peak begins at so many residual scales ...
const FAR: f64 = 4.0;
/// ... and ends when so many records ...
const QUIET_RECORDS: u8 = 3;
/// ... are within so many.
const QUIET: f64 = 2.0;
/// Periods that people like, in seconds: an hour, a day, a week.
const LIKED_S: [f64; 3] = [3_600.0, 86_400.0, 604_800.0];
/// How far from its time a peak may begin: this share of the period, ...
const TOLERANCE: f64 = 0.02;
/// ... not more than this, in seconds, ...
const TOLERANCE_MAX_S: f64 = 900.0;
/// ... not less than this many usual gaps between records.
const TOLERANCE_GAPS: f64 = 1.5;
/// A period is at least so many tolerances long: what is excused is a small part of the time.
const TOLERANCES: f64 = 10.0;
/// Periods that chance is expected to find, at most ...
const CHANCE: f64 = 0.01;
/// ... and this share of it where nobody likes the period.
const UNLIKED: f64 = 0.1;
/// A single hit by chance must be no more likely than this.
const HIT_MAX: f64 = 0.15;
/// What came for less than this, in seconds, is not known to be regular.
const KNOWN_S: f64 = 10_800.0;
/// Periods that may pass from one to the next: one may fail to come.
const PASSED_MAX: f64 = 2.5;
/// A peak is as usual up to this many times the height ...
const HEIGHT_SLACK: f64 = 1.5;
/// ... and the length of those before.
const WIDTH_SLACK: f64 = 2.0;
/// A height and a length give way to smaller ones by this at each peak.
const KEPT: f64 = 0.9;

/// A peak that comes again and again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecurringPeak {
    /// Seconds from one to the next.
    pub period_s: f64,
    /// When the last one began.
    pub last: EventTime,
    /// How far from what is usual it goes, with its sign, in the unit of the number that is judged.
    pub height: f64,
    /// Seconds that it lasts.
    pub width_s: f64,
}

/// One stream's peaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PeakMemory {
    onsets: heapless::Vec<PeakOnset, ONSETS>,
    recurring: heapless::Vec<RecurringPeak, RECURRING_MAX>,
    open: Option<OpenPeak>,
    /// Since when the stream is followed here.
    since: EventTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct PeakOnset {
    at: EventTime,
    height: f32,
    width_s: f32,
}

/// The peak under way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct OpenPeak {
    start: EventTime,
    far_until: EventTime,
    height: f64,
    quiet: u8,
    /// Up to this height ...
    usual_height: f64,
    /// ... and until then it is as usual.
    usual_until: EventTime,
}

/// How the numbers of a stream lie, as far as peaks are concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeakScale {
    /// One residual scale.
    pub residual: f64,
    /// Seconds between records.
    pub gap_s: f64,
}

impl PeakMemory {
    fn new(recurring: &[RecurringPeak], since: EventTime) -> Self {
        let recurring = recurring.iter().copied().take(RECURRING_MAX).collect();
        Self { onsets: heapless::Vec::new(), recurring, open: None, since }
    }

    /// Of a stream with these peaks, which is followed from now on.
    pub(super) fn knowing(recurring: &[RecurringPeak], now: EventTime) -> Option<Box<Self>> {
        (!recurring.is_empty()).then(|| Box::new(Self::new(recurring, now)))
    }

    pub(super) fn recurring(&self) -> &[RecurringPeak] {
        &self.recurring
    }

    /// Takes a number's distance from what is usual; what of it no recurring peak explains. Takes memory at a stream's
    /// first peak.
    pub(super) fn unexplained(memory: &mut Option<Box<Self>>, time: EventTime, distance: f64, scale: PeakScale) -> f64 {
        let is_far = distance.abs() > FAR * scale.residual;
        match memory {
            None if !is_far => distance,
            Some(known) if !is_far && known.open.is_none() => distance,
            _ => memory.get_or_insert_with(|| Box::new(Self::new(&[], time))).take(time, distance, scale, is_far),
        }
    }

    fn take(&mut self, time: EventTime, distance: f64, scale: PeakScale, is_far: bool) -> f64 {
        let Some(mut peak) = self.open else {
            let peak = self.begin(time, distance, scale);
            self.open = Some(peak);
            return peak.unexplained(time, distance);
        };
        if is_far {
            peak.far_until = peak.far_until.max(time);
            peak.height = if distance.abs() > peak.height.abs() { distance } else { peak.height };
        }
        peak.quiet = if distance.abs() < QUIET * scale.residual { peak.quiet + 1 } else { 0 };
        self.open = Some(peak);
        if peak.quiet == QUIET_RECORDS {
            self.end(peak, scale);
            self.open = None;
        }
        peak.unexplained(time, distance)
    }

    fn begin(&mut self, time: EventTime, distance: f64, scale: PeakScale) -> OpenPeak {
        let since = self.since;
        self.recurring.retain(|peak| time.seconds_since(peak.last.max(since)) <= PASSED_MAX * peak.period_s);
        if let Some(found) = self.found(time, distance, scale) {
            if self.recurring.is_full() {
                let oldest = (0..RECURRING_MAX).min_by_key(|at| self.recurring[*at].last).expect("it is full");
                self.recurring.swap_remove(oldest);
            }
            let _has_room = self.recurring.push(found);
        }
        let (mut usual_height, mut usual_until) = (0.0_f64, time);
        for peak in self.recurring.iter().filter(|peak| peak.is_due(time, distance, scale)) {
            usual_height = usual_height.max(HEIGHT_SLACK * peak.height.abs());
            let width_s = WIDTH_SLACK * (peak.width_s + scale.gap_s) + tolerance(peak.period_s, scale);
            usual_until = usual_until.max(time.plus_seconds(width_s));
        }
        OpenPeak { start: time, far_until: time, height: distance, quiet: 0, usual_height, usual_until }
    }

    fn end(&mut self, peak: OpenPeak, scale: PeakScale) {
        let width_s = peak.far_until.seconds_since(peak.start);
        let is_usual = peak.height.abs() <= peak.usual_height && peak.far_until <= peak.usual_until;
        for known in self.recurring.iter_mut().filter(|known| known.is_due(peak.start, peak.height, scale)) {
            known.last = peak.start;
            if is_usual {
                let height = peak.height.abs().max(KEPT * known.height.abs());
                known.height = height.copysign(known.height);
                known.width_s = width_s.max(KEPT * known.width_s);
            }
        }
        if is_usual {
            return;
        }
        if self.onsets.is_full() {
            self.onsets.remove(0);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a height is a rough one")]
        let onset = PeakOnset { at: peak.start, height: peak.height as f32, width_s: width_s as f32 };
        let _has_room = self.onsets.push(onset);
    }

    /// The period at which peaks came before one that begins now, if chance does not explain it. Its peaks are no longer
    /// kept as unexplained.
    fn found(&mut self, now: EventTime, distance: f64, scale: PeakScale) -> Option<RecurringPeak> {
        let first = self.onsets.first()?.at;
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let count = self.onsets.len() as f64;
        let rate = count / now.seconds_since(first).max(scale.gap_s);
        let liked = LIKED_S.map(|period_s| (period_s, 1, LIKED_S.len() as f64));
        let any = self.onsets.iter().map(|onset| (now.seconds_since(onset.at), 2, count / UNLIKED));
        let mut best: Option<(f64, f64, usize)> = None;
        for (period_s, from, candidates) in liked.into_iter().chain(any) {
            let tolerance_s = tolerance(period_s, scale);
            let hit = -libm::expm1(-2.0 * rate * tolerance_s);
            if period_s < TOLERANCES * tolerance_s || hit > HIT_MAX {
                continue;
            }
            let hits = self.chain(now, distance, period_s, tolerance_s).count();
            // A period that was made of a pair of peaks has that hit for nothing.
            let chance = candidates * libm::pow(hit, (hits + 1).saturating_sub(from) as f64);
            let is_known = hits >= from && hits as f64 * period_s >= KNOWN_S;
            if is_known && chance < best.map_or(CHANCE, |best| best.0) {
                best = Some((chance, period_s, hits));
            }
        }
        let (_, period_s, hits) = best?;
        let tolerance_s = tolerance(period_s, scale);
        let of: heapless::Vec<PeakOnset, ONSETS> = self.chain(now, distance, period_s, tolerance_s).copied().collect();
        self.onsets.retain(|onset| !of.contains(onset));
        let height = of.iter().map(|onset| f64::from(onset.height.abs())).fold(0.0, f64::max).copysign(distance);
        let width_s = of.iter().map(|onset| f64::from(onset.width_s)).fold(0.0, f64::max);
        let exact_s = now.seconds_since(of.last()?.at) / hits as f64;
        let period_s = if LIKED_S.contains(&period_s) { period_s } else { exact_s };
        Some(RecurringPeak { period_s, last: of.first()?.at, height, width_s })
    }

    /// The peaks one, two, three ... periods back, up to the first that is missing.
    fn chain(
        &self,
        now: EventTime,
        distance: f64,
        period_s: f64,
        tolerance_s: f64,
    ) -> impl Iterator<Item = &PeakOnset> {
        let has_side = move |onset: &&PeakOnset| (onset.height > 0.0) == (distance > 0.0);
        (1_u32..).map_while(move |back| {
            let is_hit =
                |onset: &&PeakOnset| (now.seconds_since(onset.at) - f64::from(back) * period_s).abs() <= tolerance_s;
            self.onsets.iter().filter(has_side).find(is_hit)
        })
    }
}

impl RecurringPeak {
    /// Whether every number is finite and positive: what a model file must promise.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        [self.period_s, self.height, self.width_s].iter().all(|x| x.is_finite())
            && self.period_s > 0.0
            && self.width_s >= 0.0
    }

    /// Whether one may begin then, any number of periods after the last one or before it: a log that was learnt from may
    /// be read again, and a model may be old.
    fn is_due(&self, time: EventTime, distance: f64, scale: PeakScale) -> bool {
        let periods = (time.seconds_since(self.last) / self.period_s).round();
        let from_time_s = (time.seconds_since(self.last) - periods * self.period_s).abs();
        periods != 0.0 && from_time_s <= tolerance(self.period_s, scale) && (self.height > 0.0) == (distance > 0.0)
    }
}

impl OpenPeak {
    fn unexplained(&self, time: EventTime, distance: f64) -> f64 {
        let is_usual = time <= self.usual_until && (distance > 0.0) == (self.height > 0.0);
        if !is_usual {
            return distance;
        }
        let beyond = (distance.abs() - self.usual_height).max(0.0);
        beyond.copysign(distance)
    }
}

fn tolerance(period_s: f64, scale: PeakScale) -> f64 {
    (TOLERANCE * period_s).min(TOLERANCE_MAX_S).max(TOLERANCE_GAPS * scale.gap_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP_S: f64 = 60.0;
    const DAY: usize = 1440;

    /// A value a minute: a little noise, and what `peak` adds to minutes. Minutes with something left of it to tell.
    fn told(minutes: usize, peak: impl Fn(usize) -> f64) -> Vec<usize> {
        let scale = PeakScale { residual: 1.0, gap_s: GAP_S };
        let mut memory = None;
        let mut take = |minute: usize| {
            let noise = (minute as f64 * 0.754_877).fract() - 0.5;
            let time = EventTime::from_micros(minute as i64 * 60_000_000);
            PeakMemory::unexplained(&mut memory, time, noise + peak(minute), scale).abs() > FAR
        };
        (0..minutes).filter(|minute| take(*minute)).collect()
    }

    fn jitter(number: usize, most: usize) -> usize {
        ((number as f64 * 0.618_034).fract() * (most + 1) as f64) as usize
    }

    #[test]
    fn a_job_each_hour_is_known_within_a_few() {
        let job = |minute: usize| if minute % 60 == 17 { 30.0 + jitter(minute, 10) as f64 } else { 0.0 };
        assert_eq!(told(7 * DAY, job), [17, 77, 137]);
    }

    #[test]
    fn a_backup_each_night_is_known_in_the_third() {
        let backup = |minute: usize| {
            let begins = 180 + jitter(minute / DAY, 8);
            if (begins..begins + 20).contains(&(minute % DAY)) { 12.0 } else { 0.0 }
        };
        let told = told(14 * DAY, backup);
        assert!(told.iter().all(|minute| minute / DAY < 2), "{told:?}");
        assert_eq!(told.len(), 40);
    }

    #[test]
    fn a_compressor_every_few_hours_is_followed() {
        // About 3.4 hours, never exactly.
        let starts: Vec<usize> = (0..60)
            .scan(31, |at, i| {
                Some({
                    *at += 203 + jitter(i, 3);
                    *at
                })
            })
            .collect();
        let told = told(8 * DAY, |minute| if starts.contains(&minute) { -9.0 } else { 0.0 });
        assert!(told.len() >= 3 && told.len() <= 6, "{told:?}");
        assert!(told.last() < Some(&DAY), "{told:?}");
    }

    #[test]
    fn a_job_each_week_is_known_in_the_second() {
        let job = |minute: usize| if minute % (7 * DAY) == 5_000 { 50.0 } else { 0.0 };
        assert_eq!(told(35 * DAY, job), [5_000]);
    }

    #[test]
    fn an_hourly_and_a_nightly_job_are_two() {
        let jobs = |minute: usize| match minute {
            m if (200..215).contains(&(m % DAY)) => 60.0,
            m if m % 60 == 17 => 20.0,
            _ => 0.0,
        };
        let told = told(14 * DAY, jobs);
        assert!(told.iter().all(|minute| minute / DAY < 3), "{told:?}");
    }

    #[test]
    fn what_is_higher_longer_or_at_another_time_is_told() {
        let job = |minute: usize| match minute {
            3_000..3_002 => 30.0,
            m if m % 60 == 17 && m / 60 == 100 => 90.0,
            m if m % 60 >= 17 && m / 60 == 120 => 30.0,
            m if m % 60 == 17 => 30.0,
            _ => 0.0,
        };
        let told: Vec<usize> = told(7 * DAY, job).into_iter().filter(|minute| *minute > DAY).collect();
        assert_eq!(told[..3], [3_000, 3_001, 6_017]);
        assert!(told.len() > 40 && told[3..].iter().all(|minute| minute / 60 == 120), "{told:?}");
    }

    #[test]
    fn peaks_at_random_times_stay_what_they_are() {
        // One in ten records, one in fifty, one in five hundred: by a linear congruential generator.
        for one_in in [10, 50, 500] {
            let mut random = 1_u64;
            let at: Vec<bool> = (0..14 * DAY)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (random >> 33).is_multiple_of(one_in)
                })
                .collect();
            let all = at.iter().filter(|is| **is).count();
            let told = told(14 * DAY, |minute| if at[minute] { 10.0 } else { 0.0 }).len();
            assert!(told * 200 >= all * 199, "{told} of {all}, one in {one_in}");
        }
    }

    #[test]
    fn what_no_longer_comes_is_forgotten_and_a_model_may_be_old() {
        let scale = PeakScale { residual: 1.0, gap_s: GAP_S };
        let at = |minute: i64| EventTime::from_micros(minute * 60_000_000);
        let known = [RecurringPeak { period_s: 3_600.0, last: at(17), height: 30.0, width_s: 60.0 }];
        let unexplained = |minute: i64, since: i64| {
            PeakMemory::unexplained(&mut PeakMemory::knowing(&known, at(since)), at(minute), 25.0, scale)
        };
        assert_eq!(unexplained(60 * 5_000 + 17, 60 * 5_000), 0.0, "months later");
        assert_eq!(unexplained(60 * 5_010 + 17, 60 * 5_000), 25.0, "but not for ten hours here");
        assert_eq!(unexplained(-60 * 500 + 17, -60 * 500), 0.0, "the log that it was learnt from");
        assert_eq!(unexplained(60 * 5_000 + 30, 60 * 5_000), 25.0, "not its time");
    }
}
