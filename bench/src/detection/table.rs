//! The table: a row a data set, detector and budget.

use oddline_trainer::evaluate::poisson::PoissonRate;

use super::{RANKED, figures::GroupFigures};

pub(super) type TableRow = [String; 11];

pub(super) fn heading() -> TableRow {
    [
        "data",
        "detector",
        "asked",
        "got a day (95 %)",
        "incidents",
        "episodes",
        "AP",
        "recall at 1 a day",
        "F1",
        "events",
        "most of",
    ]
    .map(str::to_owned)
}

/// The rows of a detector on the groups of a data set.
pub(super) fn rows(data: &str, detector: &str, asked: f64, figures: &[&GroupFigures]) -> Vec<TableRow> {
    let none = || "-".to_owned();
    let count = figures.iter().map(|of| of.false_incidents).sum();
    let episodes: u64 = figures.iter().map(|of| of.false_episodes).sum();
    let days: f64 = figures.iter().map(|of| of.days).sum();
    let rate = PoissonRate::new(count, days);
    let got = match (rate.per_day, rate.low, rate.high) {
        (Some(rate), Some(low), Some(high)) => format!("{rate:.2} ({low:.2} to {high:.2})"),
        _ => none(),
    };
    let incidents = if days > 0.0 { format!("{count} in {days:.2} d") } else { none() };
    let episodes = if days > 0.0 { episodes.to_string() } else { none() };
    let is_ranked = asked == RANKED;
    let (found, runs) = figures.iter().fold((0, 0), |sum, of| (sum.0 + of.found.0, sum.1 + of.found.1));
    let recall = if runs == 0 || !is_ranked { none() } else { format!("{:.3}", found as f64 / runs as f64) };
    let precision = if is_ranked { mean(figures, |of| of.precision) } else { none() };
    let (told, events) = figures.iter().fold((0, 0), |sum, of| (sum.0 + of.events.0, sum.1 + of.events.1));
    let events = if events == 0 { none() } else { format!("{told}/{events}") };
    let names = [data, detector].map(str::to_owned);
    let [data, detector] = names.clone();
    let f1 = mean(figures, |of| of.f1);
    let mut rows = vec![[
        data,
        detector,
        asked.to_string(),
        got,
        incidents,
        episodes,
        precision,
        recall,
        f1,
        events,
        most_of(figures),
    ]];
    let counts = mean(figures, |of| of.precision_of_counts);
    if is_ranked && counts != none() {
        let [data, detector] = names;
        let detector = format!("{detector}, odd at once");
        rows.push([data, detector, asked.to_string(), none(), none(), none(), counts, none(), none(), none(), none()]);
    }
    rows
}

/// The streams with the most false episodes.
fn most_of(figures: &[&GroupFigures]) -> String {
    const NAMED: usize = 2;
    let mut streams: Vec<&(String, u64)> = figures.iter().flat_map(|of| &of.of_streams).filter(|of| of.1 > 0).collect();
    streams.sort_by_key(|of| core::cmp::Reverse(of.1));
    let named: Vec<String> = streams.iter().take(NAMED).map(|(name, count)| format!("{name} {count}")).collect();
    if named.is_empty() { "-".to_owned() } else { named.join("; ") }
}

/// The mean of a figure over the groups that have it, with the least and the most where these are few.
fn mean(figures: &[&GroupFigures], of: fn(&GroupFigures) -> Option<f64>) -> String {
    const FEW: usize = 3;
    let all: Vec<f64> = figures.iter().filter_map(|figures| of(figures)).collect();
    if all.is_empty() {
        return "-".to_owned();
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let (least, most) = all.iter().fold((f64::MAX, f64::MIN), |(l, m), f| (l.min(*f), m.max(*f)));
    if (2..=FEW).contains(&all.len()) { format!("{mean:.4} ({least:.4} to {most:.4})") } else { format!("{mean:.3}") }
}
