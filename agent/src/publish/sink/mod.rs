//! Where events go when no broker is configured: a rotated JSON-lines file, or lines on stdout for people and the
//! journal. What a sink has taken for good is deleted from the spool.

mod file;
mod text;

use std::io::{self, Write};

use oddline_core::{event::SpoolEntry, id::Epoch, wire::JsonLine};

pub(crate) use self::file::{FileSink, Rotation, SinkOpenError};
pub(crate) use self::text::{LineMarks, clean, line};
use super::{
    Spool,
    delivery::{PackError, in_a_row, read},
};

/// Bytes taken from the spool at once: memory for one turn, and one fsync for all of it.
const TURN_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) enum EventOutput {
    /// A JSON-lines file; its fsync is the acknowledgement. A line is never written twice.
    File(FileSink),
    /// Lines on stdout; written is acknowledged. After a crash the last ones may come again.
    Stdout(LineMarks),
}

/// Why events could not be taken. They stay in the spool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError<E: std::error::Error> {
    /// The spool cannot be read or written.
    #[error("the spool: {0}")]
    Spool(E),
    /// The file or terminal does not take them.
    #[error("{what}: {reason}")]
    Write { what: String, reason: io::Error },
    /// The spool holds what this program would not have written.
    #[error(transparent)]
    Entry(#[from] PackError),
}

/// Moves everything after `acked` from the spool to the sink; the new `acked`.
///
/// # Errors
/// When either side fails; what was taken before is deleted from the spool.
pub(crate) fn drain<S: Spool>(
    spool: &mut S,
    sink: &mut EventOutput,
    epoch: Epoch,
    mut acked: u64,
) -> Result<u64, SinkError<S::Error>> {
    let last = spool.last().map_err(SinkError::Spool)?;
    while acked < last {
        let first = acked + 1;
        let entries = spool.peek(first, TURN_BYTES).map_err(SinkError::Spool)?;
        let entries = read(first, &in_a_row(first, &entries)?)?;
        sink.take(epoch, first, &entries)?;
        acked += entries.len() as u64;
        spool.ack(acked).map_err(SinkError::Spool)?;
    }
    Ok(acked)
}

impl EventOutput {
    fn take<E: std::error::Error>(
        &mut self,
        epoch: Epoch,
        first: u64,
        entries: &[SpoolEntry],
    ) -> Result<(), SinkError<E>> {
        match self {
            Self::File(file) => {
                let lines = (first..).zip(entries).map(|(sequence, SpoolEntry { event, stamp })| JsonLine {
                    epoch,
                    sequence,
                    event: event.clone(),
                    stamp: *stamp,
                });
                file.append(lines).map_err(|reason| SinkError::Write { what: file.name(), reason })
            }
            Self::Stdout(marks) => {
                let text: String =
                    entries.iter().flat_map(|entry| [line(&entry.event, *marks), "\n".to_owned()]).collect();
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())
                    .and_then(|()| out.flush())
                    .map_err(|reason| SinkError::Write { what: "stdout".to_owned(), reason })
            }
        }
    }
}
