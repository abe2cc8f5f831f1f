//! What systemd is told: ready, alive, reloading, stopping. Without systemd nobody is told.

use sd_notify::NotifyState;

/// Everything runs.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The reading thread has made progress. Not called when it hangs: then the watchdog acts.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// The configuration is read again.
pub fn reloading() {
    let now = NotifyState::monotonic_usec_now().ok();
    let states: Vec<NotifyState<'_>> = std::iter::once(NotifyState::Reloading).chain(now).collect();
    tell(&states);
}

/// The end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    // A supervisor that does not listen is no reason to stop.
    let _: Result<(), _> = sd_notify::notify(states);
}
