//! A file of a series before the one that is followed: closed, and opened again when it has grown.

use std::{fs, time::SystemTime};

use super::{
    super::{GapCause, SourceGap, StartPosition, opener::Opener, reading::FilePosition, tail::FileTail},
    position::Place,
};

#[derive(Debug)]
pub(super) struct FormerFile {
    pub(super) place: Place,
    /// As long as something of it is under way.
    pub(super) tail: Option<Box<FileTail>>,
    /// How far it was read; nothing when it is read from its start.
    pub(super) position: Option<FilePosition>,
    /// Its size and time when it was looked at.
    pub(super) seen: Option<(u64, SystemTime)>,
}

impl FormerFile {
    /// Opens it where it has changed. A gap when it is gone with something in it that was not read.
    pub(super) fn look(&mut self, opener: &Opener) -> Option<SourceGap> {
        if self.tail.is_some() {
            return None;
        }
        let Ok(meta) = fs::metadata(&self.place.path) else {
            let bytes = self.position.as_ref().map_or(0, FilePosition::unread_bytes);
            if bytes > 0
                && let Some(position) = &mut self.position
            {
                position.give_up();
                return Some(SourceGap { cause: GapCause::Deleted, bytes, exact: false });
            }
            return None;
        };
        let seen = Some((meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
        if self.seen != seen {
            self.seen = seen;
            let begin = self.position.clone().map_or(StartPosition::Start, StartPosition::After);
            self.tail = Some(Box::new(FileTail::new(&self.place.path, begin, opener.clone())));
        }
        None
    }

    /// Read to its end: it is closed, unless a line is under way in it.
    pub(super) fn rest(&mut self) {
        let Some(tail) = &self.tail else { return };
        self.position = tail.position().or_else(|| self.position.take());
        if tail.lag_bytes() == 0 && tail.is_settled() {
            // What has been written since shows in its size and time, which were looked at before.
            self.tail = None;
        }
    }

    pub(super) fn position(&self) -> Option<FilePosition> {
        self.tail.as_ref().and_then(|tail| tail.position()).or_else(|| self.position.clone())
    }
}
