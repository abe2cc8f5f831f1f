//! The access log of a healthy site, made up: days and nights, quieter weekends, a crawler and a backup each night,
//! sizes and durations with heavy tails, and the few errors that every site has.

use std::{f64::consts::TAU, fmt::Write};

use oddline_core::time::EventTime;

use super::random::SplitMix;

/// nginx's, with the duration behind the usual fields.
pub(super) const LAYOUT: &str =
    "$msec $remote_addr - - \"$request\" $status $body_bytes_sent \"$http_user_agent\" $request_time";
const START_S: f64 = 1_767_571_200.0;
const DAY_S: f64 = 86_400.0;
/// Visitors' requests a second, on the mean of a working day.
const RATE: f64 = 0.09;
const SWING: f64 = 0.75;
const WEEKEND: f64 = 0.6;
/// Hours of the nightly crawler, its requests a second, and hours of the backup, which slows all down.
const CRAWL_H: [f64; 2] = [3.5, 4.25];
const CRAWL_RATE: f64 = 0.4;
const BACKUP_H: [f64; 2] = [2.0, 2.3];
const BACKUP_SLOWS: f64 = 3.0;
/// Assets have fixed sizes.
const ASSETS: [u32; 12] = [412, 1_150, 3_318, 4_286, 8_000, 12_544, 18_733, 24_810, 31_337, 62_412, 90_201, 187_340];
/// The exponent of the sizes of downloads, and the largest there is.
const TAIL: f64 = 1.2;
const DOWNLOAD_MAX: f64 = 4e8;
/// Bytes a second that a client takes.
const BANDWIDTH: f64 = 2e6;

/// What was asked for and what came of it.
struct SiteRequest {
    path: String,
    status: u16,
    bytes: f64,
    seconds: f64,
}

/// Midnight of a Monday.
pub(super) fn start() -> EventTime {
    EventTime::from_micros((START_S * 1e6) as i64)
}

pub(super) fn access_log(seed: u64, days: u32) -> String {
    let mut random = SplitMix::new(seed);
    let mut log = String::new();
    let (mut at, end) = (0.0, f64::from(days) * DAY_S);
    loop {
        // Thinning: waits of the highest rate there is, of which so many are taken.
        at += random.exponential(1.0 / (RATE * (1.0 + SWING) + CRAWL_RATE));
        if at >= end {
            return log;
        }
        let (visits, crawl) = rates(at);
        let taken = random.uniform() * (RATE * (1.0 + SWING) + CRAWL_RATE);
        if taken >= visits + crawl {
            continue;
        }
        let is_crawler = taken >= visits;
        let request = request(&mut random, at, is_crawler);
        let agent = if is_crawler { "crawler/2.1" } else { "Mozilla/5.0" };
        let client = 1 + (random.uniform() * 250.0) as u32;
        let SiteRequest { path, status, bytes, seconds } = request;
        let line = writeln!(
            log,
            "{:.3} 192.0.2.{client} - - \"GET {path} HTTP/1.1\" {status} {bytes:.0} \"{agent}\" {seconds:.3}",
            START_S + at
        );
        line.expect("a string takes all");
    }
}

/// Requests a second, of visitors and of the crawler.
fn rates(at: f64) -> (f64, f64) {
    let (day, hour) = ((at / DAY_S) as u32, at % DAY_S / 3_600.0);
    let weekend = if day % 7 >= 5 { WEEKEND } else { 1.0 };
    let visits = RATE * weekend * (1.0 + SWING * (TAU * (hour - 9.0) / 24.0).sin());
    (visits, if is_within(hour, CRAWL_H) { CRAWL_RATE } else { 0.0 })
}

fn is_within(hour: f64, [from, to]: [f64; 2]) -> bool {
    (from..to).contains(&hour)
}

fn request(random: &mut SplitMix, at: f64, is_crawler: bool) -> SiteRequest {
    let slow = if is_within(at % DAY_S / 3_600.0, BACKUP_H) { BACKUP_SLOWS } else { 1.0 };
    let kind = if is_crawler { 0.45 + 0.4 * random.uniform() } else { random.uniform() };
    let number = (random.uniform() * 400.0) as u32;
    let mut made = if kind < 0.45 {
        let asset = *random.pick(&ASSETS);
        let is_cached = random.chance(0.15);
        let bytes = if is_cached { 0.0 } else { f64::from(asset) };
        let seconds = random.log_normal(0.001, 0.8);
        SiteRequest { path: format!("/static/{asset}.css"), status: if is_cached { 304 } else { 200 }, bytes, seconds }
    } else if kind < 0.8 {
        let (bytes, seconds) = (random.log_normal(9_000.0, 0.5), random.log_normal(0.06, 0.7) * slow);
        SiteRequest { path: format!("/page/{number}"), status: 200, bytes, seconds }
    } else if kind < 0.95 {
        let (bytes, seconds) = (random.log_normal(600.0, 0.5), random.log_normal(0.02, 0.9) * slow);
        SiteRequest { path: format!("/api/items/{number}"), status: 200, bytes, seconds }
    } else if kind < 0.98 {
        let bytes = (20_000.0 * (1.0 - random.uniform()).powf(-1.0 / TAIL)).min(DOWNLOAD_MAX);
        let seconds = random.log_normal(bytes / BANDWIDTH, 0.8);
        SiteRequest { path: format!("/files/{number}.zip"), status: 200, bytes, seconds }
    } else {
        SiteRequest { path: "/old".to_owned(), status: 301, bytes: 169.0, seconds: 0.0 }
    };
    let (status, bytes) = match random.uniform() {
        u if u < 0.012 => (404, 153.0),
        u if u < 0.016 => (403, 146.0),
        u if u < 0.018 => (499, 0.0),
        u if u < 0.0184 => (500, 174.0),
        u if u < 0.0187 => (502, 157.0),
        u if u < 0.0188 => (504, 167.0),
        _ => return made,
    };
    if status == 504 {
        made.seconds = 30.0;
    }
    SiteRequest { status, bytes, ..made }
}
