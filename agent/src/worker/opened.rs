//! How files are followed from what the state file holds of them: those of an earlier life, those that appear, and logs
//! named after the time their files were begun, which earlier programs followed file by file.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use oddline_core::series::component;
use oddline_pipeline::PipelineOutput;

use super::{
    followed::{ActiveModel, FollowedSource, SourceIdentity},
    helper::HelperOutcome,
    sources::{FollowedSources, PriorState, SetupError, first},
    stored::position,
};
use crate::{
    config::StartAt,
    source::{
        LogSource, SeriesPosition, SourcePosition, StartPosition,
        discover::{FILES_MAX, series_path},
    },
    state::{OpenedState, StateFile, StoredSource},
};

const FILE: &[u8] = b"file:";
/// A folder with the pattern of the names of a series.
const SERIES: &[u8] = b"series:";

impl FollowedSources {
    /// Files that were followed before, whether they are there or not; of more than are followed those that were written
    /// last.
    pub(super) fn resume_files(&mut self, active: &ActiveModel, out: &mut PipelineOutput) -> Result<(), SetupError> {
        let mut known: Vec<(Vec<u8>, PathBuf)> = Vec::new();
        for key in self.stored.keys() {
            if let Some(path) = path_of(key) {
                known.push((key.clone(), path));
            }
        }
        known.sort_by_key(|(key, _)| {
            std::cmp::Reverse(self.stored.get(key).and_then(position).and_then(|position| position.modified()))
        });
        let mut others = Vec::new();
        for (key, path) in known {
            // A series takes over what is stored of its files.
            let Some(stored) = self.stored.get(&key) else { continue };
            let members = members(stored, &path);
            let discovers = self.looks.iter_mut().filter_map(|look| Some((look.at, look.discover.as_mut()?)));
            let means = discovers.into_iter().find(|(_, discover)| members.iter().any(|path| discover.means(path)));
            let Some((at, discover)) = means else {
                others.push((key, members));
                continue;
            };
            if self.followed.len() >= FILES_MAX.min(self.budget.sources_max()) {
                // It is gone on with when there is room for it, unless it is gone.
                others.push((key, members));
                continue;
            }
            members.iter().for_each(|path| discover.adopt(path.clone()));
            match key.starts_with(SERIES).then(|| path.clone()).or_else(|| series_path(&path)) {
                Some(series) => self.open_series(at, series, Vec::new(), false, active, out)?,
                None => self.open_file(at, path, false, active, out)?,
            }
        }
        // These are configured no more. Whoever takes that back within their life finds everything as it was.
        if self.helper.is_ready() {
            let is_gone = |paths: &[PathBuf]| !paths.iter().any(|path| path.exists());
            let gone = move || others.into_iter().filter(|(_, paths)| is_gone(paths)).map(|(key, _)| key).collect();
            if let HelperOutcome::Done(gone) = self.helper.run(gone) {
                self.removed = gone;
            }
        }
        Ok(())
    }

    pub(super) fn open_file(
        &mut self,
        at: usize,
        path: PathBuf,
        is_first: bool,
        active: &ActiveModel,
        out: &mut PipelineOutput,
    ) -> Result<(), SetupError> {
        let key = [FILE, path.as_os_str().as_bytes()].concat();
        let away = self.away.iter().map(|away| away.outline.key.as_slice());
        if self.followed.iter().map(FollowedSource::key).chain(away).any(|known| known == key) {
            return Ok(());
        }
        let config = self.configs[at].clone();
        let known = self.stored.get(&key).and_then(position);
        let is_new_pattern = !self.looked_for.iter().any(|pattern| pattern.covers(&path));
        let is_old = is_first && (self.past != PriorState::Known || is_new_pattern);
        let begin = match known {
            Some(position) => StartPosition::After(position),
            None if is_old => first(config.begin),
            // What appears later is new, all of it, and with it what was rotated before it was looked for.
            None => self.appearances.since(&path, is_first).map_or(StartPosition::Start, StartPosition::Since),
        };
        let name = path.display().to_string();
        if is_old && config.begin == StartAt::End {
            self.report_lost(&name, out);
        }
        let source = LogSource::file(&path, begin, self.opener.clone());
        let component = config.component.clone().unwrap_or_else(|| component(&path));
        self.follow(SourceIdentity { key, name, path: Some(path) }, source, &config, component, active, out)
    }

