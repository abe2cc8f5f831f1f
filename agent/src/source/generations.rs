//! Which generations: the rotated files beside a live log, and their order. Reads names and metadata of one folder;
//! opens nothing. What the names say is [`oddline_core::rotation`]'s.

use std::{cmp::Reverse, fs, io, path::Path, path::PathBuf, time::SystemTime};

use oddline_core::rotation::{RotationMark, is_compressed, mark};

use super::identity::{FileId, file_id};

/// Generations of one log that are looked at: a year of daily ones. The newest by name are not told from the oldest
/// before they are read, so beyond it the folder is an error.
const GENERATIONS_MAX: usize = 512;

#[derive(Debug, Clone)]
pub struct Generation {
    pub path: PathBuf,
    pub id: FileId,
    /// When it was last written.
    pub modified: SystemTime,
    /// When it was made, where the file system tells.
    pub born: Option<SystemTime>,
    pub bytes: u64,
    /// It is compressed: it counts in the order, and is left alone.
    pub compressed: bool,
    mark: RotationMark,
}

/// The file whose successors are asked for.
#[derive(Debug, Clone, Copy)]
pub struct GenerationAfter {
    /// Which file it is; `None` when its number may have been given to another.
    pub id: Option<FileId>,
    /// When it was last written, as far as known.
    pub modified: SystemTime,
}

#[derive(Debug, Clone, Default)]
pub struct NewerGeneration {
    /// Newer generations, oldest first; without the live file.
    pub generations: Vec<Generation>,
    /// One or more generations between are not there any more, or it cannot be told.
    pub hole: bool,
}

/// The generations of `live`, a path with a folder, in no order.
///
/// # Errors
/// When the folder cannot be listed, or holds too many.
pub fn list(live: &Path) -> io::Result<Vec<Generation>> {
    let (Some(folder), Some(live)) = (live.parent(), live.file_name()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(mark) = mark(&name, live) else { continue };
        let meta = match entry.metadata() {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => continue,
            // Renamed or deleted since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if found.len() == GENERATIONS_MAX {
            return Err(io::Error::other("more than 512 rotated files"));
        }
        found.push(Generation {
            path: entry.path(),
            id: file_id(&meta),
            modified: meta.modified()?,
            born: meta.created().ok(),
            bytes: meta.len(),
            compressed: is_compressed(&name),
            mark,
        });
    }
    Ok(found)
}

/// The generations newer than a file. By their names where these agree, else by when they were last written.
#[must_use]
pub fn newer(mut all: Vec<Generation>, after: GenerationAfter) -> NewerGeneration {
    // A compressed file keeps the modification time of what was compressed.
    let whole_s = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let same = |g: &Generation| Some(g.id) == after.id;
    let packed = |g: &Generation| g.compressed && whole_s(g.modified) == whole_s(after.modified);
    let at = all.iter().position(same).or_else(|| all.iter().position(packed));
    let own = at.map(|at| all.swap_remove(at));
    let rotated_since = |all: &[Generation]| all.iter().any(|g| g.modified > after.modified);
    let numbers: Option<Vec<u32>> = all.iter().chain(&own).map(Generation::number).collect();
    let dated = all.iter().chain(&own).all(|g| matches!(g.mark, RotationMark::Date(_)));
    match (&own, numbers) {
        (Some(own), Some(_)) => {
            let number = own.number();
            all.retain(|g| g.number() < number);
            all.sort_by_key(|g| Reverse(g.number()));
            // `.3` is followed by `.2` and `.1`; some begin at `.0`.
            let first = all.iter().filter_map(Generation::number).min().unwrap_or(1).min(1);
            let expected = number.unwrap_or(0).saturating_sub(first) as usize;
            NewerGeneration { hole: all.len() < expected, generations: all }
        }
        (Some(own), None) if dated => {
            all.retain(|g| g.date() > own.date());
            all.sort_by(|a, b| a.date().cmp(&b.date()));
            NewerGeneration { generations: all, hole: false }
        }
        (own, _) => {
            let hole = own.is_none() && rotated_since(&all);
            all.retain(|g| g.modified > after.modified);
            all.sort_by(|a, b| a.modified.cmp(&b.modified).then(b.number().cmp(&a.number())));
            NewerGeneration { generations: all, hole }
        }
    }
}

/// The generations of a log that appeared after a time, oldest first; without the live file. What is older belongs to an
/// earlier log of the same name.
#[must_use]
pub fn since(mut all: Vec<Generation>, time: SystemTime, live: Option<FileId>) -> NewerGeneration {
    // Packing makes a new file that keeps the time of what was packed.
    all.retain(|g| Some(g.id) != live && g.modified > time && (g.compressed || g.born.is_none_or(|born| born > time)));
    NewerGeneration { hole: false, ..newer(all, GenerationAfter { id: None, modified: time }) }
}

