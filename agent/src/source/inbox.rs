//! Lines that others send while nobody may be looking: a queue with a bound, what does not fit counted as lost. Best effort,
//! without a position: what was taken and not committed is lost with the process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel},
};

use oddline_core::{limits::LINE_BYTES_MAX, time::EventTime};

use super::{GapCause, SourceGap, SourceItem, SourceLine};
use crate::clock;

/// Lines that may wait.
const LINES_MAX: usize = 4_096;
/// Their bytes.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What both ends see.
#[derive(Debug, Default)]
struct InboxState {
    waiting_bytes: AtomicUsize,
    lost_bytes: AtomicU64,
    closed: AtomicBool,
}

/// The reader's end.
#[derive(Debug)]
pub(super) struct Inbox {
    receiver: Receiver<ReceivedLine>,
    state: Arc<InboxState>,
    current: ReceivedLine,
    number: u64,
}

/// The writers' end.
#[derive(Debug, Clone)]
pub(super) struct InboxSender {
    sender: SyncSender<ReceivedLine>,
    state: Arc<InboxState>,
}

/// A line and when it came.
#[derive(Debug)]
struct ReceivedLine {
    bytes: Vec<u8>,
    received: EventTime,
    is_cut: bool,
}

impl Inbox {
    pub(super) fn new() -> (InboxSender, Self) {
        let (sender, receiver) = sync_channel(LINES_MAX);
        let state = Arc::<InboxState>::default();
        let current = ReceivedLine { bytes: Vec::new(), received: EventTime::from_micros(0), is_cut: false };
        (InboxSender { sender, state: Arc::clone(&state) }, Self { receiver, state, current, number: 0 })
    }

    /// The next line, or what was lost before it.
    pub(super) fn next(&mut self) -> SourceItem<'_> {
        let lost = self.state.lost_bytes.swap(0, Ordering::Relaxed);
        if lost > 0 {
            return SourceItem::Gap(SourceGap { cause: GapCause::Overrun, bytes: lost, exact: true });
        }
        match self.receiver.try_recv() {
            Ok(line) => {
                self.state.waiting_bytes.fetch_sub(line.bytes.len(), Ordering::Relaxed);
                self.current = line;
                self.number += 1;
                let ReceivedLine { bytes, received, is_cut } = &self.current;
                let modified = Some(*received);
                SourceItem::Line(SourceLine { bytes, number: self.number, offset: 0, cut: *is_cut, modified })
            }
            Err(TryRecvError::Empty) => SourceItem::End,
            Err(TryRecvError::Disconnected) => SourceItem::Closed,
        }
    }

    /// Bytes that wait.
    pub(super) fn lag_bytes(&self) -> u64 {
        self.state.waiting_bytes.load(Ordering::Relaxed) as u64
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::Relaxed);
    }
}

impl InboxSender {
    /// Nobody will read any more.
    pub(super) fn is_closed(&self) -> bool {
        self.state.closed.load(Ordering::Relaxed)
    }

    /// Hands over a line; one that does not fit is lost and counted.
    pub(super) fn offer(&self, line: &[u8]) {
        if !self.try_send(line) {
            self.lose(line.len());
        }
    }

    /// Hands over a line if it fits.
    pub(super) fn try_send(&self, line: &[u8]) -> bool {
        let kept = &line[..line.len().min(LINE_BYTES_MAX)];
        if self.state.waiting_bytes.load(Ordering::Relaxed) + kept.len() > BYTES_MAX {
            return false;
        }
        self.state.waiting_bytes.fetch_add(kept.len(), Ordering::Relaxed);
        let received = ReceivedLine { bytes: kept.to_vec(), received: clock::wall(), is_cut: kept.len() < line.len() };
        match self.sender.try_send(received) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.state.waiting_bytes.fetch_sub(kept.len(), Ordering::Relaxed);
                false
            }
        }
    }

    /// Counts what was received and cannot be handed over.
    pub(super) fn lose(&self, bytes: usize) {
        self.state.lost_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_a_gap_of_its_size() {
        let (sender, mut inbox) = Inbox::new();
        for _ in 0..LINES_MAX + 3 {
            sender.offer(b"12345");
        }
        let SourceItem::Gap(gap) = inbox.next() else { panic!("nothing is said of what was lost") };
        assert_eq!((gap.bytes, gap.exact), (15, true));
        let mut lines = 0;
        while let SourceItem::Line(line) = inbox.next() {
            lines += 1;
            assert_eq!((line.bytes, line.number), (&b"12345"[..], lines));
        }
        assert_eq!((lines, inbox.lag_bytes()), (LINES_MAX as u64, 0));
        drop(sender);
        assert_eq!(inbox.next(), SourceItem::Closed);
    }

    #[test]
    fn bytes_are_bounded_too_and_a_huge_line_is_cut() {
        let (sender, mut inbox) = Inbox::new();
        let huge = vec![b'x'; LINE_BYTES_MAX + 1];
        while sender.try_send(&huge) {}
        assert!(inbox.lag_bytes() as usize <= BYTES_MAX && inbox.lag_bytes() as usize > BYTES_MAX - LINE_BYTES_MAX);
        let SourceItem::Line(line) = inbox.next() else { panic!("no line") };
        assert_eq!((line.bytes.len(), line.cut), (LINE_BYTES_MAX, true));
        assert!(!sender.is_closed());
        drop(inbox);
        assert!(sender.is_closed() && !sender.try_send(b"x"));
    }
}
