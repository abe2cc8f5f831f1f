//! Steps in, events out, without a model.

use oddline_core::{
    activity::rate::RateFinding,
    event::EpisodeKind,
    profile::Threshold,
    score::{Score, ScoreCause},
    verdict::Verdict,
};

use super::*;
use crate::redactor::Unredacted;

fn view() -> RecordView {
    let threshold = Threshold { value: 1.0, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) };
    RecordView {
        center: [0.0; 8],
        scale: [1.0; 8],
        residual_quantile: [1.0; 8],
        value_quantile: [1.0; 8],
        autoencoder: true,
        novelty: true,
        threshold,
    }
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_micros(seconds * 1_000_000)
}

fn name(component: &str) -> Arc<StreamName> {
    Arc::new(StreamName { server: "a".to_owned(), component: component.to_owned() })
}

fn judged(number: u64, component: &str, step: EpisodeStep, score: f32) -> JudgedRow {
    let verdict = Verdict {
        number,
        time: at(number as i64),
        stream: name(component),
        value: f64::from(score),
        expected: None,
        score: Score { value: score, cause: ScoreCause::Range },
        threshold: 1.0,
        anomalous: score >= 1.0,
        learning: true,
        vector: [0.0; 8],
        residual: [0.0; 8],
        loudness: 1.0,
        figures: None,
    };
    JudgedRow { verdict, step, pause_s: 60.0 }
}

struct Told {
    episodes: EpisodeTracker,
    source: SourceName,
    view: RecordView,
    events: Vec<Event>,
}

impl Told {
    fn new(flood_limit: u32) -> Self {
        Self {
            episodes: EpisodeTracker::new(flood_limit),
            source: SourceName::cut("log"),
            view: view(),
            events: Vec::new(),
        }
    }

    fn take(&mut self, judged: &JudgedRow) -> Vec<Event> {
        let around = EpisodeContext {
            source: &self.source,
            view: &self.view,
            model: 3,
            passed: None,
            line: None,
            redactor: &Unredacted,
        };
        self.episodes.take(judged, around, &mut self.events);
        core::mem::take(&mut self.events)
    }

    fn note(&mut self, notice: &ActivityNotice) -> Vec<Event> {
        let around = EpisodeContext {
            source: &self.source,
            view: &self.view,
            model: 3,
            passed: None,
            line: None,
            redactor: &Unredacted,
        };
        self.episodes.note(notice, around, &mut self.events);
        core::mem::take(&mut self.events)
    }
}

fn whole() -> oddline_core::episode::EpisodeSpan {
    oddline_core::episode::EpisodeSpan { first: at(0), last: at(0), records: 1, peak: 1.0 }
}

#[test]
fn every_step_has_its_events() {
    let mut told = Told::new(60);
    assert_eq!(told.take(&judged(0, "c", EpisodeStep::Quiet, 0.5)), []);
    assert!(
        matches!(&*told.take(&judged(1, "c", EpisodeStep::Opened, 2.0)), [Event::EpisodeOpened(e)] if e.records == 1)
    );
    assert_eq!(told.take(&judged(2, "c", EpisodeStep::Goes, 0.5)), [], "a usual record in it");
    let updated = told.take(&judged(3, "c", EpisodeStep::Goes, 5.0));
    assert!(matches!(&*updated, [Event::EpisodeUpdated(e)] if e.records == 2 && e.value.get() == 5.0));
    assert_eq!(told.take(&judged(4, "c", EpisodeStep::Goes, 3.0)), [], "three is no doubling");
    let ended = told.take(&judged(9, "c", EpisodeStep::Closed(whole()), 0.1));
    let [Event::EpisodeEnded(e)] = &*ended else { panic!("{ended:?}") };
    assert_eq!((e.number, e.records, e.first, e.last), (1, 3, at(1), at(4)));
    assert_eq!((e.peak.get(), e.value.get(), e.kind, e.learning), (5.0, 5.0, EpisodeKind::Range, true));
    assert_eq!(told.take(&judged(10, "c", EpisodeStep::Closed(whole()), 0.1)), [], "an end without a beginning");
    let _ = told.take(&judged(11, "c", EpisodeStep::Opened, 2.0));
    let level = told.take(&judged(12, "c", EpisodeStep::NewLevel(whole()), 2.0));
    assert!(matches!(&*level, [Event::NewLevel(e)] if e.records == 2 && e.last == at(12)));
}

#[test]
fn a_held_episode_stays_silent_to_its_end() {
    let mut told = Told::new(1);
    assert_eq!(told.take(&judged(1, "c", EpisodeStep::Opened, 2.0)).len(), 1);
    assert_eq!(told.take(&judged(2, "d", EpisodeStep::Opened, 2.0)), []);
    for number in 3..20 {
        assert_eq!(told.take(&judged(number, "d", EpisodeStep::Goes, 9.0)), []);
    }
    assert_eq!(told.take(&judged(20, "d", EpisodeStep::Closed(whole()), 0.1)), []);
    let summary = told.take(&judged(3_602, "c", EpisodeStep::Goes, 0.1));
    assert!(matches!(&*summary, [Event::FloodSummary(f)] if f.suppressed == 1 && f.from == at(2)));
    told.episodes.rest(&told.source.clone(), &Unredacted, &mut told.events);
    assert_eq!(told.events, [], "told once");
}

