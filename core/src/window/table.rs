//! The windows of one source's servers: readings joined by interval, closed by the watermark, scored and smoothed. A reading
//! of a closed interval is late: counted, not added. Bounded by the servers and metrics that the model knows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{METRIC_FEATURES, METRICS_MIN, WindowPart, WindowVerdict, WindowView, metric::MetricMemory};
use crate::{
    activity::watermark::{Watermark, WatermarkProgress},
    budget::{BudgetTable, BudgetUse, ScoredRecord},
    episode::{EpisodeRun, EpisodeStep},
    limits::WINDOW_SERVERS_MAX,
    profile::ModelProfile,
    score::{SCORE_MAX, bounded},
    stream::{StreamName, StreamSlot},
    time::EventTime,
    weight,
};

/// The score that is judged follows the windows' own by this share: it is the mean of the last few.
const SMOOTH: f64 = 1.0 / 3.0;
/// Metrics that a verdict names.
const PARTS_MAX: usize = 8;
/// A metric with less than this share of the largest is not named.
const PART_MIN: f32 = 0.1;

/// A value on its way into the windows.
#[derive(Debug, Clone, Copy)]
pub struct WindowReading<'a> {
    /// Where its stream is kept.
    pub slot: StreamSlot,
    /// Its stream.
    pub name: &'a Arc<StreamName>,
    /// Its time.
    pub time: EventTime,
    /// The value.
    pub value: f64,
}

/// A window that is over, to be run through the model.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedWindow {
    server: u32,
    /// Time of the last reading in it.
    pub time: EventTime,
    /// Its vector; zeros for what is missing.
    pub vector: Vec<f32>,
    /// Whether each metric had a reading, by its place.
    pub present: Vec<bool>,
}

/// What became of readings and windows so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WindowCounts {
    /// Windows judged.
    pub windows: u64,
    /// Windows with too few metrics to judge.
    pub sparse: u64,
    /// Readings of an interval that was over.
    pub late: u64,
    /// Readings of times so far ahead that they are not believed.
    pub ahead: u64,
    /// Servers that found no place.
    pub turned_away: u64,
}

/// The windows of one source.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WindowTable {
    watermark: Watermark,
    interval: Option<i64>,
    servers: Vec<ServerWindow>,
    budgets: BudgetTable,
    counts: WindowCounts,
    /// Where the readings of each stream go, by its slot.
    #[serde(skip)]
    places: Vec<Option<MetricPlace>>,
}

#[derive(Debug, Clone)]
struct MetricPlace {
    name: Arc<StreamName>,
    /// Server and metric; `None`: the model knows nothing of it.
    at: Option<(usize, usize)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ServerWindow {
    /// The server, as a stream without a component.
    name: Arc<StreamName>,
    metrics: Vec<Option<MetricMemory>>,
    /// The last reading of the interval under way.
    latest: Option<EventTime>,
    smoothed: Option<f64>,
    run: EpisodeRun,
}

impl WindowTable {
    /// Takes a reading; appends the windows that it ends.
    pub fn take(&mut self, profile: &ModelProfile, reading: WindowReading<'_>, out: &mut Vec<ClosedWindow>) {
        let Some(view) = &profile.window else { return };
        let WindowReading { slot, name, time, value } = reading;
        let progress = self.watermark.push(time);
        let at = self.watermark.at().unwrap_or(time);
        match progress {
            WatermarkProgress::On(_) => self.turn(view, at, out),
            WatermarkProgress::SetBack => self.begin_anew(view, at),
            WatermarkProgress::Late => {}
            WatermarkProgress::Ahead => {
                self.counts.ahead += 1;
                return;
            }
        }
        let Some((server, metric)) = self.place(profile, view, slot, name) else { return };
        if Some(interval(time, view)) != self.interval {
            self.counts.late += 1;
            return;
        }
        let server = &mut self.servers[server];
        server.latest = server.latest.max(Some(time));
        if let Some(metric) = &mut server.metrics[metric] {
            metric.add(time, value);
        }
    }

