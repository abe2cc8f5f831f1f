//! The true events and the alert episodes of one stream, found in one pass with fixed memory.
//!
//! Positions are counted in records of the stream. A true event is a run of anomalous records, two
//! of them belonging together when their positions differ by at most `merge_gap`; records that name
//! an event belong to that event whatever lies between them. An episode is a run of flagged records
//! merged in the same way. It is true when a record of an event lies between its first and its last
//! flagged record (both included), else false. The records inside a merged gap belong to the event.

/// One record as the truth sees it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EventTruth {
    pub anomalous: bool,
    /// Event the record is labelled with, anomalous itself or not.
    pub event: Option<u32>,
    pub kind: Option<u16>,
}

impl EventTruth {
    fn of_event(self) -> bool {
        self.anomalous || self.event.is_some()
    }
}

/// An event that can get no more records. Events without an anomalous record are not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TruthEvent {
    pub kind: Option<u16>,
    pub found: bool,
}

/// An alert episode that can get no more records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EvaluatedEpisode {
    True,
    False,
    /// False, and it began at most `after_event` records behind the last record of an event.
    FalseAfterEvent,
}

/// What one record (or the end) closed: at most one of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ClosedEpisode {
    pub event: Option<TruthEvent>,
    pub episode: Option<EvaluatedEpisode>,
}

/// How runs are formed, in records.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunRules {
    pub merge_gap: u64,
    pub after_event: u64,
}

#[derive(Debug, Clone, Copy)]
struct OpenTruthEvent {
    id: Option<u32>,
    kind: Option<u16>,
    last: u64,
    anomalous: bool,
    found: bool,
    /// A record behind `last` was flagged: it counts if the event goes on within the gap.
    flagged_since: bool,
}

#[derive(Debug, Clone, Copy)]
struct OpenEpisode {
    last: u64,
    is_true: bool,
    after_event: bool,
    /// A record of an event came behind `last`: it counts if the episode goes on.
    truth_since: bool,
}

#[derive(Debug, Clone)]
pub(super) struct EventRuns {
    rules: RunRules,
    position: u64,
    event: Option<OpenTruthEvent>,
    episode: Option<OpenEpisode>,
    last_of_event: Option<u64>,
}

impl EventRuns {
    pub(super) fn new(rules: RunRules) -> Self {
        Self { rules, position: 0, event: None, episode: None, last_of_event: None }
    }

    pub(super) fn push(&mut self, truth: EventTruth, flagged: bool) -> ClosedEpisode {
        self.position += 1;
        let gap = self.rules.merge_gap;
        let position = self.position;
        let episode = self.episode.take_if(|e| position - e.last > gap).map(OpenEpisode::close);
        let event = if truth.of_event() { self.extend_event(truth, flagged) } else { self.outside_event(flagged) };
        if flagged {
            self.extend_episode(truth);
        }
        if truth.of_event() {
            self.last_of_event = Some(position);
        }
        ClosedEpisode { event, episode }
    }

    /// Whether the next flagged record may belong to an episode that is open.
    pub(super) fn is_in_episode(&self) -> bool {
        self.episode.is_some()
    }

    pub(super) fn finish(&mut self) -> ClosedEpisode {
        ClosedEpisode {
            event: self.event.take().and_then(OpenTruthEvent::close),
            episode: self.episode.take().map(OpenEpisode::close),
        }
    }

    fn extend_event(&mut self, truth: EventTruth, flagged: bool) -> Option<TruthEvent> {
        let (position, gap) = (self.position, self.rules.merge_gap);
        let mut closed = None;
        let joins = self.event.is_some_and(|e| e.id == truth.event && (e.id.is_some() || position - e.last <= gap));
        if !joins {
            closed = self.event.take().and_then(OpenTruthEvent::close);
        }
        let event = self.event.get_or_insert(OpenTruthEvent {
            id: truth.event,
            kind: truth.kind,
            last: position,
            anomalous: false,
            found: false,
            flagged_since: false,
        });
        let flagged_in_gap = event.flagged_since && position - event.last <= gap;
        event.last = position;
        event.anomalous |= truth.anomalous;
        event.kind = event.kind.or(truth.kind);
        event.found |= flagged || flagged_in_gap;
        event.flagged_since = false;
        if let Some(episode) = &mut self.episode {
            episode.is_true |= flagged_in_gap;
            episode.truth_since = true;
        }
        closed
    }

    fn outside_event(&mut self, flagged: bool) -> Option<TruthEvent> {
        let (position, gap) = (self.position, self.rules.merge_gap);
        if let Some(event) = &mut self.event {
            event.flagged_since |= flagged;
        }
        self.event.take_if(|e| e.id.is_none() && position - e.last > gap).and_then(OpenTruthEvent::close)
    }

