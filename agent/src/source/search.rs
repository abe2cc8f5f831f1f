//! Finding the file of a position again: at its path, where it was, among the rotated. Decides by likeness alone.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::{
    error::SourceError,
    generations::{self, Generation},
    identity::{FileMatch, file_id},
    opener::{Opener, is_absent},
    reading::FilePosition,
};

/// How well it matches, the open file, where it was found, without a link on the way.
pub(super) type FoundGeneration = (FileMatch, File, PathBuf);

/// The best match for a position, if any will do. What cannot be opened matters only when nothing was found.
pub(super) fn search(
    opener: &Opener,
    path: &Path,
    target: &Path,
    at: &FilePosition,
    replaced: bool,
) -> Result<Option<FoundGeneration>, SourceError> {
    let mut best: Option<FoundGeneration> = None;
    let mut cut = replaced;
    let mut failed = None;
    let rotated = list(target)?.into_iter().filter(|g| !g.compressed).map(|g| g.path);
    for candidate in [path.to_owned(), at.path()].into_iter().chain(rotated) {
        match compare(opener, &candidate, at, replaced) {
            Ok(Some((likeness, file, path))) => {
                cut |= likeness == FileMatch::Rewritten;
                if best.as_ref().is_none_or(|(known, ..)| rank(likeness) < rank(*known)) {
                    best = Some((likeness, file, path));
                }
            }
            Ok(None) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match (best, failed) {
        // A few equal bytes make a copy only beside a file that is known to have been cut.
        (Some((FileMatch::Other, ..)), None) => Ok(None),
        (Some((FileMatch::Similar, ..)), None) if !cut => Ok(None),
        (None | Some((FileMatch::Other | FileMatch::Similar, ..)), Some(error)) => Err(error),
        (best, _) => Ok(best),
    }
}

fn rank(likeness: FileMatch) -> u8 {
    match likeness {
        FileMatch::Same => 0,
        FileMatch::CutBack => 1,
        FileMatch::Copy => 2,
        FileMatch::Similar => 3,
        FileMatch::Rewritten => 4,
        FileMatch::Other => 5,
    }
}

fn compare(
    opener: &Opener,
    path: &Path,
    at: &FilePosition,
    replaced: bool,
) -> Result<Option<FoundGeneration>, SourceError> {
    let Some((file, found_at)) = opener.open(path)? else { return Ok(None) };
    let failed = |error| SourceError::read(path, error);
    let meta = file.metadata().map_err(failed)?;
    let likeness = at.identity.compare(&file, &meta, at.offset, at.before).map_err(failed)?;
    let own = replaced && file_id(&meta) == at.identity.id();
    Ok(Some((if own && likeness == FileMatch::Other { FileMatch::Rewritten } else { likeness }, file, found_at)))
}

/// The rotated files; none where there is no folder.
pub(super) fn list(target: &Path) -> Result<Vec<Generation>, SourceError> {
    match generations::list(target) {
        Ok(all) => Ok(all),
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(SourceError::list(target, error)),
    }
}
