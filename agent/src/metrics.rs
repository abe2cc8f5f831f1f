//! The agent's figures in Prometheus' text format. Pure.

use oddline_cli::metrics::MetricsPage;

use crate::{figures::AgentFigures, publish::ports::LinkFigures};

/// The metrics' text; `link` is missing where no broker is configured.
#[must_use]
pub(crate) fn text(reading: &AgentFigures, link: Option<&LinkFigures>) -> String {
    let mut page = MetricsPage::default();
    add_totals(&mut page, reading);
    add_sources(&mut page, reading);
    add_budgets(&mut page, reading);
    if let Some(link) = link {
        add_link(&mut page, link);
    }
    page.into_text()
}

const CLASSES: &str = "Lines read, by what became of them.";

fn add_totals(page: &mut MetricsPage, reading: &AgentFigures) {
    let total = reading.total();
    page.one("oddline_lines_total", "counter", "Lines read.", total.lines);
    page.one("oddline_records_judged_total", "counter", "Records scored.", total.judged);
    page.one("oddline_records_anomalous_total", "counter", "Anomalous records.", total.anomalous);
    page.one("oddline_lines_faulty_total", "counter", "Lines that failed to parse.", total.faults);
    page.one("oddline_lines_unjudged_total", "counter", "Lines without a value to score.", total.unjudged);
    let classes = reading.classes();
    page.head("oddline_lines_by_class_total", "counter", CLASSES);
    for (class, lines) in [
        ("scored", classes.scored),
        ("watched", classes.watched),
        ("unusable", classes.unusable),
        ("continued", classes.continued),
        ("skipped", classes.skipped),
    ] {
        page.add("oddline_lines_by_class_total", "counter", CLASSES, &[("class", class)], lines);
    }
    let further = "Records beyond the first of their line.";
    page.one("oddline_records_further_total", "counter", further, classes.further);
    page.one("oddline_records_untimed_total", "counter", "Records without a time of their own.", classes.untimed);
    page.one("oddline_events_total", "counter", "Events emitted since the start.", reading.events);
    page.one("oddline_commits_total", "counter", "Commits of the state file since the start.", reading.commits);
    page.one("oddline_gaps_total", "counter", "Times input was gone before it was read.", reading.gaps);
    page.one("oddline_gap_bytes_total", "counter", "Bytes of lost input, as far as known.", reading.gap_bytes);
    page.one("oddline_state_set_aside_total", "counter", "Damaged state files that were set aside.", reading.set_aside);
    page.one("oddline_spool_events", "gauge", "Events queued for delivery.", reading.waiting);
    page.one("oddline_spool_bytes", "gauge", "Bytes of the events queued for delivery.", reading.waiting_bytes);
    page.one("oddline_model_version", "gauge", "Version of the active model.", reading.model);
    page.one("oddline_streams_learning", "gauge", "Streams in warm-up.", reading.learning());
    let by_character = "Streams by what kind of numbers they carry.";
    page.head("oddline_streams_by_character", "gauge", by_character);
    for source in &reading.sources {
        for (character, count) in &source.characters {
            let labels = [("source", source.name.as_str()), ("character", character.as_str())];
            page.add("oddline_streams_by_character", "gauge", by_character, &labels, *count);
        }
    }
    page.one("oddline_reading_stopped", "gauge", "1 while reading is paused.", u64::from(reading.stopped.is_some()));
    page.one("oddline_files_left_out", "gauge", "Files not followed because too many match.", reading.left_out);
    page.one(
        "oddline_memory_bytes",
        "gauge",
        "Bytes of memory that the state of all streams takes.",
        reading.memory_bytes(),
    );
    page.one(
        "oddline_memory_max_bytes",
        "gauge",
        "Bytes of memory that the state of all streams may take.",
        reading.memory_bytes_max,
    );
    page.one(
        "oddline_sources_full",
        "gauge",
        "Sources that learn no further streams for want of memory.",
        reading.full(),
    );
}

