//! A rotated JSON-lines file. What `append` has returned from is on the disk, once: a torn last line is cut off on
//! opening, and lines whose sequence the file already has are not written again.
//!
//! ```text
//!  anomalies.jsonl       newest lines, appended
//!  anomalies.jsonl.1     full
//!  ..
//!  anomalies.jsonl.N     oldest, removed when a new one is needed
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use oddline_core::{id::Epoch, wire::JsonLine};

/// Bytes looked at from the end of a file for its last line: more than the longest line.
const TAIL_BYTES: u64 = 128 * 1024;

/// Bounds of a file sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file that has reached this many bytes is full.
    pub bytes_max: u64,
    /// Full files kept beside the newest; at least 1.
    pub kept_max: u32,
}

impl Default for Rotation {
    /// 10 MiB and five full ones: about a month of a busy server's anomalies, nothing that fills a disk.
    fn default() -> Self {
        Self { bytes_max: 10 * 1024 * 1024, kept_max: 5 }
    }
}

/// Why a file sink cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub(crate) struct SinkOpenError {
    path: PathBuf,
    reason: io::Error,
}

impl SinkOpenError {
    /// What kind of fault it is.
    #[must_use]
    pub(crate) fn kind(&self) -> io::ErrorKind {
        self.reason.kind()
    }
}

#[derive(Debug)]
pub(crate) struct FileSink {
    path: PathBuf,
    file: File,
    /// Device and inode, to notice when another one is at the path.
    id: (u64, u64),
    bytes: u64,
    /// A file that can be rotated; not a device or a FIFO.
    is_regular: bool,
    rotation: Rotation,
    /// Last line on the disk.
    last: Option<(Epoch, u64)>,
}

impl FileSink {
    /// Opens or creates the file, cuts off a torn last line, and learns what it already has.
    ///
    /// # Errors
    /// When the file cannot be created, read or cut.
    pub(crate) fn open(path: &Path, rotation: Rotation) -> Result<Self, SinkOpenError> {
        Self::open_inner(path, rotation).map_err(|reason| SinkOpenError { path: path.to_owned(), reason })
    }

