//! CPU time and peak memory of one program run, read from /proc: Linux only. Does not know what is measured.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::shell;

/// Linux shows CPU time to programs in hundredths of a second on every architecture.
const TICKS_PER_S: f64 = 100.0;
/// How often the peak is read: what a program takes in its last moments is missed.
const SAMPLE: Duration = Duration::from_millis(10);
/// One `wc -l` of a million lines takes less than a hundredth of a second.
const FLOOR_REPEATS: usize = 50;

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub cpu_s: f64,
    pub rss_peak_kib: u64,
}

/// Runs a program to its end; its output is thrown away.
pub(super) fn usage(command: &mut Command) -> Result<Usage> {
    command.stdin(Stdio::null());
    watched(command, |_| Ok(()))
}

/// CPU-seconds of `wc -l` on a file: the least that reading it costs. One process reads it many times, so that the clock
/// has something to count.
pub(super) fn floor(log: &Path) -> Result<f64> {
    let all = usage(Command::new("wc").arg("-l").args([log; FLOOR_REPEATS]))?;
    ensure!(all.cpu_s > 0.0, "wc -l of {} takes no time that the clock shows", log.display());
    Ok(all.cpu_s / FLOOR_REPEATS as f64)
}

/// Runs a program on what `feed` writes into its standard input.
pub(super) fn usage_fed(
    command: &mut Command,
    feed: impl FnOnce(ChildStdin) -> io::Result<()> + Send,
) -> Result<Usage> {
    command.stdin(Stdio::piped());
    watched(command, |stdin| feed(stdin.expect("stdin was piped")))
}

fn watched(command: &mut Command, feed: impl FnOnce(Option<ChildStdin>) -> io::Result<()> + Send) -> Result<Usage> {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {}", shell::shown(command)))?;
    let process = format!("/proc/{}", child.id());
    let stdin = child.stdin.take();
    let (usage, fed) = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(stdin));
        let usage = watch(&process);
        (usage, feeder.join().expect("feeding does not panic"))
    });
    let status = child.wait()?;
    ensure!(status.success(), "{} ({status})", shell::shown(command));
    fed.context("writing into the program's standard input")?;
    usage
}

/// What a running process has used so far.
pub(super) fn now(process: u32) -> Result<Usage> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}"));
    let stat = read("stat").context("reading a process's times (Linux only)")?;
    let (_, cpu_s) = times(&stat).context("a line of /proc/PID/stat")?;
    Ok(Usage { cpu_s, rss_peak_kib: peak_kib(&read("status")?).context("a line VmHWM of /proc/PID/status")? })
}

/// Follows a child until it has ended but not been waited for: then its times are final and still to be read.
fn watch(process: &str) -> Result<Usage> {
    let mut rss_peak_kib = 0;
    loop {
        let stat = fs::read_to_string(format!("{process}/stat")).context("reading a child's times (Linux only)")?;
        let (state, cpu_s) = times(&stat).context("a line of /proc/PID/stat")?;
        if state == "Z" {
            return Ok(Usage { cpu_s, rss_peak_kib });
        }
        let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
        rss_peak_kib = peak_kib(&status).unwrap_or(0).max(rss_peak_kib);
        #[expect(clippy::disallowed_methods, reason = "a sampling interval, not a wait for something")]
        std::thread::sleep(SAMPLE);
    }
}

/// State and CPU seconds. The second field, the program's name, may hold spaces and parentheses.
fn times(stat: &str) -> Option<(&str, f64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((fields.first()?, (ticks(11)? + ticks(12)?) / TICKS_PER_S))
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// The middle value; of an even number, the higher of the two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "a median of something");
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn stat_of_a_program_with_an_odd_name() {
        let stat = "12 (a) Z (b) R 1 12 12 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(times(stat), Some(("R", 3.0)));
        assert_eq!(times("nonsense"), None);
    }

    #[test]
    fn peak() {
        assert_eq!(peak_kib("VmPeak:\t 9 kB\nVmHWM:\t    1234 kB\n"), Some(1234));
        assert_eq!(peak_kib("Name:\tx\n"), None);
    }

    #[test]
    fn a_program_that_computes_takes_time_and_memory() {
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]);
        let usage = usage(&mut command).unwrap();
        assert!(usage.cpu_s > 0.0 && usage.cpu_s < 60.0, "{usage:?}");
        assert!(usage.rss_peak_kib > 100, "{usage:?}");
    }

    #[test]
    fn a_program_reads_what_it_is_fed() {
        let write = |mut to: ChildStdin| to.write_all(&[b'x'; 1 << 20]);
        assert!(usage_fed(Command::new("wc").arg("-c"), write).is_ok());
        let gone = usage_fed(&mut Command::new("false"), write).unwrap_err();
        assert_eq!(gone.to_string(), "false (exit status: 1)");
    }

    #[test]
    fn the_middle_of_an_odd_number() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
