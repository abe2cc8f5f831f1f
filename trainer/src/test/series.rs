//! The streams of a test run over time, to be drawn: each value beside what was usual, with the odd stretches.
//!
//! What is drawn is what was judged: of a counter its rate. Memory is bounded by reducing each stream as it comes.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use oddline_core::{
    profile::RecordView,
    score::ScoreCause,
    stream::{RecordFigures, StreamName, character::StreamCharacter},
    terminal::tame,
    time::EventTime,
    verdict::Verdict,
};

use crate::{
    chart::{Panel, PanelPage, ReducedSeries, SeriesPoint},
    say::counted,
};

/// Panels on the page: what a person looks at.
const PANELS_MAX: usize = 8;
const PANEL_WIDTH: f64 = 1150.0;
/// Stretches of time of all streams together, 40 MB, ...
const BUCKETS_MAX: usize = 262_144;
/// ... of one stream, at most: half a pixel to one each, ...
const STREAM_BUCKETS_MAX: usize = 2_048;
/// ... and at least.
const STREAM_BUCKETS_MIN: usize = 128;
/// Streams that are followed; the first ones.
const STREAMS_MAX: usize = BUCKETS_MAX / STREAM_BUCKETS_MIN;
/// Residuals of less than so many scales are what they are: from these the scale is found.
const LINEAR: f64 = 4.0;

/// Follows a test run.
#[derive(Default)]
pub(super) struct UnseenSeries {
    streams: BTreeMap<Arc<StreamName>, StreamSeries>,
    left_out: bool,
    time: Option<(EventTime, EventTime)>,
}

#[derive(Default)]
struct StreamSeries {
    reduced: ReducedSeries,
    records: u64,
    anomalous: u64,
    labelled: u64,
    /// Rates are drawn, not values.
    is_rate: bool,
    /// What a residual was last measured in.
    scale: f64,
}

impl UnseenSeries {
    /// Takes a verdict; `labelled` where it is an anomaly in truth.
    pub(super) fn push(&mut self, verdict: &Verdict, view: &RecordView, labelled: bool) {
        let most = BUCKETS_MAX / (self.streams.len() + 1);
        let is_known = self.streams.contains_key(&verdict.stream);
        if !is_known && self.streams.len() >= STREAMS_MAX {
            self.left_out = true;
            return;
        }
        let (first, last) = self.time.get_or_insert((verdict.time, verdict.time));
        (*first, *last) = ((*first).min(verdict.time), (*last).max(verdict.time));
        let series = self.streams.entry(Arc::clone(&verdict.stream)).or_default();
        series.push(verdict, view, labelled, most.clamp(STREAM_BUCKETS_MIN, STREAM_BUCKETS_MAX));
    }

    /// The streams with the most anomalies; `None` without any.
    pub(super) fn page(&self) -> Option<PanelPage> {
        let odd = |series: &&StreamSeries| series.anomalous + series.labelled > 0;
        let mut found: Vec<(&Arc<StreamName>, &StreamSeries)> =
            self.streams.iter().filter(|(_, series)| odd(series)).collect();
        found.sort_by_key(|(_, series)| Reverse((series.anomalous, series.labelled)));
        let (first, last) = self.time.filter(|_| !found.is_empty())?;
        let streams = counted(found.len(), "stream");
        let shown = if found.len() > PANELS_MAX {
            format!("{PANELS_MAX} of {streams} with anomalies")
        } else {
            format!("{streams} with anomalies, of {}", self.streams.len())
        };
        let left_out = if self.left_out { format!("; none but the first {STREAMS_MAX}") } else { String::new() };
        Some(PanelPage {
            title: "Streams of the unseen log with the most anomalies".to_owned(),
            subtitle: format!("{shown}{left_out}; from {} to {}", minute(first), minute(last)),
            columns: 1,
            panel_width: PANEL_WIDTH,
            panels: found.into_iter().take(PANELS_MAX).map(|(name, series)| series.panel(name)).collect(),
        })
    }
}

