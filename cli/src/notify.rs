//! What systemd is told: ready, alive, reloading, stopping. Without systemd nobody is told.

use std::time::Duration;

use sd_notify::NotifyState;

/// Everything runs.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Work goes on. Not called when it hangs: then the watchdog acts.
pub fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// The configuration is read again.
pub fn reloading() {
    let now = NotifyState::monotonic_usec_now().ok();
    let states: Vec<NotifyState<'_>> = std::iter::once(NotifyState::Reloading).chain(now).collect();
    notify(&states);
}

/// The end has begun.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// How often the watchdog must hear from us: half of what it allows.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|allowed| allowed / 2)
}

fn notify(states: &[NotifyState<'_>]) {
    // A service manager that does not listen is no reason to stop.
    let _: Result<(), _> = sd_notify::notify(states);
}
