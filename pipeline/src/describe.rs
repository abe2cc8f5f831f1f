//! What an episode shows of what was found: figures and a few words. Pure.

use oddline_core::{
    activity::{
        ActivityNotice, SilentStream,
        rate::{self, RateFinding},
    },
    amounts::{TimeSpan, counted},
    event::{self, BoundedText, Episode, EpisodeKind, EpisodeReason, Finite, List, Silence, words::short},
    profile::RecordView,
    record::Level,
    score::bounded,
    stream::StreamName,
    time::EventTime,
    verdict::Verdict,
    weight,
    window::{WindowPart, WindowVerdict},
};

use super::{episodes::EpisodeContext, incidents::IncidentPart};

/// What was found at one record or interval.
pub(crate) enum PipelineFinding<'a> {
    /// A verdict, how its model scores, and the seconds since the stream's record before.
    Verdict(&'a Verdict, &'a RecordView, f64),
    /// An interval's count.
    Rate(&'a RateFinding),
    /// A component never seen.
    Component(EventTime),
    /// A level never seen.
    Level(EventTime, Level),
    /// More names than places.
    Crowd(EventTime),
    /// A server's metrics together, and what the names of its parts are shown as.
    Window(&'a WindowVerdict, Vec<event::Name>),
}

/// A count below this is none, in words.
const NONE: f64 = 0.5;
/// News has no measure of its own. On the scale of the others, on which 1 is just odd, a name that was never seen is
/// worth a look.
const NEW_COMPONENT: f32 = 2.0;
/// What that is, in words.
pub(crate) const CROWD_IN_WORDS: &str =
    "more names of streams than there is room for: some are forgotten, first those seen least";
/// As an error that was never seen: what is forgotten finds nothing.
const CROWD: f32 = 5.0;

/// A level that was never reached is worth the more the higher it is.
fn new_level(level: Level) -> f32 {
    match level {
        Level::Trace | Level::Debug | Level::Info | Level::Notice | Level::Warning => 2.0,
        Level::Error => 5.0,
        Level::Critical => 10.0,
        Level::Alert => 15.0,
        Level::Emergency => 20.0,
    }
}

impl PipelineFinding<'_> {
    /// When.
    pub(crate) fn time(&self) -> EventTime {
        match self {
            Self::Verdict(verdict, ..) => verdict.time,
            Self::Rate(finding) => finding.time,
            Self::Component(time) | Self::Level(time, _) | Self::Crowd(time) => *time,
            Self::Window(window, _) => window.time,
        }
    }

    /// How odd: of a verdict in its model's quantiles, of a rate in the largest usual surprises, of news by its level.
    pub(crate) fn score(&self) -> f32 {
        match self {
            Self::Verdict(verdict, ..) => verdict.score.value,
            Self::Rate(finding) => finding.score,
            Self::Component(_) => NEW_COMPONENT,
            Self::Level(_, level) => new_level(*level),
            Self::Crowd(_) => CROWD,
            Self::Window(window, _) => window.score,
        }
    }

    /// Whether it is odd in itself, beside standing in an episode.
    pub(crate) fn is_odd(&self) -> bool {
        match self {
            Self::Verdict(verdict, ..) => verdict.anomalous,
            Self::Rate(finding) => finding.odd,
            Self::Component(_) | Self::Level(..) | Self::Crowd(_) => true,
            Self::Window(window, _) => window.anomalous,
        }
    }

    /// The number of its record, when a record was judged.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Verdict(verdict, ..) => Some(verdict.number),
            Self::Rate(_) | Self::Component(_) | Self::Level(..) | Self::Crowd(_) | Self::Window(..) => None,
        }
    }

    /// How far apart what it is found in comes, in seconds; 0 where nothing comes again.
    pub(crate) fn pause_s(&self) -> f64 {
        match self {
            Self::Verdict(.., pause_s) => *pause_s,
            Self::Rate(_) => rate::INTERVAL_S as f64,
            Self::Window(window, _) => window.interval_s,
            Self::Component(_) | Self::Level(..) | Self::Crowd(_) => 0.0,
        }
    }

    fn kind(&self) -> EpisodeKind {
        match self {
            Self::Verdict(verdict, ..) => verdict.score.cause.into(),
            Self::Rate(_) => EpisodeKind::Rate,
            Self::Component(_) | Self::Level(..) | Self::Crowd(_) => EpisodeKind::Novelty,
            Self::Window(..) => EpisodeKind::Window,
        }
    }

    fn threshold(&self) -> f32 {
        match self {
            Self::Verdict(verdict, ..) => verdict.threshold,
            Self::Window(window, _) => window.threshold,
            Self::Rate(_) | Self::Component(_) | Self::Level(..) | Self::Crowd(_) => 1.0,
        }
    }

    /// The main reason in words.
    fn reason(&self) -> String {
        match self {
            Self::Verdict(verdict, ..) => verdict.told_reason(),
            Self::Rate(finding) => rate_in_words(f64::from(finding.count), finding.expected),
            Self::Component(_) => "component seen for the first time".to_owned(),
            Self::Level(_, level) => format!("first message of level {} from this component", level.name()),
            Self::Crowd(_) => CROWD_IN_WORDS.to_owned(),
            Self::Window(window, names) => window_in_words(window, names),
        }
    }

    /// Lets it speak for the episode: the one with the largest score does.
    pub(crate) fn describe(&self, episode: &mut Episode) {
        episode.peak = Finite::<f32>::nearest(self.score());
        episode.main_reason = BoundedText::cut(&self.reason());
        match self {
            Self::Verdict(verdict, view, _) => {
                episode.value = Finite::<f64>::nearest(verdict.value);
                episode.expected = verdict.expected.and_then(Finite::<f64>::new);
                episode.reasons = verdict.reasons(view).iter().map(EpisodeReason::from).collect();
            }
            Self::Rate(finding) => {
                let count = f64::from(finding.count);
                episode.value = Finite::<f64>::nearest(count);
                episode.expected = Finite::<f64>::new(finding.expected);
                episode.reasons = one_reason("rate", count, finding.expected, finding.score);
            }
            Self::Window(window, names) => {
                let largest = window.parts.first();
                episode.value = Finite::<f64>::nearest(largest.map_or(0.0, |part| part.observed));
                episode.expected = largest.and_then(|part| Finite::<f64>::new(part.expected));
                let parts = window.parts.iter().zip(names);
                episode.reasons = parts.map(|(part, name)| of_part(part, name, window.score)).collect();
            }
            Self::Component(_) | Self::Level(..) | Self::Crowd(_) => {}
        }
    }
}