    /// What the model's residuals (in scales, one for each number of the vector) make of a window.
    pub fn conclude(
        &mut self,
        profile: &ModelProfile,
        closed: &ClosedWindow,
        residual: &[f32],
    ) -> Option<WindowVerdict> {
        let view = profile.window.as_ref()?;
        let server = self.servers.get_mut(closed.server as usize)?;
        let squares = squares(view, closed, residual);
        let metrics = closed.present.iter().filter(|is| **is).count();
        let all: f64 = squares.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let alone = (all / (METRIC_FEATURES * metrics.max(1)) as f64).sqrt();
        let alone = if alone.is_finite() { alone.min(f64::from(SCORE_MAX)) } else { f64::from(SCORE_MAX) };
        let smoothed = server.smoothed.map_or(alone, |smoothed| smoothed + SMOOTH * (alone - smoothed));
        server.smoothed = Some(smoothed);
        let measured = smoothed / f64::from(view.threshold);
        let interval_s = f64::from(view.interval_s);
        let limit = view.budget.as_ref().map_or(1.0, |budget| {
            let scored = ScoredRecord { time: closed.time, pause_s: interval_s, score: measured, is_learning: false };
            self.budgets.limit(budget, closed.server, &server.name, scored)
        });
        let threshold = profile.record.threshold.value;
        let score = bounded(measured / limit * f64::from(threshold));
        let anomalous = score >= threshold;
        let step = server.run.push(closed.time, anomalous, score);
        if matches!(step, EpisodeStep::NewLevel(_)) {
            server.metrics.iter_mut().flatten().for_each(MetricMemory::take_level);
        }
        let parts =
            if step == EpisodeStep::Quiet { Vec::new() } else { server.parts(view, closed.time, &squares, all) };
        let number = self.counts.windows;
        self.counts.windows += 1;
        let (stream, metrics) = (Arc::clone(&server.name), u32::try_from(metrics).unwrap_or(u32::MAX));
        let (time, alone) = (closed.time, bounded(alone));
        Some(WindowVerdict {
            number,
            time,
            stream,
            alone,
            score,
            threshold,
            anomalous,
            interval_s,
            metrics,
            parts,
            step,
        })
    }

    /// Goes over to another model: what its metrics were is forgotten, the servers' episodes go on.
    pub fn adopt(&mut self, profile: &ModelProfile) {
        self.places.clear();
        for server in &mut self.servers {
            server.metrics.clear();
            server.smoothed = None;
            server.latest = None;
        }
        self.budgets.adopt(profile.window.as_ref().and_then(|view| view.budget.as_ref()));
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> WindowCounts {
        self.counts
    }

    /// The limits of its servers.
    #[must_use]
    pub fn budgets(&self) -> &BudgetTable {
        &self.budgets
    }

    /// Asked and used.
    #[must_use]
    pub fn budget_use(&self, profile: &ModelProfile) -> BudgetUse {
        self.budgets.used(profile.window.as_ref().and_then(|view| view.budget.as_ref()))
    }

    /// What it weighs in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of_server =
            |s: &ServerWindow| weight::name(&s.name) + weight::items::<Option<MetricMemory>>(s.metrics.capacity());
        weight::items::<ServerWindow>(self.servers.capacity())
            + weight::items::<Option<MetricPlace>>(self.places.capacity())
            + self.servers.iter().map(of_server).sum::<usize>()
            + self.budgets.bytes()
    }

    /// Event time has come to `at`: closes the interval that it has left.
    fn turn(&mut self, view: &WindowView, at: EventTime, out: &mut Vec<ClosedWindow>) {
        let next = interval(at, view);
        if self.interval.replace(next).is_none_or(|over| over == next) {
            return;
        }
        for (number, server) in (0..).zip(&mut self.servers) {
            let Some(time) = server.latest.take() else { continue };
            match server.close(view, number, time) {
                Some(closed) => out.push(closed),
                None => self.counts.sparse += 1,
            }
        }
    }

    /// The clock was set back: the interval under way is not whole.
    fn begin_anew(&mut self, view: &WindowView, at: EventTime) {
        self.interval = Some(interval(at, view));
        for server in &mut self.servers {
            server.latest = None;
            server.metrics.iter_mut().flatten().for_each(MetricMemory::drop_interval);
        }
    }

