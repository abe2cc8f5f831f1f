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
use oddline_core::{encoding::TextEncoding, time::EventTime};
use sha2::{Digest, Sha256};

use crate::{clock, error::DataError};

const READ_BYTES: usize = 256 * 1024;
const JOURNALCTL: &str = "journalctl";
/// What is asked of an entry: what the format reads.
const FIELDS: &str = "--output-fields=MESSAGE,PRIORITY,_HOSTNAME,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER,_COMM";

/// Bytes to read lines from.
pub type LogInput<'a> = BufReader<Box<dyn Read + 'a>>;

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
    let mut bytes = BufReader::with_capacity(READ_BYTES, Hashing { input: bytes, digest });
    let input: Box<dyn Read + 'a> = match TextEncoding::detect(bytes.fill_buf().with_context(|| cannot_read(path))?) {
        TextEncoding::Utf8 => Box::new(bytes),
        encoding => Box::new(Decoding { input: bytes, encoding, text: Vec::new(), given: 0 }),
    };
    Ok((BufReader::with_capacity(READ_BYTES, input), modified))
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
        BufReader::with_capacity(READ_BYTES, Box::new(Hashing { input: output, digest }))
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

/// Spells UTF-16 as UTF-8.
struct Decoding<R> {
    input: R,
    encoding: TextEncoding,
    text: Vec<u8>,
    /// So much of `text` was read.
    given: usize,
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.text.len() {
            let mut raw = Vec::new();
            (&mut self.input).take(READ_BYTES as u64).read_to_end(&mut raw)?;
            // A character of four bytes is not cut: one that may be its first half takes the other with it.
            let high = raw.len().checked_sub(if self.encoding == TextEncoding::Utf16Little { 1 } else { 2 });
            if high.is_some_and(|at| matches!(raw[at], 0xd8..=0xdb)) {
                (&mut self.input).take(2).read_to_end(&mut raw)?;
            }
            self.text = self.encoding.decode(&raw).into_owned();
            self.given = 0;
        }
        let read = (&self.text[self.given..]).read(buffer)?;
        self.given += read;
        Ok(read)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_whatever_spells_it() {
        // An odd number of characters before each pair, so that some pair stands at every place where a read may end.
        let text: String =
            (0..9_000).map(|i| format!("2026-01-05 10:00:00 Gerät {i} 🌡🌡 ok\r\n{}", "x".repeat(i % 3))).collect();
        let units = || text.encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            little.clone(),
            big.clone(),
            [&b"\xff\xfe"[..], &little].concat(),
            [&b"\xfe\xff"[..], &big].concat(),
            text.clone().into_bytes(),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &bytes).unwrap();
            let mut digest = Sha256::new();
            let mut read = Vec::new();
            open(file.path(), &mut digest).unwrap().0.read_to_end(&mut read).unwrap();
            assert!(read == text.as_bytes(), "{:?}", &bytes[..8]);
            assert_eq!(digest.finalize(), Sha256::digest(&bytes), "of the bytes in the file");
        }
    }
}
