//! One reading of this host: which files, and how many devices of a kind. A file that is not there gives nothing and is no
//! error: kernels and hosts differ.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use oddline_core::amounts::counted;
use rustix::fs::statvfs;

use super::{
    rates::{CounterRates, Measured},
    text,
    units::FailedUnits,
};

/// Disks, file systems, interfaces and kinds of sensors that are read, of each; further ones are left out.
const DEVICES_MAX: usize = 32;

/// Reads this host's figures.
#[derive(Debug)]
pub struct SystemReader {
    /// `/`, where a test has none of its own.
    root: PathBuf,
    rates: CounterRates,
    units: FailedUnits,
    left_out: usize,
}

impl Default for SystemReader {
    fn default() -> Self {
        Self::under(Path::new("/"))
    }
}

impl SystemReader {
    /// Reads the files under a folder that stands for `/`.
    #[must_use]
    pub fn under(root: &Path) -> Self {
        Self { root: root.to_owned(), rates: CounterRates::default(), units: FailedUnits::default(), left_out: 0 }
    }

    /// The values now, each with its component. Rates are there from the second reading on.
    pub fn read(&mut self, now: Instant) -> Vec<(String, f64)> {
        let (mut measured, mut left_out) = (Measured::default(), 0);
        let into = &mut measured;
        text::processors(&self.text("proc/stat"), into);
        text::load(&self.text("proc/loadavg"), into);
        text::memory(&self.text("proc/meminfo"), into);
        for what in ["cpu", "io", "memory"] {
            text::pressure(what, &self.text(&format!("proc/pressure/{what}")), into);
        }
        let disks = self.text("proc/diskstats");
        bounded(text::disks(&disks, |name| self.is_whole(name)), &mut left_out, |disk| disk.measure(into));
        let interfaces = self.text("proc/net/dev");
        bounded(text::interfaces(&interfaces), &mut left_out, |interface| interface.measure(into));
        let points = text::mount_points(&self.text("proc/self/mounts"));
        bounded(points.into_iter(), &mut left_out, |point| self.usage(&point, into));
        bounded(self.temperatures().into_iter(), &mut left_out, |(kind, degrees)| {
            into.gauge(format!("temperature.{kind}"), degrees);
        });
        if let Some(failed) = self.units.count(now) {
            into.gauge("units.failed".to_owned(), failed);
        }
        self.left_out = left_out;
        self.rates.values(measured, now)
    }

    /// What can be read and what is left out, in words.
    #[must_use]
    pub fn available(&self) -> (String, Vec<String>) {
        let is_there = |path: &str| self.root.join(path).exists();
        let kinds = [
            ("cpu", is_there("proc/stat")),
            ("load", is_there("proc/loadavg")),
            ("memory", is_there("proc/meminfo")),
            ("disks", is_there("proc/diskstats")),
            ("file systems", is_there("proc/self/mounts")),
            ("network", is_there("proc/net/dev")),
            ("pressure", is_there("proc/pressure/cpu")),
            ("temperature", !self.temperatures().is_empty()),
            ("failed units", is_there("run/systemd/system")),
        ];
        let names = |wanted: bool| {
            let names = kinds.iter().filter(|(_, is_there)| *is_there == wanted).map(|(name, _)| *name);
            names.collect::<Vec<_>>().join(", ")
        };
        let (there, missing) = (names(true), names(false));
        let mut notes = Vec::new();
        if !missing.is_empty() {
            notes.push(format!("this host does not tell: {missing}"));
        }
        if self.left_out > 0 {
            let devices = counted(self.left_out, "device");
            notes.push(format!("{devices} left out: {DEVICES_MAX} of a kind are read"));
        }
        (there, notes)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    /// Whether it is a disk rather than a partition.
    fn is_whole(&self, name: &str) -> bool {
        // As `/proc` has it: a slash in a name is an exclamation mark in `/sys`.
        self.root.join("sys/block").join(name.replace('/', "!")).exists()
    }

    /// As `df` has it: of what those who are not root can use.
    fn usage(&self, point: &str, into: &mut Measured) {
        let Ok(found) = statvfs(self.root.join(point.trim_start_matches('/'))) else { return };
        let used = found.f_blocks.saturating_sub(found.f_bfree);
        let all = used + found.f_bavail;
        if all > 0 {
            into.gauge(format!("disk.{point}.used"), real(used) / real(all) * 100.0);
        }
    }

    /// The warmest sensor of each kind, in degrees Celsius.
    fn temperatures(&self) -> BTreeMap<String, f64> {
        let mut warmest = BTreeMap::new();
        for chip in entries(&self.root.join("sys/class/hwmon"), "hwmon") {
            for input in entries(&chip, "temp").iter().filter(|path| path.to_string_lossy().ends_with("_input")) {
                note(&chip.join("name"), input, &mut warmest);
            }
        }
        if warmest.is_empty() {
            for zone in entries(&self.root.join("sys/class/thermal"), "thermal_zone") {
                note(&zone.join("type"), &zone.join("temp"), &mut warmest);
            }
        }
        warmest
    }
}

/// Reads a sensor, in thousandths of a degree.
fn note(kind: &Path, input: &Path, warmest: &mut BTreeMap<String, f64>) {
    let kind = fs::read_to_string(kind).unwrap_or_default();
    if let Some(thousandths) = fs::read_to_string(input).ok().and_then(|text| text.trim().parse::<f64>().ok()) {
        let warmest = warmest.entry(sensor(kind.trim()).to_owned()).or_insert(f64::MIN);
        *warmest = warmest.max(thousandths / 1e3);
    }
}

#[expect(clippy::cast_precision_loss, reason = "blocks of a disk, for a percentage")]
fn real(blocks: u64) -> f64 {
    blocks as f64
}

/// Does it with the first of them, and counts the others.
fn bounded<T>(all: impl Iterator<Item = T>, left_out: &mut usize, mut each: impl FnMut(T)) {
    for (at, one) in all.enumerate() {
        if at < DEVICES_MAX {
            each(one);
        } else {
            *left_out += 1;
        }
    }
}

/// What a chip of the kernel's names measures.
fn sensor(chip: &str) -> &str {
    match chip {
        "coretemp" | "k10temp" | "zenpower" | "cpu_thermal" | "cpu-thermal" | "x86_pkg_temp" | "soc_thermal" => "cpu",
        "drivetemp" => "drive",
        "" => "other",
        other => other,
    }
}

/// What lies in a folder and begins so, in the order of names.
fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = all.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let mut paths: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(values: &[(String, f64)]) -> Vec<(&str, f64)> {
        values.iter().map(|(name, value)| (name.as_str(), *value)).collect()
    }

