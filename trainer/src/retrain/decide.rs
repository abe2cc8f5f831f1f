//! What becomes of a candidate: figures in, one of three words and its reason out. Pure.
//!
//! New behaviour and poison look alike to the model in use: both are odd over and over. They differ in what the new model
//! can still find. Where behaviour changed, the records are as regular as before, elsewhere: anomalies of the size that
//! mattered so far still stand out. Where somebody made the records wild, or ever wilder, only anomalies larger than
//! that do. So the same anomalies, sized by the old noise, are put into both, and what the new model misses decides.

#![expect(clippy::cast_precision_loss, reason = "counts")]

use serde::Serialize;

use super::figures::{DataFigures, PairFigures, RetrainFigures, share};
use crate::{dataset::load::STREAM_RECORDS_MIN, say::counted};

/// Fewer days than this hold no two whole days to learn a daily curve from, once a part is held out twice.
pub const DAYS_MIN: f64 = 4.0;
/// Injected anomalies below which "as many" says nothing.
pub const EVENTS_MIN: u64 = 40;
/// A stream is away from home when the model in use calls more than this share of it odd. An alert budget of one a day
/// is a fiftieth of it.
pub const AWAY_SHARE: f64 = 0.05;
/// It is home again when the new model calls at most this part of what was odd in it odd.
pub const LEARNT_SHARE: f64 = 0.5;
/// So much worse, as a share of the anomalies put in, counts as no worse.
pub const FOUND_TOLERANCE: f64 = 0.03;
/// The same where streams changed: they are compared with others, not with themselves.
pub const AWAY_TOLERANCE: f64 = 0.10;
/// What a model finds at home, when too little is at home to measure it.
pub const FOUND_USUAL: f64 = 0.85;
/// Where a value has to be so many times as far from its curve to be odd, what was odd before is swallowed.
pub const SWALLOWED_REACH: f64 = 1.35;
/// The middle stream needs less to be suspicious: chance moves all of them together by a tenth.
pub const WIDER_REACH: f64 = 1.2;
/// The same since the anchor, whatever the number of steps.
pub const ANCHOR_REACH: f64 = 1.4;
/// A tenth of the known streams may do so; more is no coincidence.
pub const SWALLOWED_SHARE: f64 = 0.10;
/// A first model finds this share of the anomalies put in, or it is not ready.
pub const FIRST_FOUND_MIN: f64 = 0.7;
/// Differences larger than chance by this many standard deviations are real.
const SIGNIFICANT: f64 = 2.0;

/// What becomes of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RetrainDecision {
    /// It takes the place of the model in use.
    Promote,
    /// The model in use stays.
    Hold,
    /// It could be promoted, and a person has to sign it.
    Ask,
}

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetrainVerdict {
    pub decision: RetrainDecision,
    pub reason: String,
}

impl RetrainDecision {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Hold => "hold",
            Self::Ask => "ask",
        }
    }
}

impl RetrainVerdict {
    /// The model in use stays.
    #[must_use]
    pub fn hold(reason: String) -> Self {
        Self { decision: RetrainDecision::Hold, reason }
    }

    /// What is to be promoted waits for a signature where there is no key.
    #[must_use]
    pub fn with_key(self, has_key: bool) -> Self {
        if has_key || self.decision != RetrainDecision::Promote {
            return self;
        }
        Self { decision: RetrainDecision::Ask, reason: format!("{}; no signing key is at hand", self.reason) }
    }
}