/// An episode as it opens.
pub(crate) fn first(
    number: u64,
    stream: &StreamName,
    seen: &PipelineFinding<'_>,
    part: IncidentPart,
    around: EpisodeContext<'_>,
) -> Episode {
    let mut episode = Episode {
        source: around.source.clone(),
        number,
        server: around.redactor.name(&stream.server),
        component: around.redactor.name(&stream.component),
        kind: seen.kind(),
        first: seen.time(),
        last: seen.time(),
        records: 1,
        peak: Finite::<f32>::nearest(0.0),
        threshold: Finite::<f32>::nearest(seen.threshold()),
        main_reason: BoundedText::default(),
        reasons: List::default(),
        value: Finite::<f64>::nearest(0.0),
        expected: None,
        learning: matches!(seen, PipelineFinding::Verdict(verdict, ..) if verdict.learning),
        samples: around.line.and_then(|line| around.redactor.sample(line)).into_iter().collect(),
        model: around.model,
        by_clock: false,
        extras: part.extras(),
    };
    seen.describe(&mut episode);
    episode
}

/// What an episode weighs in a box of its own, in bytes.
pub(crate) fn bytes(episode: &Episode) -> usize {
    let texts = [&*episode.source, &*episode.server, &*episode.component, &*episode.main_reason];
    let texts = texts.into_iter().chain(episode.samples.iter().map(|sample| &**sample));
    let reasons = episode.reasons.iter().map(|reason| weight::block(reason.feature.len())).sum::<usize>();
    let extras = episode.extras.iter().map(|(name, value)| weight::block(name.len()) + weight::block(value.len()));
    weight::items::<Episode>(1)
        + extras.sum::<usize>()
        + texts.map(|text| weight::block(text.len())).sum::<usize>()
        + weight::items::<EpisodeReason>(episode.reasons.len())
        + weight::items::<event::Sample>(episode.samples.len())
        + reasons
}

/// The event that tells of a silence.
pub(crate) fn silence(silent: &SilentStream, part: IncidentPart, around: &EpisodeContext<'_>) -> Silence {
    Silence {
        source: around.source.clone(),
        server: around.redactor.name(&silent.stream.server),
        component: around.redactor.name(&silent.stream.component),
        last: silent.last,
        until: silent.until,
        usual_s: Finite::<f64>::nearest(silent.usual_s),
        model: around.model,
        by_clock: silent.by_clock,
        extras: part.extras(),
    }
}

