//! A log as it is written in life: in pieces, with half lines, rotated by renaming, several times in a row. What is
//! written is a given log from its first byte on; where it is cut is random.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use oddline_testkit::{Random, waiting::pass};

/// Lines of one piece.
const PIECE_LINES_MAX: usize = 150;
/// Generations that the rotation keeps beside the live file.
const KEPT: usize = 3;
/// More would be what the agent refuses to look at.
const GENERATIONS_MAX: usize = 100;
/// For how long a rotation may leave no file at the live path.
const ABSENT_MS: u64 = 20;

/// A writer of one log.
pub struct Writer {
    live: PathBuf,
    log: Vec<u8>,
    written: usize,
    lines: u64,
    file: File,
    /// Lines written when it was closed, of each generation; the newest first.
    generations: Vec<u64>,
    /// The agent has stored that it has read so many lines.
    lines_read: u64,
    random: Random,
    counts: Counts,
}

/// What it has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rotations.
    pub rotations: u64,
    /// Rotations with nothing written since the one before.
    pub empty: u64,
    /// Pieces that ended within a line.
    pub half_lines: u64,
    /// Generations deleted.
    pub deleted: u64,
}

impl Writer {
    /// Nothing is written yet, but the file is there.
    #[must_use]
    pub fn new(live: &Path, log: Vec<u8>, random: Random) -> Self {
        assert!(log.ends_with(b"\n"), "a log is made of lines");
        Self {
            live: live.to_owned(),
            log,
            written: 0,
            lines: 0,
            file: create(live),
            generations: Vec::new(),
            lines_read: 0,
            random,
            counts: Counts::default(),
        }
    }

    /// Where it writes.
    #[must_use]
    pub fn live(&self) -> &Path {
        &self.live
    }

    /// The whole log.
    #[must_use]
    pub fn log(&self) -> &[u8] {
        &self.log
    }

    /// Bytes written so far.
    #[must_use]
    pub fn written(&self) -> usize {
        self.written
    }

    /// Whether all is written.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.written == self.log.len()
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A record of this number has been told of: what was read with it need not be kept.
    pub fn was_read(&mut self, record: u64) {
        // Records count from 0, and the header's line is before them.
        self.lines_read = self.lines_read.max(record + 2);
    }

    /// Writes a piece or rotates.
    pub fn act(&mut self) {
        if !self.random.once_in(15) {
            return self.piece();
        }
        let times = if self.random.once_in(4) { 2 + self.random.below(2) } else { 1 };
        for _ in 0..times {
            self.rotate();
            if self.random.once_in(2) {
                let lines = self.random.size_below(20);
                self.write_lines(lines);
            }
        }
    }

    /// The rest, in pieces.
    pub fn act_to_the_end(&mut self) {
        while !self.is_done() {
            self.act();
        }
    }

    /// Writes complete lines, as many as there are.
    pub fn write_lines(&mut self, lines: usize) {
        let ends = self.log[self.written..].iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
        let bytes = ends.take(lines).last().unwrap_or(0);
        self.write(bytes);
    }

    /// Moves every generation one number up. Deletes the oldest as soon as enough are kept and it has been read: what is
    /// promised is promised while the bytes can still be read.
    pub fn rotate(&mut self) {
        if self.generations.len() >= GENERATIONS_MAX {
            return;
        }
        self.counts.rotations += 1;
        self.counts.empty += u64::from(self.generations.first() == Some(&self.lines));
        // Whoever writes ends its line, and notices that its file was renamed only then.
        let ends_late = self.random.once_in(2);
        if !ends_late {
            self.end_line();
        }
        while self.generations.len() >= KEPT && self.generations.last().is_some_and(|end| self.lines_read > *end) {
            fs::remove_file(self.generation(self.generations.len())).expect("a generation can be deleted");
            self.generations.pop();
            self.counts.deleted += 1;
        }
        for number in (1..=self.generations.len()).rev() {
            let (from, to) = (self.generation(number), self.generation(number + 1));
            fs::rename(from, to).expect("a generation can be renamed");
        }
        fs::rename(&self.live, self.generation(1)).expect("the live file can be renamed");
        if ends_late {
            self.end_line();
        }
        self.generations.insert(0, self.lines);
        if self.random.once_in(3) {
            pass(self.random.millis_below(ABSENT_MS));
        }
        self.file = create(&self.live);
    }

    /// Makes the live file look as if it was last written so long ago: a clock was wrong.
    pub fn date_back(&self, by: Duration) {
        let now = self.file.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        self.file.set_modified(now - by).expect("a file can be dated back");
    }

    /// Deletes the newest generation, read or not.
    pub fn delete_newest_generation(&mut self) {
        fs::remove_file(self.generation(1)).expect("a generation can be deleted");
    }

    fn piece(&mut self) {
        let lines = 1 + self.random.size_below(PIECE_LINES_MAX);
        self.end_line();
        self.write_lines(lines);
        if self.random.once_in(4) {
            let line = self.line_under_way();
            let half = self.random.size_below(line);
            self.counts.half_lines += u64::from(half > 0);
            self.write(half);
        }
    }

    fn end_line(&mut self) {
        if self.written > 0 && self.log[self.written - 1] != b'\n' {
            self.write(self.line_under_way());
        }
    }

    /// Bytes to the end of the line, 0 at the end of the log.
    fn line_under_way(&self) -> usize {
        self.log[self.written..].iter().position(|b| *b == b'\n').map_or(0, |at| at + 1)
    }

    fn write(&mut self, bytes: usize) {
        let piece = &self.log[self.written..self.written + bytes];
        self.file.write_all(piece).expect("a log can be written");
        self.lines += piece.iter().filter(|b| **b == b'\n').count() as u64;
        self.written += bytes;
    }

    fn generation(&self, number: usize) -> PathBuf {
        self.live.with_added_extension(number.to_string())
    }
}

fn create(live: &Path) -> File {
    OpenOptions::new().append(true).create_new(true).open(live).expect("a log can be created")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_the_log_and_what_was_not_read_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let live = folder.path().join("a.log");
        let log: Vec<u8> = (0..20_000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        let mut writer = Writer::new(&live, log.clone(), Random::new(3));
        writer.act_to_the_end();
        let counts = writer.counts();
        assert!(counts.rotations > 5 && counts.half_lines > 5 && counts.empty > 0 && counts.deleted == 0, "{counts:?}");
        let older = (1..=writer.generations.len()).rev().map(|number| writer.generation(number));
        let found: Vec<u8> = older.chain([live]).flat_map(|path| fs::read(path).unwrap()).collect();
        assert!(found == log, "what lies there is not what was to be written");
        // All was read: at the next rotation only what is kept anyway is left.
        writer.was_read(30_000);
        writer.rotate();
        assert_eq!(writer.generations.len(), KEPT);
        assert!(writer.counts().deleted > 0);
    }
}
