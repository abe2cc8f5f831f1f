//! The wall clock, read here and nowhere else.

use std::time::{SystemTime, UNIX_EPOCH};

use oddline_core::time::EventTime;

/// What it shows; a clock before 1970 shows 1970.
#[must_use]
pub fn now() -> EventTime {
    #[expect(clippy::disallowed_methods, reason = "this is the one file that reads it")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
