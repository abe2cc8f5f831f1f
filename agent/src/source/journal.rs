//! The journal, read from a `journalctl` child that follows it. The position is the cursor of the entry taken last.
//! Drops Oddline's own entries; refuses to guess what a vacuumed journal held.
//!
//! Reading goes on *at* the cursor (`--cursor`), not after it: where the entry is gone, `--after-cursor` skips another
//! one in silence, while the first entry that comes shows whether something is missing.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Duration,
};

use oddline_core::format::journal;
use serde::{Deserialize, Serialize};

use super::{
    GapCause, SourceError, SourceGap, SourceItem, StartPosition,
    chunks::{ChunkFed, Chunks},
    lines::{Lines, SourceLine},
};
use crate::clock;

/// What is asked of an entry: what the format reads. Cursor and times come with every entry.
const FIELDS: &str = "--output-fields=MESSAGE,PRIORITY,_HOSTNAME,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER,_COMM";
/// Bytes of an entry that are kept. Its fields come in any order, so a cut may take the cursor.
const ENTRY_BYTES_MAX: usize = 256 * 1024;
/// Entries looked at in one call: nothing but own ones must not keep the caller waiting.
const ENTRIES_MAX: u32 = 1_000;
/// Polls for which a child that has closed its output may go on before it is killed.
const ENDING_POLLS: u32 = 3;
/// How long a dead child's last words are waited for; something else may hold its pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Polls without an entry after which all there is counts as read: journalctl may be slower than we are.
const QUIET_POLLS: u32 = 2;
/// Bytes kept of what the child says about its end.
const SAID_BYTES_MAX: usize = 512;

/// How the journal is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalCommand {
    /// The program, usually `journalctl`.
    pub program: String,
    /// Which journal or which entries of it: `--directory=...`, `--unit=...`.
    pub arguments: Vec<String>,
}

/// A place in the journal. Goes to the state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPosition {
    cursor: String,
    /// Entries taken from the cursor's on: 0 when it is the next, 1 when it was the last, more when what followed
    /// was too long to show a cursor.
    taken: u32,
}

/// The journal's entries as lines of JSON.
#[derive(Debug)]
pub struct Journal {
    reader: JournalCommand,
    begin: StartPosition<JournalPosition>,
    running: Option<JournalProcess>,
    /// When the first child was started, by the clock that stamps entries.
    began_us: Option<u64>,
    has_more: bool,
}

#[derive(Debug)]
struct JournalProcess {
    child: Child,
    chunks: Chunks,
    said: Arc<Mutex<Vec<u8>>>,
    /// Disconnected when it has said everything.
    silent: Receiver<()>,
    lines: Lines,
    /// Entries still to come that were taken before; `None` before the first has come.
    again: Option<u32>,
    /// The entry read last has not been handed out yet.
    held: bool,
    quiet: u32,
    /// Polls since it closed its output.
    ending: u32,
}

enum JournalStep {
    Line,
    Gap,
    Skip,
}

impl Journal {
    #[must_use]
    pub fn new(reader: JournalCommand, begin: StartPosition<JournalPosition>) -> Self {
        Self { reader, begin, running: None, began_us: None, has_more: false }
    }

    /// The next entry.
    ///
    /// # Errors
    /// When the child cannot be started, or has ended. Called again, this starts another from the position.
    #[expect(clippy::should_implement_trait, reason = "an item borrows the journal, which an iterator's cannot")]
    pub fn next(&mut self) -> Result<SourceItem<'_>, SourceError> {
        if self.running.is_none() {
            self.began_us.get_or_insert_with(now_us);
            self.running = Some(self.start()?);
        }
        self.has_more = false;
        for _ in 0..ENTRIES_MAX {
            let Some(running) = &mut self.running else { break };
            if std::mem::take(&mut running.held) || running.lines.advance() {
                match running.take(&mut self.begin, self.began_us) {
                    JournalStep::Skip => continue,
                    JournalStep::Gap => {
                        return Ok(SourceItem::Gap(SourceGap { cause: GapCause::Vacuumed, bytes: 0, exact: false }));
                    }
                    JournalStep::Line => {}
                }
                // The borrow checker wants the line from the field again.
                return Ok(self.running.as_ref().map_or(SourceItem::Wait, |running| SourceItem::Line(running.line())));
            }
            match running.chunks.feed(&mut running.lines) {
                Ok(ChunkFed::Some) => running.quiet = 0,
                Ok(ChunkFed::NotYet) => {
                    return Ok(if running.is_at_end() { SourceItem::End } else { SourceItem::Wait });
                }
                Ok(ChunkFed::Ended) | Err(_) if running.is_ending() => return Ok(SourceItem::Wait),
                Ok(ChunkFed::Ended) | Err(_) => return Err(self.stopped()),
            }
        }
        self.has_more = true;
        Ok(SourceItem::Wait)
    }

    /// After [`Item::Wait`]: there is more to read, and only this call has come to its end.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether its child has been started.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// After the last item. `None` before the first entry.
    #[must_use]
    pub fn position(&self) -> Option<JournalPosition> {
        match &self.begin {
            StartPosition::Start | StartPosition::Since(_) | StartPosition::End => None,
            StartPosition::After(position) => Some(position.clone()),
        }
    }

    fn start(&self) -> Result<JournalProcess, SourceError> {
        let failed = |error| SourceError::Start { program: self.reader.program.clone(), error };
        let mut command = Command::new(&self.reader.program);
        command.args(["--all", "--output=json", "--quiet", "--no-pager", "--follow", FIELDS]);
        match &self.begin {
            StartPosition::Start | StartPosition::Since(_) => command.arg("--no-tail"),
            // The last entry there is gives its cursor and is not handed out.
            StartPosition::End => command.arg("--lines=1"),
            StartPosition::After(position) => command.arg("--no-tail").arg(format!("--cursor={}", position.cursor)),
        };
        command.args(&self.reader.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed(std::io::Error::other("no pipes")));
        };
        let said = Arc::default();
        let silent = keep_last(err, &said).map_err(failed)?;
        let chunks = Chunks::of("journal", out).map_err(failed)?;
        let lines = Lines::bounded(ENTRY_BYTES_MAX);
        Ok(JournalProcess { child, chunks, said, silent, lines, again: None, held: false, quiet: 0, ending: 0 })
    }

    /// Takes the child's body and last words away.
    fn stopped(&mut self) -> SourceError {
        let program = self.reader.program.clone();
        let Some(mut running) = self.running.take() else {
            return SourceError::Stopped { program, status: "not running".to_owned(), said: String::new() };
        };
        // Only where it did not end by itself.
        let _gone = running.child.kill();
        let status = match running.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let _silent = running.silent.recv_timeout(LAST_WORDS);
        let said = running.said.lock().unwrap_or_else(PoisonError::into_inner);
        let last = String::from_utf8_lossy(&said).trim().lines().last().unwrap_or_default().to_owned();
        SourceError::Stopped { program, status, said: last }
    }
}

