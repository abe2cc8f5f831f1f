//! Values out of counters: their growth over the time or the whole that passed. A counter that fell, or that was not there
//! the last time, gives no value.

use std::{collections::BTreeMap, mem, time::Instant};

/// What a counter's growth is measured against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum CounterUnit {
    /// Its growth a second.
    ASecond,
    /// Seconds in percent of the seconds that passed.
    ShareOfTime,
    /// In percent of the growth of another counter, whose count this is.
    ShareOf(f64),
}

/// What one reading found, before counters are compared with those of the reading before.
#[derive(Debug, Default)]
pub(super) struct Measured {
    gauges: Vec<(String, f64)>,
    counters: BTreeMap<String, (f64, CounterUnit)>,
}

impl Measured {
    pub(super) fn gauge(&mut self, name: String, value: f64) {
        self.gauges.push((name, value));
    }

    pub(super) fn counter(&mut self, name: String, count: f64, unit: CounterUnit) {
        self.counters.insert(name, (count, unit));
    }
}

/// The counters of the last reading.
#[derive(Debug, Default)]
pub(super) struct CounterRates {
    last: BTreeMap<String, (f64, CounterUnit)>,
    at: Option<Instant>,
}

impl CounterRates {
    /// The values of a reading, each with its name.
    pub(super) fn values(&mut self, measured: Measured, now: Instant) -> Vec<(String, f64)> {
        let Measured { gauges: mut values, counters } = measured;
        let seconds = self.at.replace(now).map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        let last = mem::replace(&mut self.last, counters);
        if seconds > 0.0 {
            let rates =
                self.last.iter().filter_map(|(name, now)| Some((name.clone(), rate(*last.get(name)?, *now, seconds)?)));
            values.extend(rates);
        }
        values
    }
}

fn rate((before, unit_before): (f64, CounterUnit), (count, unit): (f64, CounterUnit), seconds: f64) -> Option<f64> {
    let grown = Some(count - before).filter(|grown| *grown >= 0.0)?;
    match (unit_before, unit) {
        (_, CounterUnit::ASecond) => Some(grown / seconds),
        // Kernel and clock do not count at the same instant.
        (_, CounterUnit::ShareOfTime) => Some((grown / seconds * 100.0).min(100.0)),
        (CounterUnit::ShareOf(whole_before), CounterUnit::ShareOf(whole)) => {
            let whole = Some(whole - whole_before).filter(|whole| *whole > 0.0)?;
            Some((grown / whole * 100.0).min(100.0))
        }
        (_, CounterUnit::ShareOf(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reset_and_a_device_that_came_back_give_no_value() {
        let mut rates = CounterRates::default();
        let start = Instant::now();
        let mut after = |seconds: u64, count: Option<f64>| {
            let mut measured = Measured::default();
            measured.gauge("load1".to_owned(), 1.0);
            if let Some(count) = count {
                measured.counter("net.eth0.sent".to_owned(), count, CounterUnit::ASecond);
            }
            let values = rates.values(measured, start + Duration::from_secs(seconds));
            assert_eq!(values[0], ("load1".to_owned(), 1.0));
            values.get(1).map(|(_, value)| *value)
        };
        let counts = [
            (0, Some(1_000.0), None),
            (10, Some(1_500.0), Some(50.0)),
            // A late reading is a mean of a longer time, not a spike.
            (40, Some(3_000.0), Some(50.0)),
            (50, Some(20.0), None),
            (60, Some(30.0), Some(1.0)),
            (70, None, None),
            (80, Some(9_000.0), None),
            (90, Some(9_000.0), Some(0.0)),
        ];
        for (seconds, count, expected) in counts {
            assert_eq!(after(seconds, count), expected, "after {seconds} s");
        }
    }

    #[test]
    fn shares_are_of_what_passed() {
        let share = CounterUnit::ShareOf;
        assert_eq!(rate((10.0, share(100.0)), (30.0, share(200.0)), 10.0), Some(20.0));
        assert_eq!(rate((10.0, share(100.0)), (10.0, share(100.0)), 10.0), None);
        assert_eq!(rate((1.0, CounterUnit::ShareOfTime), (3.5, CounterUnit::ShareOfTime), 10.0), Some(25.0));
        assert_eq!(rate((1.0, CounterUnit::ShareOfTime), (12.0, CounterUnit::ShareOfTime), 10.0), Some(100.0));
    }
}
