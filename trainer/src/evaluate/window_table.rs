//! Alerts against labelled windows, stream by stream, for several detectors side by side.
//!
//! An alert is an episode: flagged records of a stream at most `merge_gap` positions apart. It is
//! inside when one of its flagged records lies in a window, else outside. A window is found when a
//! flagged record lies in it. Records before `judged_from_us` (training, probation) are ignored;
//! windows that do not reach into the judged records are left out and counted as such. The delay is
//! taken from a window's start (or from the first judged record, if later): a labelled window begins well
//! before the anomaly it is centred on, so delays compare detectors and are no reaction times.

use super::poisson::PoissonRate;
use super::table::{TextTable, shorten};
use super::windows::LabelledWindow;
use serde::Serialize;
use serde_json::{Value, json};

/// Name and version of the JSON shape: `{"format", "detectors": [{"detector", "totals": Totals,
/// "outside_per_stream_day": Rate, "streams": [StreamResult]}]}`, fields as in these types.
pub const FORMAT: &str = "oddline-windows/1";
const NAME_WIDTH: usize = 28;
/// More detectors than this would not fit 100 columns.
pub const DETECTORS_MAX: usize = 3;

const DAY_US: f64 = 86_400e6;

/// Follows one stream under one detector. Memory grows with the windows only.
#[derive(Debug)]
pub struct WindowEvaluation {
    stream: String,
    windows: Vec<JudgedWindow>,
    judged_from_us: i64,
    merge_gap: u64,
    position: u64,
    span_us: Option<(i64, i64)>,
    /// Position of the open alert's last flagged record, and whether one lay in a window.
    alert: Option<(u64, bool)>,
    alerts_inside: u64,
    alerts_outside: u64,
}

