//! What the daemon does when the disk hinders it: it waits, and tries again, until a signal ends it. Only what no waiting
//! mends ends the process.

use std::{io::ErrorKind, time::Duration};

use anyhow::Result;
use tokio::time::sleep;

use super::signals::{Signalled, Signals};
use crate::{
    clock,
    config::{AgentConfig, EventDestination},
    events::LogEvent,
    model::store::ModelStoreError,
    publish::sink::SinkOpenError,
    source::backoff::Backoff,
    spool::SharedState,
    state::{OpenedState, StateError, StateFile, handover},
    worker::{self, PriorState},
};

/// First and longest wait before what was hindered is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The state's file.
const STATE: &str = "state.redb";

/// Why something could not be done.
#[derive(Debug)]
pub(super) enum StartObstacle {
    Passing(String),
    Lasting(anyhow::Error),
}

impl StartObstacle {
    /// Of the files beside the state: only a disk without room is waited for, the rest is a mistake at the start.
    pub(super) fn of(error: anyhow::Error) -> Self {
        let kind = error.chain().find_map(|cause| match cause.downcast_ref() {
            Some(ModelStoreError::Io { reason, .. }) => Some(reason.kind()),
            Some(ModelStoreError::Damaged { .. }) | None => cause.downcast_ref().map(SinkOpenError::kind),
        });
        match kind {
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Self::Passing(format!("{error:#}")),
            Some(_) | None => Self::Lasting(error),
        }
    }

    /// Of the state file. Where it may not be written is a mistake, too.
    pub(super) fn of_state(error: StateError) -> Self {
        match error {
            StateError::Io { error: ref io, .. } if io.kind() != ErrorKind::PermissionDenied => {
                Self::Passing(error.to_string())
            }
            error => Self::Lasting(error.into()),
        }
    }
}

/// Tries until it succeeds; `None` when a signal ended that.
pub(super) async fn patiently<T>(
    signals: &mut Signals,
    mut attempt: impl FnMut() -> Result<T, StartObstacle>,
) -> Result<Option<T>> {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        let why = match attempt() {
            Ok(done) => return Ok(Some(done)),
            Err(StartObstacle::Passing(why)) => why,
            Err(StartObstacle::Lasting(error)) => return Err(error),
        };
        let retry_in = backoff.failed(clock::random_u32());
        LogEvent::StateFails { why, retry_in }.emit();
        tokio::select! {
            () = sleep(retry_in) => {}
            signalled = signals.next() => {
                if signalled == Signalled::Stop {
                    return Ok(None);
                }
            }
        }
    }
}

/// Opens the state file, and says when it could not be believed.
pub(super) fn open_state(config: &AgentConfig) -> Result<(SharedState, PriorState), StartObstacle> {
    let folder = &config.state_dir;
    let opened = std::fs::create_dir_all(folder)
        .map_err(|error| StateError::Io { path: folder.clone(), error })
        .and_then(|()| StateFile::open(&folder.join(STATE), clock::random()))
        .and_then(|(mut state, opened)| {
            match &config.destination {
                EventDestination::Broker(..) => handover::to_broker(&mut state, clock::random())?,
                EventDestination::File(..) | EventDestination::Stdout => handover::to_sink(&mut state)?,
            }
            Ok((state.value(worker::BEGAN)?.is_some(), state, opened))
        });
    let (began, state, opened) = opened.map_err(StartObstacle::of_state)?;
    let past = match opened {
        OpenedState::SetAside { to, why } => {
            LogEvent::SetAside { to, why }.emit();
            PriorState::Lost
        }
        OpenedState::Fresh | OpenedState::Resumed if began => PriorState::Known,
        OpenedState::Fresh | OpenedState::Resumed => PriorState::None,
    };
    Ok((SharedState::new(state), past))
}
