//! What ends a command, and its exit code: 1 failed, 2 usage, 65 bad data or model, 69 broker or database unavailable,
//! 74 I/O, 77 permission, 78 bad configuration.

use std::io;

use oddline_cli::exit;
use oddline_config::ConfigProblems;
use tokio::task::JoinError;

use crate::{
    broker::BrokerError,
    enroll::EnrollError,
    push::PushError,
    serve::ServeError,
    store::{BackupError, StoreError},
};

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigProblems),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Api(#[from] ServeError),
    #[error(transparent)]
    Enroll(#[from] EnrollError),
    /// A model that is not pushed.
    #[error(transparent)]
    Push(#[from] PushError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A name that means nothing.
    #[error("{0}")]
    Name(String),
    /// The answer cannot be written.
    #[error("the answer cannot be written: {0}")]
    Output(io::Error),
    /// The system does not give what every program needs.
    #[error("{0}")]
    System(io::Error),
}

impl CommandError {
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(error) | Self::Run(RunError::Store(error)) | Self::Backup(BackupError::Store(error)) => {
                error.exit_code()
            }
            Self::Push(PushError::Read { reason, .. })
            | Self::Enroll(EnrollError::File { reason, .. })
            | Self::Output(reason)
            | Self::System(reason) => exit::of_io(reason),
            Self::Broker(BrokerError::Listen { reason, .. }) | Self::Api(ServeError::Listen { reason, .. })
                if reason.kind() == io::ErrorKind::PermissionDenied =>
            {
                exit::PERMISSION
            }
            Self::Broker(BrokerError::Listen { .. } | BrokerError::System { .. })
            | Self::Api(ServeError::Listen { .. }) => exit::UNAVAILABLE,
            Self::Config(_) | Self::Broker(_) | Self::Api(ServeError::Token(_)) => exit::CONFIG,
            Self::Push(_) => exit::DATA,
            Self::Backup(BackupError::Exists(_) | BackupError::Unfinished(_) | BackupError::Path(_)) => exit::IO,
            Self::Backup(BackupError::Postgres(_)) | Self::Name(_) => exit::USAGE,
            Self::Enroll(_) | Self::Run(RunError::Writer(_)) => exit::FAILED,
        }
    }
}

/// Why the collector ended before it was stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the writer has ended unexpectedly: {0}")]
    Writer(String),
}

/// What it means that the writer has ended before it was told to.
#[must_use]
pub fn writer_ended(ended: Result<Result<(), StoreError>, JoinError>) -> RunError {
    match ended {
        Ok(Ok(())) => RunError::Writer("its queue was closed".to_owned()),
        Ok(Err(error)) => RunError::Store(error),
        Err(error) => RunError::Writer(error.to_string()),
    }
}