#[derive(Debug)]
struct JudgedWindow {
    window: LabelledWindow,
    first_flag_us: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowOutcome {
    Found,
    Missed,
    LeftOut,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowResult {
    #[serde(flatten)]
    pub window: LabelledWindow,
    pub outcome: WindowOutcome,
    /// Seconds from the window's start to its first flagged record.
    pub delay_s: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamResult {
    pub stream: String,
    pub records: u64,
    pub days: f64,
    pub windows: Vec<WindowResult>,
    pub alerts_inside: u64,
    pub alerts_outside: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct WindowTotals {
    pub streams: u64,
    pub found: u64,
    pub missed: u64,
    pub left_out: u64,
    pub alerts_inside: u64,
    pub alerts_outside: u64,
    pub days: f64,
    /// Median over the found windows.
    pub delay_s_median: Option<f64>,
}

/// All streams under one detector.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorResult {
    pub label: String,
    pub streams: Vec<StreamResult>,
}

impl WindowEvaluation {
    pub fn new(stream: &str, windows: &[LabelledWindow], judged_from_us: i64, merge_gap: u64) -> Self {
        let windows = windows.iter().map(|window| JudgedWindow { window: *window, first_flag_us: None });
        Self {
            stream: stream.to_owned(),
            windows: windows.collect(),
            judged_from_us,
            merge_gap,
            position: 0,
            span_us: None,
            alert: None,
            alerts_inside: 0,
            alerts_outside: 0,
        }
    }

    /// Counts the stream's next record.
    pub fn push(&mut self, time_us: i64, flagged: bool) {
        if time_us < self.judged_from_us {
            return;
        }
        self.position += 1;
        let (first, last) = self.span_us.unwrap_or((time_us, time_us));
        self.span_us = Some((first.min(time_us), last.max(time_us)));
        let mut inside = false;
        for judged in &mut self.windows {
            if judged.window.contains(time_us) {
                inside = true;
                if flagged {
                    judged.first_flag_us.get_or_insert(time_us);
                }
            }
        }
        if flagged {
            self.flag(inside);
        }
    }

    pub fn finish(mut self) -> StreamResult {
        self.close_alert();
        let span = self.span_us;
        StreamResult {
            stream: self.stream,
            records: self.position,
            days: span.map_or(0.0, |(first, last)| (last as f64 - first as f64) / DAY_US),
            windows: self.windows.iter().map(|judged| judged.result(span)).collect(),
            alerts_inside: self.alerts_inside,
            alerts_outside: self.alerts_outside,
        }
    }

    fn flag(&mut self, inside: bool) {
        let position = self.position;
        match &mut self.alert {
            Some((last, was_inside)) if position - *last <= self.merge_gap => {
                *last = position;
                *was_inside |= inside;
            }
            _ => {
                self.close_alert();
                self.alert = Some((position, inside));
            }
        }
    }

    fn close_alert(&mut self) {
        match self.alert.take() {
            None => {}
            Some((_, true)) => self.alerts_inside += 1,
            Some((_, false)) => self.alerts_outside += 1,
        }
    }
}

impl JudgedWindow {
    fn result(&self, span_us: Option<(i64, i64)>) -> WindowResult {
        let LabelledWindow { start_us, end_us } = self.window;
        let reached = span_us.is_some_and(|(first, last)| end_us >= first && start_us <= last);
        let first_us = span_us.map_or(start_us, |(first, _)| start_us.max(first));
        WindowResult {
            window: self.window,
            outcome: match (reached, self.first_flag_us) {
                (false, _) => WindowOutcome::LeftOut,
                (true, Some(_)) => WindowOutcome::Found,
                (true, None) => WindowOutcome::Missed,
            },
            delay_s: self.first_flag_us.map(|flag| (flag - first_us) as f64 / 1e6),
        }
    }
}

impl DetectorResult {
    pub fn totals(&self) -> WindowTotals {
        let mut totals = WindowTotals::default();
        let mut delays = Vec::new();
        for stream in &self.streams {
            totals.streams += 1;
            totals.found += stream.windows_that(WindowOutcome::Found);
            totals.missed += stream.windows_that(WindowOutcome::Missed);
            totals.left_out += stream.windows_that(WindowOutcome::LeftOut);
            totals.alerts_inside += stream.alerts_inside;
            totals.alerts_outside += stream.alerts_outside;
            totals.days += stream.days;
            delays.extend(stream.delays_s());
        }
        totals.delay_s_median = median(delays);
        totals
    }
}

impl StreamResult {
    pub fn windows_that(&self, outcome: WindowOutcome) -> u64 {
        self.windows.iter().filter(|w| w.outcome == outcome).count() as u64
    }

    fn delays_s(&self) -> impl Iterator<Item = f64> {
        self.windows.iter().filter_map(|w| w.delay_s)
    }
}

/// The detectors side by side, rows in the order of the first one's streams. The first
/// `DETECTORS_MAX` are shown; the JSON has all.
pub fn text(detectors: &[DetectorResult]) -> String {
    let shown = &detectors[..detectors.len().min(DETECTORS_MAX)];
    let mut header = vec!["stream"];
    for _ in shown {
        header.extend(["found", "in", "out", "delay"]);
    }
    let mut table = TextTable::new(1, &header);
    for detector in shown {
        table.group(&detector.label, 4);
    }
    for stream in shown.first().map_or(&[][..], |first| &first.streams) {
        let mut cells = vec![shorten(&stream.stream, NAME_WIDTH)];
        for detector in shown {
            let same = detector.streams.iter().find(|s| s.stream == stream.stream);
            cells.extend(same.map_or([const { String::new() }; 4], stream_cells));
        }
        table.row(cells);
    }
    let mut cells = vec!["all".to_owned()];
    cells.extend(shown.iter().flat_map(|detector| total_cells(&detector.totals())));
    table.row(cells);
    let sentences: Vec<String> = shown.iter().map(sentence).collect();
    format!(
        "Labelled Windows (found of judged; alerts inside and outside; median delay):\n{}\n{}",
        table.render(),
        sentences.concat()
    )
}

/// All detectors, in the shape named at `FORMAT`.
pub fn json(detectors: &[DetectorResult]) -> Value {
    let detectors: Vec<Value> = detectors
        .iter()
        .map(|detector| {
            let totals = detector.totals();
            json!({
                "detector": detector.label,
                "totals": totals,
                "outside_per_stream_day": PoissonRate::new(totals.alerts_outside, totals.days),
                "streams": detector.streams,
            })
        })
        .collect();
    json!({"format": FORMAT, "detectors": detectors})
}

fn stream_cells(stream: &StreamResult) -> [String; 4] {
    cells(
        stream.windows_that(WindowOutcome::Found),
        stream.windows_that(WindowOutcome::Missed),
        (stream.alerts_inside, stream.alerts_outside),
        median(stream.delays_s().collect()),
    )
}

fn total_cells(totals: &WindowTotals) -> [String; 4] {
    cells(totals.found, totals.missed, (totals.alerts_inside, totals.alerts_outside), totals.delay_s_median)
}

fn cells(found: u64, missed: u64, alerts: (u64, u64), delay_s: Option<f64>) -> [String; 4] {
    let judged = found + missed;
    [
        if judged == 0 { "-".to_owned() } else { format!("{found}/{judged}") },
        alerts.0.to_string(),
        alerts.1.to_string(),
        delay_s.map_or("-".to_owned(), duration),
    ]
}

fn sentence(detector: &DetectorResult) -> String {
    let t = detector.totals();
    let rate = PoissonRate::new(t.alerts_outside, t.days);
    let rate = match (rate.per_day, rate.low, rate.high) {
        (Some(rate), Some(low), Some(high)) => {
            format!("{rate:.4} per stream and day (95 % {low:.4} to {high:.4})")
        }
        _ => "no days judged".to_owned(),
    };
    format!(
        "  {}: {} windows found, {} missed, {} left out (not in the judged part);\n    \
         {} alerts inside, {} outside: {rate}\n",
        detector.label, t.found, t.missed, t.left_out, t.alerts_inside, t.alerts_outside
    )
}

/// At most five characters.
fn duration(seconds: f64) -> String {
    let (minutes, hours, days) = (seconds / 60.0, seconds / 3600.0, seconds / 86_400.0);
    if minutes < 60.0 {
        format!("{minutes:.0}m")
    } else if hours < 48.0 {
        format!("{hours:.1}h")
    } else {
        format!("{days:.1}d")
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(0.5 * (lower + upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn window(start_h: i64, end_h: i64) -> LabelledWindow {
        LabelledWindow { start_us: start_h * HOUR_US, end_us: end_h * HOUR_US }
    }

    /// 240 hourly records, judged from hour 48, with windows at 10-20, 100-120, 150-160 and 300-310.
    fn judge(stream: &str, flags: &[i64]) -> StreamResult {
        let windows = [window(10, 20), window(100, 120), window(150, 160), window(300, 310)];
        let mut evaluation = WindowEvaluation::new(stream, &windows, 48 * HOUR_US, 5);
        for hour in 0..=240 {
            evaluation.push(hour * HOUR_US, flags.contains(&hour));
        }
        evaluation.finish()
    }

    #[test]
    fn windows_and_alerts_by_hand() {
        // 12 lies in the probation; 98 and 102 are one alert that reaches a window; 130 and 131
        // are one outside, 137 is another (6 apart).
        let result = judge("cpu", &[12, 98, 102, 110, 130, 131, 137]);
        let outcomes: Vec<WindowOutcome> = result.windows.iter().map(|w| w.outcome).collect();
        use WindowOutcome::{Found, LeftOut, Missed};
        assert_eq!(outcomes, [LeftOut, Found, Missed, LeftOut]);
        assert_eq!((result.alerts_inside, result.alerts_outside), (2, 2));
        assert_eq!(result.windows[1].delay_s, Some(2.0 * 3600.0));
        assert_eq!((result.records, result.days), (193, 8.0));
    }

    #[test]
    fn a_window_cut_by_the_probation_is_judged_from_there() {
        let mut evaluation = WindowEvaluation::new("x", &[window(10, 20)], 15 * HOUR_US, 5);
        for hour in 0..30 {
            evaluation.push(hour * HOUR_US, hour == 12 || hour == 16);
        }
        let result = evaluation.finish();
        assert_eq!(result.windows[0].outcome, WindowOutcome::Found);
        assert_eq!(result.windows[0].delay_s, Some(3600.0));
        assert_eq!(result.alerts_inside, 1);
    }

    fn detectors() -> Vec<DetectorResult> {
        let long = "realAWSCloudwatch/iio_us-east-1_i-a2eb1cd9_NetworkIn";
        [("Oddline", [105, 155]), ("without autoencoder", [105, 200]), ("windowed Gaussian", [90, 200])]
            .map(|(label, flags)| DetectorResult {
                label: label.to_owned(),
                streams: vec![judge("cpu", &flags), judge(long, &[110])],
            })
            .to_vec()
    }

    #[test]
    fn totals_add_up() {
        let totals = detectors()[0].totals();
        assert_eq!((totals.streams, totals.found, totals.missed, totals.left_out), (2, 3, 1, 4));
        assert_eq!((totals.alerts_inside, totals.alerts_outside, totals.days), (3, 0, 16.0));
        assert_eq!(totals.delay_s_median, Some(5.0 * 3600.0), "of 5, 5 and 10 hours");
    }

    #[test]
    fn three_detectors_fit_side_by_side() {
        let text = text(&detectors());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|l| l.chars().count() <= 100), "{text}");
        assert!(lines[1].contains(" Oddline ") && lines[1].contains(" windowed Gaussian "));
        assert_eq!(
            lines[6].split_whitespace().collect::<Vec<_>>(),
            ["all", "3/4", "3", "0", "5.0h", "2/4", "2", "1", "7.5h", "1/4", "1", "2", "10.0h"]
        );
        assert!(text.contains("Oddline: 3 windows found, 1 missed, 4 left out"));
    }

    #[test]
    fn json_has_every_window() {
        let value = json(&detectors());
        assert_eq!(value["format"], FORMAT);
        let window = &value["detectors"][1]["streams"][0]["windows"][2];
        assert_eq!(window["outcome"], "missed");
        assert_eq!(window["start_us"], 150 * HOUR_US);
        assert_eq!(value["detectors"][0]["totals"]["found"], 3);
        assert_eq!(value["detectors"][2]["outside_per_stream_day"]["count"], 2);
    }
}