    #[test]
    fn a_host_is_read_twice_for_rates() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n");
        write(root, "proc/loadavg", "0.52 0.40 0.30 1/200 999\n");
        write(
            root,
            "proc/meminfo",
            "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        );
        write(root, "proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull total=9\n");
        write(root, "sys/class/hwmon/hwmon0/name", "coretemp\n");
        write(root, "sys/class/hwmon/hwmon0/temp1_input", "41500\n");
        write(root, "sys/class/hwmon/hwmon0/temp2_input", "48000\n");
        let mut reader = SystemReader::under(root);
        let now = Instant::now();
        let gauges = [("load1", 0.52), ("memory.used", 75.0), ("temperature.cpu", 48.0)];
        let named = |values: Vec<(String, f64)>| {
            values.into_iter().filter(|(name, _)| name != "units.failed").collect::<Vec<_>>()
        };
        assert_eq!(names(&named(reader.read(now))), gauges);
        write(root, "proc/stat", "cpu  200 0 200 1300 200 0 0 100 0 0\n");
        write(root, "proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\n");
        let values = named(reader.read(now + Duration::from_secs(10)));
        let rates = [("cpu.busy", 30.0), ("cpu.iowait", 10.0), ("cpu.steal", 10.0), ("pressure.io", 20.0)];
        assert_eq!(names(&values), [&gauges[..], &rates].concat());
        let (there, notes) = reader.available();
        assert_eq!(there, "cpu, load, memory, temperature");
        assert_eq!(notes, ["this host does not tell: disks, file systems, network, pressure, failed units"]);
    }

    #[test]
    fn devices_have_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let lines = |count: u64| -> String {
            (0..40).map(|at| format!("eth{at}: {count} 1 0 0 0 0 0 0 {count} 1 0 0 0 0 0 0\n")).collect()
        };
        let mut reader = SystemReader::under(dir.path());
        let now = Instant::now();
        write(dir.path(), "proc/net/dev", &lines(10));
        reader.read(now);
        write(dir.path(), "proc/net/dev", &lines(20));
        let values = reader.read(now + Duration::from_secs(10));
        assert_eq!(values.iter().filter(|(name, _)| name.starts_with("net.")).count(), 3 * DEVICES_MAX);
        assert!(reader.available().1.contains(&"8 devices left out: 32 of a kind are read".to_owned()));
    }

    #[test]
    fn a_host_that_tells_nothing_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let values = SystemReader::under(dir.path()).read(Instant::now());
        assert!(values.is_empty(), "{values:?}");
    }
}
