//! Turns and looks that have not come back because a file system does not answer: what is shown of them meanwhile, whom
//! they keep from being asked, and what becomes of them when they do come back.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, TryRecvError},
};

use oddline_core::wire::ModelId;
use oddline_detector::InferError;
use oddline_pipeline::PipelineOutput;

use super::{
    followed::{FollowedSource, TurnOutcome},
    helper,
    words::does_not_answer,
};
use crate::{
    figures::SourceFigures,
    source::discover::{Discover, Scan},
};

/// What a turn on the helper's thread brings back.
pub(super) struct ReturnedSource {
    pub followed: FollowedSource,
    pub out: PipelineOutput,
    pub turn: Result<(u64, TurnOutcome), InferError>,
}

/// What is kept of a source while its turn is under way.
pub(super) struct SourceOutline {
    pub key: Vec<u8>,
    pub figures: SourceFigures,
    pub gaps: (u64, u64),
    /// What it holds in memory.
    pub bytes: u64,
    /// The model that judges it.
    pub model: ModelId,
    paths: Vec<PathBuf>,
}

impl SourceOutline {
    pub(super) fn of(followed: &FollowedSource, model: ModelId) -> Self {
        let paths = followed.paths().map(Path::to_owned).collect();
        let (key, figures, bytes) = (followed.key().to_vec(), followed.figures(), followed.bytes());
        Self { key, figures, gaps: followed.gaps, bytes, model, paths }
    }
}

/// A source whose turn has not come back.
pub(super) struct HungSource {
    pub outline: SourceOutline,
    pub why: String,
    told: Receiver<ReturnedSource>,
    mount: Option<PathBuf>,
}

impl HungSource {
    pub(super) fn new(mut outline: SourceOutline, told: Receiver<ReturnedSource>) -> Self {
        let why = does_not_answer(&outline.figures.name);
        let mount = helper::remote(outline.paths.iter().map(PathBuf::as_path));
        outline.figures.failed = Some(why.clone());
        Self { outline, why, told, mount }
    }

    /// Its turn, once it is back.
    ///
    /// # Panics
    /// When the turn panicked: then the reading thread ends as if it had been its own.
    pub(super) fn back(&self) -> Option<ReturnedSource> {
        returned(&self.told)
    }
}

/// The files of one configured source, as they are looked for.
pub(super) struct FolderLook {
    /// Number of the configured source.
    pub at: usize,
    /// It has been looked once.
    pub looked: bool,
    /// `None` while a look has not come back.
    pub discover: Option<Discover>,
    told: Option<Receiver<(Discover, Scan)>>,
    mount: Option<PathBuf>,
    /// Logs to be forgotten when it is back.
    forgotten: Vec<PathBuf>,
}

impl FolderLook {
    pub(super) fn new(at: usize, discover: Discover) -> Self {
        Self { at, looked: false, discover: Some(discover), told: None, mount: None, forgotten: Vec::new() }
    }

    /// A look under way does not come back.
    pub(super) fn hangs(&mut self, told: Receiver<(Discover, Scan)>, places: &[PathBuf]) {
        self.told = Some(told);
        self.mount = helper::remote(places.iter().map(PathBuf::as_path));
    }

    pub(super) fn is_hanging(&self) -> bool {
        self.told.is_some()
    }

    /// What a look that hung has found, once it is back.
    ///
    /// # Panics
    /// As [`HungSource::back`].
    pub(super) fn back(&mut self) -> Option<Scan> {
        let (mut discover, scan) = returned(self.told.as_ref()?)?;
        self.told = None;
        self.mount = None;
        self.forgotten.drain(..).for_each(|path| discover.forget(&path));
        self.discover = Some(discover);
        Some(scan)
    }

    /// A log is not followed any more; it may appear again.
    pub(super) fn forget(&mut self, log: &Path) {
        match &mut self.discover {
            Some(discover) => discover.forget(log),
            None => self.forgotten.push(log.to_owned()),
        }
    }

    /// A file is to appear again.
    pub(super) fn forget_file(&mut self, path: &Path) {
        if let Some(discover) = &mut self.discover {
            discover.forget_file(path);
        }
    }
}

/// The remote file system below which these paths lie and that is known to hang.
pub(super) fn hung<'a>(away: &'a [HungSource], looks: &'a [FolderLook], paths: &[&Path]) -> Option<&'a Path> {
    let mounts = away.iter().filter_map(|away| away.mount.as_deref());
    let mut mounts = mounts.chain(looks.iter().filter_map(|look| look.mount.as_deref()));
    mounts.find(|mount| paths.iter().any(|path| path.starts_with(mount)))
}

fn returned<T>(told: &Receiver<T>) -> Option<T> {
    match told.try_recv() {
        Ok(returned) => Some(returned),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => panic!("the thread of a call died"),
    }
}
