//! Which files the paths of `--logs` mean, and which of them are one log: rotated files belong to the live one, oldest first,
//! and files named after the time they were begun belong together. Reads no file.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result};
use oddline_core::{
    rotation::{self, RotationMark},
    series::{self, DatedName},
};

use crate::{
    error::{DataError, UsageError},
    say,
};

/// Extensions of the files a folder is searched for; files without one are logs too, and so are rotated ones.
const EXTENSIONS: [&str; 7] = ["csv", "txt", "log", "json", "jsonl", "ndjson", "journal"];

/// One log: a file, or a live file with its rotated ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFiles {
    /// The live file's path, be it there or not, or the pattern of the names: without ending and time it is the component.
    pub live: PathBuf,
    pub files: Vec<PathBuf>,
    /// Name of the folder it was found in, where a folder was named.
    pub folder: Option<String>,
    /// Nobody named it alone: it may have been made a moment ago and be empty, or be no log.
    pub is_matched: bool,
}

/// A path that was found.
#[derive(Debug, Clone)]
struct FoundFile {
    path: PathBuf,
    folder: Option<String>,
    is_matched: bool,
}

/// All that paths, folders and patterns (`*`, `?`, `[...]`, `**`) mean, each file once. Logs stand in the order in which
/// the first of their files was found.
///
/// # Errors
/// When a path does not exist, a pattern is malformed or means no file, or a folder holds no log.
pub fn find(patterns: &[String]) -> Result<Vec<LogFiles>> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for pattern in patterns {
        for file in meant(pattern)? {
            if seen.insert(file.path.clone()) {
                found.push(file);
            }
        }
    }
    Ok(together(found))
}

fn meant(pattern: &str) -> Result<Vec<FoundFile>> {
    let is_pattern = pattern.contains(['*', '?', '[']) && !Path::new(pattern).exists();
    if !is_pattern {
        return in_path(Path::new(pattern));
    }
    let bad = |e: glob::PatternError| UsageError(format!("{pattern}: no pattern of files: {}", e.msg));
    let mut found = Vec::new();
    for path in glob::glob(pattern).map_err(bad)? {
        found.extend(in_path(&path.with_context(|| format!("cannot look for {pattern}"))?)?);
    }
    if found.is_empty() {
        return Err(DataError(format!("{pattern}: there is no such log, name the logs to read")).into());
    }
    found.retain(|file| is_readable(&file.path));
    Ok(found.into_iter().map(|file| FoundFile { is_matched: true, ..file }).collect())
}

/// A file, `-` for standard input, or the logs of a folder.
fn in_path(path: &Path) -> Result<Vec<FoundFile>> {
    let file = |path: &Path| vec![FoundFile { path: path.to_owned(), folder: None, is_matched: false }];
    if path == Path::new("-") {
        return Ok(file(path));
    }
    let meta = fs::metadata(path).with_context(|| {
        format!(
            "cannot read the log {}: generate one with `oddline-trainer generate`, or name yours with --logs",
            path.display()
        )
    })?;
    if meta.is_dir() { in_folder(path) } else { Ok(file(path)) }
}

