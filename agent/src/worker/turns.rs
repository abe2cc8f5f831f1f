//! How the sources are asked: a turn of each file, and a look for new ones, on the helper's thread. What does not come
//! back is left to that thread and told of; the rest goes on. What comes back late is taken as if it had come in time:
//! nothing of it was committed meanwhile.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use oddline_core::event::{BoundedText, Event, Extras, SourceFault, SourceName};
use oddline_detector::InferError;
use oddline_pipeline::PipelineOutput;

use super::{
    ROUND_EVENTS_MAX,
    away::{HungSource, ReturnedSource, SourceOutline, hung},
    followed::{ActiveModel, FollowedSource, TurnOutcome},
    helper::HelperOutcome,
    opened::series_key,
    sources::{FollowedSources, SetupError},
    words::{does_not_answer, hangs},
};
use crate::{
    clock,
    events::LogEvent,
    source::discover::{AppearedFile, Pattern, Scan},
};

/// New files are looked for this often.
const SCAN_EVERY: Duration = Duration::from_secs(5);
/// A file that is gone for so long is followed no more: names with dates in them never come back.
const GONE_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// The same while other files wait for a place.
const GONE_AFTER_CROWDED: Duration = Duration::from_secs(15 * 60);
/// A file that has been read to its end and was not written for so long gives its place to one that was.
const IDLE_CROWDED: Duration = Duration::from_secs(15 * 60);
const IDLE_WHY: &str = "nothing is written to it, and others wait for its place; it is gone on with when that changes";
/// Looks that may hang at once: they must leave threads for the turns.
const LOOKS_HANGING_MAX: usize = 8;
/// Paths that are complained of in one life: whoever may make files must not fill the log.
const COMPLAINTS_MAX: usize = 100;