impl JournalProcess {
    /// Decides about the entry read last, and moves the position over it.
    fn take(&mut self, begin: &mut StartPosition<JournalPosition>, began_us: Option<u64>) -> JournalStep {
        let line = self.lines.line(None);
        let cursor = journal::cursor(line.bytes);
        let again = match (self.again, &*begin) {
            (Some(again), _) => again,
            (None, StartPosition::Start | StartPosition::Since(_)) => 0,
            // Where nothing matched before, the first entry that comes is new.
            (None, StartPosition::End) if written_us(line.bytes) > began_us => 0,
            (None, StartPosition::End) => 1,
            (None, StartPosition::After(position)) if cursor == Some(&position.cursor) => position.taken,
            (None, StartPosition::After(_)) => {
                self.again = Some(0);
                self.held = true;
                if let Some(cursor) = cursor {
                    *begin = StartPosition::After(JournalPosition { cursor: cursor.to_owned(), taken: 0 });
                }
                return JournalStep::Gap;
            }
        };
        self.again = Some(again.saturating_sub(1));
        if again > 0 && matches!(begin, StartPosition::After(_)) {
            return JournalStep::Skip;
        }
        match (cursor, &mut *begin) {
            (Some(cursor), StartPosition::After(position)) => {
                position.cursor.clear();
                position.cursor.push_str(cursor);
                position.taken = 1;
            }
            (Some(cursor), _) => *begin = StartPosition::After(JournalPosition { cursor: cursor.to_owned(), taken: 1 }),
            (None, StartPosition::After(position)) => position.taken += 1,
            (None, _) => {}
        }
        if again > 0 || journal::is_own(line.bytes) { JournalStep::Skip } else { JournalStep::Line }
    }

    /// Before the first entry nobody knows how much there is to read.
    fn is_at_end(&mut self) -> bool {
        self.quiet = self.quiet.saturating_add(1);
        self.again == Some(0) && self.quiet >= QUIET_POLLS
    }

    /// Gives a child that has closed its output time to end and to say why.
    fn is_ending(&mut self) -> bool {
        self.ending += 1;
        self.ending == 1 || (self.ending <= ENDING_POLLS && matches!(self.child.try_wait(), Ok(None)))
    }

    fn line(&self) -> SourceLine<'_> {
        self.lines.line(None)
    }
}

impl Drop for JournalProcess {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to be done about either failure.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn now_us() -> u64 {
    clock::wall().micros().unsigned_abs()
}

/// When the journal got an entry. Within a text the quotes of such a field would be escaped.
fn written_us(line: &[u8]) -> Option<u64> {
    const FIELD: &[u8] = b"\"__REALTIME_TIMESTAMP\":\"";
    let digits = &line[memchr::memmem::find(line, FIELD)? + FIELD.len()..];
    let end = memchr::memchr(b'"', digits)?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// Keeps the last bytes that the child says.
fn keep_last(mut stream: impl Read + Send + 'static, said: &Arc<Mutex<Vec<u8>>>) -> std::io::Result<Receiver<()>> {
    let said = Arc::clone(said);
    let (open, silent) = sync_channel(0);
    thread::Builder::new().name("journal-err".to_owned()).spawn(move || {
        let _open = open;
        let mut chunk = [0; SAID_BYTES_MAX];
        while let Ok(n) = stream.read(&mut chunk) {
            if n == 0 {
                break;
            }
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.extend_from_slice(&chunk[..n]);
            let surplus = said.len().saturating_sub(SAID_BYTES_MAX);
            said.drain(..surplus);
        }
    })?;
    Ok(silent)
}
