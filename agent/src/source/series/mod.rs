//! Files named after the time they were begun, read as one log: each to its end before the next one begins. The newest is
//! followed; those before it are looked at, so that what a slow writer adds to one of them is read too. Which files there
//! are is [`super::discover`]'s, how one is read [`super::tail`]'s.
//!
//! ```text
//!  waiting (by their order) -> current, followed -> former, looked at -> forgotten
//!                                                      \ grown: read on from where it was left
//! ```

mod former;
mod position;

use std::{
    cmp::Ordering,
    collections::VecDeque,
    fs, mem,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub use self::position::SeriesPosition;

use self::{former::FormerFile, position::Place};
use super::{
    GapCause, SourceGap, SourceItem, StartPosition, error::SourceError, opener::Opener, polls::Polls, tail::FileTail,
};

/// Files before the current one that are looked at: of names that come again (weekdays, days of a month) all of them.
const FORMER_MAX: usize = 40;
/// The same where each name stands for one time.
const FORMER_DATED_MAX: usize = 8;
/// Polls for which a file is still followed although its successor has appeared: its writer has to change over.
const PATIENCE_POLLS: u32 = 3;
/// Former files are looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the files of one series.
#[derive(Debug)]
pub struct SeriesTail {
    /// The folder with the pattern of the names.
    path: PathBuf,
    opener: Opener,
    begins: Begins,
    waiting: VecDeque<Place>,
    current: Option<(Place, Box<FileTail>)>,
    former: Vec<FormerFile>,
    /// The former file that is being read.
    late: Option<usize>,
    /// The former file that is looked at next.
    look: usize,
    looked_at: Option<Instant>,
    patience: Polls,
    has_more: bool,
}

/// How files begin that are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// Those of the first look at their end.
    AtEnd,
    AtStart,
    /// Older ones than those that are known were read.
    After,
}

/// What was found, without the line itself.
enum SeriesStep {
    File,
    Current,
    Late(usize),
    Gap(SourceGap),
    Wait,
    End,
}

impl SeriesTail {
    /// A folder with the pattern of the names. Opens nothing yet.
    #[must_use]
    pub fn new(path: &Path, begin: StartPosition<SeriesPosition>, opener: Opener) -> Self {
        let mut tail = Self {
            path: path.to_owned(),
            opener,
            begins: Begins::AtStart,
            waiting: VecDeque::new(),
            current: None,
            former: Vec::new(),
            late: None,
            look: 0,
            looked_at: None,
            patience: Polls::default(),
            has_more: false,
        };
        match begin {
            StartPosition::Start | StartPosition::Since(_) => {}
            StartPosition::End => tail.begins = Begins::AtEnd,
            StartPosition::After(position) => tail.resume(position),
        }
        tail
    }

    fn resume(&mut self, position: SeriesPosition) {
        self.begins = Begins::After;
        let mut members = position.members;
        let current = members.pop();
        for (name, position) in members {
            let place = Place::of(&self.path.with_file_name(name), Some(position.modified()));
            self.former.push(FormerFile { place, tail: None, position: Some(position), seen: None });
        }
        self.current = current.map(|(name, position)| {
            let place = Place::of(&self.path.with_file_name(name), Some(position.modified()));
            let tail = FileTail::new(&place.path, StartPosition::After(position), self.opener.clone());
            (place, Box::new(tail))
        });
    }

    /// Files of it that have appeared, in any order.
    pub fn add(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let mut places: Vec<Place> = paths.into_iter().map(|path| Place::of(&path, None)).collect();
        places.retain(|place| !self.is_known(place));
        places.sort_by(Place::cmp);
        match mem::replace(&mut self.begins, Begins::After) {
            Begins::AtEnd => self.begin_at_end(places),
            Begins::AtStart => self.waiting.extend(places),
            Begins::After => {
                places.retain(|place| !self.was_read(place));
                self.waiting.extend(places);
            }
        }
        self.waiting.make_contiguous().sort_by(Place::cmp);
    }

    fn is_known(&self, place: &Place) -> bool {
        let current = self.current.iter().map(|(place, _)| place);
        let former = self.former.iter().map(|former| &former.place);
        current.chain(former).chain(&self.waiting).any(|known| known.path == place.path)
    }

