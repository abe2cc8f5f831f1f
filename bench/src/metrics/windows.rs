//! Labelled windows found and missed, and alerts inside and outside of them. No point adjustment: nothing counts as
//! found that was not flagged.
//!
//! Flagged records at most the gap of an episode apart are one alert; it is inside when one of them lies in a window. A
//! window is found when a flagged record lies in it; those that do not reach into the judged part are left out. The
//! delay is taken from a window's start (or from the first judged record, if later): a labelled window begins well before
//! the anomaly it is centred on, so delays compare detectors and are no reaction times.

use oddline_cli::table::aligned;
use oddline_core::{limits::EPISODE_GAP_RECORDS, robust::median, time::EventTime};
use oddline_trainer::evaluate::poisson::PoissonRate;

use crate::data::{LabelledSeries, days};

/// One stream under one detector.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct WindowFigures {
    pub found: u64,
    pub missed: u64,
    /// Windows outside the judged part.
    pub left_out: u64,
    pub alerts_inside: u64,
    pub alerts_outside: u64,
    pub days: f64,
    /// Seconds from the start of each found window to its first flagged record.
    pub delays_s: Vec<f64>,
}

/// All streams under one detector.
pub(crate) struct DetectorFigures {
    pub detector: &'static str,
    pub streams: Vec<WindowFigures>,
}

impl WindowFigures {
    /// Judges `alerts`, one a record, behind the part that was learnt from.
    pub(crate) fn of(series: &LabelledSeries, alerts: &[bool]) -> Self {
        let times = &series.times[series.learnt..];
        let alerts = &alerts[series.learnt..];
        let mut figures = Self { days: days(times), ..Self::default() };
        figures.windows(series, times, alerts);
        let flagged: Vec<usize> = (0..alerts.len()).filter(|at| alerts[*at]).collect();
        for alert in flagged.chunk_by(|a, b| b - a <= EPISODE_GAP_RECORDS as usize) {
            let is_inside = alert.iter().any(|at| series.windows.iter().any(|window| window.contains(times[*at])));
            *(if is_inside { &mut figures.alerts_inside } else { &mut figures.alerts_outside }) += 1;
        }
        figures
    }

    fn windows(&mut self, series: &LabelledSeries, times: &[EventTime], alerts: &[bool]) {
        for window in &series.windows {
            let (Some(first), Some(last)) = (times.first(), times.last()) else { continue };
            if window.end < *first || window.start > *last {
                self.left_out += 1;
                continue;
            }
            let mut flagged = times.iter().zip(alerts).filter(|(time, alert)| **alert && window.contains(**time));
            match flagged.next() {
                Some((time, _)) => {
                    self.found += 1;
                    self.delays_s.push(time.seconds_since(window.start.max(*first)));
                }
                None => self.missed += 1,
            }
        }
    }

    fn add(mut self, other: &Self) -> Self {
        self.found += other.found;
        self.missed += other.missed;
        self.left_out += other.left_out;
        self.alerts_inside += other.alerts_inside;
        self.alerts_outside += other.alerts_outside;
        self.days += other.days;
        self.delays_s.extend(&other.delays_s);
        self
    }

    fn cells(&self) -> [String; 4] {
        let judged = self.found + self.missed;
        [
            if judged == 0 { "-".to_owned() } else { format!("{}/{judged}", self.found) },
            self.alerts_inside.to_string(),
            self.alerts_outside.to_string(),
            if self.delays_s.is_empty() { "-".to_owned() } else { format!("{:.1}h", median(&self.delays_s) / 3600.0) },
        ]
    }
}

impl DetectorFigures {
    pub(crate) fn total(&self) -> WindowFigures {
        self.streams.iter().fold(WindowFigures::default(), WindowFigures::add)
    }
}