impl FollowedSources {
    /// Looks for new files when it is time to, and leaves those that are long gone.
    ///
    /// # Errors
    /// When the model runtime cannot allocate, or the state cannot be read.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        active: &ActiveModel,
        out: &mut PipelineOutput,
    ) -> Result<(), SetupError> {
        if self.scanned_at.is_some_and(|at| now.duration_since(at) < SCAN_EVERY) {
            return Ok(());
        }
        self.scanned_at = Some(now);
        (self.left_out, self.left_out_modified) = (0, None);
        self.appearances.looks(clock::wall_time());
        for number in 0..self.looks.len() {
            if let Some(scan) = self.scan(number, out) {
                self.found(number, scan, active, out)?;
            }
        }
        // Said when it begins, and again when it has doubled.
        if self.left_out > 0 && self.left_out >= self.left_out_told * 2 {
            LogEvent::TooManyFiles { left_out: self.left_out }.emit();
            self.left_out_told = self.left_out;
        } else if self.left_out == 0 {
            self.left_out_told = 0;
        }
        self.leave(now);
        self.make_room();
        self.forget_converted();
        Ok(())
    }

    /// A look for the files of one configured source, or what one has found that hung until now.
    fn scan(&mut self, number: usize, out: &mut PipelineOutput) -> Option<Scan> {
        let at = self.looks[number].at;
        if self.looks[number].is_hanging() {
            let scan = self.looks[number].back()?;
            let name = self.name(at);
            LogEvent::SourceWorks { source: name.clone() }.emit();
            let fault = SourceFault {
                source: SourceName::cut(&name),
                cause: BoundedText::cut(&does_not_answer(&name)),
                extras: Extras::default(),
            };
            out.events.push(Event::SourceRecovered(fault));
            return Some(scan);
        }
        let places: Vec<PathBuf> = self.include(at).iter().map(Pattern::folder).collect();
        let paths: Vec<&Path> = places.iter().map(PathBuf::as_path).collect();
        let hanging = self.looks.iter().filter(|look| look.is_hanging()).count();
        if hanging >= LOOKS_HANGING_MAX || hung(&self.away, &self.looks, &paths).is_some() || !self.helper.is_ready() {
            return None;
        }
        let mut discover = self.looks[number].discover.take()?;
        let scan = move || {
            let scan = discover.scan();
            (discover, scan)
        };
        match self.helper.run(scan) {
            HelperOutcome::Done((discover, scan)) => {
                self.looks[number].discover = Some(discover);
                Some(scan)
            }
            HelperOutcome::Hangs(told) => {
                self.looks[number].hangs(told, &places);
                let name = self.name(at);
                out.events.push(hangs(&name, &does_not_answer(&name)));
                None
            }
        }
    }

    fn found(
        &mut self,
        number: usize,
        scan: Scan,
        active: &ActiveModel,
        out: &mut PipelineOutput,
    ) -> Result<(), SetupError> {
        let is_first = !std::mem::replace(&mut self.looks[number].looked, true);
        let failed = scan.failed.into_iter().map(|(folder, error)| {
            let told = LogEvent::FolderFails { folder: folder.clone(), why: error.to_string() };
            (folder, told)
        });
        let refused =
            scan.refused.into_iter().map(|(path, error)| (path, LogEvent::FileLeft { why: error.to_string() }));
        for (path, told) in failed.chain(refused) {
            if self.complained.len() < COMPLAINTS_MAX && self.complained.insert(path) {
                told.emit();
            }
        }
        self.left_out += scan.left_out + usize::from(scan.cut);
        self.left_out_modified = self.left_out_modified.max(scan.left_out_modified);
        let at = self.looks[number].at;
        let mut logs: BTreeMap<PathBuf, Vec<AppearedFile>> = BTreeMap::new();
        let mut order: Vec<PathBuf> = Vec::new();
        for file in scan.appeared {
            let files = logs.entry(file.log().to_owned()).or_default();
            if files.is_empty() {
                order.push(file.log().to_owned());
            }
            files.push(file);
        }
        if self.followed.len() + self.away.len() + order.len() > self.budget.sources_max() {
            // Those that are written now.
            order.sort_by_key(|log| Reverse(logs[log].iter().map(|file| file.modified).max()));
        }
        for log in order {
            let files = logs.remove(&log).unwrap_or_default();
            let is_series = files.iter().any(|file| file.series.is_some());
            let paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
            if is_series && self.add(number, &log, &paths) {
                continue;
            }
            if self.followed.len() + self.away.len() >= self.budget.sources_max() {
                // It appears again at the next look.
                self.looks[number].forget(&log);
                self.left_out += paths.len();
                continue;
            }
            match is_series {
                true => self.open_series(at, log, paths, is_first, active, out)?,
                false => self.open_file(at, log, is_first, active, out)?,
            }
        }
        Ok(())
    }

    /// Further files of a series that is followed.
    fn add(&mut self, number: usize, log: &Path, paths: &[PathBuf]) -> bool {
        let key = series_key(log);
        if let Some(followed) = self.followed.iter_mut().find(|followed| followed.key() == key) {
            followed.add(paths.to_vec());
            return true;
        }
        let is_away = self.away.iter().any(|away| away.outline.key == key);
        if is_away {
            // They appear again at the next look.
            paths.iter().for_each(|path| self.looks[number].forget_file(path));
        }
        is_away
    }

    /// The turn of one of those that are followed.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub(crate) fn turn(
        &mut self,
        at: usize,
        now: Instant,
        active: &ActiveModel,
        out: &mut PipelineOutput,
    ) -> Result<(u64, TurnOutcome), InferError> {
        let is_full = !self.has_room(at);
        if self.followed[at].path().is_none() {
            return self.followed[at].turn(now, is_full, out);
        }
        if !self.followed[at].is_due(now) {
            return Ok((0, TurnOutcome::Idle));
        }
        self.ask(at, active, out, move |followed, out| followed.turn(now, is_full, out))
    }

    /// Whether one may take more memory.
    fn has_room(&self, at: usize) -> bool {
        self.budget.has_room(self.followed[at].bytes(), self.bytes(), self.followed.len() + self.away.len())
    }

    /// Follows one from now on, with what memory has room for of what was learnt of it.
    pub(super) fn take_in(&mut self, mut followed: FollowedSource, active: &ActiveModel) -> Result<(), InferError> {
        followed.fit(&self.budget, self.bytes(), active)?;
        self.followed.push(followed);
        Ok(())
    }

    /// What all of them hold in memory.
    pub(super) fn bytes(&self) -> u64 {
        let away = self.away.iter().map(|away| away.outline.bytes);
        self.followed.iter().map(FollowedSource::bytes).chain(away).sum()
    }

    /// Says once that memory is full, and once that a quarter of it is free again.
    pub(super) fn report_full(&mut self) {
        let full = self.followed.iter().filter(|followed| followed.is_full()).count();
        let bytes = self.bytes();
        if full > 0 && !self.is_full {
            self.is_full = true;
            LogEvent::MemoryFull { sources: full, bytes }.emit();
        } else if self.is_full && full == 0 && bytes <= self.budget.pool() / 4 * 3 {
            self.is_full = false;
            LogEvent::MemoryFree { bytes }.emit();
        }
    }

    /// Looks at what is shown of the files while none is read.
    pub(crate) fn measure(&mut self, now: Instant, active: &ActiveModel, out: &mut PipelineOutput) {
        let mut at = 0;
        while at < self.followed.len() {
            let measure = move |followed: &mut FollowedSource, _: &mut PipelineOutput| {
                followed.measure(now);
                Ok((0, TurnOutcome::Idle))
            };
            let is_file = self.followed[at].path().is_some();
            // One that hangs leaves its number to the next.
            if !is_file || !matches!(self.ask(at, active, out, measure), Ok((_, TurnOutcome::Hangs))) {
                at += 1;
            }
        }
    }

    /// Asks one on the helper's thread.
    fn ask(
        &mut self,
        at: usize,
        active: &ActiveModel,
        out: &mut PipelineOutput,
        question: impl FnOnce(&mut FollowedSource, &mut PipelineOutput) -> Result<(u64, TurnOutcome), InferError>
        + Send
        + 'static,
    ) -> Result<(u64, TurnOutcome), InferError> {
        if self.is_hung(at, out) {
            return Ok((0, TurnOutcome::Idle));
        }
        let mut followed = self.followed.remove(at);
        let outline = SourceOutline::of(&followed, active.id);
        let call = move || {
            let mut out = PipelineOutput::default();
            let turn = question(&mut followed, &mut out);
            ReturnedSource { followed, out, turn }
        };
        match self.helper.run(call) {
            HelperOutcome::Done(ReturnedSource { followed, out: mut found, turn }) => {
                self.followed.insert(at, followed);
                out.events.append(&mut found.events);
                turn
            }
            HelperOutcome::Hangs(told) => {
                let away = HungSource::new(outline, told);
                out.events.push(hangs(&away.outline.figures.name, &away.why));
                self.away.push(away);
                Ok((0, TurnOutcome::Hangs))
            }
        }
    }

    /// Whether one is not to be asked, because what it lies in hangs or no thread is left to ask it on.
    fn is_hung(&mut self, at: usize, out: &mut PipelineOutput) -> bool {
        let followed = &mut self.followed[at];
        let paths: Vec<&Path> = followed.paths().collect();
        let why = match hung(&self.away, &self.looks, &paths) {
            Some(mount) => does_not_answer(&mount.display().to_string()),
            None if self.helper.is_ready() => return false,
            None => "too many file systems do not answer".to_owned(),
        };
        followed.hangs(&why, out);
        true
    }

    /// Takes in those that have come back, as many as a round has room for; bytes they have taken.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub(crate) fn welcome(&mut self, active: &ActiveModel, out: &mut PipelineOutput) -> Result<u64, InferError> {
        let mut bytes = 0;
        let mut number = 0;
        while number < self.away.len() && out.events.len() < ROUND_EVENTS_MAX {
            let Some(back) = self.away[number].back() else {
                number += 1;
                continue;
            };
            let HungSource { outline, why, .. } = self.away.swap_remove(number);
            let ReturnedSource { mut followed, out: mut found, turn } = back;
            out.events.append(&mut found.events);
            bytes += turn?.0;
            followed.came_back(&why);
            if outline.model != active.id {
                followed.swap(active, out)?;
            }
            self.followed.push(followed);
        }
        Ok(bytes)
    }

    /// Lets go of those that were not written for long while others wait that are: their place in the state is kept.
    fn make_room(&mut self) {
        let Some(waiting) = self.left_out_modified else { return };
        let Some(since) = waiting.checked_sub(IDLE_CROWDED) else { return };
        let mut idle: Vec<(SystemTime, Vec<u8>)> = self
            .followed
            .iter()
            .filter_map(|followed| Some((followed.idle_since().filter(|idle| *idle < since)?, followed.key().to_vec())))
            .collect();
        idle.sort();
        for (_, key) in idle.into_iter().take(self.left_out) {
            let Some(at) = self.followed.iter().position(|followed| followed.key() == key) else { continue };
            let followed = self.followed.remove(at);
            LogEvent::Leaves { source: followed.name().to_owned(), why: IDLE_WHY }.emit();
            self.looks.iter_mut().for_each(|look| followed.path().into_iter().for_each(|path| look.forget(path)));
            self.stored.insert(key, followed.stored());
        }
    }

    fn leave(&mut self, now: Instant) {
        let (looks, removed, appearances) = (&mut self.looks, &mut self.removed, &mut self.appearances);
        let (patience, why) = match self.left_out {
            0 => (GONE_AFTER, "its file has been gone for a day"),
            _ => (GONE_AFTER_CROWDED, "its file has been gone for a quarter of an hour, and others wait for its place"),
        };
        self.followed.retain_mut(|followed| {
            if !followed.is_gone(now, patience) {
                return true;
            }
            LogEvent::Leaves { source: followed.name().to_owned(), why }.emit();
            for look in looks.iter_mut() {
                followed.path().into_iter().for_each(|path| look.forget(path));
            }
            followed.path().into_iter().for_each(|path| appearances.leaves(path, clock::wall_time()));
            removed.push(followed.key().to_vec());
            false
        });
    }
}