    /// Whether it is older than all that are looked at, as those are that were read and forgotten, and was not made since.
    fn was_read(&self, place: &Place) -> bool {
        let known =
            || self.former.iter().map(|former| &former.place).chain(self.current.iter().map(|(place, _)| place));
        let is_oldest = known().min_by(|a, b| a.cmp(b)).is_some_and(|oldest| place.cmp(oldest) == Ordering::Less);
        // Of names that come again all are looked at, as many as there may be.
        let is_complete = place.order.is_some() || self.former.len() >= FORMER_MAX;
        let written = known().filter_map(|place| place.modified).max();
        let born = fs::metadata(&place.path).and_then(|meta| meta.created()).ok();
        // One that was copied here keeps the time at which it was written.
        is_complete && is_oldest && (born <= written || place.modified <= written)
    }

    /// What is written from now on: in the newest, and in those that may be written to again.
    fn begin_at_end(&mut self, mut places: Vec<Place>) {
        let newest = places.pop();
        let skipped = places.len().saturating_sub(FORMER_DATED_MAX.max(FORMER_MAX));
        for place in places.into_iter().skip(skipped) {
            let tail = FileTail::new(&place.path, StartPosition::End, self.opener.clone());
            self.former.push(FormerFile { place, tail: Some(Box::new(tail)), position: None, seen: None });
        }
        self.current = newest.map(|place| {
            let tail = FileTail::new(&place.path, StartPosition::End, self.opener.clone());
            (place, Box::new(tail))
        });
    }

