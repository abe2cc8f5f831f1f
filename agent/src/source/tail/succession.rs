//! From one file to the next: the generation after the one that was read, what came to the one before, and the file of a
//! position that has to be found again.

use std::{fs, time::Instant};

use super::{
    super::{
        GapCause, SourceGap,
        error::SourceError,
        generations::{self, NewerGeneration},
        identity::{FileId, FileMatch, file_id},
        opener::is_absent,
        polls::Polls,
        reading::OpenFile,
        search::{list, search},
    },
    At, FileTail, LATE_POLLS, LeftBehind, PATIENCE_POLLS, TailStep,
};

impl FileTail {
    /// A file that was deleted and closed: goes on once there is another.
    pub(super) fn reappears(&mut self) -> Result<TailStep, SourceError> {
        let At::Closed { position } = &self.at else { return Ok(TailStep::Again) };
        let newer = generations::newer(list(&self.target)?, position.after());
        let live = self.live_id()?;
        if live.is_none() && newer.generations.iter().all(|g| g.compressed) {
            return Ok(TailStep::End);
        }
        self.follow(&newer, live, None)
    }

    /// Bytes that came to the generation before after it was left.
    pub(super) fn late(&mut self, now: Instant) -> Result<Option<SourceGap>, SourceError> {
        let Some(left) = &mut self.left else { return Ok(None) };
        let size = left.reading.size()?;
        // Cut, or written anew by who copied another generation over it: what it holds is nothing of what was left.
        if size < left.end || (size > left.end && !left.reading.holds_what_was_read()?) {
            self.left = None;
            return Ok(None);
        }
        let bytes = size - left.end;
        left.end = size;
        if left.polls.count(now) > LATE_POLLS {
            self.left = None;
        }
        Ok((bytes > 0).then_some(SourceGap { cause: GapCause::Late, bytes, exact: true }))
    }

    /// Goes on with the next generation that can be read. `lost` is what is already known to be missing.
    pub(super) fn follow(
        &mut self,
        newer: &NewerGeneration,
        live: Option<FileId>,
        lost: Option<SourceGap>,
    ) -> Result<TailStep, SourceError> {
        let next = newer.generations.iter().position(|g| !g.compressed);
        let (path, id) = match next.map(|at| &newer.generations[at]) {
            Some(generation) => (generation.path.clone(), Some(generation.id)),
            None => (self.path.clone(), live),
        };
        let skipped = next.unwrap_or(newer.generations.len()) > 0;
        let gap = lost
            .or(skipped.then_some(SourceGap { cause: GapCause::Compressed, bytes: 0, exact: false }))
            .or(newer.hole.then_some(SourceGap { cause: GapCause::Deleted, bytes: 0, exact: false }));
        let reading = match self.opener.open(&path)? {
            Some((file, path)) => OpenFile::from_start(file, path)?,
            // With nothing to go on with, the loss alone is reported.
            None if id.is_none() => {
                self.gap = gap;
                self.at = At::Nothing { from_end: false, since: None };
                return Ok(TailStep::Again);
            }
            None => return Ok(TailStep::Wait),
        };
        if Some(reading.id()) != id {
            // Renamed since it was listed.
            return Ok(TailStep::Wait);
        }
        if next.is_none() {
            // The generations lie beside the file, not beside the link.
            self.target.clone_from(&reading.path);
        }
        // Written anew beside it and renamed over it, as editors and rsync do: what was read of it is not read again.
        let known = if next.is_none() { self.position() } else { None };
        let old = if let At::Open(old, _) = &self.at { Some(&**old) } else { None };
        let (reading, gap) = match known {
            Some(position) if reading.is_copy(&position, old)? => (reading.go_on(&position)?, None),
            Some(_) | None => (reading, gap),
        };
        self.file_begins = reading.is_at_start();
        let next = At::Open(Box::new(reading), Polls::default());
        if let At::Open(mut old, _) = std::mem::replace(&mut self.at, next) {
            old.rest();
            self.left = Some(LeftBehind { end: old.end(), reading: *old, polls: Polls::default() });
        }
        self.gap = gap;
        Ok(TailStep::Again)
    }

    /// The open file does not hold any more what was read of it. Its copy may (copytruncate).
    pub(super) fn replaced(&mut self) -> Result<TailStep, SourceError> {
        if let Some(position) = self.position() {
            let polls = Polls { count: PATIENCE_POLLS, counted_at: None };
            self.at = At::Lost { position: Box::new(position), polls, replaced: true };
        }
        Ok(TailStep::Again)
    }

    /// Searches the file of the position: at its path, where it was, and among the rotated.
    pub(super) fn find(&mut self, now: Instant) -> Result<TailStep, SourceError> {
        // What is not there, or may not be followed, leaves the generations where they were.
        if let Ok(Some(found)) = self.opener.find(&self.path) {
            self.target = found.path;
        }
        let At::Lost { position, polls, replaced } = &mut self.at else { return Ok(TailStep::Again) };
        let found = search(&self.opener, &self.path, &self.target, position, *replaced)?;
        let cut = |bytes| SourceGap { cause: GapCause::Truncated, bytes, exact: false };
        let unread = position.bytes_seen.saturating_sub(position.offset);
        let (reading, gap) = match found {
            Some((FileMatch::CutBack, file, path)) => {
                (OpenFile::from_cut(file, path, position.number)?, Some(cut(unread)))
            }
            Some((FileMatch::Rewritten, file, path)) => (OpenFile::from_start(file, path)?, Some(cut(unread))),
            Some((_, file, path)) => (OpenFile::from_position(file, path, position)?, None),
            None if polls.count(now) <= PATIENCE_POLLS => return Ok(TailStep::Wait),
            None => {
                let lost = SourceGap { cause: GapCause::Deleted, bytes: unread, exact: false };
                let newer = generations::newer(list(&self.target)?, position.after());
                let live = self.live_id()?;
                return self.follow(&newer, live, Some(lost));
            }
        };
        self.file_begins = reading.is_at_start();
        self.gap = gap;
        self.at = At::Open(Box::new(reading), Polls::default());
        Ok(TailStep::Again)
    }

    pub(super) fn reopen_if(&mut self, stale: bool) {
        if stale && let Some(position) = self.position() {
            self.at = At::Lost { position: Box::new(position), polls: Polls::default(), replaced: false };
        }
    }

    pub(super) fn live_id(&self) -> Result<Option<FileId>, SourceError> {
        match fs::metadata(&self.path) {
            Ok(meta) => Ok(Some(file_id(&meta))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(SourceError::open(&self.path, error)),
        }
    }
}
