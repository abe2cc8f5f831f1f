//! `system`: prints what the source `system = true` reads, as a table that the trainer and `replay` read.

use std::{
    io::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    clock,
    source::system::{SystemReader, row},
};

/// Prints the metrics of this host as CSV, to record a training log
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Seconds between readings
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub interval: u64,
    /// Readings until it ends [default: until it is stopped]
    #[arg(long, value_name = "COUNT")]
    pub count: Option<u64>,
    /// The server's name [default: the host's]
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When nobody reads the output.
pub fn run(args: &Args, out: &mut impl Write) -> Result<()> {
    let server = args.server.clone().unwrap_or_else(clock::host_name);
    let interval = Duration::from_secs(args.interval);
    let mut reader = SystemReader::default();
    writeln!(out, "timestamp,server,component,value")?;
    let mut due = Instant::now();
    let mut read = 0;
    while args.count.is_none_or(|count| read < count) {
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            thread::park_timeout(left);
        }
        let time = clock::wall();
        for (component, value) in reader.read(Instant::now()) {
            writeln!(out, "{}", row(time, Some(&server), &component, value))?;
        }
        out.flush()?;
        due += interval;
        read += 1;
    }
    Ok(())
}
