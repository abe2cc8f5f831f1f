//! What waits to be told, in the order of the lines: records whose verdict is not there yet, notices that came after
//! them, and the text of their lines, in one buffer that is used again. So the order of events does not depend on when
//! verdicts come.

use std::{collections::VecDeque, ops::Range};

use oddline_core::{activity::ActivityNotice, limits::LINE_BYTES_MAX, time::EventTime, weight, window::WindowVerdict};

use super::trace::{LineNumbers, RecordTrace};

/// Bytes of text the buffer keeps for the next lines; what long lines took beyond it is given back.
const KEPT_BYTES: usize = 64 * 1024;

/// A record's lines, and where their text stands, counted from the first line of all.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineSpan {
    text: Range<u64>,
    lines: LineNumbers,
}

impl LineSpan {
    /// The numbers of its lines.
    pub(crate) fn lines(&self) -> LineNumbers {
        self.lines
    }
}

/// Something that waits.
#[derive(Debug)]
pub(crate) enum PendingItem {
    /// A record that is being judged.
    Record,
    /// Something that needs no verdict.
    Notice(ActivityNotice),
    /// What a server's metrics say together.
    Window(Box<WindowVerdict>),
    /// There were more names than places, at this event time.
    Crowd(EventTime),
    /// A record that somebody asks about, before what is found in it.
    Traced(Box<RecordTrace>),
}

/// The queue. At most a block of records waits, and with each what was noticed at its line.
#[derive(Debug, Default)]
pub(crate) struct PendingQueue {
    /// With its line, and how far event time had come there.
    items: VecDeque<(PendingItem, LineSpan, Option<EventTime>)>,
    text: Vec<u8>,
    /// Where `text` begins.
    begin: u64,
}

impl PendingQueue {
    /// Keeps a line's text while anything of it waits.
    pub(crate) fn keep(&mut self, line: &[u8], lines: LineNumbers) -> LineSpan {
        let start = self.end();
        self.text.extend_from_slice(&line[..line.len().min(LINE_BYTES_MAX)]);
        LineSpan { text: start..self.end(), lines }
    }

    /// Appends an item of the line, at which event time has come to `passed`.
    pub(crate) fn push(&mut self, item: PendingItem, line: &LineSpan, passed: Option<EventTime>) {
        self.items.push_back((item, line.clone(), passed));
    }

    /// Takes back the item appended last.
    pub(crate) fn take_back(&mut self) {
        self.items.pop_back();
    }

    /// The item whose turn it is, and where event time stood.
    pub(crate) fn front(&self) -> Option<(&PendingItem, Option<EventTime>)> {
        self.items.front().map(|(item, _, passed)| (item, *passed))
    }

    /// Takes the item whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<PendingItem> {
        self.items.pop_front().map(|(item, ..)| item)
    }

    /// The line of the item whose turn it is; `None` without an item or when its line was not kept.
    pub(crate) fn front_line(&self) -> Option<&[u8]> {
        self.items.front().filter(|(_, line, _)| !line.text.is_empty()).map(|(_, line, _)| self.bytes(line))
    }

    /// The numbers of its lines; 0 without any.
    pub(crate) fn front_lines(&self) -> LineNumbers {
        self.items.front().map_or_else(LineNumbers::default, |(_, line, _)| line.lines)
    }

    /// What it weighs in memory, in bytes.
    pub(crate) fn weight(&self) -> usize {
        weight::block(self.text.capacity())
            + weight::items::<(PendingItem, LineSpan, Option<EventTime>)>(self.items.capacity())
    }

    fn bytes(&self, line: &LineSpan) -> &[u8] {
        let at = |place: u64| usize::try_from(place - self.begin).expect("a place in memory");
        &self.text[at(line.text.start)..at(line.text.end)]
    }

    /// Forgets the text of lines of which nothing waits.
    pub(crate) fn forget(&mut self) {
        match (self.items.front(), self.items.back()) {
            (Some((_, first, _)), Some((_, last, _))) => {
                let length = |from: u64, to: u64| usize::try_from(to - from).expect("a length in memory");
                self.text.truncate(length(self.begin, last.text.end));
                self.text.drain(..length(self.begin, first.text.start));
                self.begin = first.text.start;
            }
            _ => {
                self.begin = self.end();
                self.text.clear();
                self.text.shrink_to(KEPT_BYTES);
            }
        }
    }

    fn end(&self) -> u64 {
        self.begin + self.text.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_lives_as_long_as_something_of_its_line_waits() {
        let mut waiting = PendingQueue::default();
        let number = LineNumbers::default();
        let first = waiting.keep(b"first", number);
        waiting.push(PendingItem::Record, &first, None);
        let unjudged = waiting.keep(b"nothing in it", number);
        waiting.push(PendingItem::Record, &unjudged, None);
        waiting.take_back();
        waiting.forget();
        assert_eq!(waiting.text, b"first");
        let second = waiting.keep(b"caf\xe9", number);
        waiting.push(PendingItem::Record, &second, None);
        waiting.push(PendingItem::Record, &second, None);
        waiting.pop().unwrap();
        waiting.forget();
        assert_eq!((waiting.bytes(&second), waiting.text.len()), (&b"caf\xe9"[..], 4));
        waiting.pop().unwrap();
        waiting.forget();
        assert_eq!(waiting.bytes(&second), b"caf\xe9", "one of its two still waits");
        waiting.pop().unwrap();
        waiting.forget();
        assert!(waiting.text.is_empty() && waiting.front().is_none());
    }

    #[test]
    fn the_buffer_stays_small() {
        let mut waiting = PendingQueue::default();
        let long = vec![b'x'; 3 * LINE_BYTES_MAX];
        for i in 0..100 {
            let line = waiting.keep(&long, LineNumbers::default());
            assert_eq!(line.text.end - line.text.start, LINE_BYTES_MAX as u64);
            waiting.push(PendingItem::Record, &line, None);
            if i % 10 == 9 {
                (0..10).for_each(|_| drop(waiting.pop()));
            }
            waiting.forget();
            assert!(waiting.text.len() <= 10 * LINE_BYTES_MAX);
        }
        assert!(waiting.text.capacity() <= KEPT_BYTES);
    }
}
