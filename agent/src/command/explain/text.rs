//! An explanation for people. Pure. Names and lines come from foreign logs: control characters do not reach a terminal.

use std::io::Write;

use anyhow::Result;
use oddline_cli::table::table;
use oddline_core::{
    activity::ActivityNotice,
    amounts::{TimeSpan, counted},
    episode::EpisodeStep,
    event::{
        EpisodeKind, Event, Finite,
        words::{reason_with_value, short, whole},
    },
    profile::RecordView,
    score::ScoreCause,
    stream::{RecordFigures, character::StreamCharacter},
    verdict::{Verdict, VerdictReason},
};
use oddline_pipeline::{FoundItem, JudgedTrace, LineFinding, RecordTrace};

use super::PlainLine;
use crate::{
    config::FLOOD_LIMIT,
    publish::sink::{self, LineMarks, clean},
};

/// Values of a line that are explained one by one; of more those that are odd, the others in a table.
const FULL_MAX: usize = 3;

/// A score below it is printed as none and has no reason.
const SCORE_SHOWN_MIN: f32 = 0.000_5;

/// A line that is no record of its own.
pub(super) fn plain(line: &PlainLine, out: &mut impl Write) -> Result<()> {
    writeln!(out, "line {}: {}", line.number, clean(&line.text))?;
    match line.of {
        Some(of) => writeln!(out, "it belongs to the record before it, which --line {of} explains")?,
        None => writeln!(out, "no record: a header, a comment or an empty line")?,
    }
    Ok(())
}

