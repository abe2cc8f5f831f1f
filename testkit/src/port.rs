//! Ports for servers that cannot be asked which one they were given.

use std::{fs, net::TcpListener};

use crate::random::Random;

/// A port that nobody is given by chance while its server is down: below those that the kernel hands out. A client that
/// knocks at one of those may even be connected with itself. Not from the test's seed: tests with one seed run side by
/// side.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first: u64 = range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768);
    let from = 10_000.min(first / 2);
    let mut random = Random::of_this_moment();
    let candidates = (0..1_000).map(|_| u16::try_from(from + random.below(first - from)).expect("below a port"));
    candidates.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("some port is free")
}
