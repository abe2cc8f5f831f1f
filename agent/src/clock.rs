//! The host's clocks, its name and its randomness: the only place that asks for them.

use std::{
    fs,
    io::Read,
    time::{SystemTime, UNIX_EPOCH},
};

use oddline_core::{event::ClockStamp, id::BootId, time::EventTime};
use rustix::time::{ClockId, clock_gettime};

/// The clocks of one boot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BootClock {
    boot: BootId,
}

impl BootClock {
    /// Reads which boot this is; zeros where the kernel does not tell.
    #[must_use]
    pub(crate) fn of_this_boot() -> Self {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = text.trim().replace('-', "").parse().unwrap_or(BootId([0; 16]));
        Self { boot }
    }

    #[must_use]
    pub(crate) fn boot(&self) -> BootId {
        self.boot
    }

    /// The clocks now. The monotonic one counts while the machine sleeps.
    #[must_use]
    pub(crate) fn stamp(&self) -> ClockStamp {
        let since_boot = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(since_boot.tv_sec).unwrap_or(0);
        let micros = u64::try_from(since_boot.tv_nsec / 1_000).unwrap_or(0);
        ClockStamp { boot: self.boot, monotonic_us: seconds * 1_000_000 + micros, wall: wall() }
    }
}

/// The wall clock as files are stamped with it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads it")]
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// The wall clock, however wrong.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads it")]
pub(crate) fn wall() -> EventTime {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    EventTime::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// 64 bits of the kernel's randomness.
#[must_use]
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    // A host without it still has its clock: an epoch must differ, not be secret.
    if read.is_err() {
        let now = clock_gettime(ClockId::Boottime);
        return wall().micros().unsigned_abs().rotate_left(20) ^ now.tv_nsec.unsigned_abs();
    }
    u64::from_le_bytes(bytes)
}

/// 32 random bits.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "any 32 of 64 random bits")]
pub(crate) fn random_u32() -> u32 {
    random() as u32
}

/// The host's name; empty where the kernel does not tell.
#[must_use]
pub(crate) fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_tell() {
        let clock = BootClock::of_this_boot();
        let (first, second) = (clock.stamp(), clock.stamp());
        assert_ne!(clock.boot(), BootId([0; 16]));
        assert!(second.monotonic_us >= first.monotonic_us && first.monotonic_us > 0);
        assert!(first.wall > EventTime::from_micros(1_700_000_000_000_000));
        assert_ne!(random(), random());
        assert!(!host_name().is_empty());
    }
}