#[must_use]
pub fn decide(figures: &RetrainFigures) -> RetrainVerdict {
    if let Some(reason) = too_little(figures) {
        return RetrainVerdict::hold(reason);
    }
    let promote = |reason| RetrainVerdict { decision: RetrainDecision::Promote, reason };
    if figures.current.is_none() {
        if figures.anchor_reach.is_some() {
            // What the logs grew to is only seen beside the model in use; without it they might have grown to anything.
            return RetrainVerdict::hold(
                "there is an anchor and no model in use: put the model in use back, or take the anchor away to begin anew"
                    .to_owned(),
            );
        }
        return first(figures).map_or_else(RetrainVerdict::hold, promote);
    }
    let against = [is_blind_where_it_changed, finds_less, is_wider, alerts_more];
    if let Some(reason) = against.iter().find_map(|check| check(figures)) {
        return RetrainVerdict::hold(reason);
    }
    gain(figures).map_or_else(
        || RetrainVerdict::hold("the model in use does as well: nothing is gained by another one".to_owned()),
        promote,
    )
}

/// Whether it is not even worth learning from these logs, and why.
#[must_use]
pub fn too_short(data: &DataFigures) -> Option<String> {
    if data.learnt_streams == 0 {
        return Some(format!(
            "too little data: no stream has {STREAM_RECORDS_MIN} records before {}",
            data.held_out_from
        ));
    }
    let is_long = data.days >= DAYS_MIN;
    (!is_long).then(|| {
        format!("too little data: the logs reach over {:.1} days, {DAYS_MIN} are needed for a daily curve", data.days)
    })
}

fn too_little(figures: &RetrainFigures) -> Option<String> {
    if let Some(reason) = too_short(&figures.data) {
        return Some(reason);
    }
    let mut all = figures.injected.home;
    all.merge(figures.injected.away);
    all.merge(figures.injected.new);
    (all.events < EVENTS_MIN).then(|| {
        let (records, events) = (figures.data.held_out_records, all.events);
        format!(
            "too little data: the {records} held-out records have room for {events} test anomalies, {EVENTS_MIN} are \
             needed"
        )
    })
}

/// A first model has nothing to be compared with: the error is why it is not ready.
fn first(figures: &RetrainFigures) -> Result<String, String> {
    let PairFigures { events, .. } = figures.injected.new;
    let found = share(figures.injected.new.candidate(), events);
    let percent = 100.0 * found;
    if found < FIRST_FOUND_MIN {
        let least = 100.0 * FIRST_FOUND_MIN;
        return Err(format!(
            "a first model that finds {percent:.0} % of {events} test anomalies, {least:.0} % are needed"
        ));
    }
    let odd = figures.candidate.odd_share;
    if odd > AWAY_SHARE {
        return Err(format!("a first model that finds {:.1} % of the newest records anomalous", 100.0 * odd));
    }
    Ok(format!("the first model: it finds {percent:.0} % of {events} test anomalies"))
}

/// Where nothing changed, the candidate finds as much.
fn finds_less(figures: &RetrainFigures) -> Option<String> {
    let home = figures.injected.home;
    is_more(home.current_only, home.candidate_only, home.events).then(|| {
        format!(
            "the new model would find fewer anomalies where nothing changed: {} instead of {} of {} test anomalies",
            home.candidate(),
            home.current(),
            home.events
        )
    })
}

/// Whether `a` of `events` pairs that differ are more than `b`, beyond tolerance and chance (`McNemar` 1947).
fn is_more(a: u64, b: u64, events: u64) -> bool {
    let excess = a as f64 - b as f64;
    excess > FOUND_TOLERANCE * events as f64 && excess > SIGNIFICANT * ((a + b) as f64).sqrt()
}

/// Where behaviour changed, the candidate finds about what the model in use finds where it did not.
fn is_blind_where_it_changed(figures: &RetrainFigures) -> Option<String> {
    let (away, streams) = (figures.injected.away, figures.streams);
    let odd = format!("{} of {} known streams are anomalous over and over", streams.away, streams.known);
    let swallows = streams.swallowed as f64 > SWALLOWED_SHARE * streams.known as f64;
    let missed = misses_where_it_changed(figures);
    if !swallows && missed.is_none() {
        return None;
    }
    if streams.settled > 0 && streams.settled == streams.swallowed {
        return Some(format!(
            "behaviour changed in the midst of these logs: {odd}, {} of them quiet on another level by now, and the new \
             model has learnt both levels as one; it can be learnt from logs that begin after the change",
            streams.settled
        ));
    }
    Some(match missed {
        Some(usual) => format!(
            "the data look poisoned: {odd}, and there the new model finds only {} of {} test anomalies where {:.0} % are \
             usual",
            away.candidate(),
            away.events,
            100.0 * usual
        ),
        None => format!(
            "the data look poisoned: {odd}, and in {} of them a value may be more than {SWALLOWED_REACH} times as far \
             off before it is anomalous to the new model",
            streams.swallowed
        ),
    })
}