/// A row a stream and detector, then a row a detector with the rate of its alerts outside.
pub(crate) fn tables(series: &[LabelledSeries], detectors: &[DetectorFigures]) -> String {
    let heading = |first: &str| [first, "detector", "found", "inside", "outside", "delay"].map(str::to_owned).to_vec();
    let mut streams = vec![heading("stream")];
    for (number, series) in series.iter().enumerate() {
        for of in detectors {
            let names = [series.name.component.clone(), of.detector.to_owned()];
            streams.push(names.into_iter().chain(of.streams[number].cells()).collect());
        }
    }
    let mut totals = vec![heading("all streams")];
    totals[0].extend(["left out", "outside per stream and day (95 %)"].map(str::to_owned));
    for of in detectors {
        let total = of.total();
        let names = [String::new(), of.detector.to_owned()];
        let rate = PoissonRate::new(total.alerts_outside, total.days);
        let rate = match (rate.per_day, rate.low, rate.high) {
            (Some(rate), Some(low), Some(high)) => format!("{rate:.2} ({low:.2} to {high:.2})"),
            _ => "-".to_owned(),
        };
        let last = [total.left_out.to_string(), rate];
        totals.push(names.into_iter().chain(total.cells()).chain(last).collect());
    }
    let text = |lines: &[Vec<String>]| aligned(lines, |column| column > 1).join("\n");
    format!("{}\n\n{}\n", text(&streams), text(&totals))
}

#[cfg(test)]
mod tests {
    use oddline_core::stream::StreamName;

    use super::*;
    use crate::data::LabelledWindow;

    fn hour(hour: i64) -> EventTime {
        EventTime::from_micros(hour * 3_600_000_000)
    }

    /// 241 hourly records, judged from hour 48.
    fn series(windows: &[(i64, i64)]) -> LabelledSeries {
        LabelledSeries {
            name: StreamName { server: "cloud".to_owned(), component: "cpu".to_owned() },
            times: (0..=240).map(hour).collect(),
            values: vec![0.0; 241],
            learnt: 48,
            windows: windows.iter().map(|w| LabelledWindow { start: hour(w.0), end: hour(w.1) }).collect(),
        }
    }

    fn judge(series: &LabelledSeries, flags: &[usize]) -> WindowFigures {
        let alerts: Vec<bool> = (0..=240).map(|hour| flags.contains(&hour)).collect();
        WindowFigures::of(series, &alerts)
    }

    #[test]
    fn windows_and_alerts_by_hand() {
        let series = series(&[(10, 20), (100, 120), (150, 160), (300, 310)]);
        // 12 is learnt from; 98 and 102 are one alert that reaches a window; 130 and 131 are one outside, 137 is
        // another (6 apart).
        let figures = judge(&series, &[12, 98, 102, 110, 130, 131, 137]);
        assert_eq!((figures.found, figures.missed, figures.left_out), (1, 1, 2));
        assert_eq!((figures.alerts_inside, figures.alerts_outside), (2, 2));
        assert_eq!((figures.delays_s, figures.days), (vec![2.0 * 3600.0], 8.0));
    }

    #[test]
    fn a_window_cut_by_what_is_learnt_from_is_judged_from_there() {
        let figures = judge(&series(&[(40, 60)]), &[42, 50]);
        assert_eq!((figures.found, figures.alerts_inside, figures.delays_s), (1, 1, vec![2.0 * 3600.0]));
    }

    #[test]
    fn detectors_stand_one_below_the_other() {
        let series = [series(&[(100, 120)]), series(&[(150, 160)])];
        let figures = |flags: &[usize]| series.iter().map(|series| judge(series, flags)).collect();
        let detectors = [
            DetectorFigures { detector: "Oddline", streams: figures(&[105, 155]) },
            DetectorFigures { detector: "Other", streams: figures(&[90]) },
        ];
        let text = tables(&series, &detectors);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["cpu", "Oddline", "1/1", "1", "1", "5.0h"]);
        assert_eq!(lines[7], ["Oddline", "2/2", "2", "2", "5.0h", "0", "0.12", "(0.02", "to", "0.45)"]);
        assert_eq!(lines[8], ["Other", "0/2", "0", "2", "-", "0", "0.12", "(0.02", "to", "0.45)"]);
    }
}