fn in_folder(folder: &Path) -> Result<Vec<FoundFile>> {
    let cannot = || format!("cannot list the folder {}", folder.display());
    let name = fs::canonicalize(folder).ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
    let name = name.unwrap_or_else(|| "server".to_owned());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let live = live_name(&path).unwrap_or_else(|| path.clone());
        let extension = live.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let is_known = extension.as_ref().is_none_or(|e| EXTENSIONS.contains(&e.as_str()));
        if !is_hidden && is_known && path.is_file() && is_readable(&path) {
            // Of a file without an ending, or beside the live one, nobody said that it is a log.
            let is_matched = extension.is_none() || live != path;
            found.push(FoundFile { path, folder: Some(name.clone()), is_matched });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    if found.is_empty() {
        let kinds = ".csv, .txt or .log file, none of JSON lines (.json, .jsonl, .ndjson) and none without an ending";
        return Err(DataError(format!("the folder {} holds no {kinds}", folder.display())).into());
    }
    Ok(found)
}

/// What can be unpacked.
const PACKED: [&str; 3] = [".gz", ".xz", ".zst"];

/// A name without what says that it is compressed.
fn unpacked(name: &str) -> Option<&str> {
    PACKED.iter().find_map(|ending| name.strip_suffix(ending))
}

/// Whether a file that nobody named alone can be read.
fn is_readable(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let is_readable = !rotation::is_compressed(name) || name.to_str().is_some_and(|name| unpacked(name).is_some());
    if !is_readable {
        say::note(&format!("{}: compressed, and not with gzip, xz or zstd: passed over", path.display()));
    }
    is_readable
}

/// The live log of a rotated file, by its name; the name without `.gz` or the like where that is all.
fn live_name(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?;
    let rotated = rotation::suffixed(name).into_iter().next().map(str::to_owned);
    let packed = || Some(unpacked(name.to_str()?)?.to_owned());
    rotated.or_else(packed).map(|live| path.with_file_name(live))
}

/// Puts the rotated files of a log together with it: where two or more of one log were found. A name with a mark before
/// its extension (`app-20260105.log`) belongs to a log only where that was found too, as in the agent.
fn together(found: Vec<FoundFile>) -> Vec<LogFiles> {
    let paths: BTreeSet<&Path> = found.iter().map(|file| file.path.as_path()).collect();
    let live_of = |path: &Path| -> Option<PathBuf> {
        let name = path.file_name()?.to_str()?;
        let name = OsStr::new(unpacked(name).unwrap_or(name));
        let infixed = rotation::infixed(name).into_iter().map(|live| path.with_file_name(live));
        infixed.into_iter().find(|live| paths.contains(live.as_path())).or_else(|| live_name(path))
    };
    let dated = |path: &Path| Some(path.with_file_name(series::series(path)?.pattern));
    let own = |path: &Path| {
        live_of(path)
            .filter(|live| paths.contains(live.as_path()) && (dated(live).is_none() || dated(live) != dated(path)))
    };
    let live = |path: &Path| own(path).or_else(|| dated(path)).or_else(|| live_of(path));
    let lives: Vec<PathBuf> = found.iter().map(|f| live(&f.path).unwrap_or_else(|| f.path.clone())).collect();
    let mut sizes: BTreeMap<&Path, usize> = BTreeMap::new();
    lives.iter().for_each(|live| *sizes.entry(live).or_default() += 1);
    let mut logs: Vec<LogFiles> = Vec::new();
    for (FoundFile { path, folder, is_matched }, live) in found.iter().cloned().zip(&lives) {
        // A rotated file by itself is a log like any other.
        let live = if sizes[live.as_path()] > 1 || is_packed(&path, live) { live.clone() } else { path.clone() };
        match logs.iter_mut().find(|log| log.live == live) {
            Some(log) => {
                log.files.push(path);
                log.is_matched &= is_matched;
            }
            None => logs.push(LogFiles { live, files: vec![path], folder, is_matched }),
        }
    }
    for log in &mut logs {
        let live = log.live.file_name().unwrap_or_default().to_owned();
        let mark = |path: &PathBuf| -> Option<RotationMark> { rotation::mark(path.file_name()?, &live) };
        log.files.sort_by(|a, b| {
            let by_mark = rotation::by_age(mark(a).as_ref(), mark(b).as_ref());
            by_mark.then_with(|| by_time(a).cmp(&by_time(b))).then_with(|| a.cmp(b))
        });
    }
    logs
}

/// Where a file stands in its series: by its name, or by when it was last written where names come again.
fn by_time(path: &Path) -> (Option<Vec<u64>>, Option<SystemTime>) {
    match series::series(path) {
        Some(DatedName { order: None, .. }) => (None, fs::metadata(path).and_then(|meta| meta.modified()).ok()),
        Some(DatedName { order, .. }) => (order, None),
        None => (None, None),
    }
}

/// Whether the two names differ by the compression's ending alone.
fn is_packed(path: &Path, live: &Path) -> bool {
    path.to_str().and_then(unpacked).is_some_and(|path| Some(path) == live.to_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(names: &[&str]) -> Vec<String> {
        let found = |name: &&str| FoundFile { path: name.into(), folder: None, is_matched: true };
        let shown = |log: LogFiles| {
            let files: Vec<_> = log.files.iter().map(|file| file.display().to_string()).collect();
            format!("{}: {}", log.live.display(), files.join(" "))
        };
        together(names.iter().map(found).collect()).into_iter().map(shown).collect()
    }

    #[test]
    fn rotated_files_belong_to_their_log_oldest_first() {
        assert_eq!(
            logs(&["v/app.log", "v/app.log.1", "v/app.log.10.gz", "v/app.log.2.gz", "v/db.csv"]),
            ["v/app.log: v/app.log.10.gz v/app.log.2.gz v/app.log.1 v/app.log", "v/db.csv: v/db.csv"]
        );
        assert_eq!(
            logs(&["m-20260105.csv", "m-20260106.csv.gz", "m.csv"]),
            ["m.csv: m-20260105.csv m-20260106.csv.gz m.csv"]
        );
        assert_eq!(logs(&["a.log.1", "a.log.2"]), ["a.log: a.log.2 a.log.1"], "the live one is not among them");
    }

    #[test]
    fn files_named_after_the_day_are_one_log_in_order() {
        assert_eq!(
            logs(&["v/a-2026-11-21.log", "v/a-2026-11-20.log.gz", "v/b-20261120.log", "v/a-2026-11-20.log"]),
            [
                "v/a-*.log: v/a-2026-11-20.log v/a-2026-11-20.log.gz v/a-2026-11-21.log",
                "v/b-20261120.log: v/b-20261120.log"
            ]
        );
        assert_eq!(
            logs(&["log20261120_002.txt", "log20261120.txt", "log20261120_001.txt"]),
            ["log*.txt: log20261120.txt log20261120_001.txt log20261120_002.txt"]
        );
    }

    #[test]
    fn what_is_alone_stays_as_it_is_called() {
        assert_eq!(logs(&["app.log.1"]), ["app.log.1: app.log.1"]);
        assert_eq!(logs(&["app.log.gz"]), ["app.log: app.log.gz"]);
        assert_eq!(
            logs(&["w-1.log", "w-2.log", "x-20260105.log"]),
            ["w-1.log: w-1.log", "w-2.log: w-2.log", "x-20260105.log: x-20260105.log"]
        );
    }
}