    /// Follows a series with the files of it that are there. What the state holds of its files as logs of their own is gone
    /// on with.
    pub(super) fn open_series(
        &mut self,
        at: usize,
        series: PathBuf,
        files: Vec<PathBuf>,
        is_first: bool,
        active: &ActiveModel,
        out: &mut PipelineOutput,
    ) -> Result<(), SetupError> {
        let key = series_key(&series);
        let away = self.away.iter().map(|away| away.outline.key.as_slice());
        if self.followed.iter().map(FollowedSource::key).chain(away).any(|known| known == key) {
            return Ok(());
        }
        self.convert(&series, &key)?;
        let config = self.configs[at].clone();
        let known = self.stored.get(&key).and_then(position);
        let is_new_pattern = !files.iter().any(|path| self.looked_for.iter().any(|pattern| pattern.covers(path)));
        let is_old = is_first && (self.past != PriorState::Known || is_new_pattern);
        let begin = match known {
            Some(position) => StartPosition::After(position),
            None if is_old => first(config.begin),
            // What appears later is new, all of it.
            None => StartPosition::Start,
        };
        let name = series.display().to_string();
        if is_old && config.begin == StartAt::End {
            self.report_lost(&name, out);
        }
        let mut source = LogSource::series(&series, begin, self.opener.clone());
        source.add(files);
        let component = config.component.clone().unwrap_or_else(|| component(&series));
        self.follow(SourceIdentity { key, name, path: Some(series) }, source, &config, component, active, out)
    }

    /// Makes one stored source of those that a series' files were; what was learnt of the newest goes on.
    fn convert(&mut self, series: &Path, key: &[u8]) -> Result<(), SetupError> {
        let of_it = |key: &Vec<u8>| {
            let path = path_of(key).filter(|_| key.starts_with(FILE))?;
            (series_path(&path).as_deref() == Some(series)).then(|| (key.clone(), path))
        };
        let files: Vec<(Vec<u8>, PathBuf)> = self.stored.keys().filter_map(of_it).collect();
        if files.is_empty() {
            return Ok(());
        }
        let mut members = Vec::new();
        for (key, path) in &files {
            if let Some(SourcePosition::File(position)) = self.stored.remove(key).as_ref().and_then(position) {
                members.push((path.clone(), position));
            }
        }
        if !self.stored.contains_key(key) {
            let found = SeriesPosition::of(members);
            let newest = found.names().last().map(|name| file_key(&series.with_file_name(name)));
            let learnt = match newest {
                Some(newest) => self.state.lock().source(&newest)?,
                None => None,
            };
            let position =
                postcard::to_stdvec(&SourcePosition::Series(found)).expect("a position can always be written");
            let chunks = learnt.map(|stored| stored.chunks).unwrap_or_default();
            self.stored.insert(key.to_vec(), StoredSource { key: key.to_vec(), position, chunks });
        }
        self.converted.push((key.to_vec(), files.into_iter().map(|(key, _)| key).collect()));
        Ok(())
    }

    /// Deletes what the state holds of files that a series has taken over, once the series is in it.
    pub(super) fn forget_converted(&mut self) {
        let (followed, removed) = (&self.followed, &mut self.removed);
        self.converted.retain_mut(|(key, files)| {
            let is_kept = followed.iter().any(|followed| followed.key() == key.as_slice() && followed.is_in_state());
            if is_kept {
                removed.append(files);
            }
            !is_kept
        });
    }
}

/// What a series is called in the state file.
#[must_use]
pub(super) fn series_key(series: &Path) -> Vec<u8> {
    [SERIES, series.as_os_str().as_bytes()].concat()
}

fn file_key(path: &Path) -> Vec<u8> {
    [FILE, path.as_os_str().as_bytes()].concat()
}

/// The path in a key of the state file, of a file or of a series.
fn path_of(key: &[u8]) -> Option<PathBuf> {
    let path = key.strip_prefix(FILE).or_else(|| key.strip_prefix(SERIES))?;
    Some(OsString::from_vec(path.to_vec()).into())
}

/// The files of what is stored.
fn members(stored: &StoredSource, path: &Path) -> Vec<PathBuf> {
    match position(stored) {
        Some(SourcePosition::Series(position)) => position.names().map(|name| path.with_file_name(name)).collect(),
        Some(SourcePosition::File(_) | SourcePosition::Journal(_)) | None => vec![path.to_owned()],
    }
}

/// What a copy of a state file holds of a log. The copy is read in a place of its own and stays as it is.
///
/// # Errors
/// When it cannot be read, is damaged, or does not know the log.
pub(crate) fn snapshot(state: &Path, log: &Path) -> Result<StoredSource> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let copy = folder.path().join("state");
    std::fs::copy(state, &copy).with_context(|| format!("cannot read the state file {}", state.display()))?;
    let (mut opened, how) = StateFile::open(&copy, 0)?;
    if let OpenedState::SetAside { why, .. } = how {
        bail!("the state file {} is damaged: {why}", state.display());
    }
    let log = std::path::absolute(log)?;
    let unknown = || format!("the state file {} does not know {}", state.display(), log.display());
    if let Some(stored) = opened.source(&file_key(&log))? {
        return Ok(stored);
    }
    let series = series_path(&log).with_context(unknown)?;
    let mut stored = opened.source(&series_key(&series))?.with_context(unknown)?;
    // Of a series the place in this file of it.
    let Some(SourcePosition::Series(known)) = position(&stored) else { bail!(unknown()) };
    let known = log.file_name().and_then(|name| known.member(name)).with_context(unknown)?;
    stored.position = postcard::to_stdvec(&SourcePosition::File(known.clone()))?;
    Ok(stored)
}
