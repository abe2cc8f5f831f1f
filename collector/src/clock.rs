//! The only reader of the wall clock. Everything else gets the time as an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oddline_core::time::WRITTEN;

/// Microseconds since 1970 UTC; 0 while the clock is set before that.
#[must_use]
pub fn now_us() -> i64 {
    let since = wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Now, for certificates. A machine without a battery for its clock starts in 1970: an authority that was made then would
/// have ended before anybody uses it. So it is at least when this program was written.
#[must_use]
pub fn now() -> SystemTime {
    wall().max(UNIX_EPOCH + Duration::from_micros(WRITTEN.micros().unsigned_abs()))
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn wall() -> SystemTime {
    SystemTime::now()
}