/// All findings, line by line.
pub(super) fn findings(found: &[LineFinding], view: &RecordView, out: &mut impl Write) -> Result<()> {
    for of_record in found.chunk_by(|a, b| a.lines == b.lines) {
        let Some(first) = of_record.first() else { continue };
        writeln!(out, "{}", heading(first))?;
        let judged: Vec<(&LineFinding, &JudgedTrace)> = of_record
            .iter()
            .filter_map(
                |finding| if let FoundItem::Judged(judged) = &finding.what { Some((finding, &**judged)) } else { None },
            )
            .collect();
        if judged.is_empty()
            && let FoundItem::Record(record) = &first.what
        {
            write!(out, "{}", of_text(record))?;
        }
        let is_full = |verdict: &Verdict| verdict.anomalous || judged.len() <= FULL_MAX;
        for (finding, judged) in judged.iter().filter(|(_, judged)| is_full(&judged.row.verdict)) {
            of_value(finding, judged, view, out)?;
        }
        let others: Vec<&Verdict> =
            judged.iter().map(|(_, judged)| &judged.row.verdict).filter(|verdict| !is_full(verdict)).collect();
        if !others.is_empty() {
            writeln!(out, "{}", in_a_table(&others))?;
        }
        for finding in
            of_record.iter().filter(|finding| matches!(finding.what, FoundItem::Noticed(_) | FoundItem::Crowd))
        {
            // A record that carries no value says its pause itself.
            let pause = finding.events.first().filter(|_| !judged.is_empty()).and_then(ended);
            write!(out, "{}{}", pause.unwrap_or_default(), of_notice(finding))?;
        }
        if of_record.len() == 1 && matches!(first.what, FoundItem::Record(_)) {
            writeln!(out, "nothing is said of it")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn heading(finding: &LineFinding) -> String {
    let text: Vec<String> = String::from_utf8_lossy(&finding.text).split('\n').map(clean).collect();
    let text = text.join("\n  ");
    let (first, last) = (finding.lines.first, finding.lines.last);
    if first == last { format!("line {first}: {text}") } else { format!("lines {first} to {last}: {text}") }
}

/// A record without a value: what of it is watched.
fn of_text(record: &RecordTrace) -> String {
    let (server, component) = (clean(&record.stream.server), clean(&record.stream.component));
    let time = record.time.map_or_else(|| "at an unknown time".to_owned(), |time| time.to_string());
    let level = record.level.map(|level| format!(", level {}", level.name())).unwrap_or_default();
    let mut text = format!("{time} {server} {component}{level}\n");
    if let Some(fault) = record.fault {
        text += &format!("as it is read, {}\n", fault.describe());
    }
    if !record.is_usable {
        return text + "nothing of it can be used\n";
    }
    text += if record.is_text {
        "no value in it is judged: how many such lines come, and when, its level and its names are watched\n"
    } else {
        "no value in it is judged: when such lines come, and their names, are watched\n"
    };
    let Some((pace, time)) = record.pace.zip(record.time) else {
        return text + "the first record of its stream\n";
    };
    let pause = time.seconds_since(pace.last);
    if pause < 0.0 {
        return text + "it is older than the record before it in its stream\n";
    }
    text += &format!("a pause of {} before it", TimeSpan::of_seconds(pause));
    text += &match (pace.usual_s, pace.too_long_s) {
        (Some(usual), Some(too_long)) => format!(
            ", usually at most {}, too long from {} on\n",
            TimeSpan::of_seconds(usual),
            TimeSpan::of_seconds(too_long)
        ),
        (Some(usual), None) => {
            format!(
                ", usually at most {}; known for too short a time to say what is too long\n",
                TimeSpan::of_seconds(usual)
            )
        }
        (None, _) => "; too few of its pauses are known to say what is usual\n".to_owned(),
    };
    text
}

/// A value with its verdict.
fn of_value(finding: &LineFinding, judged: &JudgedTrace, view: &RecordView, out: &mut impl Write) -> Result<()> {
    let verdict = &judged.row.verdict;
    let (server, component) = (clean(&verdict.stream.server), clean(&verdict.stream.component));
    writeln!(out, "{} {server} {component}", verdict.time)?;
    writeln!(out, "value {}, {}", verdict.value, of_stream(verdict))?;
    writeln!(out, "{}", judgement(verdict))?;
    if verdict.learning {
        writeln!(out, "the stream is still in warm-up: mainly its value range is checked")?;
    }
    if let Some(budget) = budget(judged) {
        writeln!(out, "{budget}")?;
    }
    match finding.events.first() {
        Some(event) => writeln!(out, "TOLD: {}", sink::line(event, LineMarks::Plain))?,
        None if verdict.anomalous => writeln!(out, "NOT TOLD: {}", untold(judged))?,
        None => {}
    }
    if has_reasons(verdict) {
        writeln!(out, "\n{}", reasons(verdict, view))?;
    }
    Ok(())
}

/// Whether anything was the least bit unusual.
fn has_reasons(verdict: &Verdict) -> bool {
    verdict.anomalous || verdict.score.value >= SCORE_SHOWN_MIN
}

fn judgement(verdict: &Verdict) -> String {
    let is = if verdict.anomalous { "ANOMALOUS" } else { "not anomalous" };
    let mut text = format!("{is}: score {:.3}, threshold {:.3}", verdict.score.value, verdict.threshold);
    if has_reasons(verdict) {
        text += if verdict.anomalous { ": " } else { "; most of it: " };
        text += &told(verdict);
    }
    text
}

/// Why an odd value is not told of by itself.
fn untold(judged: &JudgedTrace) -> String {
    match (judged.row.step, judged.episode) {
        (_, Some(first)) => {
            format!("part of the anomaly since {first}, which is told when it begins, doubles and ends")
        }
        (EpisodeStep::Opened, None) => held_back(),
        (_, None) => format!("part of an anomaly that is {}", held_back()),
    }
}

fn held_back() -> String {
    format!("held back: more than {FLOOD_LIMIT} an hour are counted together")
}

/// What was asked of the alert budget and used, and where that leaves the stream's limit.
fn budget(judged: &JudgedTrace) -> Option<String> {
    let asked = judged.budget.asked?;
    let told = if judged.budget.server_days > 0.0 {
        let days = short((judged.budget.server_days * 10.0).round() / 10.0);
        format!("{:.2} told of in {days} server days", judged.budget.used)
    } else {
        "less than a day seen".to_owned()
    };
    let limit = judged.limit.map(|limit| limit / f64::from(judged.row.verdict.threshold));
    let limit = limit.map(|times| format!("; the stream's limit is {times:.2} times the model's threshold"));
    let word = if asked == 1.0 { "alert" } else { "alerts" };
    Some(format!("budget: {} {word} a server and day asked, {told}{}", short(asked), limit.unwrap_or_default()))
}

/// Values that are not odd, a row each.
fn in_a_table(verdicts: &[&Verdict]) -> String {
    let row = |verdict: &&Verdict| {
        vec![
            clean(&verdict.stream.component),
            short(verdict.value),
            verdict.expected.map_or_else(|| "-".to_owned(), short),
            figure(verdict.score.value.into(), 3),
            verdict.figures.as_ref().map_or("not known yet", |figures| figures.character.name()).to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = verdicts.iter().map(row).collect();
    let values = table(&["component", "value", "expected", "score", "character"], &rows);
    let of = verdicts.first().map(|first| {
        format!("{} {}: not anomalous, threshold {:.3}\n", first.time, clean(&first.stream.server), first.threshold)
    });
    of.unwrap_or_default() + &values
}

/// What was noticed, and when it is told.
fn of_notice(finding: &LineFinding) -> String {
    let is_by_clock = match &finding.what {
        FoundItem::Noticed(ActivityNotice::Silent(silent)) => silent.by_clock,
        FoundItem::Noticed(ActivityNotice::Spoke { by_clock, .. }) => *by_clock,
        _ => false,
    };
    let when = match (finding.found_at.last, is_by_clock) {
        (0, _) => "IF NOTHING MORE COMES".to_owned(),
        (_, true) => "TOLD BY THE CLOCK, to whoever listens to the log".to_owned(),
        (line, false) if finding.found_at != finding.lines => format!("TOLD AT LINE {line}"),
        (_, false) => "TOLD".to_owned(),
    };
    let interval = match &finding.what {
        FoundItem::Noticed(ActivityNotice::Rate { finding: rate, .. }) => {
            format!("in the 5 minutes from {} on: {}\n", rate.time, clean(&finding.words()))
        }
        _ => String::new(),
    };
    match finding.events.first() {
        Some(event) => format!("{interval}{when}: {}\n", sink::line(event, LineMarks::Plain)),
        None => format!("{interval}NOT TOLD: {}, {}\n", clean(&finding.words()), unnoticed(finding)),
    }
}

fn unnoticed(finding: &LineFinding) -> String {
    match &finding.what {
        FoundItem::Noticed(ActivityNotice::Rate { finding, .. }) if finding.step != EpisodeStep::Opened => {
            "part of an anomaly that is told when it begins, doubles and ends".to_owned()
        }
        FoundItem::Noticed(ActivityNotice::Spoke { .. }) => "as its silence was not".to_owned(),
        _ => held_back(),
    }
}

/// The pause of a silence that is over.
fn ended(event: &Event) -> Option<String> {
    let Event::EpisodeEnded(episode) = event else { return None };
    let usual = episode.expected.filter(|_| episode.kind == EpisodeKind::Silence).map(Finite::<f64>::get)?;
    let (pause, usual) = (TimeSpan::of_seconds(episode.value.get()), TimeSpan::of_seconds(usual));
    Some(format!("a pause of {pause} ended with it, usually at most {usual}\n"))
}

fn told(verdict: &Verdict) -> String {
    reason_with_value(&verdict.told_reason(), verdict.value, verdict.expected)
}

fn reasons(verdict: &Verdict, view: &RecordView) -> String {
    let row = |reason: &VerdictReason| {
        vec![
            reason.feature.to_owned(),
            figure(reason.observed, 3),
            figure(reason.expected, 3),
            figure(reason.share.into(), 2),
            in_words(reason, verdict.score.cause, verdict.figures.as_ref()),
        ]
    };
    let rows: Vec<Vec<String>> = verdict.reasons(view).iter().map(row).collect();
    table(&["feature", "observed", "expected", "share", "that is"], &rows)
}

/// A feature's figures in the units of the log, where that can be said: they are in scales and logarithms themselves.
fn in_words(reason: &VerdictReason, cause: ScoreCause, figures: Option<&RecordFigures>) -> String {
    let Some(figures) = figures else { return String::new() };
    let rate = if figures.character == StreamCharacter::Counter { " a second" } else { "" };
    match reason.feature {
        "residual" => {
            let off = figures.number - figures.usual;
            let side = if off < 0.0 { "below" } else { "above" };
            let what = if figures.character == StreamCharacter::Wandering { "move of " } else { "" };
            format!("{}{rate} {side} the expected {what}{}{rate}", short(off.abs()), short(figures.usual))
        }
        "volatility" => {
            format!("{:.2} times the unrest that was expected", (reason.observed - reason.expected).exp())
        }
        "stuck" => {
            #[expect(clippy::cast_possible_truncation, reason = "a count of records, saturating")]
            let records = reason.observed.exp_m1().round() as i64;
            format!("the same value for {} more than is usual", counted(records, "record"))
        }
        "gap" => figures.pause_s.map_or_else(String::new, |pause| {
            format!("a pause of {} s, usually {} s", short(pause), short(figures.usual_pause_s))
        }),
        "range" if cause == ScoreCause::Reset => figures
            .before
            .map_or_else(String::new, |before| format!("it counts from the start again, after {}", whole(before))),
        "range" => {
            let of = match figures.character {
                StreamCharacter::Counter => format!("grows by {} a second, ", short(figures.number)),
                StreamCharacter::Wandering => format!("moved by {}, ", short(figures.number)),
                _ => String::new(),
            };
            format!("{of}seen {} to {}{rate}", short(figures.range.0), short(figures.range.1))
        }
        _ => String::new(),
    }
}

/// What kind of stream it is, and what it usually says there.
fn of_stream(verdict: &Verdict) -> String {
    let Some(figures) = &verdict.figures else { return "of a stream that is not known yet".to_owned() };
    let RecordFigures { character, number, usual, range: (min, max), .. } = figures;
    let usually = match character {
        StreamCharacter::Constant => format!("always {}", short(*min)),
        StreamCharacter::FewValues => format!("known from {} to {}", short(*min), short(*max)),
        StreamCharacter::Counter if verdict.expected.is_none() => format!("usually {} a second", short(*usual)),
        StreamCharacter::Counter => {
            format!("grows by {} a second, usually {}, at most {}", short(*number), short(*usual), short(*max))
        }
        StreamCharacter::Wandering => {
            format!("{} from where it just was, seen {} to {}", short(*number), short(*min), short(*max))
        }
        StreamCharacter::Sparse | StreamCharacter::Continuous | StreamCharacter::Daily => {
            let expected = verdict.expected.map(|e| format!("{} was expected, ", short(e))).unwrap_or_default();
            format!("{expected}seen {} to {}", short(*min), short(*max))
        }
    };
    format!("of a stream of character \"{}\": {usually}", character.name())
}

/// A number of a table; what is not known is a dash.
fn figure(number: f64, decimals: usize) -> String {
    if number.is_finite() { format!("{number:.decimals$}") } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oddline_core::{
        budget::BudgetUse,
        event::{BoundedText, Episode, Extras, List, NUMBERS_APART},
        profile::Threshold,
        score::Score,
        stream::StreamName,
        time::EventTime,
    };
    use oddline_detector::JudgedRow;
    use oddline_pipeline::LineNumbers;

    use super::*;

    fn view() -> RecordView {
        let threshold =
            Threshold { value: 1.0, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) };
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

    fn verdict() -> Verdict {
        Verdict {
            number: 0,
            time: EventTime::from_micros(0),
            stream: Arc::new(StreamName { server: "web".to_owned(), component: "cpu".to_owned() }),
            value: 1.0,
            expected: None,
            score: Score { value: 2.0, cause: ScoreCause::Range },
            threshold: 1.0,
            anomalous: true,
            learning: false,
            vector: [0.0; 8],
            residual: [0.0; 8],
            loudness: 1.0,
            figures: None,
        }
    }

    fn judged(verdict: Verdict, step: EpisodeStep) -> JudgedTrace {
        let row = JudgedRow { verdict, step, pause_s: 60.0 };
        JudgedTrace { row, limit: None, budget: BudgetUse::default(), episode: None }
    }

    fn at(line: u64, text: &str, what: FoundItem, events: Vec<Event>) -> LineFinding {
        let lines = LineNumbers { first: line, last: line };
        LineFinding { lines, text: text.as_bytes().to_vec(), found_at: lines, what, events }
    }

    fn shown(judged: JudgedTrace) -> String {
        let finding = at(7, "a line\r", FoundItem::Judged(Box::new(judged.clone())), Vec::new());
        let mut out = Vec::new();
        writeln!(out, "{}", heading(&finding)).unwrap();
        of_value(&finding, &judged, &view(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_reach_the_terminal_without_control_characters() {
        let name = |name: &str| format!("{name}\u{1b}[2J\n{name}");
        let stream = Arc::new(StreamName { server: name("web"), component: name("cpu") });
        let verdict = Verdict { stream, ..verdict() };
        let mut csv = Vec::new();
        verdict.write_csv(&mut csv).unwrap();
        assert_eq!(csv.iter().filter(|b| b.is_ascii_control()).count(), 1, "its line end");
        let out = shown(judged(verdict, EpisodeStep::Opened));
        let lines: Vec<&str> = out.lines().take(2).collect();
        assert_eq!(lines[0], "line 7: a line\u{fffd}");
        assert!(lines[1].ends_with("web\u{fffd}[2J\u{fffd}web cpu\u{fffd}[2J\u{fffd}cpu"), "{out:?}");
        assert!(!out.contains('\u{1b}'));
    }

    #[test]
    fn figures_are_in_the_units_of_the_log_and_what_is_not_known_is_a_dash() {
        let figures = RecordFigures {
            character: StreamCharacter::Continuous,
            number: 12.0,
            usual: 10.0,
            range: (8.0, 11.0),
            pause_s: Some(95.0),
            usual_pause_s: 3.0,
            ..RecordFigures::default()
        };
        let of = |feature: &'static str, observed: f64, figures: &RecordFigures| {
            let cause = if figures.before.is_some() { ScoreCause::Reset } else { ScoreCause::Range };
            in_words(&VerdictReason { feature, observed, expected: 0.0, share: 1.0 }, cause, Some(figures))
        };
        let feature = |feature: &'static str, observed: f64| of(feature, observed, &figures);
        assert_eq!(feature("residual", 2.0), "2 above the expected 10");
        let counter = RecordFigures { character: StreamCharacter::Counter, ..figures.clone() };
        assert_eq!(of("residual", 2.0, &counter), "2 a second above the expected 10 a second");
        assert_eq!(of("range", 7e6, &counter), "grows by 12 a second, seen 8 to 11 a second");
        let reset = RecordFigures { before: Some(1_036_800.0), ..counter };
        assert_eq!(of("range", 0.0, &reset), "it counts from the start again, after 1036800");
        assert_eq!(feature("volatility", 1.1), "3.00 times the unrest that was expected");
        assert_eq!(feature("stuck", 3.610_918), "the same value for 36 records more than is usual");
        assert_eq!(feature("gap", 1.0), "a pause of 95 s, usually 3 s");
        assert_eq!(feature("range", 12.0), "seen 8 to 11");
        for (cause, told) in [
            (ScoreCause::Extreme(0), "extreme residual: 1, expected 10"),
            (ScoreCause::Unexpected(1), "unexpected step: 1, expected 10"),
            (ScoreCause::Unexpected(2), "unexpected level: 1, expected 10"),
            (ScoreCause::Extreme(3), "extreme volatility, at value 1"),
            (ScoreCause::Extreme(4), "extreme stuck, at value 1"),
            (ScoreCause::Extreme(5), "pause of 95 s, usually 3 s"),
            (ScoreCause::Range, "outside the seen range: 1, seen 8 to 11"),
            (ScoreCause::Reset, "counter reset: 1"),
        ] {
            let mut vector = [0.0; 8];
            if let ScoreCause::Extreme(j) | ScoreCause::Unexpected(j) = cause {
                vector[usize::from(j)] = 2.0;
            }
            let score = Score { value: 2.0, cause };
            let figures = Some(figures.clone());
            let text = shown(judged(
                Verdict { score, vector, figures, expected: Some(10.0), ..verdict() },
                EpisodeStep::Opened,
            ));
            assert!(text.contains(&format!("ANOMALOUS: score 2.000, threshold 1.000: {told}\n")), "{text}");
            assert!(!text.contains("NaN"), "{text}");
        }
        let text = shown(judged(verdict(), EpisodeStep::Opened));
        assert!(text.contains("of a stream that is not known yet"), "{text}");
        assert!(text.contains("range       1.000  -          2.00\n") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn a_value_has_its_budget_its_limit_and_why_it_is_not_told() {
        let mut judged = judged(verdict(), EpisodeStep::Opened);
        assert!(!shown(judged.clone()).contains("budget"), "a model with one threshold for all");
        judged.budget = BudgetUse { asked: Some(1.0), used: 0.0, server_days: 0.0 };
        assert!(shown(judged.clone()).contains("\nbudget: 1 alert a server and day asked, less than a day seen\n"));
        judged.budget = BudgetUse { asked: Some(0.25), used: 0.3, server_days: 12.04 };
        judged.limit = Some(1.5);
        let text = shown(judged.clone());
        let budget = "budget: 0.25 alerts a server and day asked, 0.30 told of in 12 server days; \
                      the stream's limit is 1.50 times the model's threshold\n";
        assert!(text.contains(budget), "{text}");
        assert!(text.contains("\nNOT TOLD: held back: more than 60 an hour are counted together\n"), "{text}");
        judged.row.step = EpisodeStep::Goes;
        assert!(shown(judged.clone()).contains("NOT TOLD: part of an anomaly that is held back"));
        judged.episode = Some(EventTime::from_micros(0));
        let text = shown(judged);
        assert!(
            text.contains("NOT TOLD: part of the anomaly since 1970-01-01T00:00:00Z, which is told when"),
            "{text}"
        );
    }

    #[test]
    fn a_silence_that_ended_has_its_pause() {
        let first = EventTime::from_micros(0);
        let episode = Episode {
            source: BoundedText::cut("a.log"),
            number: NUMBERS_APART,
            server: BoundedText::cut("web-1"),
            component: BoundedText::cut("cpu"),
            kind: EpisodeKind::Silence,
            first,
            last: first.plus_seconds(95.0),
            records: 0,
            peak: Finite::<f32>::nearest(30.0),
            threshold: Finite::<f32>::nearest(3.0),
            main_reason: BoundedText::cut("silent for 95 s"),
            reasons: List::default(),
            value: Finite::<f64>::nearest(95.0),
            expected: Finite::<f64>::new(3.0),
            learning: false,
            samples: List::default(),
            model: 1,
            by_clock: false,
            extras: Extras::default(),
        };
        let ended = ended(&Event::EpisodeEnded(Box::new(episode)));
        assert_eq!(ended.as_deref(), Some("a pause of 95 s ended with it, usually at most 3 s\n"));
    }
}
