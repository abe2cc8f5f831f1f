//! Which files a `--logs` path means, and their records one after the other, in constant memory.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use oddline_core::{
    format::csv::Csv,
    record::{Fault, Record},
};
use oddline_detector::Names;
use sha2::{Digest, Sha256};

use super::{lines::next_line, notes::Notes};
use crate::{
    error::{BadData, BadUsage},
    say,
};

const READ_BYTES: usize = 256 * 1024;
/// Extensions of the files a folder is searched for.
const EXTENSIONS: [&str; 3] = ["csv", "txt", "log"];

/// The files that paths mean.
#[derive(Debug, Clone)]
pub struct Logs {
    files: Vec<LogFile>,
}

#[derive(Debug, Clone)]
struct LogFile {
    /// A pattern meant it: it may have been made a moment ago and be empty.
    is_matched: bool,
    path: PathBuf,
    /// Name of the folder it was found in, where a folder was named.
    folder: Option<String>,
}

/// What a reader gets of each record.
pub struct Item<'a> {
    /// The record.
    pub record: &'a Record<'a>,
    /// What it is called where it does not say.
    pub names: Names<'a>,
    /// Its file.
    pub file: &'a Path,
    /// Its line in it, from 1.
    pub line: u64,
}

/// What reading everything gave.
#[derive(Debug, Clone, Default)]
pub struct ReadOut {
    /// What was wrong.
    pub notes: Notes,
    /// SHA-256 of all bytes read, in hexadecimal.
    pub sha256: String,
    /// A column holds the truth.
    pub has_truth: bool,
}

impl Logs {
    /// A file, `-` for standard input, or a folder: each of its `.csv`, `.txt` and `.log` files is then a stream of
    /// its own, named after the file, on a server named after the folder.
    ///
    /// # Errors
    /// When the path does not exist, cannot be read, or is a folder without such files.
    pub fn find(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::file(path));
        }
        let meta = fs::metadata(path).with_context(|| {
            format!(
                "cannot read the log {}: generate one with `oddline-trainer generate`, or name yours with --logs",
                path.display()
            )
        })?;
        if !meta.is_dir() {
            return Ok(Self::file(path));
        }
        let entries = fs::read_dir(path).with_context(|| format!("cannot list the folder {}", path.display()))?;
        let mut files = Vec::new();
        for entry in entries {
            let file = entry.with_context(|| format!("cannot list the folder {}", path.display()))?.path();
            let known = file.extension().is_some_and(|e| EXTENSIONS.iter().any(|k| e.eq_ignore_ascii_case(k)));
            if known && file.is_file() {
                files.push(file);
            }
        }
        files.sort();
        if files.is_empty() {
            let message = format!("the folder {} holds no .csv, .txt or .log file", path.display());
            return Err(BadData(message).into());
        }
        let name = fs::canonicalize(path).ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
        let folder = Some(name.unwrap_or_else(|| "server".to_owned()));
        Ok(Self {
            files: files.into_iter().map(|path| LogFile { path, folder: folder.clone(), is_matched: false }).collect(),
        })
    }

    fn file(path: &Path) -> Self {
        Self { files: vec![LogFile { path: path.to_owned(), folder: None, is_matched: false }] }
    }

    /// All that several paths and patterns (`*`, `?`, `[...]`, `**`) mean, each file once, in the order given.
    ///
    /// # Errors
    /// When a pattern is malformed or means no file, and as [`Logs::find`].
    pub fn find_all(patterns: &[String]) -> Result<Self> {
        let (mut files, mut seen) = (Vec::new(), BTreeSet::new());
        for pattern in patterns {
            let mut found = Vec::new();
            let is_pattern = pattern.contains(['*', '?', '[']) && !Path::new(pattern).exists();
            if !is_pattern {
                found.push(PathBuf::from(pattern));
            } else {
                let bad = |e: glob::PatternError| BadUsage(format!("{pattern}: no pattern of files: {}", e.msg));
                for path in glob::glob(pattern).map_err(bad)? {
                    found.push(path.with_context(|| format!("cannot look for {pattern}"))?);
                }
            }
            if found.is_empty() {
                return Err(BadData(format!("{pattern}: there is no such log, name the logs to learn from")).into());
            }
            for path in found {
                let new = Self::find(&path)?.files.into_iter().filter(|file| seen.insert(file.path.clone()));
                files.extend(new.map(|file| LogFile { is_matched: is_pattern, ..file }));
            }
        }
        Ok(Self { files })
    }

    /// Whether the records can be read more than once.
    #[must_use]
    pub fn is_standard_input(&self) -> bool {
        self.files.iter().any(|file| file.path == Path::new("-"))
    }

    /// Reads all records in order.
    ///
    /// # Errors
    /// When a file cannot be read, is empty, has an unusable header or no record, or `each` fails.
    pub fn for_each(&self, mut each: impl FnMut(Item<'_>) -> Result<()>) -> Result<ReadOut> {
        let mut read = ReadOut::default();
        let mut digest = Sha256::new();
        for LogFile { path: file, folder, is_matched } in &self.files {
            if *is_matched && is_without_record(file)? {
                say::note(&format!("{}: no record in it yet, passed over", file.display()));
                continue;
            }
            let input: Box<dyn Read> = if file == Path::new("-") {
                Box::new(std::io::stdin())
            } else {
                Box::new(File::open(file).with_context(|| format!("cannot open the log {}", file.display()))?)
            };
            let input = Hashing { input, digest: &mut digest };
            let input = &mut BufReader::with_capacity(READ_BYTES, input);
            if !read_file(file, folder.as_deref(), input, &mut read, &mut each)? {
                if *is_matched {
                    say::note(&format!("{}: no usable record in it, passed over", file.display()));
                    continue;
                }
                let first = if read.notes.is_clean() { String::new() } else { format!(":\n{}", read.notes) };
                return Err(BadData(format!("{}: no usable record after the header{first}", file.display())).into());
            }
        }
        read.sha256 = crate::hex(&digest.finalize());
        Ok(read)
    }
}

