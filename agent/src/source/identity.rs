//! Which identity: whether the file behind a name is the one that was being read. An inode number says so while the
//! file is open; later it may have been given to another file, so the first bytes, the bytes before the position and
//! the time of birth are compared too. Decides from metadata and a few bytes; opens nothing.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::lines::BEFORE_BYTES_MAX;

/// First bytes of a file that are compared: past the header of a table, within the first lines of any log.
const HEAD_BYTES_MAX: usize = 256;
/// First bytes that say enough alone, when neither inode nor birth do: a header is not enough.
const HEAD_BYTES_ALONE: u16 = 128;
/// Digits in fewer bytes that say as much, when the bytes are all that was read: a time of day has six, and no line
/// comes again with the time of another.
const HEAD_DIGITS_ALONE: usize = 6;

/// A file as long as it is open or listed: device and inode.
pub type FileId = (u64, u64);

/// The file's id.
#[must_use]
pub fn file_id(meta: &Metadata) -> FileId {
    (meta.dev(), meta.ino())
}

/// A few bytes of a file, to be recognised later. Not kept themselves: they are log text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePrint {
    length: u16,
    hash: u64,
}

impl FilePrint {
    /// Of no bytes, which every file has everywhere.
    pub const NONE: Self = Self { length: 0, hash: FNV_BASIS };

    /// Of at most [`HEAD_BYTES_MAX`] bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        debug_assert!(bytes.len() <= HEAD_BYTES_MAX);
        Self { length: u16::try_from(bytes.len()).unwrap_or(u16::MAX), hash: fnv1a(bytes) }
    }

    /// Of the first bytes of a file.
    pub fn of_head(file: &File) -> io::Result<Self> {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let n = read_up_to(file, &mut bytes, 0)?;
        Ok(Self::of(&bytes[..n]))
    }

    /// Of the same bytes at the start of a file: whether they hold as many digits as a time has.
    fn holds_time(self, file: &File) -> io::Result<bool> {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let bytes = &mut bytes[..usize::from(self.length).min(HEAD_BYTES_MAX)];
        let n = read_up_to(file, bytes, 0)?;
        Ok(bytes[..n].iter().filter(|byte| byte.is_ascii_digit()).count() >= HEAD_DIGITS_ALONE)
    }

    /// Whether it covers all that is ever compared.
    #[must_use]
    pub fn is_full(self) -> bool {
        usize::from(self.length) == HEAD_BYTES_MAX
    }

    /// Bytes compared.
    #[must_use]
    pub fn length(self) -> u64 {
        u64::from(self.length)
    }

    /// Whether the file has these bytes at `offset`. True of no bytes.
    pub fn is_at(self, file: &File, offset: u64) -> io::Result<bool> {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let bytes = &mut bytes[..usize::from(self.length).min(HEAD_BYTES_MAX)];
        Ok(read_up_to(file, bytes, offset)? == bytes.len() && fnv1a(bytes) == self.hash)
    }
}

/// What is remembered of a file to find it again.
///
/// The device is not decisive: its number changes at a reboot (device mapper, btrfs, overlay, network).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    /// Microseconds; not all file systems tell.
    birth_us: Option<i64>,
    /// Its first bytes: as many as it had when last looked at.
    pub head: FilePrint,
}

/// How a file compares with a remembered place in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMatch {
    /// The same file, and the place is still in it.
    Same,
    /// The same file, shorter than the place: it was cut back.
    CutBack,
    /// The same file with other contents: it was cut to nothing and written again.
    Rewritten,
    /// Another file with the same bytes: a copy, or the log written anew.
    Copy,
    /// Another file with the same bytes, which are too few to be sure.
    Similar,
    Other,
}

impl FileIdentity {
    pub fn of(file: &File, meta: &Metadata) -> io::Result<Self> {
        let (device, inode) = file_id(meta);
        Ok(Self { device, inode, birth_us: birth_us(meta), head: FilePrint::of_head(file)? })
    }

    /// The file's id when it was looked at.
    #[must_use]
    pub fn id(&self) -> FileId {
        (self.device, self.inode)
    }

