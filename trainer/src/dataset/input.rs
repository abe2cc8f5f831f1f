//! Opening what is read: files, compressed or not, standard input, and the journal through `journalctl`; every byte that lines are
//! made of is counted in one digest.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use oddline_cli::compressed::Compression;
use oddline_core::time::EventTime;
use sha2::{Digest, Sha256};

use crate::{clock, error::DataError};

const READ_BYTES: usize = 256 * 1024;
const JOURNALCTL: &str = "journalctl";
/// What is asked of an entry: what the format reads.
const FIELDS: &str = "--output-fields=MESSAGE,PRIORITY,_HOSTNAME,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER,_COMM";

/// Bytes to read lines from.
pub type LogInput<'a> = BufReader<Hashing<'a, Box<dyn Read>>>;

/// Opens a file, or standard input for `-`; what is compressed with gzip, xz or zstd, whatever its name, is unpacked. With it, when the
/// file was last written; no line of standard input is later than the clock.
pub fn open<'a>(path: &Path, digest: &'a mut Sha256) -> Result<(LogInput<'a>, Option<EventTime>)> {
    let (bytes, modified): (Box<dyn Read>, _) = if path == Path::new("-") {
        (Box::new(io::stdin()), Some(clock::now()))
    } else {
        let file = File::open(path).with_context(|| format!("cannot open the log {}", path.display()))?;
        let since = file.metadata()?.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let micros = since.and_then(|since| i64::try_from(since.as_micros()).ok());
        (Box::new(file), micros.map(EventTime::from_micros))
    };
    let mut bytes = BufReader::with_capacity(READ_BYTES, bytes);
    let bytes: Box<dyn Read> = match Compression::of(bytes.fill_buf().with_context(|| cannot_read(path))?) {
        None => Box::new(bytes),
        Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(bytes)),
        Some(packed @ (Compression::Xz | Compression::Zstd)) => {
            let file = File::open(path).with_context(|| cannot_read(path))?;
            Box::new(packed.unpack(file).with_context(|| cannot_read(path))?)
        }
    };
    Ok((BufReader::with_capacity(READ_BYTES, Hashing { input: bytes, digest }), modified))
}

/// What to say when a log that was opened cannot be read on.
#[must_use]
pub fn cannot_read(path: &Path) -> String {
    format!("cannot read the log {}", path.display())
}

/// A running journalctl that prints the journal's entries from the oldest on, and ends.
pub struct JournalExport {
    child: Child,
}

impl JournalExport {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn start(arguments: &[String]) -> Result<Self> {
        let mut command = Command::new(JOURNALCTL);
        command.args(["--all", "--output=json", "--quiet", "--no-pager", FIELDS]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().with_context(|| format!("cannot start {JOURNALCTL}"))?;
        Ok(Self { child })
    }

    pub fn entries<'a>(&mut self, digest: &'a mut Sha256) -> LogInput<'a> {
        let output: Option<ChildStdout> = self.child.stdout.take();
        let output: Box<dyn Read> = output.map_or_else(|| Box::new(io::empty()) as Box<dyn Read>, |o| Box::new(o));
        BufReader::with_capacity(READ_BYTES, Hashing { input: output, digest })
    }

    /// After its last entry.
    ///
    /// # Errors
    /// When it failed; why, it has said itself.
    pub fn finish(mut self) -> Result<()> {
        let status = self.child.wait().with_context(|| format!("cannot wait for {JOURNALCTL}"))?;
        if status.success() { Ok(()) } else { Err(DataError(format!("{JOURNALCTL} stopped ({status})")).into()) }
    }
}

/// Counts what goes through in a digest.
pub struct Hashing<'a, R> {
    input: R,
    digest: &'a mut Sha256,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.digest.update(&buffer[..n]);
        Ok(n)
    }
}
