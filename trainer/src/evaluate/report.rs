//! A test run's figures as text for people and as JSON for programs.
//!
//! Text: the confusion matrix, the metrics and the classification report, then the kinds of
//! anomaly, the streams and the episodes, at most 100 columns wide.
//!
//! JSON (`FORMAT`; fields may be added, none renamed; undefined rates are null):
//!
//! ```text
//! { "format": "oddline-evaluation/1",
//!   "confusion": {"tn", "fp", "fn", "tp"}, "precision", "recall", "f1",
//!   "classes": {"normal": ROW, "anomalous": ROW, "accuracy", "macro_avg": ROW, "weighted_avg": ROW},
//!       ROW = {"precision", "recall", "f1", "support"}
//!   "events": {"events", "found", "missed"},
//!   "episodes": {"merge_gap", "true", "false", "after_event",
//!       "false_per_stream_day": RATE, "false_per_server_day": RATE,
//!       "unprompted_per_stream_day": RATE, "unprompted_per_server_day": RATE},
//!       RATE = {"count", "days", "per_day", "low", "high"}     95 % interval, per day
//!   "incidents": {"true", "false", "false_per_server_day": RATE},
//!   "kinds": [{"kind", "records", "flagged", "recall", "events", "found"}],
//!   "streams": [{"server", "component", "days", "confusion", "precision", "recall", "f1",
//!       "events": {..as above}, "episodes": {"true", "false", "after_event"}}],
//!   "scores": {"normal": SCORES, "anomalous": SCORES} }
//!       SCORES = {"records", "p50", "p99", "p999", "p9999"}    null without records, or beyond 1e4
//! ```

use super::confusion::{ClassRow, ratio};
use super::histogram::ScoreHistogram;
use super::metrics::AFTER_EVENT_RECORDS;
use super::poisson::PoissonRate;
use super::summary::{EpisodeSummary, IncidentSummary, StreamRow, TestSummary};
use super::table::{TextTable, shorten};
use crate::say::counted;
use serde_json::{Value, json};

/// Name and version of the JSON shape.
pub const FORMAT: &str = "oddline-evaluation/1";
/// Streams listed in the text; of more, the worst are listed. The JSON has all of them.
const STREAM_ROWS_MAX: usize = 60;
/// Longest server, component or kind: wider ones would break the 100 columns.
const NAME_WIDTH: usize = 14;

/// The report as text, with a line end at its end.
pub fn text(summary: &TestSummary) -> String {
    let mut sections = vec![confusion_matrix(summary), evaluation_metrics(summary), classification_report(summary)];
    if !summary.kinds.is_empty() {
        sections.push(kinds(summary));
    }
    if !summary.streams.is_empty() {
        sections.push(streams(summary));
    }
    sections.push(events(summary));
    sections.push(episodes(&summary.episodes, &summary.incidents));
    sections.join("\n")
}

/// The report as JSON, in the shape drawn above.
pub fn json(summary: &TestSummary) -> Value {
    let mut value = json!(summary);
    value["format"] = json!(FORMAT);
    value["scores"] = json!({
        "normal": score_quantiles(&summary.scores.normal),
        "anomalous": score_quantiles(&summary.scores.anomalous),
    });
    value
}

fn confusion_matrix(summary: &TestSummary) -> String {
    let c = summary.confusion;
    format!(
        "Confusion Matrix:\n\
         True Negatives (TN): {}\n\
         False Positives (FP): {}\n\
         False Negatives (FN): {}\n\
         True Positives (TP): {}\n",
        c.tn, c.fp, c.fn_, c.tp
    )
}

fn evaluation_metrics(summary: &TestSummary) -> String {
    format!(
        "Evaluation Metrics:\nPrecision: {:.4}\nRecall: {:.4}\nF1-Score: {:.4}\n",
        summary.precision, summary.recall, summary.f1
    )
}