#[test]
fn open_episodes_are_bounded_and_the_first_by_name_is_forgotten() {
    let mut told = Told::new(0);
    for i in 0..=OPEN_MAX {
        let _ = told.take(&judged(i as u64, &format!("c{i:06}"), EpisodeStep::Opened, 2.0));
    }
    assert_eq!((told.episodes.open.len(), told.episodes.forgotten()), (OPEN_MAX, 1));
    assert!(!told.episodes.open.contains_key(&(EpisodeTopic::Values, name("c000000"))));
    let _ = told.take(&judged(1_000_000, "c000001", EpisodeStep::Opened, 2.0));
    assert_eq!(told.episodes.forgotten(), 1, "its own place is no new one");
}

#[test]
fn a_stream_has_an_episode_of_each_kind_and_each_its_number() {
    let mut told = Told::new(60);
    let finding = |step| RateFinding { step, odd: true, time: at(0), count: 40, expected: 10.0, score: 2.0 };
    let rate = |step| ActivityNotice::Rate { stream: name("c"), finding: finding(step) };
    let silent = |by_clock| {
        let (last, until) = (at(0), at(900));
        ActivityNotice::Silent(SilentStream {
            stream: name("c"),
            last,
            until,
            usual_s: 60.0,
            too_long_s: 300.0,
            by_clock,
        })
    };
    let spoke = |by_clock| ActivityNotice::Spoke { stream: name("c"), time: at(1_200), by_clock };
    let news = ActivityNotice::NewComponent { stream: name("c"), time: at(1) };
    let level =
        ActivityNotice::NewLevel { stream: name("c"), time: at(1), level: oddline_core::record::Level::Critical };
    let notices = [
        rate(EpisodeStep::Opened),
        silent(false),
        silent(true),
        news,
        level,
        spoke(true),
        spoke(false),
        rate(EpisodeStep::Closed(whole())),
    ];
    let mut events = told.take(&judged(5, "c", EpisodeStep::Opened, 2.0));
    events.extend(notices.iter().flat_map(|notice| told.note(notice)));
    events.extend(told.take(&judged(9, "c", EpisodeStep::Closed(whole()), 0.1)));
    let numbered = |event: &Event| match event {
        Event::EpisodeOpened(e) => format!("opened {:?} {} {}", e.kind, e.number, e.by_clock),
        Event::EpisodeEnded(e) => format!("ended {:?} {} {}", e.kind, e.number, e.by_clock),
        Event::Silence(s) => format!("silence {}", s.by_clock),
        other => panic!("{other:?}"),
    };
    let apart = |n: u64| NUMBERS_APART + n;
    let expected = [
        "opened Range 5 false".to_owned(),
        format!("opened Rate {} false", apart(1)),
        "silence false".to_owned(),
        "silence true".to_owned(),
        format!("opened Novelty {} false", apart(3)),
        format!("ended Novelty {} false", apart(3)),
        format!("opened Novelty {} false", apart(4)),
        format!("ended Novelty {} false", apart(4)),
        format!("ended Silence {} true", NUMBERS_BY_CLOCK + 1),
        format!("ended Silence {} false", apart(2)),
        format!("ended Rate {} false", apart(1)),
        "ended Range 5 false".to_owned(),
    ];
    assert_eq!(events.iter().map(numbered).collect::<Vec<_>>(), expected);
    assert!(told.episodes.open.is_empty());
}

#[test]
fn odd_values_do_not_drown_a_silence() {
    let mut told = Told::new(3);
    let opened: usize = (0..10).map(|i| told.take(&judged(i, &format!("v{i}"), EpisodeStep::Opened, 2.0)).len()).sum();
    assert_eq!(opened, 3);
    let silent = |i: i64| {
        let stream = name(&format!("c{i}"));
        ActivityNotice::Silent(SilentStream {
            stream,
            last: at(0),
            until: at(900),
            usual_s: 60.0,
            too_long_s: 300.0,
            by_clock: false,
        })
    };
    let silences: usize = (0..10).map(|i| told.note(&silent(i)).len()).sum();
    assert_eq!(silences, 3);
    let held: Vec<u64> = told
        .take(&judged(900 + 3_600, "v0", EpisodeStep::Goes, 0.1))
        .iter()
        .map(|e| if let Event::FloodSummary(f) = e { f.suppressed } else { 0 })
        .collect();
    assert_eq!(held, [7, 7]);
}

#[test]
fn the_clock_has_a_flood_limit_of_its_own() {
    let mut told = Told::new(2);
    let silent = |i: i64| {
        let (last, until) = (at(0), at(900));
        let stream = name(&format!("c{i}"));
        ActivityNotice::Silent(SilentStream { stream, last, until, usual_s: 60.0, too_long_s: 300.0, by_clock: true })
    };
    let by_clock: usize = (0..10).map(|i| told.note(&silent(i)).len()).sum();
    assert_eq!(by_clock, 2);
    assert_eq!(told.take(&judged(1, "d", EpisodeStep::Opened, 2.0)).len(), 1, "event time still has its own");
    assert_eq!(told.note(&ActivityNotice::Spoke { stream: name("c9"), time: at(950), by_clock: true }), []);
    let mut events = Vec::new();
    told.episodes.clock(at(900 + 3_600), &told.source.clone(), &Unredacted, &mut events);
    assert!(matches!(&*events, [Event::FloodSummary(f)] if f.by_clock && f.suppressed == 8));
}