    fn open_inner(path: &Path, rotation: Rotation) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
            return Self::open_special(path, rotation);
        }
        let mut file = open(path)?;
        // Renaming a link would move the next file to another place.
        let path = &fs::canonicalize(path)?;
        let meta = file.metadata()?;
        let found = meta.len();
        let (bytes, mut last) = last_line(&mut file, found)?;
        if bytes < found {
            file.set_len(bytes)?;
            file.sync_all()?;
        }
        if bytes == 0 {
            // A rotation that was cut short may have left the newest full file under any number.
            let full = (1..=rotation.kept_max.max(1)).map(|n| numbered(path, n)).find(|path| path.exists());
            last = full.map(|path| end_of(&path)).transpose()?.flatten();
        }
        sync_folder(path)?;
        Ok(Self { path: path.to_owned(), file, id: id(&meta), bytes, is_regular: true, rotation, last })
    }

    fn open_special(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = OpenOptions::new().append(true).custom_flags(flags).open(path).map_err(|error| {
            let has_no_reader = error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error());
            if has_no_reader { io::Error::other("nobody reads what is written there") } else { error }
        })?;
        // Opened without waiting; written like standard output, as fast as it is read.
        fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
        let meta = file.metadata()?;
        Ok(Self { path: path.to_owned(), file, id: id(&meta), bytes: 0, is_regular: false, rotation, last: None })
    }

    #[must_use]
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Appends lines that are not in the file yet and waits until they are on the disk.
    ///
    /// # Errors
    /// When they are not; the file is then as before, as far as the disk lets us, and the same lines may come again.
    pub(crate) fn append(&mut self, lines: impl IntoIterator<Item = JsonLine>) -> io::Result<()> {
        let mut text = String::new();
        let mut last = self.last;
        for line in lines {
            if last.is_none_or(|(epoch, sequence)| epoch != line.epoch || line.sequence > sequence) {
                text.push_str(&line.to_text());
                text.push('\n');
                last = Some((line.epoch, line.sequence));
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        self.reopen_if_moved()?;
        if !self.is_regular {
            self.file.write_all(text.as_bytes())?;
            self.last = last;
            return Ok(());
        }
        if self.bytes >= self.rotation.bytes_max {
            self.rotate()?;
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // A full disk leaves half a line: take it back, so that the next try does not append to it.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += text.len() as u64;
        self.last = last;
        Ok(())
    }

    /// Somebody may have removed, renamed or cut the file: what is written must be found at the path.
    fn reopen_if_moved(&mut self) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(meta) if id(&meta) == self.id => self.bytes = self.bytes.min(meta.len()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {
                let last = self.last;
                *self = Self::open_inner(&self.path, self.rotation)?;
                self.last = last.or(self.last);
            }
        }
        Ok(())
    }

    /// Moves every file one number up, from the first hole down: a rotation that was cut short is finished by the next.
    fn rotate(&mut self) -> io::Result<()> {
        let kept = self.rotation.kept_max.max(1);
        let hole = (1..=kept).find(|&n| !numbered(&self.path, n).exists()).unwrap_or(kept);
        for n in (1..hole).rev() {
            fs::rename(numbered(&self.path, n), numbered(&self.path, n + 1))?;
        }
        match fs::rename(&self.path, numbered(&self.path, 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.file = open(&self.path)?;
        self.id = id(&self.file.metadata()?);
        self.bytes = 0;
        sync_folder(&self.path)
    }
}

/// Nobody but the agent needs to read what it found; whoever should is given it by hand.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn id(meta: &fs::Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn end_of(full: &Path) -> io::Result<Option<(Epoch, u64)>> {
    if !fs::metadata(full)?.is_file() {
        return Ok(None);
    }
    let mut file = File::open(full)?;
    let bytes = file.metadata()?.len();
    last_line(&mut file, bytes).map(|(_, last)| last)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// A new name is on the disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Bytes up to the end of the last whole line, and what that line is. A line that is none of ours (edited by hand) is
/// kept and says nothing.
fn last_line(file: &mut File, bytes: u64) -> io::Result<(u64, Option<(Epoch, u64)>)> {
    let from = bytes.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let Some(end) = tail.iter().rposition(|&b| b == b'\n') else {
        // No line at all, unless it is longer than any of ours: then better keep what cannot be understood.
        return Ok((if from == 0 { 0 } else { bytes }, None));
    };
    let start = tail[..end].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let line = serde_json::from_slice::<JsonLine>(&tail[start..end]).ok();
    Ok((from + end as u64 + 1, line.map(|line| (line.epoch, line.sequence))))
}

#[cfg(test)]
mod tests {
    use oddline_core::{
        event::{BoundedText, ClockStamp, Event, Extras, SourceFault},
        id::BootId,
        time::EventTime,
    };
    use proptest::{collection::vec, prelude::*};

    use std::os::unix::fs::FileTypeExt;

    use super::*;

    const EPOCH: Epoch = Epoch::from_random(5);

    fn lines(sequences: impl IntoIterator<Item = u64>) -> impl Iterator<Item = JsonLine> {
        sequences.into_iter().map(|sequence| {
            let event = Event::SourceFailed(SourceFault {
                source: BoundedText::cut("a.log"),
                cause: BoundedText::cut("gone"),
                extras: Extras::default(),
            });
            let stamp = ClockStamp { boot: BootId([0; 16]), monotonic_us: sequence, wall: EventTime::from_micros(0) };
            JsonLine { epoch: EPOCH, sequence, event, stamp }
        })
    }

    /// Sequences of all files, oldest first.
    fn held(path: &Path) -> Vec<u64> {
        let texts = (1..10).rev().map(|n| numbered(path, n)).chain([path.to_owned()]);
        let texts: Vec<String> = texts.filter_map(|path| fs::read_to_string(path).ok()).collect();
        let sequence = |line: &str| serde_json::from_str::<JsonLine>(line).unwrap().sequence;
        texts.iter().flat_map(|text| text.lines().map(sequence).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn full_files_move_up_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let mut sink = FileSink::open(&path, Rotation { bytes_max: 300, kept_max: 2 }).unwrap();
        for sequence in 1..=20 {
            sink.append(lines([sequence])).unwrap();
        }
        let held = held(&path);
        assert_eq!(held, (21 - held.len() as u64..=20).collect::<Vec<_>>());
        assert!(held.len() >= 4 && !numbered(&path, 3).exists());
    }

    #[test]
    fn another_epoch_starts_from_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let mut sink = FileSink::open(&path, Rotation::default()).unwrap();
        sink.append(lines(1..=3)).unwrap();
        sink.append(lines(1..=2).map(|line| JsonLine { epoch: Epoch::from_random(6), ..line })).unwrap();
        assert_eq!(held(&path), [1, 2, 3, 1, 2]);
    }

    #[test]
    fn what_others_do_to_the_file_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let mut sink = FileSink::open(&path, Rotation { bytes_max: 300, kept_max: 2 }).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        sink.append(lines([1])).unwrap();
        fs::remove_file(&path).unwrap();
        sink.append(lines([1, 2])).unwrap();
        assert_eq!(held(&path), [2]);
        fs::rename(&path, dir.path().join("other")).unwrap();
        File::create(&path).unwrap();
        sink.append(lines([3])).unwrap();
        assert_eq!(held(&path), [3]);
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        sink.append(lines(4..=6)).unwrap();
        assert_eq!(held(&path), [4, 5, 6]);
        // A rotation that could rename and not create.
        fs::rename(&path, numbered(&path, 1)).unwrap();
        sink.append(lines([7])).unwrap();
        assert_eq!(held(&path), [4, 5, 6, 7]);
        fs::remove_file(&path).unwrap();
        sink.rotate().unwrap();
        sink.append(lines([8])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_device_or_a_fifo_is_written_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (null, fifo) = (dir.path().join("null"), dir.path().join("fifo"));
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        let rotation = Rotation { bytes_max: 1, kept_max: 1 };
        let mut sink = FileSink::open(&null, rotation).unwrap();
        (1..=3).for_each(|sequence| sink.append(lines([sequence])).unwrap());
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let error = FileSink::open(&fifo, rotation).unwrap_err();
        assert!(error.to_string().contains("nobody reads"), "{error}");
        let reader = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&fifo);
        let mut sink = FileSink::open(&fifo, rotation).unwrap();
        (1..=3).for_each(|sequence| sink.append(lines([sequence])).unwrap());
        drop(sink);
        let mut text = String::new();
        reader.unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing was renamed");
        assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    }

    #[test]
    fn a_link_stays_and_its_file_is_rotated_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let (link, real) = (dir.path().join("a.jsonl"), dir.path().join("real"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(real.join("odd"), &link).unwrap();
        let mut sink = FileSink::open(&link, Rotation { bytes_max: 300, kept_max: 9 }).unwrap();
        (1..=6).for_each(|sequence| sink.append(lines([sequence])).unwrap());
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(held(&real.join("odd")), [1, 2, 3, 4, 5, 6]);
        assert!(numbered(&real.join("odd"), 1).exists() && !numbered(&link, 1).exists());
    }

    #[test]
    fn a_full_disk_leaves_no_half_line() {
        // /dev/full takes no byte and cannot be cut: the error is what counts.
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut sink = FileSink::open(&dir.path().join("a.jsonl"), Rotation::default()).unwrap();
        let real = std::mem::replace(&mut sink.file, full);
        assert!(sink.append(lines([1])).is_err());
        sink.file = real;
        sink.append(lines([1])).unwrap();
        assert_eq!(held(&sink.path), [1]);
    }

    #[derive(Debug, Clone)]
    enum Action {
        Append(u64),
        /// Killed after this share of the bytes of the last append reached the disk; the spool did not hear of it.
        Tear(u64, f64),
        /// Killed between writing and the spool's acknowledgement.
        Repeat(u64),
        Reopen,
        /// Killed in the middle of a rotation.
        HalfRotation,
    }

    fn action() -> impl Strategy<Value = Action> {
        prop_oneof![
            5 => (1..4_u64).prop_map(Action::Append),
            2 => (1..4_u64, 0.0..1.0).prop_map(|(n, share)| Action::Tear(n, share)),
            2 => (1..4_u64).prop_map(Action::Repeat),
            1 => Just(Action::Reopen),
            1 => Just(Action::HalfRotation),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_line_is_there_once(actions in vec(action(), 1..40)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.jsonl");
            let rotation = Rotation { bytes_max: 1_000, kept_max: 9 };
            let open = || FileSink::open(&path, rotation).unwrap();
            let mut sink = open();
            let mut acked = 0;
            for action in actions {
                match action {
                    Action::Append(n) => {
                        sink.append(lines(acked + 1..=acked + n)).unwrap();
                        acked += n;
                    }
                    Action::Tear(n, share) => {
                        let before = fs::metadata(&path).unwrap().len();
                        sink.append(lines(acked + 1..=acked + n)).unwrap();
                        let after = fs::metadata(&path).unwrap().len();
                        // A rotation in between made the file new; nothing new leaves nothing to tear.
                        let from = if after >= before { before } else { 0 };
                        let cut = from + ((after - from) as f64 * share) as u64;
                        OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
                        sink = open();
                    }
                    Action::Repeat(n) => {
                        sink.append(lines(acked + 1..=acked + n)).unwrap();
                        sink = open();
                    }
                    Action::Reopen => sink = open(),
                    Action::HalfRotation => {
                        let empty = fs::metadata(&path).unwrap().len() == 0;
                        if !empty && !numbered(&path, 1).exists() {
                            fs::rename(&path, numbered(&path, 1)).unwrap();
                        } else if !empty && !numbered(&path, 2).exists() {
                            fs::rename(numbered(&path, 1), numbered(&path, 2)).unwrap();
                        }
                        sink = open();
                    }
                }
            }
            // What a kill kept from being acknowledged comes again from the spool.
            sink.append(lines(acked + 1..=acked + 4)).unwrap();
            let held = held(&path);
            let first = held[0];
            prop_assert_eq!(held, (first..=acked + 4).collect::<Vec<_>>());
        }
    }
}