fn classification_report(summary: &TestSummary) -> String {
    let classes = &summary.classes;
    let line = |name: &str, row: ClassRow| {
        format!("{name:>12} {:>10.4} {:>10.4} {:>10.4} {:>10}\n", row.precision, row.recall, row.f1, row.support)
    };
    format!(
        "Classification Report:\n{:>12} {:>10} {:>10} {:>10} {:>10}\n\n{}{}\n{:>12} {:>32.4} {:>10}\n{}{}",
        "",
        "precision",
        "recall",
        "f1-score",
        "support",
        line("normal", classes.normal),
        line("anomalous", classes.anomalous),
        "accuracy",
        classes.accuracy,
        classes.weighted_avg.support,
        line("macro avg", classes.macro_avg),
        line("weighted avg", classes.weighted_avg),
    )
}

fn kinds(summary: &TestSummary) -> String {
    let mut table = TextTable::new(1, &["kind", "records", "flagged", "recall", "events", "found", "event recall"]);
    for kind in &summary.kinds {
        table.row(vec![
            shorten(&kind.kind, NAME_WIDTH),
            kind.records.to_string(),
            kind.flagged.to_string(),
            format!("{:.4}", kind.recall),
            kind.events.to_string(),
            kind.found.to_string(),
            format!("{:.4}", ratio(kind.found, kind.events)),
        ]);
    }
    format!("Kinds of Anomaly:\n{}", table.render())
}

fn streams(summary: &TestSummary) -> String {
    let header = ["server", "component", "records", "precision", "recall", "f1", "events", "found", "missed", "false"];
    let mut table = TextTable::new(2, &header);
    let listed = worst(&summary.streams);
    for stream in &listed {
        table.row(vec![
            shorten(&stream.server, NAME_WIDTH),
            shorten(&stream.component, NAME_WIDTH),
            stream.confusion.records().to_string(),
            format!("{:.4}", stream.precision),
            format!("{:.4}", stream.recall),
            format!("{:.4}", stream.f1),
            stream.events.events.to_string(),
            stream.events.found.to_string(),
            stream.events.missed.to_string(),
            stream.episodes.false_.to_string(),
        ]);
    }
    let left_out = summary.streams.len() - listed.len();
    let note = if left_out == 0 {
        String::new()
    } else {
        format!("  and {} with fewer misses and false alerts\n", counted(left_out, "stream"))
    };
    format!("Streams (the ratios are of records, \"false\" are false alerts):\n{}{note}", table.render())
}

/// At most `STREAM_ROWS_MAX` streams, by name; those with the most misses and false episodes.
fn worst(streams: &[StreamRow]) -> Vec<&StreamRow> {
    let mut rows: Vec<(usize, &StreamRow)> = streams.iter().enumerate().collect();
    rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.events.missed + row.episodes.false_));
    rows.truncate(STREAM_ROWS_MAX);
    rows.sort_by_key(|(position, _)| *position);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn events(summary: &TestSummary) -> String {
    let e = summary.events;
    format!(
        "Events:\n  {} true events: {} found, {} missed (recall {:.4})\n",
        e.events,
        e.found,
        e.missed,
        ratio(e.found, e.events)
    )
}

fn episodes(episodes: &EpisodeSummary, incidents: &IncidentSummary) -> String {
    let counts = episodes.counts;
    let mut table = TextTable::new(1, &["false alerts", "count", "days", "per day", "95 % interval"]);
    for (name, rate) in [
        ("per stream and day", episodes.false_per_stream_day),
        ("per server and day", episodes.false_per_server_day),
        ("unprompted, per stream and day", episodes.unprompted_per_stream_day),
        ("unprompted, per server and day", episodes.unprompted_per_server_day),
    ] {
        table.row(rate_cells(name, rate));
    }
    table.row(rate_cells("incidents, per server and day", incidents.false_per_server_day));
    format!(
        "Episodes (flagged records at most {} apart):\n  \
         {} true, {} false, of which {} began within {AFTER_EVENT_RECORDS} records after an event \
         (the others are unprompted)\n\
         Incidents (episodes of one server that open within minutes; the budget counts these):\n  \
         {} true, {} false\n\n{}",
        episodes.merge_gap,
        counts.true_,
        counts.false_,
        counts.after_event,
        incidents.counts.true_,
        incidents.counts.false_,
        table.render()
    )
}