    /// Compares a file with this one read up to `offset`, where `before` are the bytes that ended there.
    pub fn compare(&self, file: &File, meta: &Metadata, offset: u64, before: FilePrint) -> io::Result<FileMatch> {
        let births = (self.birth_us, birth_us(meta));
        let same_birth = births.0 == births.1 && births.0.is_some();
        let other_birth = births.0 != births.1 && births.0.is_some() && births.1.is_some();
        let same_number = self.inode == meta.ino() && !other_birth;
        let same_head = self.head.is_at(file, 0)?;
        let reaches = meta.len() >= offset;
        let same_bytes = same_head && reaches && before.is_at(file, offset - before.length().min(offset))?;
        // Without any bytes to compare only the numbers are left.
        let known = self.head.length > 0 || same_birth || self.device == meta.dev();
        let is_all_read = self.head.length() + before.length() >= offset;
        Ok(match () {
            () if same_number && same_bytes && known => FileMatch::Same,
            () if same_number && same_head && self.head.length > 0 && !reaches => FileMatch::CutBack,
            () if same_number && same_birth => FileMatch::Rewritten,
            () if !same_bytes || before.length == 0 => FileMatch::Other,
            () if self.head.length >= HEAD_BYTES_ALONE => FileMatch::Copy,
            () if is_all_read && self.head.holds_time(file)? => FileMatch::Copy,
            () => FileMatch::Similar,
        })
    }
}

/// Of the last of the bytes that end at a place in a file.
#[must_use]
pub fn print_before(bytes: &[u8]) -> FilePrint {
    FilePrint::of(&bytes[bytes.len().saturating_sub(BEFORE_BYTES_MAX)..])
}

fn birth_us(meta: &Metadata) -> Option<i64> {
    let since = meta.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match file.read_at(&mut buffer[n..], offset + n as u64) {
            Ok(0) => break,
            Ok(read) => n += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n)
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits: the same on every machine and in every version, which is all that is asked of it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_BASIS, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn open(path: &Path) -> (File, Metadata) {
        let file = File::open(path).unwrap();
        let meta = file.metadata().unwrap();
        (file, meta)
    }

    fn compare(identity: &FileIdentity, path: &Path, taken: &[u8]) -> FileMatch {
        let (file, meta) = open(path);
        identity.compare(&file, &meta, taken.len() as u64, print_before(taken)).unwrap()
    }

    fn identity(path: &Path) -> FileIdentity {
        let (file, meta) = open(path);
        FileIdentity::of(&file, &meta).unwrap()
    }

    #[test]
    fn the_same_file_is_recognised_as_it_grows_and_moves() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, "").unwrap();
        let empty = identity(&path);
        assert_eq!(compare(&empty, &path, b""), FileMatch::Same);
        fs::write(&path, "one\n").unwrap();
        let short = identity(&path);
        fs::write(&path, "one\ntwo\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        assert_eq!(compare(&empty, &moved, b""), FileMatch::Same);
        assert_eq!(compare(&short, &moved, b"one\n"), FileMatch::Same);
        assert_eq!(compare(&identity(&moved), &moved, b"one\ntwo\n"), FileMatch::Same);
    }

    #[test]
    fn other_contents_under_the_same_number_are_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "one\ntwo\n").unwrap();
        let old = identity(&path);
        let unborn = FileIdentity { birth_us: None, ..old };
        let replaced = if old.birth_us.is_some() { FileMatch::Rewritten } else { FileMatch::Other };
        fs::write(&path, "1\n2\n3\n4\n5\n").unwrap();
        assert_eq!(identity(&path).inode, old.inode);
        assert_eq!(compare(&old, &path, b"one\n"), replaced);
        assert_eq!(compare(&unborn, &path, b"one\n"), FileMatch::Other);
        // Only the bytes before the place differ.
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(compare(&old, &path, b"one\ntwo\ndrei"), replaced);
        assert_eq!(compare(&unborn, &path, b"one\ntwo\nthree\nfour\n"), FileMatch::CutBack);
    }

    #[test]
    fn an_inode_given_to_a_file_that_begins_alike_is_told_by_its_birth() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "time,value\n").unwrap();
        let mut old = identity(&path);
        let Some(birth) = old.birth_us else {
            let test = "source::identity: an_inode_given_to_a_file_that_begins_alike_is_told_by_its_birth";
            return oddline_testkit::not_run(test, "the file system keeps no time of birth");
        };
        old.birth_us = Some(birth - 1);
        assert_eq!(compare(&old, &path, b"time,value\n"), FileMatch::Similar);
    }

    #[test]
    fn a_copy_is_recognised_by_enough_bytes_and_a_reboot_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("a"), dir.path().join("b"));
        let text = "a line of a log\n".repeat(20);
        for (text, expected) in [(&text[..], FileMatch::Copy), ("a line of a log\n", FileMatch::Similar)] {
            fs::write(&path, text).unwrap();
            fs::write(&copy, text).unwrap();
            assert_eq!(compare(&identity(&path), &copy, &text.as_bytes()[..16]), expected);
        }
        let mut before = identity(&path);
        before.device += 1;
        assert_eq!(compare(&before, &path, b"a line of a log\n"), FileMatch::Same);
    }
}
