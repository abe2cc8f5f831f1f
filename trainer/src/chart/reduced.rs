//! A series over time in bounded memory: whatever its length, what a picture of it needs.
//!
//! Records are kept in buckets of equal spans of time. When they become too many the span doubles, and neighbours are
//! joined. A bucket has its first and last, its lowest and highest record, so that no spike is lost.

use std::collections::BTreeMap;

/// Microseconds since 1970, and the value then.
type Point = (i64, f64);

/// A record of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesPoint {
    /// Microseconds since 1970.
    pub time_us: i64,
    pub value: f64,
    /// From where to where it would have been usual, where that is known.
    pub usual: Option<(f64, f64)>,
    pub anomalous: bool,
    /// Anomalous in truth.
    pub labelled: bool,
}

/// All records of a series, reduced.
#[derive(Debug, Clone, Default)]
pub struct ReducedSeries {
    /// A bucket spans 2 to the power of this, in microseconds.
    span: u32,
    buckets: BTreeMap<i64, SeriesBucket>,
}

#[derive(Debug, Clone, Copy)]
struct SeriesBucket {
    shape: Extremes,
    anomalous: Option<Extremes>,
    /// Times of the first and the last.
    labelled: Option<(i64, i64)>,
    /// Sums of the lower and upper ends of what was usual, and how many they are of.
    usual: (f64, f64, f64),
}

#[derive(Debug, Clone, Copy)]
struct Extremes {
    first: Point,
    last: Point,
    lowest: Point,
    highest: Point,
}

impl ReducedSeries {
    /// Takes a record, in any order of time, and keeps `most` buckets. Values that are no numbers are passed by.
    pub fn push(&mut self, point: SeriesPoint, most: usize) {
        if !point.value.is_finite() {
            return;
        }
        let bucket = SeriesBucket::of(point);
        self.buckets.entry(point.time_us >> self.span).and_modify(|b| b.join(&bucket)).or_insert(bucket);
        while self.buckets.len() > most.max(1) && self.span < i64::BITS - 1 {
            self.span += 1;
            let mut joined: BTreeMap<i64, SeriesBucket> = BTreeMap::new();
            for (place, bucket) in std::mem::take(&mut self.buckets) {
                joined.entry(place >> 1).and_modify(|b| b.join(&bucket)).or_insert(bucket);
            }
            self.buckets = joined;
        }
    }

    /// Its line in order of time.
    #[must_use]
    pub fn line(&self) -> Vec<(f64, f64)> {
        self.buckets.values().flat_map(|bucket| bucket.shape.points()).map(drawn).collect()
    }

    /// Its anomalous records, of neighbours the lowest and the highest.
    #[must_use]
    pub fn anomalous(&self) -> Vec<(f64, f64)> {
        let marked = self.buckets.values().filter_map(|bucket| bucket.anomalous);
        marked.flat_map(|marked| ordered([marked.lowest, marked.highest])).map(drawn).collect()
    }

    /// From when to when it was anomalous in truth.
    #[must_use]
    pub fn labelled(&self) -> Vec<(f64, f64)> {
        let mut spans: Vec<(i64, i64)> = Vec::new();
        let mut before: Option<&SeriesBucket> = None;
        for bucket in self.buckets.values() {
            if let Some((from, to)) = bucket.labelled {
                let ends_labelled = |b: &SeriesBucket| b.labelled.is_some_and(|(_, end)| end == b.shape.last.0);
                match spans.last_mut() {
                    Some(span) if from == bucket.shape.first.0 && before.is_some_and(ends_labelled) => span.1 = to,
                    _ => spans.push((from, to)),
                }
            }
            before = Some(bucket);
        }
        spans.into_iter().map(|(from, to)| (from as f64, to as f64)).collect()
    }

    /// Runs of (time, low, high): from where to where values were usual, as long as that is known.
    #[must_use]
    pub fn usual(&self) -> Vec<Vec<(f64, f64, f64)>> {
        let edge = |bucket: &SeriesBucket| {
            let (low, high, count) = bucket.usual;
            let is_known = count > 0.0 && low.is_finite() && high.is_finite();
            is_known.then(|| {
                let at = |time: i64| (time as f64, low / count, high / count);
                [at(bucket.shape.first.0), at(bucket.shape.last.0)]
            })
        };
        let edges: Vec<Option<[(f64, f64, f64); 2]>> = self.buckets.values().map(edge).collect();
        edges
            .split(Option::is_none)
            .filter(|run| !run.is_empty())
            .map(|run| run.iter().flatten().flatten().copied().collect())
            .collect()
    }
}

impl SeriesBucket {
    fn of(point: SeriesPoint) -> Self {
        let at = (point.time_us, point.value);
        let shape = Extremes { first: at, last: at, lowest: at, highest: at };
        Self {
            shape,
            anomalous: point.anomalous.then_some(shape),
            labelled: point.labelled.then_some((point.time_us, point.time_us)),
            usual: point.usual.map_or((0.0, 0.0, 0.0), |(low, high)| (low, high, 1.0)),
        }
    }