    fn extend_episode(&mut self, truth: EventTruth) {
        let position = self.position;
        let after_event = self.last_of_event.is_some_and(|last| position - last <= self.rules.after_event);
        let episode =
            self.episode.get_or_insert(OpenEpisode { last: position, is_true: false, after_event, truth_since: false });
        episode.is_true |= truth.of_event() || episode.truth_since;
        episode.truth_since = false;
        episode.last = position;
    }
}

impl OpenTruthEvent {
    fn close(self) -> Option<TruthEvent> {
        self.anomalous.then_some(TruthEvent { kind: self.kind, found: self.found })
    }
}

impl OpenEpisode {
    fn close(self) -> EvaluatedEpisode {
        match (self.is_true, self.after_event) {
            (true, _) => EvaluatedEpisode::True,
            (false, true) => EvaluatedEpisode::FalseAfterEvent,
            (false, false) => EvaluatedEpisode::False,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: RunRules = RunRules { merge_gap: 5, after_event: 20 };

    /// `.` normal, `!` false flag, `a` anomalous, `A` anomalous and flagged,
    /// `e` normal but labelled with event 7, `E` the same and flagged.
    fn judge(line: &str) -> (Vec<bool>, Vec<EvaluatedEpisode>) {
        let mut runs = EventRuns::new(RULES);
        let (mut events, mut episodes) = (Vec::new(), Vec::new());
        let mut keep = |closed: ClosedEpisode| {
            events.extend(closed.event.map(|e| e.found));
            episodes.extend(closed.episode);
        };
        for c in line.chars() {
            let truth = EventTruth {
                anomalous: matches!(c, 'a' | 'A'),
                event: matches!(c, 'e' | 'E').then_some(7),
                kind: None,
            };
            keep(runs.push(truth, matches!(c, '!' | 'A' | 'E')));
        }
        keep(runs.finish());
        (events, episodes)
    }

    #[test]
    fn runs_merge_at_five_records_apart_and_not_at_six() {
        assert_eq!(judge("a....A"), (vec![true], vec![EvaluatedEpisode::True]));
        assert_eq!(judge("a.....A"), (vec![false, true], vec![EvaluatedEpisode::True]));
        assert_eq!(judge("!....!").1, vec![EvaluatedEpisode::False]);
        assert_eq!(judge("!.....!").1, vec![EvaluatedEpisode::False; 2]);
    }

    #[test]
    fn a_flag_inside_a_merged_gap_finds_the_event() {
        assert_eq!(judge("a.!..a"), (vec![true], vec![EvaluatedEpisode::True]));
        assert_eq!(judge("a.!...a"), (vec![false, false], vec![EvaluatedEpisode::FalseAfterEvent]));
    }

    #[test]
    fn an_episode_that_spans_an_event_is_true_but_one_beside_it_is_false() {
        assert_eq!(judge("!.a.!"), (vec![false], vec![EvaluatedEpisode::True]));
        assert_eq!(judge("!.a.."), (vec![false], vec![EvaluatedEpisode::False]));
        assert_eq!(judge("..a.!"), (vec![false], vec![EvaluatedEpisode::FalseAfterEvent]));
    }

    #[test]
    fn twenty_records_after_an_event_are_told_apart() {
        let at = |distance: usize| judge(&format!("A{}!", ".".repeat(distance - 1))).1[1];
        assert_eq!(at(6), EvaluatedEpisode::FalseAfterEvent);
        assert_eq!(at(20), EvaluatedEpisode::FalseAfterEvent);
        assert_eq!(at(21), EvaluatedEpisode::False);
    }

    #[test]
    fn records_of_a_labelled_event_excuse_but_make_no_event_alone() {
        assert_eq!(judge("..eE.."), (vec![], vec![EvaluatedEpisode::True]));
    }

    #[test]
    fn ids_join_over_any_distance_and_part_neighbours() {
        let mut runs = EventRuns::new(RULES);
        let mut found = Vec::new();
        let mut push = |event: Option<u32>, flagged: bool| {
            let truth = EventTruth { anomalous: event.is_some(), event, kind: None };
            found.extend(runs.push(truth, flagged).event.map(|e| e.found));
        };
        push(Some(1), true);
        for _ in 0..30 {
            push(None, false);
        }
        push(Some(1), false);
        push(Some(2), false);
        push(Some(3), true);
        found.extend(runs.finish().event.map(|e| e.found));
        assert_eq!(found, [true, false, true]);
    }
}