impl Generation {
    /// A file that a link led to, whatever its name.
    pub(super) fn passed(path: PathBuf, id: FileId, meta: &fs::Metadata) -> Self {
        Self {
            compressed: path.file_name().is_some_and(is_compressed),
            path,
            id,
            modified: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            born: meta.created().ok(),
            bytes: meta.len(),
            mark: RotationMark::Word,
        }
    }

    fn number(&self) -> Option<u32> {
        match self.mark {
            RotationMark::Number(number) => Some(number),
            RotationMark::Date(_) | RotationMark::Word => None,
        }
    }

    fn date(&self) -> Option<&str> {
        match &self.mark {
            RotationMark::Date(date) => Some(date),
            RotationMark::Number(_) | RotationMark::Word => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, time::Duration};

    use super::*;

    fn generation(name: &str, inode: u64, second: u64) -> Generation {
        Generation {
            path: name.into(),
            id: (1, inode),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            born: None,
            bytes: 1,
            compressed: is_compressed(OsStr::new(name)),
            mark: mark(OsStr::new(name), OsStr::new("a")).unwrap(),
        }
    }

    fn follow(all: &[(&str, u64, u64)], inode: u64, second: u64) -> (String, bool) {
        let all = all.iter().map(|&(name, inode, second)| generation(name, inode, second)).collect();
        let after =
            GenerationAfter { id: Some((1, inode)), modified: SystemTime::UNIX_EPOCH + Duration::from_secs(second) };
        let newer = newer(all, after);
        let names: Vec<_> = newer.generations.iter().map(|g| g.path.to_str().unwrap()).collect();
        (names.join(" "), newer.hole)
    }

    #[test]
    fn names_order_generations_and_times_where_names_do_not() {
        // Written to after it was rotated: its time says nothing.
        assert_eq!(follow(&[("a.1", 1, 5), ("a.2", 2, 9), ("a.3", 3, 2)], 2, 9), ("a.1".into(), false));
        assert_eq!(follow(&[("a-20260102", 1, 5), ("a-20260101", 2, 9)], 2, 9), ("a-20260102".into(), false));
        assert_eq!(follow(&[("a.1", 1, 8), ("a.old", 2, 7), ("a.2", 3, 6)], 3, 6), ("a.old a.1".into(), false));
        assert_eq!(follow(&[("a.1", 1, 5)], 1, 5), (String::new(), false));
        assert_eq!(follow(&[], 1, 5), (String::new(), false));
    }

    #[test]
    fn of_a_log_that_appeared_only_what_was_made_since_is_its_own() {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let made = |name, inode, written, born: Option<u64>| Generation {
            born: born.map(at),
            ..generation(name, inode, written)
        };
        let all = vec![
            made("a.1", 1, 9, Some(7)),
            made("a.2", 2, 8, Some(6)),
            // Written to after it was rotated, but not of this log; and one that cannot tell.
            made("a.3", 3, 9, Some(4)),
            made("a.4", 4, 7, None),
            made("a.5.gz", 5, 6, Some(9)),
            made("a.6.gz", 6, 4, Some(9)),
            // Moved here as it was.
            made("a.7", 7, 3, Some(9)),
            made("a.0", 8, 9, Some(9)),
        ];
        let found = since(all, at(5), Some((1, 8)));
        let names: Vec<_> = found.generations.iter().map(|g| g.path.to_str().unwrap()).collect();
        assert_eq!((names.join(" "), found.hole), ("a.5.gz a.4 a.2 a.1".to_owned(), false));
    }

    #[test]
    fn holes_in_the_order_are_seen() {
        assert_eq!(follow(&[("a.1", 1, 5), ("a.3", 3, 2)], 3, 2), ("a.1".into(), true));
        assert_eq!(follow(&[("a.0", 1, 5), ("a.1", 3, 2)], 3, 2), ("a.0".into(), false));
        // Itself compressed, and one after it.
        assert_eq!(follow(&[("a.1", 1, 5), ("a.2.gz", 7, 4), ("a.3.gz", 8, 2)], 3, 2), ("a.2.gz a.1".into(), false));
        // Itself gone.
        assert_eq!(follow(&[("a.1", 1, 5), ("a.2", 7, 4), ("a.3", 8, 1)], 3, 2), ("a.2 a.1".into(), true));
        assert_eq!(follow(&[("a.3", 8, 1)], 3, 2), (String::new(), false));
    }
}
