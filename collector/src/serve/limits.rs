//! Bounds on what a client may cost, each with its reason, and the buckets that tell one remote address from another.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HttpLimits {
    /// Connections at a time: browsers of a team open six each.
    pub connections: usize,
    /// Of one address that is no trusted proxy's, so that one cannot take them all.
    pub connections_each: usize,
    /// Requests of one address at once, with the token and without it each: a page of the dashboard asks a dozen.
    pub burst: u32,
    /// Requests of one address a second after that: more is a program that should page with larger pages.
    pub per_second: u32,
    /// Listeners of the live stream; each costs a connection and its backlog.
    pub listeners: usize,
    /// Events that a listener may be behind before it is dropped.
    pub backlog: usize,
    /// Questions to the database at a time: its readers.
    pub questions: usize,
    /// How long an answer may take, waiting included: nobody waits longer.
    pub answer: Duration,
    /// From a connection or an answer to the next request's last header: half-open connections go.
    pub head: Duration,
    /// For a request's body.
    pub body: Duration,
    /// How long a client may take nothing of an answer.
    pub stall: Duration,
    /// Wrong tokens of one address at once.
    pub wrong_tokens: u32,
    /// Before a wrong token is answered.
    pub wrong_token_delay: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_each: 96,
            burst: 200,
            per_second: 50,
            listeners: 32,
            backlog: 1_024,
            questions: 4,
            answer: Duration::from_secs(5),
            head: Duration::from_secs(15),
            body: Duration::from_secs(5),
            stall: Duration::from_secs(20),
            wrong_tokens: 10,
            wrong_token_delay: Duration::from_millis(300),
        }
    }
}

/// Bytes of a body: a verdict with the longest note.
pub(super) const BODY_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a path with its query: all filters at their longest.
pub(super) const URI_BYTES_MAX: usize = 4 * 1024;
/// Bytes of all headers: a browser's, with a cookie.
pub(super) const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Addresses that are told apart: more than a fleet's people have.
const ADDRESSES_MAX: usize = 4_096;

/// A token bucket for each address.
#[derive(Debug)]
pub(super) struct Buckets {
    burst: f64,
    per_second: f64,
    addresses: Mutex<BTreeMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Buckets {
    pub(super) fn new(burst: u32, per_second: f64) -> Self {
        Self { burst: f64::from(burst), per_second, addresses: Mutex::default() }
    }

    /// Takes one, or says after how many seconds there is one.
    pub(super) fn take(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        self.with(address, now, |bucket, per_second| {
            if bucket.left >= 1.0 {
                bucket.left -= 1.0;
                return Ok(());
            }
            Err(seconds_until_one(bucket, per_second))
        })
    }

    fn with<T>(&self, address: IpAddr, now: Instant, then: impl FnOnce(&mut Bucket, f64) -> T) -> T {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let key = network(address);
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&key) {
            self.make_room(&mut addresses, now);
        }
        let bucket = addresses.entry(key).or_insert(Bucket { left: self.burst, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        *bucket = Bucket { left: (bucket.left + passed * self.per_second).min(self.burst), at: now };
        then(bucket, self.per_second)
    }

    /// Who has a full bucket again is as good as unknown; else who was here longest ago goes.
    fn make_room(&self, addresses: &mut BTreeMap<IpAddr, Bucket>, now: Instant) {
        let full = |bucket: &Bucket| {
            bucket.left + now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second >= self.burst
        };
        addresses.retain(|_, bucket| !full(bucket));
        if addresses.len() >= ADDRESSES_MAX {
            let oldest = addresses.iter().min_by_key(|(_, bucket)| bucket.at).map(|(key, _)| *key);
            oldest.and_then(|oldest| addresses.remove(&oldest));
        }
    }
}

fn seconds_until_one(bucket: &Bucket, per_second: f64) -> u64 {
    // A rate of a few a minute at least: the result is small.
    ((1.0 - bucket.left) / per_second).ceil().clamp(1.0, 3_600.0) as u64
}

/// An IPv6 client has a whole /64 to choose addresses from.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_bucket_that_fills_again() {
        let (buckets, now) = (Buckets::new(3, 2.0), Instant::now());
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..3 {
            assert_eq!(buckets.take(one, now), Ok(()));
        }
        assert_eq!(buckets.take(one, now), Err(1));
        assert_eq!(buckets.take(other, now), Ok(()));
        assert_eq!(buckets.take(one, now + Duration::from_millis(400)), Err(1));
        assert_eq!(buckets.take(one, now + Duration::from_millis(600)), Ok(()));
        let later = now + Duration::from_secs(3_600);
        assert_eq!((0..10).filter(|_| buckets.take(one, later).is_ok()).count(), 3, "never more than the burst");
    }

    #[test]
    fn neighbours_in_one_network_share_and_the_table_has_an_end() {
        let (buckets, now) = (Buckets::new(1, 0.1), Instant::now());
        assert_eq!(buckets.take("2001:db8::1".parse().unwrap(), now), Ok(()));
        assert_eq!(buckets.take("2001:db8::2".parse().unwrap(), now), Err(10));
        assert_eq!(buckets.take("2001:db8:0:1::2".parse().unwrap(), now), Ok(()));
        for address in 0..3 * u32::try_from(ADDRESSES_MAX).unwrap() {
            let at = now + Duration::from_micros(address.into());
            assert_eq!(buckets.take(IpAddr::from(address.to_be_bytes()), at), Ok(()));
        }
        assert!(buckets.addresses.lock().unwrap().len() <= ADDRESSES_MAX);
        assert!(buckets.take(IpAddr::from([0, 0, 47, 255]), now).is_err(), "the newest are remembered");
    }
}