    /// The next thing in the order of writing, at `now`.
    ///
    /// # Errors
    /// When a file cannot be opened or read. Nothing is skipped: call again later.
    pub fn next(&mut self, now: Instant) -> Result<SourceItem<'_>, SourceError> {
        self.has_more = false;
        let line = match self.step(now)? {
            SeriesStep::File => return Ok(SourceItem::File),
            SeriesStep::Gap(gap) => return Ok(SourceItem::Gap(gap)),
            SeriesStep::Wait => return Ok(SourceItem::Wait),
            SeriesStep::End => return Ok(SourceItem::End),
            SeriesStep::Late(at) => self.former[at].tail.as_ref().and_then(|tail| tail.line()),
            SeriesStep::Current => self.current.as_ref().and_then(|(_, tail)| tail.line()),
        };
        Ok(line.map_or(SourceItem::Wait, SourceItem::Line))
    }

    fn step(&mut self, now: Instant) -> Result<SeriesStep, SourceError> {
        loop {
            if let Some(step) = self.read_former(now)? {
                return Ok(step);
            }
            let Some((_, tail)) = &mut self.current else {
                if self.follow_next() {
                    continue;
                }
                return Ok(SeriesStep::End);
            };
            let step = match tail.next(now)? {
                SourceItem::File => SeriesStep::File,
                SourceItem::Line(_) => SeriesStep::Current,
                SourceItem::Gap(gap) => SeriesStep::Gap(gap),
                SourceItem::Wait => {
                    self.has_more = tail.has_more();
                    SeriesStep::Wait
                }
                SourceItem::End | SourceItem::Closed if self.waiting.is_empty() => SeriesStep::End,
                SourceItem::End | SourceItem::Closed => {
                    // Once its successor has one too nobody writes to it: a backlog is read without a pause.
                    if self.waiting.len() == 1 && self.patience.count(now) <= PATIENCE_POLLS {
                        return Ok(SeriesStep::Wait);
                    }
                    self.follow_next();
                    continue;
                }
            };
            if !matches!(step, SeriesStep::Wait | SeriesStep::End) {
                self.patience = Polls::default();
            }
            return Ok(step);
        }
    }

    /// Goes on with the next file that waits.
    fn follow_next(&mut self) -> bool {
        let Some(place) = self.waiting.pop_front() else { return false };
        self.patience = Polls::default();
        let tail = FileTail::new(&place.path, StartPosition::Start, self.opener.clone());
        let is_dated = place.order.is_some();
        if let Some((place, tail)) = self.current.replace((place, Box::new(tail))) {
            self.former.push(FormerFile { place, position: tail.position(), tail: Some(tail), seen: None });
        }
        let most = if is_dated { FORMER_DATED_MAX } else { FORMER_MAX };
        let excess = self.former.len().saturating_sub(most);
        self.former.drain(..excess);
        (self.late, self.look) = (None, self.former.len());
        true
    }

    /// What has been added to a former file.
    fn read_former(&mut self, now: Instant) -> Result<Option<SeriesStep>, SourceError> {
        if self.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_EVERY) {
            (self.look, self.looked_at) = (0, Some(now));
        }
        loop {
            let at = match self.late {
                Some(at) => at,
                None if self.look < self.former.len() => {
                    let at = self.look;
                    self.look += 1;
                    if let Some(gap) = self.former[at].look(&self.opener) {
                        return Ok(Some(SeriesStep::Gap(gap)));
                    }
                    at
                }
                None => return Ok(None),
            };
            let former = &mut self.former[at];
            let Some(tail) = &mut former.tail else { continue };
            self.late = Some(at);
            let step = match tail.next(now)? {
                SourceItem::File => Some(SeriesStep::File),
                SourceItem::Line(_) => Some(SeriesStep::Late(at)),
                // A file that is begun anew under its old name had been read to its end.
                SourceItem::Gap(SourceGap { cause: GapCause::Truncated | GapCause::Deleted, bytes: 0, .. }) => continue,
                SourceItem::Gap(gap) => Some(SeriesStep::Gap(gap)),
                SourceItem::Wait => {
                    self.has_more = tail.has_more();
                    self.has_more.then_some(SeriesStep::Wait)
                }
                SourceItem::End | SourceItem::Closed => None,
            };
            if step.is_some() {
                return Ok(step);
            }
            self.late = None;
            self.former[at].rest();
            self.follow_latest(at);
        }
    }

    /// Where names come again the file that is written to now is the current one.
    fn follow_latest(&mut self, at: usize) {
        let former = &mut self.former[at];
        let modified = former.seen.map(|(_, modified)| modified);
        let Some((place, _)) = &self.current else { return };
        if former.place.order.is_some() || modified <= Place::of(&place.path, None).modified {
            return;
        }
        let former = self.former.remove(at);
        let begin = former.position.map_or(StartPosition::Start, StartPosition::After);
        let tail =
            former.tail.unwrap_or_else(|| Box::new(FileTail::new(&former.place.path, begin, self.opener.clone())));
        if let Some((place, tail)) = self.current.replace((former.place, tail)) {
            self.former.push(FormerFile { place, position: tail.position(), tail: Some(tail), seen: None });
        }
        self.look = self.look.min(self.former.len());
    }

    /// After the last item. `None` before a file has been opened.
    #[must_use]
    pub fn position(&self) -> Option<SeriesPosition> {
        let name = |place: &Place| Some(place.path.file_name()?.to_str()?.to_owned());
        let former = self.former.iter().filter_map(|former| Some((name(&former.place)?, former.position()?)));
        let current = self.current.iter().filter_map(|(place, tail)| Some((name(place)?, tail.position()?)));
        let members: Vec<_> = former.chain(current).collect();
        (!members.is_empty()).then_some(SeriesPosition { members })
    }

    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        self.current.as_ref().is_some_and(|(_, tail)| tail.is_open())
    }

    /// The folder with the pattern of the names.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the current file lies without links.
    #[must_use]
    pub fn target(&self) -> &Path {
        self.current.as_ref().map_or(&self.path, |(_, tail)| tail.target())
    }

    /// Whether one of its files is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let current = self.current.iter().map(|(place, _)| place);
        current
            .chain(&self.waiting)
            .chain(self.former.iter().map(|former| &former.place))
            .any(|place| place.path.exists())
    }

    /// Bytes not yet taken, those of the files that wait included.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        let size = |place: &Place| fs::metadata(&place.path).map_or(0, |meta| meta.len());
        let current = self.current.as_ref().map_or(0, |(_, tail)| tail.lag_bytes());
        let former = self.former.iter().filter_map(|former| former.tail.as_ref()).map(|tail| tail.lag_bytes());
        current + former.sum::<u64>() + self.waiting.iter().map(size).sum::<u64>()
    }
}