fn rate_cells(name: &str, rate: PoissonRate) -> Vec<String> {
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
    let interval = match (rate.low, rate.high) {
        (Some(low), Some(high)) => format!("{low:.4} to {high:.4}"),
        _ => "-".to_owned(),
    };
    vec![name.to_owned(), rate.count.to_string(), format!("{:.1}", rate.days), figure(rate.per_day), interval]
}

fn score_quantiles(scores: &ScoreHistogram) -> Value {
    let at = |q: f64| scores.quantile(q).filter(|v| v.is_finite());
    json!({
        "records": scores.count() + scores.not_a_number(),
        "p50": at(0.5),
        "p99": at(0.99),
        "p999": at(0.999),
        "p9999": at(0.9999),
    })
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{JudgedRecord, TestEvaluation};
    use super::*;

    fn seed_example() -> TestSummary {
        let mut evaluation = TestEvaluation::new(5);
        let stream = evaluation.stream("web-01", "cpu").unwrap();
        let mut minute = 0;
        for (anomalous, flagged, times) in
            [(false, false, 11234), (false, true, 300), (true, false, 100), (true, true, 6060)]
        {
            for _ in 0..times {
                minute += 1;
                evaluation.push(&JudgedRecord {
                    stream,
                    time_us: minute * 60_000_000,
                    anomalous,
                    kind: anomalous.then_some("shift"),
                    event: None,
                    flagged,
                    score: 1.0,
                });
            }
        }
        evaluation.finish()
    }

    #[test]
    fn the_documented_example_in_its_documented_words() {
        let text = text(&seed_example());
        assert!(
            text.starts_with(
                "Confusion Matrix:\n\
                 True Negatives (TN): 11234\n\
                 False Positives (FP): 300\n\
                 False Negatives (FN): 100\n\
                 True Positives (TP): 6060\n\
                 \n\
                 Evaluation Metrics:\n\
                 Precision: 0.9528\n\
                 Recall: 0.9838\n\
                 F1-Score: 0.9681\n\
                 \n\
                 Classification Report:\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn the_classification_report_lines_up() {
        let text = text(&seed_example());
        let report: Vec<&str> = text.lines().skip_while(|l| *l != "Classification Report:").skip(1).take(8).collect();
        assert_eq!(
            report,
            [
                "              precision     recall   f1-score    support",
                "",
                "      normal     0.9912     0.9740     0.9825      11534",
                "   anomalous     0.9528     0.9838     0.9681       6160",
                "",
                "    accuracy                           0.9774      17694",
                "   macro avg     0.9720     0.9789     0.9753      17694",
                "weighted avg     0.9778     0.9774     0.9775      17694",
            ]
        );
    }

    #[test]
    fn no_line_is_wider_than_100_columns() {
        let mut summary = seed_example();
        let mut wide = summary.streams[0].clone();
        wide.server = "a-very-long-server-name.example.org".into();
        wide.component = "network_interface_bytes_received".into();
        wide.confusion.tn = 20_000_000;
        wide.episodes.false_ = 123_456;
        summary.streams = vec![wide; 100];
        let text = text(&summary);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert!(text.contains("and 40 streams with fewer misses"));
        assert!(text.contains("shift"));
    }

    #[test]
    fn json_has_the_documented_shape() {
        let value = json(&seed_example());
        assert_eq!(value["format"], FORMAT);
        assert_eq!(value["confusion"]["fn"], 100);
        assert_eq!(value["classes"]["anomalous"]["support"], 6160);
        assert_eq!(value["events"]["events"], 1);
        assert_eq!(value["episodes"]["false"], 1, "its flags end before the event");
        assert_eq!(value["episodes"]["true"], 1);
        assert_eq!(value["incidents"]["false"], 1, "they begin hours apart");
        assert_eq!(value["episodes"]["merge_gap"], 5);
        assert!(value["episodes"]["false_per_server_day"]["high"].is_f64());
        assert_eq!(value["kinds"][0]["kind"], "shift");
        assert_eq!(value["streams"][0]["episodes"]["after_event"], 0);
        assert_eq!(value["scores"]["anomalous"]["records"], 6160);
        let summary = json(&TestEvaluation::new(5).finish());
        assert!(summary["episodes"]["false_per_stream_day"]["per_day"].is_null());
        assert!(summary["scores"]["normal"]["p50"].is_null());
    }
}
