//! Nine metrics as a small home server has them, without an anomaly: a value a minute, two weeks to learn, two to judge.

use oddline_core::{stream::StreamName, time::EventTime};

use super::{LabelledSeries, random::SplitMix};

const DAY: usize = 1440;
const DAYS: usize = 28;
const START_US: i64 = 1_700_006_400_000_000;

/// The nine streams of one seed.
pub(crate) fn generate(seed: u64) -> Vec<LabelledSeries> {
    let mut random = SplitMix::new(seed);
    let mut columns: Vec<Vec<f64>> = vec![Vec::with_capacity(DAYS * DAY); NAMES.len()];
    let (mut load, mut sent, mut received, mut disk) = (0.3, 0.0f64, 0.0f64, 41.0f64);
    for minute in 0..DAYS * DAY {
        let of_day = minute % DAY;
        let day = (std::f64::consts::TAU * (of_day as f64 / DAY as f64 - 0.4)).sin();
        // A job each hour, a longer one each night at three.
        let job = minute % 60 == 17 || (180..192).contains(&of_day);
        let burst = if random.uniform() < 0.02 { 30.0 * random.uniform() } else { 0.0 };
        let busy = if job { 35.0 + 8.0 * random.gaussian() } else { burst };
        let cpu = (4.0 + 1.5 * day + 1.2 * random.gaussian().abs() + busy).clamp(0.0, 100.0);
        load += (cpu / 25.0 - load) * 0.3;
        disk += 0.0004 + 0.0001 * random.gaussian();
        if minute % (7 * DAY) == 4 * DAY + 200 {
            disk -= 3.5;
        }
        if minute == 20 * DAY + 615 {
            (sent, received) = (0.0, 0.0);
        }
        sent += (60_000.0 * (0.4 + 0.3 * day + 0.8 * random.gaussian()).exp()).round();
        received += (200_000.0 * (0.3 * day + random.gaussian()).exp()).round();
        let temperature = 46.0 + 3.0 * day + 1.5 * load + 0.4 * random.gaussian();
        let row = [
            (cpu * 10.0).round() / 10.0,
            (disk * 10.0).round() / 10.0,
            (load * 100.0).round() / 100.0,
            0.0,
            sent,
            received,
            (temperature * 2.0).round() / 2.0,
            (-58.0 + 1.8 * random.gaussian()).round(),
            (6.0 + 3.0 * day + 1.8 * random.gaussian()).round().max(0.0),
        ];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let time = |minute: usize| EventTime::from_micros(START_US + minute as i64 * 60_000_000);
    let series = NAMES.iter().zip(columns).map(|(name, values)| LabelledSeries {
        name: StreamName { server: "pi".to_owned(), component: (*name).to_owned() },
        times: (0..values.len()).map(time).collect(),
        learnt: values.len() / 2,
        values,
        windows: Vec::new(),
    });
    series.collect()
}

const NAMES: [&str; 9] =
    ["cpu", "disk", "load", "swap", "bytes_sent", "bytes_received", "temperature", "wifi", "connections"];