/// Whether a file has nothing behind its header, or not even that.
fn is_without_record(file: &Path) -> Result<bool> {
    let io = || format!("cannot read the log {}", file.display());
    let mut lines = BufReader::new(File::open(file).with_context(io)?);
    let mut buffer = Vec::new();
    Ok(next_line(&mut lines, &mut buffer).with_context(io)?.is_none()
        || next_line(&mut lines, &mut buffer).with_context(io)?.is_none())
}

/// Whether it has a usable record.
fn read_file(
    file: &Path,
    folder: Option<&str>,
    input: &mut impl std::io::BufRead,
    read: &mut ReadOut,
    each: &mut impl FnMut(Item<'_>) -> Result<()>,
) -> Result<bool> {
    let stem = file.file_stem().map_or_else(|| "value".into(), |s| s.to_string_lossy());
    let names = match folder {
        Some(folder) => Names { server: folder, component: &stem },
        None => Names { server: "server", component: &stem },
    };
    let mut buffer = Vec::new();
    let io = || format!("cannot read the log {}", file.display());
    let bad = |what: String| BadData(format!("{}: {what}", file.display()));
    if next_line(input, &mut buffer).with_context(io)?.is_none() {
        return Err(bad("the file is empty; a log starts with a header line".to_owned()).into());
    }
    let csv = Csv::from_header(&String::from_utf8_lossy(&buffer)).map_err(|e| bad(format!("line 1: {e}")))?;
    read.has_truth |= csv.has_truth();
    let (mut number, before) = (1, read.notes.lines - read.notes.unusable);
    while let Some(line) = next_line(input, &mut buffer).with_context(io)? {
        number += 1;
        if buffer.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let text = String::from_utf8_lossy(&buffer);
        let mut record = csv.parse(&text);
        let bytes_fault = match &text {
            _ if line.cut => Some(Fault::TooLong),
            Cow::Owned(_) => Some(Fault::NotUtf8),
            Cow::Borrowed(_) => None,
        };
        record.fault = bytes_fault.or(record.fault);
        if let Some(fault) = record.fault {
            read.notes.note(fault, file, number);
        }
        read.notes.lines += 1;
        let usable = record.value.is_some() && (record.time.is_some() || !csv.has_timestamp());
        read.notes.unusable += u64::from(!usable);
        if usable {
            each(Item { record: &record, names, file, line: number })?;
        }
    }
    Ok(read.notes.lines - read.notes.unusable > before)
}

struct Hashing<'a, R> {
    input: R,
    digest: &'a mut Sha256,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.digest.update(&buffer[..n]);
        Ok(n)
    }
}