    fn place(
        &mut self,
        profile: &ModelProfile,
        view: &WindowView,
        slot: StreamSlot,
        name: &Arc<StreamName>,
    ) -> Option<(usize, usize)> {
        let slot = slot as usize;
        if let Some(Some(place)) = self.places.get(slot)
            && (Arc::ptr_eq(&place.name, name) || place.name == *name)
        {
            return place.at;
        }
        let at = self.admit(profile, view, name);
        if self.places.len() <= slot {
            self.places.resize(slot + 1, None);
        }
        self.places[slot] = Some(MetricPlace { name: Arc::clone(name), at });
        at
    }

    fn admit(&mut self, profile: &ModelProfile, view: &WindowView, name: &StreamName) -> Option<(usize, usize)> {
        let metric = view.place(&name.component)?;
        let baseline = profile.baseline(&name.server, &name.component)?;
        let found = self.servers.iter().position(|server| server.name.server == name.server);
        if found.is_none() && self.servers.len() >= WINDOW_SERVERS_MAX {
            self.counts.turned_away += 1;
            return None;
        }
        let at = found.unwrap_or_else(|| {
            self.servers.push(ServerWindow::new(&name.server));
            self.servers.len() - 1
        });
        let metrics = &mut self.servers[at].metrics;
        metrics.resize(view.metrics.len(), None);
        // A stream that was evicted and came back goes on.
        metrics[metric].get_or_insert_with(|| MetricMemory::new(baseline));
        Some((at, metric))
    }
}

impl ServerWindow {
    fn new(server: &str) -> Self {
        let name = Arc::new(StreamName { server: server.to_owned(), component: String::new() });
        Self { name, metrics: Vec::new(), latest: None, smoothed: None, run: EpisodeRun::default() }
    }

    /// `None` when most of the server's metrics had no reading.
    fn close(&mut self, view: &WindowView, number: u32, time: EventTime) -> Option<ClosedWindow> {
        let (mut vector, mut present) = (vec![0.0; view.width()], vec![false; view.metrics.len()]);
        let places = vector.chunks_exact_mut(METRIC_FEATURES).zip(&mut present);
        for (metric, (numbers, is_present)) in self.metrics.iter_mut().zip(places) {
            if let Some(found) = metric.as_mut().and_then(|metric| metric.close(f64::from(view.interval_s))) {
                numbers.copy_from_slice(&found);
                *is_present = true;
            }
        }
        let (known, found) = (self.metrics.iter().flatten().count(), present.iter().filter(|is| **is).count());
        (found >= METRICS_MIN && 2 * found >= known).then_some(ClosedWindow { server: number, time, vector, present })
    }

    /// The metrics with the largest parts.
    #[expect(clippy::cast_possible_truncation, reason = "shares are f32")]
    fn parts(&self, view: &WindowView, time: EventTime, squares: &[f64], all: f64) -> Vec<WindowPart> {
        let mut order: Vec<usize> = (0..squares.len()).collect();
        order.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]));
        let share = |at: usize| (squares[at] / all.max(f64::MIN_POSITIVE)) as f32;
        let largest = order.first().map_or(0.0, |at| share(*at));
        let named = order.into_iter().take(PARTS_MAX).filter(|at| share(*at) >= PART_MIN * largest);
        let part = |at: usize| {
            let (observed, expected) = self.metrics.get(at)?.as_ref()?.figures(time);
            Some(WindowPart { metric: view.metrics[at].clone(), observed, expected, share: share(at) })
        };
        named.filter_map(part).collect()
    }
}

/// The number of the interval that a time is in.
fn interval(time: EventTime, view: &WindowView) -> i64 {
    time.micros().div_euclid(i64::from(view.interval_s) * 1_000_000)
}

/// Sum of the squared residuals of each metric that had a reading.
fn squares(view: &WindowView, closed: &ClosedWindow, residual: &[f32]) -> Vec<f64> {
    let rows = residual.chunks_exact(METRIC_FEATURES).zip(view.residual_scale.chunks_exact(METRIC_FEATURES));
    let square = |(residual, scale): (&[f32], &[f32])| {
        let each = residual.iter().zip(scale).map(|(r, s)| f64::from(*r) / f64::from(*s));
        each.map(|share| share * share).sum::<f64>()
    };
    closed.present.iter().zip(rows).map(|(is_present, row)| if *is_present { square(row) } else { 0.0 }).collect()
}
