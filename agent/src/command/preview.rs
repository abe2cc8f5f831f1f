//! What a source finds at the moment, for `validate`: how many files match, which of them cannot be read, and how the one
//! written last is understood. Reads the beginning of that one; follows nothing.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use oddline_core::{
    amounts::counted,
    format::{ParsedLine, shown},
};
use oddline_pipeline::{LineTally, reader::LineReader};

use crate::{
    config::{SourceConfig, SourceKind},
    publish::sink::clean,
    source::{
        LogSource, Opener, SourceError, SourceItem, StartPosition, SystemReader,
        discover::{AppearedFile, Discover, Pattern},
        journal::JournalCommand,
    },
};

/// Lines read of the file that was written last.
const READ_LINES_MAX: usize = 200;
/// Characters shown of a line.
const SHOWN_CHARS_MAX: usize = 160;
/// journalctl answers at once; where it does not, nobody waits for it here.
const JOURNALCTL_WAIT: Duration = Duration::from_secs(5);
const JOURNALCTL_LOOK: Duration = Duration::from_millis(20);

/// What a source is and finds, in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SourcePreview {
    /// What there is to read.
    pub(super) found: String,
    /// What is not as it may have been meant.
    pub(super) notes: Vec<String>,
    /// Something may not be read by whoever asks, and perhaps by the service's user.
    pub(super) is_denied: bool,
}

/// Looks at what one source would read.
#[must_use]
pub(super) fn preview(source: &SourceConfig, opener: &Opener) -> SourcePreview {
    match &source.what {
        SourceKind::Files { include, exclude } => files(source, include, exclude, opener),
        SourceKind::Journal(reader) => journal(reader),
        SourceKind::System(_) => {
            let mut reader = SystemReader::default();
            reader.read(Instant::now());
            let (found, notes) = reader.available();
            SourcePreview { found, notes, is_denied: false }
        }
        SourceKind::Stdin | SourceKind::Syslog(_) | SourceKind::Mqtt(_) => SourcePreview::default(),
    }
}

fn files(source: &SourceConfig, include: &[Pattern], exclude: &[Pattern], opener: &Opener) -> SourcePreview {
    let mut discover = Discover::new(include.to_vec(), exclude.to_vec(), opener.clone());
    let scan = discover.scan();
    let (mut closed, mut newest) = (Vec::new(), None::<(SystemTime, &PathBuf)>);
    for AppearedFile { path, .. } in &scan.appeared {
        match opener.open(path) {
            Ok(Some((file, _))) => {
                let written = file.metadata().ok().filter(|meta| meta.len() > 0).and_then(|meta| meta.modified().ok());
                newest = newest.max(written.map(|time| (time, path)));
            }
            // Removed meanwhile.
            Ok(None) => {}
            Err(error) => closed.push(reason(&error)),
        }
    }
    let mut preview =
        SourcePreview { found: matching(scan.appeared.len() + scan.left_out, &closed), ..SourcePreview::default() };
    preview.is_denied = !closed.is_empty() || !scan.failed.is_empty();
    preview.notes.extend(
        scan.failed.iter().map(|(folder, error)| {
            format!("the folder {} cannot be listed: {error}", clean(&folder.to_string_lossy()))
        }),
    );
    if let Some((path, error)) = scan.refused.first() {
        let more = match scan.refused.len() {
            1 => String::new(),
            refused => format!(" ({} more like it)", refused - 1),
        };
        let why = error.to_string();
        let what = if why.contains(&*path.to_string_lossy()) { why } else { format!("{}: {why}", path.display()) };
        preview.notes.push(format!("{}{more}", clean(&what)));
    }
    if scan.left_out > 0 {
        let what = counted(scan.left_out, "further file");
        preview.notes.push(format!("{what} would not be followed: too many match; make the patterns narrower"));
    }
    if let Some((_, path)) = newest {
        understood(source, path, opener, &mut preview);
    }
    preview
}

/// `7 files match (1 cannot be opened: /var/log/secret.log: ...)`.
fn matching(files: usize, closed: &[String]) -> String {
    let mut found = match files {
        0 => "no file matches now".to_owned(),
        1 => "1 file matches".to_owned(),
        files => format!("{files} files match"),
    };
    match closed {
        [] => {}
        [only] => found.push_str(&format!(" (1 cannot be opened: {only})")),
        [first, ..] => found.push_str(&format!(" ({} cannot be opened, first {first})", closed.len())),
    }
    found
}

fn reason(error: &SourceError) -> String {
    match error {
        SourceError::Open { path, error } => clean(&format!("{}: {error}", path.display())),
        other => clean(&other.to_string()),
    }
}