    fn join(&mut self, other: &Self) {
        self.shape = self.shape.with(&other.shape);
        self.anomalous = joined(self.anomalous, other.anomalous, |a, b| a.with(&b));
        self.labelled = joined(self.labelled, other.labelled, |a, b| (a.0.min(b.0), a.1.max(b.1)));
        let (a, b) = (self.usual, other.usual);
        self.usual = (a.0 + b.0, a.1 + b.1, a.2 + b.2);
    }
}

fn joined<T>(one: Option<T>, other: Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(join(one, other)),
        (one, other) => one.or(other),
    }
}

impl Extremes {
    /// Of what is equal the earlier stays.
    fn with(&self, other: &Self) -> Self {
        Self {
            first: if other.first.0 < self.first.0 { other.first } else { self.first },
            last: if other.last.0 >= self.last.0 { other.last } else { self.last },
            lowest: if other.lowest.1 < self.lowest.1 { other.lowest } else { self.lowest },
            highest: if other.highest.1 > self.highest.1 { other.highest } else { self.highest },
        }
    }

    fn points(&self) -> impl Iterator<Item = Point> + use<> {
        ordered([self.first, self.lowest, self.highest, self.last])
    }
}

/// In order of time, each once.
fn ordered<const N: usize>(mut points: [Point; N]) -> impl Iterator<Item = Point> {
    points.sort_by_key(|point| point.0);
    let repeats = move |at: usize| points[..at].contains(&points[at]);
    (0..N).filter(move |at| !repeats(*at)).map(move |at| points[at])
}

fn drawn((time_us, value): Point) -> (f64, f64) {
    (time_us as f64, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(second: i64, value: f64) -> SeriesPoint {
        SeriesPoint { time_us: second * 1_000_000, value, usual: None, anomalous: false, labelled: false }
    }

    fn reduced(points: impl IntoIterator<Item = SeriesPoint>, most: usize) -> ReducedSeries {
        let mut series = ReducedSeries::default();
        points.into_iter().for_each(|point| series.push(point, most));
        series
    }

    #[test]
    fn a_long_series_keeps_its_spikes_order_and_ends() {
        let value = |second: i64| if second == 5_017 { 99.0 } else { (second % 7) as f64 };
        let line = reduced((0..100_000).map(|s| point(s, value(s))), 200).line();
        assert!(line.len() <= 800 && line.contains(&(5_017e6, 99.0)), "{} points", line.len());
        assert!(line.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!((line[0], line[line.len() - 1]), ((0.0, 0.0), (99_999e6, value(99_999))));
    }

    #[test]
    fn few_records_stay_as_they_are() {
        let values = [3.0, 1.0, 2.0, 2.0];
        let all = || (0..).zip(values).map(|(s, value)| point(s, value));
        let whole: Vec<(f64, f64)> = (0..).zip(values).map(|(s, value)| (f64::from(s) * 1e6, value)).collect();
        assert_eq!(reduced(all(), 10).line(), whole);
        assert_eq!(reduced([point(2, 2.0), point(0, 3.0), point(3, 2.0), point(1, 1.0)], 10).line(), whole);
        assert_eq!(reduced([], 10).line(), []);
        assert_eq!(reduced([point(0, f64::NAN), point(1, f64::INFINITY)], 10).line(), []);
    }

    #[test]
    fn a_time_far_away_costs_one_bucket() {
        let far = [point(-4_000_000_000, 1.0), point(9_000_000_000_000, 2.0)];
        let series = reduced((0..1_000).map(|s| point(s, s as f64)).chain(far), 100);
        assert!(series.buckets.len() <= 100);
        let line = series.line();
        assert_eq!((line[0].1, line[line.len() - 1].1), (1.0, 2.0));
    }

    #[test]
    fn marks_and_labels_outlast_the_reduction() {
        let is_labelled = |second: i64| (2_000..3_000).contains(&second) || second == 7_777;
        let points = (0..10_000).map(|s| SeriesPoint {
            anomalous: s == 4_321,
            labelled: is_labelled(s),
            ..point(s, (s % 11) as f64)
        });
        let series = reduced(points, 100);
        assert_eq!(series.anomalous(), [(4_321e6, (4_321 % 11) as f64)]);
        assert_eq!(series.labelled(), [(2_000e6, 2_999e6), (7_777e6, 7_777e6)]);
        let apart = [(0, true), (1, false), (2, true)];
        let points = apart.map(|(s, labelled)| SeriesPoint { labelled, ..point(s, 0.0) });
        assert_eq!(reduced(points, 10).labelled(), [(0.0, 0.0), (2e6, 2e6)]);
    }

    #[test]
    fn what_is_usual_has_gaps_where_it_is_not_known() {
        let usual = |s: i64| (s != 1).then_some((-1.0, s as f64));
        let series = reduced((0..4).map(|s| SeriesPoint { usual: usual(s), ..point(s, 0.0) }), 10);
        let run = |s: i64| [(s as f64 * 1e6, -1.0, s as f64); 2];
        assert_eq!(series.usual(), [run(0).to_vec(), [run(2), run(3)].concat()]);
        let mean =
            reduced([(0, 1.0), (1, 3.0)].map(|(s, high)| SeriesPoint { usual: Some((0.0, high)), ..point(s, 0.0) }), 1);
        assert_eq!(mean.usual(), [[(0.0, 0.0, 2.0), (1e6, 0.0, 2.0)]]);
    }
}
