//! Waiting for a condition, never for a time: every wait has a bound, and says what it waited for.

use std::{
    thread::park_timeout,
    time::{Duration, Instant},
};

/// Nothing here takes this long; a test that waits longer has found a fault.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until there is something.
///
/// # Panics
/// When [`PATIENCE`] is over, with what was waited for.
pub fn until<T>(look: impl FnMut() -> Option<T>, what: impl FnOnce() -> String) -> T {
    within(PATIENCE, look).unwrap_or_else(|| panic!("waited {} s: {}", PATIENCE.as_secs(), what()))
}

/// Looks until there is something or the time is over.
pub fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if began.elapsed() >= patience {
            return None;
        }
        park_timeout(LOOK_EVERY);
    }
}

/// Lets a random time pass: the instant at which something happens, not a wait for it.
pub fn pass(time: Duration) {
    let began = Instant::now();
    while let Some(rest) = time.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero()) {
        park_timeout(rest);
    }
}

/// As [`pass`], for asynchronous tests.
#[cfg(feature = "async")]
pub async fn pass_async(time: Duration) {
    tokio::time::sleep(time).await;
}

/// As [`until`], for asynchronous tests; `log` is shown beside what was waited for.
///
/// # Panics
/// When [`PATIENCE`] is over.
#[cfg(feature = "async")]
pub async fn until_async(what: &str, log: impl Fn() -> String, mut done: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < PATIENCE, "waited {} s until {what}\n{}", PATIENCE.as_secs(), log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