impl StreamSeries {
    fn push(&mut self, verdict: &Verdict, view: &RecordView, labelled: bool, most: usize) {
        self.records += 1;
        self.anomalous += u64::from(verdict.anomalous);
        self.labelled += u64::from(labelled);
        let Some((value, usual)) = self.read(verdict, view) else { return };
        let usual = usual.filter(|(low, high)| low < high);
        let (time_us, anomalous) = (verdict.time.micros(), verdict.anomalous);
        self.reduced.push(SeriesPoint { time_us, value, usual, anomalous, labelled }, most);
    }

    /// What was judged, and between what it would have been usual. `None` where a counter says nothing.
    fn read(&mut self, verdict: &Verdict, view: &RecordView) -> Option<(f64, Option<(f64, f64)>)> {
        let Some(figures) = &verdict.figures else {
            return Some((verdict.value, None));
        };
        let is_rate = figures.character == StreamCharacter::Counter;
        if is_rate != self.is_rate {
            // Values and rates do not belong on one axis.
            (self.is_rate, self.reduced) = (is_rate, ReducedSeries::default());
        }
        match figures.character {
            StreamCharacter::Constant | StreamCharacter::FewValues => Some((verdict.value, Some(figures.range))),
            StreamCharacter::Counter if verdict.score.cause == ScoreCause::Reset => Some((0.0, None)),
            StreamCharacter::Counter => {
                verdict.expected?;
                Some((figures.number, self.around(figures.usual, figures, verdict, view)))
            }
            StreamCharacter::Sparse
            | StreamCharacter::Wandering
            | StreamCharacter::Continuous
            | StreamCharacter::Daily => {
                let usual = verdict.expected.and_then(|expected| self.around(expected, figures, verdict, view));
                Some((verdict.value, usual))
            }
        }
    }

    /// As far from what was expected as the model measures residuals in.
    fn around(
        &mut self,
        expected: f64,
        figures: &RecordFigures,
        verdict: &Verdict,
        view: &RecordView,
    ) -> Option<(f64, f64)> {
        let residual = f64::from(verdict.vector[0]);
        if residual.abs() < LINEAR && residual.abs() > 1e-3 {
            self.scale = (figures.number - figures.usual) / residual;
        }
        let reach = f64::from(view.value_quantile[0] * view.scale[0] * verdict.loudness);
        let center = expected + f64::from(view.center[0]) * self.scale;
        (self.scale > 0.0).then_some((center - reach * self.scale, center + reach * self.scale))
    }

    fn panel(&self, name: &StreamName) -> Panel {
        let server = if name.server.is_empty() { String::new() } else { format!("{}/", name.server) };
        let rate = if self.is_rate { ", per second" } else { "" };
        let labelled = if self.labelled > 0 { format!("{} labelled, ", self.labelled) } else { String::new() };
        let records = counted(self.records, "record");
        Panel {
            name: format!("{}{rate}", tame(&format!("{server}{}", name.component))),
            note: format!("{} judged anomalous, {labelled}of {records}", self.anomalous),
            line: self.reduced.line(),
            usual: self.reduced.usual(),
            learnt: None,
            labelled: self.reduced.labelled(),
            anomalous: self.reduced.anomalous(),
        }
    }
}

/// `2026-03-02 00:01 UTC`.
fn minute(time: EventTime) -> String {
    let text = time.to_string();
    text.get(..16).map_or_else(|| text.clone(), |minute| format!("{} UTC", minute.replace('T', " ")))
}

#[cfg(test)]
mod tests {
    use oddline_core::{profile::Threshold, score::Score, stream::Vector};

    use super::*;

    fn view() -> RecordView {
        RecordView {
            center: Vector::default(),
            scale: [1.0; 8],
            residual_quantile: [1.0; 8],
            value_quantile: [3.5; 8],
            autoencoder: true,
            novelty: true,
            threshold: Threshold {
                value: 1.0,
                alert_budget: None,
                quantile: None,
                expected: 0.0,
                interval: (0.0, 0.0),
            },
        }
    }

