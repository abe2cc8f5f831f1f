//! One line for people: what is anomalous, where, and why. Pure. Names and samples come from foreign logs: control characters
//! do not reach a terminal.

use std::fmt::Write;

use oddline_core::{
    amounts::{TimeSpan, counted, size},
    event::{Episode, EpisodeKind, Event, Finite, words::reason_with_value},
    terminal::tame,
};

/// Whether lines begin with the journal's priority marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineMarks {
    /// No marks: a terminal or a pipe.
    Plain,
    /// `<4>` and the like: stdout is connected to the journal.
    Journal,
}

/// The line for an event, without its newline.
#[must_use]
pub(crate) fn line(event: &Event, marks: LineMarks) -> String {
    let (priority, text) = match event {
        Event::EpisodeOpened(e) => (4, format!("{} anomaly: {}", start(e), figures(e))),
        Event::EpisodeUpdated(e) => (6, format!("{} anomaly goes on: {}", start(e), figures(e))),
        Event::EpisodeEnded(e) => (5, format!("{} anomaly ended at {}: {}", start(e), e.last, figures(e))),
        Event::NewLevel(e) => (5, format!("{} taken as its new level {}", start(e), figures(e))),
        Event::Gap(gap) => {
            let bytes = gap.bytes.map(size);
            let records = gap.records.map(|n| counted(n, "record"));
            let lost: Vec<String> = bytes.into_iter().chain(records).collect();
            let lost = if lost.is_empty() { "an unknown amount".to_owned() } else { lost.join(", ") };
            (4, format!("{} lost {lost}: {}", gap.source, gap.cause))
        }
        Event::FloodSummary(flood) => {
            let mut text = format!(
                "{} {} {} until {}:",
                flood.from,
                flood.source,
                counted(flood.suppressed, "more episode"),
                flood.to
            );
            for (component, count) in flood.components.iter() {
                // Writing to a String cannot fail.
                let _: Result<(), _> = write!(text, " {component} {count}");
            }
            if flood.others > 0 {
                let _: Result<(), _> = write!(text, " others {}", flood.others);
            }
            (4, text)
        }
        Event::SourceFailed(fault) => (3, format!("{} cannot be read: {}", fault.source, fault.cause)),
        Event::SourceRecovered(fault) => (5, format!("{} can be read again after: {}", fault.source, fault.cause)),
        Event::ModelSwap(swap) => {
            let from = swap.from.map_or("none".to_owned(), |v| v.to_string());
            (5, format!("{} record {}: model {from} -> {}", swap.source, swap.position, swap.to))
        }
        Event::Silence(s) => {
            let usual = TimeSpan::of_seconds(s.usual_s.get());
            let whose = names(&s.server, &s.component);
            (4, format!("{} {whose} silent until {}, usually at most {usual}", s.last, s.until))
        }
    };
    let text = clean(&text);
    match marks {
        LineMarks::Plain => text,
        LineMarks::Journal => format!("<{priority}>{text}"),
    }
}

fn start(episode: &Episode) -> String {
    format!("{} {}", episode.first, names(&episode.server, &episode.component))
}

/// Whose it is; a server as a whole has no component.
fn names(server: &str, component: &str) -> String {
    if component.is_empty() { server.to_owned() } else { format!("{server} {component}") }
}

fn figures(e: &Episode) -> String {
    let learning = if e.learning { " (learning)" } else { "" };
    let (peak, threshold) = (e.peak.get(), e.threshold.get());
    let sample = e.samples.first().map(|s| format!(" | {s}")).unwrap_or_default();
    let why = match e.kind {
        EpisodeKind::Score | EpisodeKind::Range => {
            reason_with_value(&e.main_reason, e.value.get(), e.expected.map(Finite::<f64>::get))
        }
        EpisodeKind::Silence
        | EpisodeKind::Rate
        | EpisodeKind::Novelty
        | EpisodeKind::NotFinite
        | EpisodeKind::Window
        | EpisodeKind::Other(_) => e.main_reason.to_string(),
    };
    let count = match e.kind {
        EpisodeKind::Silence => String::new(),
        EpisodeKind::Rate | EpisodeKind::Window => format!(", {}", counted(e.records, "interval")),
        EpisodeKind::Score
        | EpisodeKind::Range
        | EpisodeKind::Novelty
        | EpisodeKind::NotFinite
        | EpisodeKind::Other(_) => format!(", {}", counted(e.records, "record")),
    };
    format!("{why}, score {peak:.2} (threshold {threshold:.2}){count}{learning}{sample}")
}

/// Without control characters, and without the invisible ones that reorder what stands around them.
#[must_use]
pub(crate) fn clean(text: &str) -> String {
    tame(text).into_owned()
}

#[cfg(test)]
mod tests {
    use oddline_core::{
        event::{BoundedText, Extras, List, Name, Sample, SourceFault},
        time::EventTime,
    };

    use super::*;

    fn episode() -> Episode {
        let first = EventTime::parse("2026-01-05T00:00:00Z").unwrap();
        Episode {
            source: BoundedText::cut("a.log"),
            number: 3,
            server: BoundedText::cut("web-1"),
            component: Name::cut("cpu"),
            kind: EpisodeKind::Score,
            first,
            last: first.plus_seconds(60.0),
            records: 2,
            peak: Finite::<f32>::nearest(3.678),
            threshold: Finite::<f32>::nearest(1.5),
            main_reason: BoundedText::cut("unexpected step"),
            reasons: List::default(),
            value: Finite::<f64>::nearest(93.25),
            expected: Finite::<f64>::new(40.0),
            learning: false,
            samples: std::iter::once(Sample::cut("cpu 93.25")).collect(),
            model: 1,
            by_clock: false,
            extras: Extras::default(),
        }
    }

    #[test]
    fn an_episode_reads_as_a_sentence() {
        assert_eq!(
            line(&Event::EpisodeOpened(Box::new(episode())), LineMarks::Journal),
            "<4>2026-01-05T00:00:00Z web-1 cpu anomaly: unexpected step: 93.25, expected 40, score 3.68 (threshold 1.50), \
             2 records | cpu 93.25"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let (source, cause) = (BoundedText::cut("a\u{1b}[2J\nb\u{202e}"), BoundedText::cut("gone"));
        let fault = SourceFault { source, cause, extras: Extras::default() };
        let text = line(&Event::SourceFailed(fault), LineMarks::Plain);
        assert_eq!(text, "a\u{fffd}[2J\u{fffd}b\u{fffd} cannot be read: gone");
    }
}
