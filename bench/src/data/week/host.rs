//! The metrics of a made-up server with a small web application, a record a minute: what the agent's source of this host
//! gives, under its names, and what an application counts. There are a job each hour, a backup each night, updates on
//! Wednesday night, days and nights.

use std::f64::consts::TAU;

use super::{DAYS, WeekRow, at, faults::PlantedFault};
use crate::data::random::SplitMix;

pub(super) const STREAMS: [&str; 22] = [
    "cpu.busy",
    "cpu.iowait",
    "load1",
    "memory.used",
    "swap.used",
    "disk./.used",
    "disk.sda.busy",
    "disk.sda.read",
    "disk.sda.written",
    "net.eth0.received",
    "net.eth0.sent",
    "net.eth0.errors",
    "pressure.cpu",
    "pressure.memory",
    "temperature.cpu",
    "units.failed",
    "humidity",
    "queue.depth",
    "web.requests_total",
    "web.errors",
    "web.latency_ms",
    "web.status",
];
const DAY: usize = 1_440;
const STATUS: [(f64, f64); 5] = [(200.0, 0.9), (304.0, 0.95), (301.0, 0.97), (404.0, 0.998), (500.0, 1.0)];

/// What lasts from minute to minute.
struct HostState {
    random: SplitMix,
    load: f64,
    memory: f64,
    disk: f64,
    humidity: f64,
    requests: f64,
}

/// All records of the week, with what the faults do to them.
pub(super) fn rows(seed: u64, faults: &[PlantedFault], rows: &mut Vec<WeekRow>) {
    let random = SplitMix::new(seed);
    let mut host = HostState { random, load: 0.4, memory: 41.0, disk: 52.0, humidity: 45.0, requests: 812_345.0 };
    let mut of_faults = SplitMix::new(seed ^ 0xfa17);
    let mut befores = vec![[0.0; STREAMS.len()]; faults.len()];
    for minute in 0..DAYS * DAY {
        // The seconds at which a table of metrics is read drift a little.
        let moment = minute as f64 + 0.02 * host.random.uniform();
        let values = host.minute(minute);
        for (stream, value) in values.into_iter().enumerate() {
            let mut value = Some(value);
            for (fault, before) in faults.iter().zip(&mut befores) {
                if moment < fault.start() {
                    before[stream] = value.unwrap_or(before[stream]);
                }
                value =
                    value.and_then(|value| fault.apply(STREAMS[stream], moment, value, before[stream], &mut of_faults));
            }
            rows.extend(value.map(|value| WeekRow { time: at(moment), stream, value: rounded(value) }));
        }
    }
}

/// As the source of this host writes them.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl HostState {
    fn minute(&mut self, minute: usize) -> [f64; STREAMS.len()] {
        let random = &mut self.random;
        let (day, of_day) = (minute / DAY, minute % DAY);
        let weekend = if day >= 5 { 0.6 } else { 1.0 };
        let visits = weekend * (1.0 + 0.7 * (TAU * (of_day as f64 / DAY as f64 - 0.35)).sin());
        let backup = (120..150).contains(&of_day);
        let hourly = minute % 60 == 17 || minute % 60 == 18;
        let updates = day == 2 && (255..275).contains(&of_day);
        let requests = (140.0 * visits * random.log_normal(1.0, 0.15)).round();
        self.requests += requests;
        let jobs = if backup { 30.0 } else { 0.0 } + if hourly { 22.0 } else { 0.0 } + if updates { 45.0 } else { 0.0 };
        let burst = if random.chance(0.01) { 40.0 * random.uniform() } else { 0.0 };
        let busy = (5.0 + 0.06 * requests + jobs * random.log_normal(1.0, 0.15) + burst + 0.8 * random.gaussian())
            .clamp(0.5, 100.0);
        self.load += (busy / 22.0 - self.load) * 0.6 + 0.04 * random.gaussian();
        self.load = self.load.max(0.0);
        let wanted = 40.0 + 3.0 * visits + if backup { 6.0 } else { 0.0 };
        self.memory += (wanted - self.memory) * 0.05 + 0.15 * random.gaussian();
        // Logs grow with the visits and are rotated each night; the backup of the day before goes.
        self.disk += 0.0016 * visits;
        if of_day == 300 {
            self.disk -= 2.1;
        }
        self.humidity += (45.0 + 4.0 * (TAU * (of_day as f64 / DAY as f64 - 0.1)).sin() - self.humidity) * 0.02
            + 0.12 * random.gaussian();
        let io = if backup { 45.0 } else { 0.0 } + if hourly { 6.0 } else { 0.0 } + if updates { 25.0 } else { 0.0 };
        let disk_busy = (1.2 + io * random.log_normal(1.0, 0.2) + random.exponential(0.8)).min(100.0);
        let errors = (0..3).filter(|_| random.chance(0.06)).count() as f64;
        let kind = random.uniform();
        let status = STATUS.iter().find(|(_, up_to)| kind < *up_to).map_or(200.0, |(status, _)| *status);
        let queue = (4.0 * visits * random.log_normal(1.0, 0.4)).round();
        [
            busy,
            (0.05 * io + random.exponential(0.1)).min(100.0),
            self.load,
            self.memory,
            0.0,
            self.disk,
            disk_busy,
            (if backup { 3e7 } else { 2e4 }) * random.log_normal(1.0, 0.8),
            9e4 * (visits + 0.2) * random.log_normal(1.0, 0.5) + if backup { 2e7 } else { 0.0 },
            900.0 * requests * random.log_normal(1.0, 0.2),
            14_000.0 * requests * random.log_normal(1.0, 0.3) + if backup { 4e6 } else { 0.0 },
            0.0,
            (0.3 * self.load * random.log_normal(1.0, 0.4)).min(100.0),
            if updates { random.exponential(0.4) } else { 0.0 },
            44.0 + 2.5 * visits + 2.2 * self.load + 0.4 * random.gaussian(),
            0.0,
            self.humidity,
            queue,
            self.requests,
            errors,
            random.log_normal(48.0 + 12.0 * visits, 0.18) * if backup { 1.5 } else { 1.0 },
            status,
        ]
    }
}