/// Adds how the beginning of a file is understood.
fn understood(source: &SourceConfig, path: &Path, opener: &Opener, preview: &mut SourcePreview) {
    let mut log = LogSource::ended_file(path, StartPosition::Start, opener.clone());
    let mut reader = LineReader::new(source.format.clone(), source.times);
    let (mut tally, mut lines, mut lost) = (LineTally::default(), 0, 0);
    while lines < READ_LINES_MAX {
        match log.next() {
            Ok(SourceItem::File) => reader.start_of_file(),
            Ok(SourceItem::Line(line)) => {
                lines += 1;
                let parsed = reader.read(line.bytes, line.modified);
                tally.count(&parsed, |record| !record.numbers.is_empty() || record.value.is_some());
                if let ParsedLine::Record(record) = &parsed {
                    lost += usize::from(record.fault.is_some());
                    tally.note(record, || shown(line.bytes).chars().take(SHOWN_CHARS_MAX).collect());
                }
            }
            Ok(_) => break,
            Err(error) => {
                preview.notes.push(clean(&error.to_string()));
                return;
            }
        }
    }
    let file = clean(&path.to_string_lossy());
    let format = reader.parser().format_name();
    let first = counted(lines, "line");
    preview.found.push_str(&format!("; {file} is {format}, {} of {first} understood", lines - lost));
    if let Some(problem) = tally.problem(true) {
        preview.notes.push(format!("{file}: {}; oddline-agent parse {file} shows how it is read", clean(&problem)));
    }
}

/// Whether journalctl is there, and whether whoever asks sees an entry.
fn journal(reader: &JournalCommand) -> SourcePreview {
    let program = &reader.program;
    let mut command = Command::new(program);
    command.args(&reader.arguments).args(["--lines=1", "--quiet", "--output=cat", "--no-pager"]);
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let (found, note) = match started.map(answer) {
        Err(error) => (format!("{program} cannot be started"), Some(format!("{program}: {error}"))),
        Ok(None) => (format!("{program} is there"), Some(format!("{program} does not answer"))),
        Ok(Some(said)) if said.is_empty() => {
            (format!("{program} is there"), Some(format!("{program} shows no entry to this user")))
        }
        Ok(Some(_)) => (format!("{program} is there and shows entries"), None),
    };
    SourcePreview { is_denied: note.is_some(), found, notes: note.into_iter().collect() }
}

/// What a program says, when it ends in time.
fn answer(mut child: Child) -> Option<Vec<u8>> {
    let begun = Instant::now();
    while begun.elapsed() < JOURNALCTL_WAIT {
        if let Ok(Some(_)) = child.try_wait() {
            return child.wait_with_output().ok().map(|output| output.stdout);
        }
        thread::park_timeout(JOURNALCTL_LOOK);
    }
    // It may have ended just now; either way nothing of it stays.
    drop(child.kill());
    drop(child.wait());
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::StartAt;

    fn look(folder: &Path, format: &str) -> SourcePreview {
        let include = vec![format!("{}/*.log", folder.display()).parse().unwrap()];
        let source = SourceConfig {
            what: SourceKind::Files { include, exclude: Vec::new() },
            format: format.parse().unwrap(),
            server: "s".to_owned(),
            component: None,
            values: Default::default(),
            times: Default::default(),
            begin: StartAt::End,
        };
        preview(&source, &Opener::following_links())
    }

    #[test]
    fn nothing_that_matches_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let SourcePreview { found, notes, is_denied } = look(folder.path(), "auto");
        assert_eq!((&*found, notes, is_denied), ("no file matches now", Vec::new(), false));
    }

    #[test]
    fn the_file_written_last_is_read_and_what_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = "2026-01-05T10:00:00Z a app[1]: x\n".repeat(300);
        fs::write(path("app.log"), &text).unwrap();
        fs::write(path("empty.log"), "").unwrap();
        fs::write(path("old.log"), "1,2\n").unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        fs::File::options().write(true).open(path("old.log")).unwrap().set_modified(old).unwrap();
        let app = path("app.log");
        let expected = format!("3 files match; {} is syslog, 200 of 200 lines understood", app.display());
        assert_eq!(look(folder.path(), "auto"), SourcePreview { found: expected, ..SourcePreview::default() });
        let wrong = look(folder.path(), "csv");
        assert!(wrong.notes[0].contains("all 200 records cannot be read"), "{wrong:?}");
        assert!(wrong.found.ends_with("is csv, 0 of 200 lines understood"), "{wrong:?}");
    }

    #[test]
    fn a_pattern_that_leads_to_the_agents_own_files_is_said() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("odd.log"), "x\n").unwrap();
        let own = crate::source::opener::OwnFiles { folders: vec![folder.path().to_owned()], ..Default::default() };
        let include = vec![format!("{}/*.log", folder.path().display()).parse().unwrap()];
        let scan = Discover::new(include, Vec::new(), Opener::guarded(own)).scan();
        assert_eq!((scan.appeared.len(), scan.refused.len()), (0, 1));
    }

    #[test]
    fn files_that_cannot_be_opened_are_counted_with_the_first() {
        assert_eq!(matching(2, &["/a: no".into()]), "2 files match (1 cannot be opened: /a: no)");
        let both = ["/a: no".to_owned(), "/b: no".to_owned()];
        assert_eq!(matching(2, &both), "2 files match (2 cannot be opened, first /a: no)");
    }

    #[test]
    fn a_journal_needs_its_program_and_shows_entries_or_none() {
        let journal_of = |program: &str, arguments: &[&str]| {
            let arguments = arguments.iter().map(|&a| a.to_owned()).collect();
            journal(&JournalCommand { program: program.to_owned(), arguments })
        };
        let missing = journal_of("/nowhere/journalctl", &[]);
        assert!(missing.found.ends_with("cannot be started") && missing.is_denied, "{missing:?}");
        assert_eq!(journal_of("echo", &["an entry"]).found, "echo is there and shows entries");
        assert_eq!(journal_of("true", &[]).notes, ["true shows no entry to this user"]);
    }
}