fn add_sources(page: &mut MetricsPage, reading: &AgentFigures) {
    each(page, reading, "oddline_source_lag_bytes", "Bytes that wait to be read.", |source| source.lag_bytes);
    each(page, reading, "oddline_source_clock_set_back_total", "Times its event time went back for good.", |source| {
        Some(source.pace.set_back)
    });
    each(
        page,
        reading,
        "oddline_source_streams_evicted_total",
        "Streams and counters dropped because there were too many.",
        |source| Some(source.judging.evicted + source.pace.evicted),
    );
    each(
        page,
        reading,
        "oddline_source_judged_by_range_total",
        "Records judged by nothing but their stream's range, because too many streams learn.",
        |source| Some(source.judging.by_range),
    );
    each(page, reading, "oddline_source_new_levels_total", "Times a stream's values settled elsewhere.", |source| {
        Some(source.judging.new_levels)
    });
    each(page, reading, "oddline_source_episodes_forgotten_total", "Open episodes dropped likewise.", |source| {
        Some(source.forgotten)
    });
    each(page, reading, "oddline_source_not_understood", "1 while most of its lines are not understood.", |source| {
        Some(u64::from(source.not_understood.is_some()))
    });
    each(page, reading, "oddline_source_failed", "1 while it cannot be read.", |source| {
        Some(u64::from(source.failed.is_some()))
    });
}

fn add_budgets(page: &mut MetricsPage, reading: &AgentFigures) {
    const ASKED: (&str, &str) = ("oddline_source_alert_budget", "False alerts per server and day asked for.");
    const USED: (&str, &str) = ("oddline_source_alert_rate", "Alerts per server and day over the days remembered.");
    for (name, help) in [ASKED, USED] {
        page.head(name, "gauge", help);
        for source in &reading.sources {
            if let Some(budget) = source.budget {
                let milli = if name == ASKED.0 { budget.asked_milli } else { budget.used_milli };
                page.add(name, "gauge", help, &[("source", &source.name)], milli as f64 / 1e3);
            }
        }
    }
}

fn add_link(page: &mut MetricsPage, link: &LinkFigures) {
    page.one("oddline_broker_connected", "gauge", "1 while the broker is connected.", u64::from(link.connected));
    page.one("oddline_broker_connections_total", "counter", "Broker connections established.", link.connections);
    page.one("oddline_batches_total", "counter", "Batches sent.", link.batches);
    page.one("oddline_batches_again_total", "counter", "Batches resent.", link.again);
    page.one("oddline_batch_bytes_total", "counter", "Bytes of batches sent.", link.bytes);
    page.one("oddline_acks_overdue_total", "counter", "Acknowledgements that did not come in time.", link.overdue);
}

fn each(
    page: &mut MetricsPage,
    reading: &AgentFigures,
    name: &str,
    help: &str,
    value: impl Fn(&crate::figures::SourceFigures) -> Option<u64>,
) {
    let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
    page.head(name, kind, help);
    for source in &reading.sources {
        if let Some(value) = value(source) {
            page.add(name, kind, help, &[("source", &source.name)], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oddline_pipeline::PipelineCounts;

    use crate::figures::{BudgetFigures, SourceFigures};

    #[test]
    fn labels_are_escaped_and_unknown_lags_left_out() {
        let source = |name: &str, lag_bytes| SourceFigures {
            name: name.to_owned(),
            lag_bytes,
            streams: 1,
            learning: 1,
            counts: PipelineCounts { lines: 2, ..PipelineCounts::default() },
            budget: Some(BudgetFigures { asked_milli: 250, used_milli: 300, server_days: 9 }),
            ..SourceFigures::default()
        };
        let sources = vec![source("/a \"b\"\n", Some(7)), source("journal", None)];
        let page = text(&AgentFigures { sources, ..AgentFigures::default() }, None);
        assert!(page.contains("oddline_source_lag_bytes{source=\"/a \\\"b\\\"\\n\"} 7\n"), "{page}");
        assert!(!page.contains("oddline_source_lag_bytes{source=\"journal\"}"));
        assert!(page.contains("# TYPE oddline_lines_total counter\noddline_lines_total 4\n"));
        assert!(page.contains("oddline_source_alert_budget{source=\"journal\"} 0.25\n"), "{page}");
        assert!(page.contains("oddline_source_alert_rate{source=\"journal\"} 0.3\n"), "{page}");
        assert!(!page.contains("oddline_broker"));
    }
}
