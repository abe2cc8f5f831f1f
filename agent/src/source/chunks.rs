//! Bytes of a stream that blocks, read by a thread of its own a few chunks ahead, so that the caller never waits.

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, TryRecvError, sync_channel},
    thread,
};

use super::lines::{Lines, READ_BYTES};

/// Chunks read ahead: 256 KiB. The rest waits in the writer.
const AHEAD: usize = 4;

#[derive(Debug)]
pub(super) struct Chunks(Receiver<io::Result<Vec<u8>>>);

/// What a look at the stream gave.
pub(super) enum ChunkFed {
    /// Bytes went into the lines.
    Some,
    NotYet,
    Ended,
}

impl Chunks {
    /// Reads in a new thread, which ends with the stream or soon after the chunks are dropped.
    pub(super) fn of(name: &str, mut stream: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(AHEAD);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            loop {
                let mut chunk = vec![0; READ_BYTES];
                let read = stream.read(&mut chunk);
                let stop = match &read {
                    Ok(n) => *n == 0,
                    Err(error) => error.kind() != io::ErrorKind::Interrupted,
                };
                let sent = match read {
                    Ok(0) => break,
                    Ok(n) => {
                        chunk.truncate(n);
                        sender.send(Ok(chunk))
                    }
                    Err(_) if !stop => continue,
                    Err(error) => sender.send(Err(error)),
                };
                if stop || sent.is_err() {
                    break;
                }
            }
        })?;
        Ok(Self(receiver))
    }

    /// Moves a chunk into the lines, if one has been read.
    pub(super) fn feed(&self, lines: &mut Lines) -> io::Result<ChunkFed> {
        match self.0.try_recv() {
            Ok(chunk) => {
                let chunk = chunk?;
                lines.fill(|buffer, _| {
                    // Both are READ_BYTES at most.
                    buffer[..chunk.len()].copy_from_slice(&chunk);
                    Ok(chunk.len())
                })?;
                Ok(ChunkFed::Some)
            }
            Err(TryRecvError::Empty) => Ok(ChunkFed::NotYet),
            Err(TryRecvError::Disconnected) => Ok(ChunkFed::Ended),
        }
    }
}