/// The share that is usually found, if the candidate finds less of it than chance explains.
fn misses_where_it_changed(figures: &RetrainFigures) -> Option<f64> {
    let (home, away) = (figures.injected.home, figures.injected.away);
    let usual = if home.events >= EVENTS_MIN { share(home.current(), home.events) } else { FOUND_USUAL };
    let events = away.events as f64;
    let chance = SIGNIFICANT * (events * usual * (1.0 - usual)).sqrt();
    ((away.candidate() as f64) < events * (usual - AWAY_TOLERANCE) - chance).then_some(usual)
}

/// Noise that grows slowly, or everywhere, is never odd over and over, and makes the model deaf all the same.
fn is_wider(figures: &RetrainFigures) -> Option<String> {
    if let Some(reach) = figures.anchor_reach.filter(|reach| *reach > ANCHOR_REACH) {
        return Some(format!(
            "the data grew wilder step by step: since the anchor, a value may be {reach:.2} times as far off in the middle \
             stream before it is anomalous to the new model, {ANCHOR_REACH} is allowed"
        ));
    }
    let reach = figures.reach.filter(|reach| *reach > WIDER_REACH)?;
    Some(format!(
        "the data look ever wilder: in the middle stream a value may be {reach:.2} times as far off before it is \
         anomalous to the new model, {WIDER_REACH} is allowed"
    ))
}

/// The candidate's alerts stay within its budget or below those of the model in use.
fn alerts_more(figures: &RetrainFigures) -> Option<String> {
    let candidate = &figures.candidate.incidents;
    let before = figures.current.as_ref().and_then(|current| current.incidents.per_day);
    let allowed = before.unwrap_or(0.0).max(figures.candidate.expected_high);
    let low = candidate.low.filter(|low| *low > allowed)?;
    let compared = before.map_or_else(String::new, |before| format!(", the model in use {before:.2}"));
    Some(format!(
        "the new model would alert more: {:.2} (at least {low:.2}) alerts per server and day{compared}, and {:.2} are \
         allowed for",
        candidate.per_day.unwrap_or(low),
        figures.candidate.expected_high
    ))
}

/// What the candidate has over the model in use.
fn gain(figures: &RetrainFigures) -> Option<String> {
    let mut gains = Vec::new();
    if figures.streams.new > 0 {
        gains.push(format!("it knows {}", counted(figures.streams.new, "new stream")));
    }
    let (learnt, away) = (figures.streams.learnt, figures.streams.away);
    if learnt > 0 {
        gains.push(format!("{learnt} of {away} streams that are anomalous over and over are usual to it"));
    }
    let current = figures.current.as_ref()?;
    let (before, after) = (&current.incidents, &figures.candidate.incidents);
    if let (Some(low), Some(high)) = (before.low, after.high)
        && low > high
    {
        let (before, after) = (before.per_day.unwrap_or(low), after.per_day.unwrap_or(high));
        gains.push(format!("it raises {after:.2} instead of {before:.2} alerts per server and day"));
    }
    let home = figures.injected.home;
    if is_more(home.candidate_only, home.current_only, home.events) {
        let (found, before) = (home.candidate(), home.current());
        gains.push(format!("it finds {found} instead of {before} of {} test anomalies", home.events));
    }
    (!gains.is_empty()).then(|| gains.join(", and "))
}