    /// A record a minute; the value is as many scales of 2 from 10 as the vector says.
    fn verdict(component: &str, minute: i64, residual: f32, figures: Option<RecordFigures>) -> Verdict {
        let value = 10.0 + 2.0 * f64::from(residual);
        Verdict {
            number: 0,
            time: EventTime::from_micros(minute * 60_000_000),
            stream: Arc::new(StreamName { server: "web".to_owned(), component: component.to_owned() }),
            value,
            expected: figures.as_ref().map(|_| 10.0),
            score: Score { value: 0.0, cause: ScoreCause::Extreme(0) },
            threshold: 1.0,
            anomalous: residual.abs() > 3.5,
            learning: false,
            vector: [residual, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            residual: Vector::default(),
            loudness: 2.0,
            figures,
        }
    }

    fn figures(character: StreamCharacter, residual: f32) -> Option<RecordFigures> {
        let number = 10.0 + 2.0 * f64::from(residual);
        Some(RecordFigures { character, number, usual: 10.0, range: (8.0, 12.0), ..RecordFigures::default() })
    }

    fn page(verdicts: impl IntoIterator<Item = Verdict>) -> Option<PanelPage> {
        let mut series = UnseenSeries::default();
        verdicts.into_iter().for_each(|verdict| series.push(&verdict, &view(), false));
        series.page()
    }

    #[test]
    fn the_streams_with_the_most_anomalies_come_first() {
        let of = |stream: usize, minute: usize| {
            let residual = if minute < stream { 9.0 } else { 0.5 };
            verdict(&format!("c{stream:03}"), minute as i64, residual, None)
        };
        let many =
            page((0..300).flat_map(|stream| (0..10).map(move |minute| (stream % 11, minute))).map(|(s, m)| of(s, m)));
        let many = many.unwrap();
        let names: Vec<&str> = many.panels.iter().map(|panel| panel.name.as_str()).collect();
        assert_eq!(
            names,
            ["web/c010", "web/c009", "web/c008", "web/c007", "web/c006", "web/c005", "web/c004", "web/c003"]
        );
        assert_eq!(many.subtitle, "8 of 10 streams with anomalies; from 1970-01-01 00:00 UTC to 1970-01-01 00:09 UTC");
        assert!(many.panels[0].note.starts_with("270 judged anomalous, of 270 records"), "{}", many.panels[0].note);
        let one = page([of(1, 0)]).unwrap();
        assert_eq!(one.panels[0].line, [(0.0, 28.0)]);
        assert!(one.subtitle.starts_with("1 stream with anomalies, of 1;"));
        assert!(page([of(0, 0)]).is_none() && page([]).is_none(), "nothing to draw");
    }

    #[test]
    fn what_is_usual_is_as_far_as_the_judge_measures() {
        let records = [0.0, 1.0, 9.0].map(|r| verdict("cpu", r as i64, r, figures(StreamCharacter::Daily, r)));
        let panel = page(records).unwrap().panels.remove(0);
        let reach = 3.5 * 2.0 * 2.0;
        let edge = |minute: f64| [(minute * 60e6, 10.0 - reach, 10.0 + reach); 2];
        assert_eq!(panel.usual, [[edge(1.0), edge(9.0)].concat()], "not before a scale is known");
        let states = [0.0, 9.0].map(|r| verdict("state", r as i64, r, figures(StreamCharacter::FewValues, r)));
        assert_eq!(page(states).unwrap().panels[0].usual[0][0], (0.0, 8.0, 12.0), "the known values");
    }

    #[test]
    fn a_counter_is_drawn_by_its_rate() {
        let counter = |minute: i64, number: f64| {
            let figures = RecordFigures { number, ..figures(StreamCharacter::Counter, 0.0).unwrap() };
            Verdict { value: 1e9 + minute as f64, ..verdict("bytes", minute, 9.0, Some(figures)) }
        };
        let first = Verdict { expected: None, ..counter(0, 1e9) };
        let reset =
            Verdict { expected: None, score: Score { value: 2.0, cause: ScoreCause::Reset }, ..counter(3, 4.0) };
        let learning = verdict("bytes", -1, 0.0, None);
        let panel = page([learning, first, counter(1, 7.0), counter(2, 8.0), reset]).unwrap().panels.remove(0);
        assert_eq!(panel.name, "web/bytes, per second");
        assert_eq!(panel.line, [(60e6, 7.0), (120e6, 8.0), (180e6, 0.0)]);
    }
}