/// The episode that a silence is while it lasts: no records, from the stream's last one on. Its value is the pause in
/// seconds, expected is the longest usual one; scores are pauses in usual ones.
pub(crate) fn silent_episode(
    number: u64,
    silent: &SilentStream,
    part: IncidentPart,
    around: EpisodeContext<'_>,
) -> Episode {
    let threshold = bounded(silent.too_long_s / silent.usual_s);
    Episode {
        source: around.source.clone(),
        number,
        server: around.redactor.name(&silent.stream.server),
        component: around.redactor.name(&silent.stream.component),
        kind: EpisodeKind::Silence,
        first: silent.last,
        last: silent.last,
        records: 0,
        peak: Finite::<f32>::nearest(threshold),
        threshold: Finite::<f32>::nearest(threshold),
        main_reason: BoundedText::default(),
        reasons: List::default(),
        value: Finite::<f64>::nearest(silent.too_long_s),
        expected: Finite::<f64>::new(silent.usual_s),
        learning: false,
        samples: List::default(),
        model: around.model,
        by_clock: silent.by_clock,
        extras: part.extras(),
    }
}

/// The episode of a silence that a record at `time` has ended.
pub(crate) fn spoke(mut episode: Box<Episode>, time: EventTime) -> Box<Episode> {
    let pause = time.seconds_since(episode.first);
    let usual = episode.expected.map_or(f64::NAN, Finite::<f64>::get);
    let score = bounded(pause / usual);
    episode.last = time;
    episode.peak = Finite::<f32>::nearest(score);
    episode.value = Finite::<f64>::nearest(pause);
    episode.main_reason = BoundedText::cut(&format!("silent for {}", TimeSpan::of_seconds(pause)));
    episode.reasons = one_reason("pause", pause, usual, score);
    episode
}

/// What a notice says, whether it is told on its own or not.
pub(crate) fn notice_in_words(notice: &ActivityNotice) -> String {
    match notice {
        ActivityNotice::Silent(SilentStream { stream, last, until, usual_s, .. }) => {
            let whose = if stream.component.is_empty() { "the server" } else { "the stream" };
            let (pause, usual) = (TimeSpan::of_seconds(until.seconds_since(*last)), TimeSpan::of_seconds(*usual_s));
            format!("{whose} has been silent for {pause} since {last}, usually at most {usual}")
        }
        ActivityNotice::Spoke { stream, .. } if stream.component.is_empty() => "the server speaks again".to_owned(),
        ActivityNotice::Spoke { .. } => "the stream speaks again".to_owned(),
        ActivityNotice::Rate { finding, .. } => PipelineFinding::Rate(finding).reason(),
        ActivityNotice::NewComponent { time, .. } => PipelineFinding::Component(*time).reason(),
        ActivityNotice::NewLevel { time, level, .. } => PipelineFinding::Level(*time, *level).reason(),
    }
}

fn rate_in_words(count: f64, expected: f64) -> String {
    let records = counted(count as u64, "record");
    if expected < NONE {
        format!("{records} in 5 minutes, usually hardly any")
    } else if count >= expected {
        format!("{:.1} times the usual rate: {records} in 5 minutes, usually {}", count / expected, short(expected))
    } else {
        format!("{records} in 5 minutes, usually {}", short(expected))
    }
}

/// How many metrics are unusual together, and which.
fn window_in_words(window: &WindowVerdict, names: &[event::Name]) -> String {
    match names {
        [] => "the server's metrics are unusual together".to_owned(),
        [only] => format!("{only} is unusual beside the server's other metrics"),
        [first, rest @ ..] => {
            let more = if rest.len() > 2 { format!(" and {} more", rest.len() - 2) } else { String::new() };
            let named: Vec<&str> = [first].into_iter().chain(rest.iter().take(2)).map(|name| &**name).collect();
            format!("unusual together, of {} metrics: {}{more}", window.metrics, named.join(", "))
        }
    }
}

/// A metric's part of the score.
fn of_part(part: &WindowPart, name: &event::Name, score: f32) -> EpisodeReason {
    EpisodeReason {
        feature: BoundedText::cut(name),
        observed: Finite::<f64>::nearest(part.observed),
        expected: Finite::<f64>::new(part.expected),
        share: Finite::<f32>::nearest(part.share * score),
    }
}

fn one_reason(feature: &str, observed: f64, expected: f64, share: f32) -> List<EpisodeReason, { event::REASONS_MAX }> {
    let reason = EpisodeReason {
        feature: BoundedText::cut(feature),
        observed: Finite::<f64>::nearest(observed),
        expected: Finite::<f64>::new(expected),
        share: Finite::<f32>::nearest(share),
    };
    core::iter::once(reason).collect()
}