#[cfg(test)]
mod tests {
    use super::{
        super::figures::{ModelSide, StreamFigures, StreamPlaces},
        *,
    };
    use crate::evaluate::poisson::PoissonRate;

    fn side(incidents: u64) -> ModelSide {
        ModelSide {
            version: 1,
            sha256: String::new(),
            threshold: 1.2,
            expected_high: 2.0,
            incidents: PoissonRate::new(incidents, 4.0),
            odd_share: 0.01,
            truth: None,
        }
    }

    fn pairs(events: u64, both: u64, current_only: u64, candidate_only: u64) -> PairFigures {
        PairFigures { events, both, current_only, candidate_only }
    }

    /// A week in which nothing happened.
    fn quiet() -> RetrainFigures {
        RetrainFigures {
            data: DataFigures {
                records: 100_000,
                sha256: String::new(),
                days: 7.0,
                held_out_from: String::new(),
                held_out_records: 20_000,
                held_out_server_days: 4.0,
                learnt_streams: 18,
                faulty_lines: 0,
            },
            current: Some(side(6)),
            candidate: side(6),
            injected: StreamPlaces { home: pairs(300, 280, 3, 3), ..StreamPlaces::default() },
            streams: StreamFigures { held_out: 18, known: 18, ..StreamFigures::default() },
            reach: Some(1.02),
            anchor_reach: None,
            features: Vec::new(),
            kinds: Vec::new(),
            rows: Vec::new(),
        }
    }

    #[track_caller]
    fn is(figures: &RetrainFigures, decision: RetrainDecision, words: &str) {
        let verdict = decide(figures);
        assert_eq!(verdict.decision, decision, "{}", verdict.reason);
        assert!(verdict.reason.contains(words), "{}", verdict.reason);
    }

    /// Four of the streams went to another level.
    fn changed() -> RetrainFigures {
        let mut figures = quiet();
        figures.current = Some(side(60));
        figures.injected =
            StreamPlaces { home: pairs(230, 215, 2, 2), away: pairs(70, 64, 4, 1), new: PairFigures::default() };
        figures.streams = StreamFigures { moved: 4, away: 4, ..figures.streams };
        figures
    }

    #[test]
    fn nothing_gained_is_held() {
        is(&quiet(), RetrainDecision::Hold, "does as well");
    }

    #[test]
    fn new_streams_fewer_alerts_or_more_found_are_gains() {
        let mut figures = quiet();
        figures.streams.new = 2;
        is(&figures, RetrainDecision::Promote, "2 new streams");
        is(&changed(), RetrainDecision::Promote, "1.50 instead of 15.00 alerts");
        let mut figures = quiet();
        figures.injected.home = pairs(300, 240, 2, 40);
        is(&figures, RetrainDecision::Promote, "280 instead of 242 of 300");
        let mut figures = quiet();
        figures.injected.home = pairs(300, 270, 4, 12);
        is(&figures, RetrainDecision::Hold, "does as well");
    }

    /// One long episode is one alert: that a stream is odd all the time is a reason of its own.
    #[test]
    fn streams_that_are_usual_again_are_a_gain() {
        let mut figures = changed();
        figures.current = Some(side(7));
        is(&figures, RetrainDecision::Hold, "does as well");
        figures.streams.learnt = 4;
        is(&figures, RetrainDecision::Promote, "4 of 4 streams that are anomalous over and over are usual to it");
    }

    #[test]
    fn what_finds_less_is_held_whatever_it_gains() {
        let mut figures = changed();
        figures.streams.new = 5;
        figures.injected.home = pairs(230, 190, 25, 1);
        is(&figures, RetrainDecision::Hold, "191 instead of 215 of 230");
        figures.injected.home = pairs(230, 209, 6, 1);
        is(&figures, RetrainDecision::Promote, "5 new streams");
    }

