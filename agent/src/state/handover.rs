//! Going from a file or standard output to a broker. What a sink took has a place in the epoch's sequence, and a collector
//! that was never shown it would count it as missing: when a sink has taken something, what follows begins an epoch of
//! its own.

use super::{StateCommit, StateError, StateFile};

/// The first sequence that a sink was to take, in eight bytes; absent while a broker takes them.
const SINK_FROM: &str = "sink_from";

/// A sink takes events from now on.
///
/// # Errors
/// When the state cannot be read or written.
pub fn to_sink(state: &mut StateFile) -> Result<(), StateError> {
    if state.value(SINK_FROM)?.is_none() {
        let from = state.first().to_le_bytes().to_vec();
        remember(state, Some(from))?;
    }
    Ok(())
}

/// A broker takes them from now on. `random` becomes the epoch where a new one begins.
///
/// # Errors
/// When the state cannot be read or written.
pub fn to_broker(state: &mut StateFile, random: u64) -> Result<(), StateError> {
    let Some(from) = state.value(SINK_FROM)? else { return Ok(()) };
    let from = from.try_into().map_or(0, u64::from_le_bytes);
    if state.first() > from {
        state.renew(random)?;
    }
    remember(state, None)
}

fn remember(state: &mut StateFile, value: Option<Vec<u8>>) -> Result<(), StateError> {
    let values = vec![(SINK_FROM.to_owned(), value)];
    state.commit(&StateCommit { values, ..StateCommit::default() }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_entries(count: usize) -> (tempfile::TempDir, StateFile) {
        let dir = tempfile::tempdir().unwrap();
        let (mut state, _) = StateFile::open(&dir.path().join("state"), 8).unwrap();
        state.commit(&StateCommit { entries: vec![b"entry".to_vec(); count], ..StateCommit::default() }).unwrap();
        (dir, state)
    }

    #[test]
    fn what_a_file_took_is_no_loss_to_a_collector() {
        let (_dir, mut state) = with_entries(5);
        to_sink(&mut state).unwrap();
        state.ack(3).unwrap();
        // A restart that changes nothing moves nothing.
        to_sink(&mut state).unwrap();
        let epoch = state.epoch();
        to_broker(&mut state, 40).unwrap();
        assert_ne!(state.epoch(), epoch);
        assert_eq!((state.first(), state.last()), (1, 2), "what waits comes first in a new epoch");
        let epoch = state.epoch();
        to_broker(&mut state, 80).unwrap();
        assert_eq!(state.epoch(), epoch);
    }

    #[test]
    fn what_no_sink_took_keeps_its_epoch() {
        // A collector may have stored some of it although its acknowledgement never came.
        let (_dir, mut state) = with_entries(5);
        state.ack(2).unwrap();
        let epoch = state.epoch();
        to_sink(&mut state).unwrap();
        to_broker(&mut state, 40).unwrap();
        assert_eq!((state.epoch(), state.first(), state.last()), (epoch, 3, 5));
    }
}
