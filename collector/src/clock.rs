//! The only reader of the wall clock. Everything else gets the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970 UTC; 0 while the clock is set before that.
#[must_use]
pub fn now_us() -> i64 {
    let since = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Now, for certificates.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> SystemTime {
    SystemTime::now()
}