    #[test]
    fn what_is_blind_where_it_changed_is_poisoned() {
        let mut figures = changed();
        figures.injected.away = pairs(70, 40, 28, 0);
        is(
            &figures,
            RetrainDecision::Hold,
            "look poisoned: 4 of 18 known streams are anomalous over and over, and there",
        );
        let mut figures = changed();
        figures.streams.swallowed = 4;
        is(&figures, RetrainDecision::Hold, "in 4 of them a value may be more than 1.35 times");
        figures.streams.settled = 4;
        is(&figures, RetrainDecision::Hold, "changed in the midst of these logs");
        figures.streams = StreamFigures { swallowed: 1, settled: 1, ..figures.streams };
        is(&figures, RetrainDecision::Promote, "instead of");
    }

    #[test]
    fn everything_changed_or_poisoned_is_measured_by_what_is_usual() {
        let mut figures = changed();
        figures.streams = StreamFigures { moved: 18, away: 18, ..figures.streams };
        figures.injected = StreamPlaces { away: pairs(300, 280, 15, 2), ..StreamPlaces::default() };
        is(&figures, RetrainDecision::Promote, "instead of");
        figures.injected.away = pairs(300, 160, 135, 2);
        is(&figures, RetrainDecision::Hold, "look poisoned");
    }

    #[test]
    fn noise_that_grows_everywhere_is_held() {
        let mut figures = changed();
        figures.reach = Some(1.3);
        is(&figures, RetrainDecision::Hold, "1.30 times as far off");
        // In steps that are each small enough.
        (figures.reach, figures.anchor_reach) = (Some(1.1), Some(1.45));
        is(&figures, RetrainDecision::Hold, "since the anchor, a value may be 1.45 times");
        figures.anchor_reach = Some(1.2);
        is(&figures, RetrainDecision::Promote, "instead of");
    }

    #[test]
    fn a_model_in_use_that_was_lost_is_no_new_beginning() {
        let mut figures = quiet();
        figures.current = None;
        figures.anchor_reach = Some(1.0);
        is(&figures, RetrainDecision::Hold, "put the model in use back");
    }

    #[test]
    fn more_alerts_than_before_and_than_allowed_are_held() {
        let mut figures = quiet();
        figures.streams.new = 1;
        figures.candidate = side(30);
        is(&figures, RetrainDecision::Hold, "alert more");
        figures.current = Some(side(28));
        is(&figures, RetrainDecision::Promote, "1 new stream");
    }

    #[test]
    fn too_little_is_held_first() {
        let mut figures = changed();
        figures.data.days = 3.9;
        is(&figures, RetrainDecision::Hold, "too little data: the logs reach over 3.9 days");
        figures.data.days = f64::NAN;
        is(&figures, RetrainDecision::Hold, "too little data");
        let mut figures = quiet();
        figures.injected.home = pairs(39, 39, 0, 0);
        is(&figures, RetrainDecision::Hold, "room for 39 test anomalies");
        figures.data.learnt_streams = 0;
        is(&figures, RetrainDecision::Hold, "200 records");
    }

    #[test]
    fn a_first_model_finds_enough_and_is_quiet() {
        let mut figures = quiet();
        figures.current = None;
        figures.injected = StreamPlaces { new: pairs(300, 0, 0, 270), ..StreamPlaces::default() };
        is(&figures, RetrainDecision::Promote, "finds 90 % of 300");
        figures.candidate.odd_share = 0.08;
        is(&figures, RetrainDecision::Hold, "8.0 % of the newest records");
        figures.injected.new = pairs(300, 0, 0, 200);
        is(&figures, RetrainDecision::Hold, "67 % of 300");
    }

    #[test]
    fn without_a_key_a_person_is_asked() {
        let promote = decide(&changed());
        assert_eq!(promote.clone().with_key(true), promote);
        let ask = promote.with_key(false);
        assert!(ask.decision == RetrainDecision::Ask && ask.reason.ends_with("no signing key is at hand"), "{ask:?}");
        assert_eq!(decide(&quiet()).with_key(false).decision, RetrainDecision::Hold);
    }
}
