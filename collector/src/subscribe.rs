//! The collector's session with the broker, which keeps what comes while the collector is away.
//!
//! A message is acknowledged to the broker by its receipt, after its rows are committed: the broker sends at most
//! [`UNSETTLED_MAX`] messages ahead, and gives them again to the next connection. What the broker forgets the agents
//! send again; nothing here is the only copy of anything.

use std::time::Duration;

use oddline_link::{
    session::{
        MqttSession,
        profile::{SessionKind, SessionProfile},
    },
    settings::LinkSettings,
};

/// Messages that the broker sends ahead of our acknowledgements: 128 batches of 16 KiB fill a transaction, 128 of the
/// largest JSON batches are 32 MiB.
pub const UNSETTLED_MAX: u16 = 128;
/// How long a broker keeps messages for a collector that is away: longer than a restart, shorter than its memory. What
/// it drops then is sent again.
const SESSION_EXPIRY_S: u32 = 600;
const PROFILE: SessionProfile = SessionProfile {
    kind: SessionKind::Kept { expiry_s: SESSION_EXPIRY_S, unsettled_max: UNSETTLED_MAX },
    // Models and wishes.
    inflight_max: 256,
    // Acknowledgements of a transaction go out together.
    commands_max: 1024,
    // Agents wait for acknowledgements meanwhile.
    wait_max: Duration::from_secs(10),
};

/// Starts connecting. `filters` are subscribed to before the connection counts as up.
#[must_use]
pub fn start(settings: LinkSettings, filters: Vec<String>) -> MqttSession {
    MqttSession::start(settings, PROFILE, filters)
}
