//! Which files the daemon opens: links by the right of their makers, never its own files, nothing but regular files.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs,
    io::Read,
    os::unix::fs::{chown, lchown, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use oddline_agent::source::{
    FileTail, Opener, SourceError, StartPosition,
    discover::{Discover, Pattern, Scan},
    opener::OwnFiles,
};
use oddline_testkit::not_run;

/// Two users that are neither root nor whoever runs the tests.
const MALLORY: u32 = 65_533;
const VICTIM: u32 = 65_532;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, owner: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{name}\n")).unwrap();
        chown(&path, Some(owner), None).unwrap();
        path
    }

    fn link(&self, name: &str, target: &Path, maker: u32) -> PathBuf {
        let path = self.path(name);
        symlink(target, &path).unwrap();
        lchown(&path, Some(maker), None).unwrap();
        path
    }

    fn discover(&self, pattern: &str, own: OwnFiles) -> Discover {
        let pattern: Pattern = self.path(pattern).to_str().unwrap().parse().unwrap();
        Discover::new(vec![pattern], Vec::new(), Opener::guarded(own))
    }
}

/// Making files that are another's needs root.
fn is_root(test: &str) -> bool {
    if !oddline_testkit::is_root() {
        not_run(test, "giving files to other users needs root");
    }
    oddline_testkit::is_root()
}

fn text(opener: &Opener, path: &Path) -> Result<String, SourceError> {
    let mut text = String::new();
    opener.open(path)?.unwrap().0.read_to_string(&mut text).unwrap();
    Ok(text)
}

fn paths(scan: &Scan) -> Vec<PathBuf> {
    scan.appeared.iter().map(|file| file.path.clone()).collect()
}

#[test]
fn a_link_is_followed_by_the_right_of_its_maker() {
    if !is_root("a_link_is_followed_by_the_right_of_its_maker") {
        return;
    }
    let folder = Folder::new();
    let secret = folder.write("secret/auth.log", VICTIM);
    folder.write("secret/auth.log.1", VICTIM);
    let own = folder.write("home/own.log", MALLORY);
    folder.write("logs/plain.log", VICTIM);
    let opener = Opener::guarded(OwnFiles::default());
    let refused = |path: &Path| matches!(opener.open(path), Err(SourceError::Link { .. }));
    assert!(refused(&folder.link("logs/evil.log", &secret, MALLORY)));
    assert!(refused(&folder.link("logs/relative.log", Path::new("../secret/auth.log"), MALLORY)));
    // A chain is as good as its worst link.
    let inner = folder.link("home/inner.log", &secret, MALLORY);
    assert!(refused(&folder.link("logs/chain.log", &inner, 0)));
    let outer = folder.link("home/folder", &folder.path("secret"), MALLORY);
    assert!(refused(&outer.join("auth.log")) && refused(&folder.path("home/folder/auth.log.1")));
    assert_eq!(text(&opener, &folder.link("logs/mine.log", &own, MALLORY)).unwrap(), "home/own.log\n");
    assert_eq!(text(&opener, &folder.link("logs/roots.log", &secret, 0)).unwrap(), "secret/auth.log\n");
    assert_eq!(text(&opener, &folder.link("logs/victims.log", &secret, VICTIM)).unwrap(), "secret/auth.log\n");
    assert!(opener.open(&folder.link("logs/dangling.log", Path::new("nowhere"), MALLORY)).unwrap().is_none());
    let (a, b) = (folder.path("logs/loop-a.log"), folder.path("logs/loop-b.log"));
    symlink(&b, &a).unwrap();
    symlink(&a, &b).unwrap();
    assert!(matches!(opener.open(&a), Err(SourceError::Open { .. })));
    // Whoever names a file on the command line means it.
    assert_eq!(text(&Opener::following_links(), &folder.path("logs/evil.log")).unwrap(), "secret/auth.log\n");

    let mut discover = folder.discover("logs/*.log", OwnFiles::default());
    let scan = discover.scan();
    let found: Vec<_> = scan.appeared.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap()).collect();
    // The victim's link and root's lead to one file.
    assert_eq!(found, ["plain.log", "mine.log", "roots.log"]);
    let refused: Vec<_> = scan.refused.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(refused, ["chain.log", "evil.log", "relative.log"]);
}

#[test]
fn a_link_that_sorts_first_leaves_a_log_to_its_own_name() {
    if !is_root("a_link_that_sorts_first_leaves_a_log_to_its_own_name") {
        return;
    }
    let folder = Folder::new();
    let log = folder.write("logs/victim.log", VICTIM);
    for (name, maker) in [("logs/0.log", MALLORY), ("logs/1.log", 0), ("logs/2.log", VICTIM)] {
        folder.link(name, &log, maker);
    }
    let mut discover = folder.discover("logs/*.log", OwnFiles::default());
    let scan = discover.scan();
    assert_eq!(paths(&scan), [log]);
    // It is read under its own name: nothing to complain of.
    assert!(scan.refused.is_empty(), "{:?}", scan.refused);

    // A file that is followed becomes a link to another log.
    let own = folder.write("logs/00.log", MALLORY);
    assert_eq!(paths(&discover.scan()), std::slice::from_ref(&own));
    // Whoever follows it has it open: its number is not given to another meanwhile.
    let _followed = fs::File::open(&own).unwrap();
    fs::remove_file(&own).unwrap();
    let later = folder.write("logs/later.log", VICTIM);
    folder.link("logs/00.log", &later, MALLORY);
    assert_eq!(paths(&discover.scan()), [later]);
}

#[test]
fn a_log_that_becomes_a_link_is_not_followed_into_what_its_maker_may_not_read() {
    if !is_root("a_log_that_becomes_a_link_is_not_followed_into_what_its_maker_may_not_read") {
        return;
    }
    let folder = Folder::new();
    let (log, secret) = (folder.write("logs/app.log", MALLORY), folder.write("secret/auth.log", VICTIM));
    folder.write("secret/auth.log.1", VICTIM);
    let mut tail = FileTail::new(&log, StartPosition::Start, Opener::guarded(OwnFiles::default()));
    let mut now = std::time::Instant::now();
    let mut step = |tail: &mut FileTail| {
        now += std::time::Duration::from_secs(1);
        tail.next(now).map(|item| format!("{item:?}"))
    };
    (0..5).for_each(|_| drop(step(&mut tail).unwrap()));
    fs::remove_file(&log).unwrap();
    folder.link("logs/app.log", &secret, MALLORY);
    let last: Vec<_> = (0..10).map(|_| step(&mut tail)).collect();
    assert!(matches!(last.last(), Some(Err(SourceError::Link { .. }))), "{last:?}");
    // After a restart just the same, from the position.
    let position = tail.position().unwrap();
    let mut tail = FileTail::new(&log, StartPosition::After(position), Opener::guarded(OwnFiles::default()));
    assert!((0..10).all(|_| step(&mut tail).is_err()));
}

#[test]
fn the_agents_own_files_are_no_logs() {
    let folder = Folder::new();
    let owner = rustix::process::geteuid().as_raw();
    for name in
        ["state/anomalies.jsonl", "logs/odd.jsonl", "logs/odd.jsonl.1", "logs/odd.jsonl.old", "logs/err", "logs/a"]
    {
        folder.write(name, owner);
    }
    folder.link("logs/z", &folder.path("state/anomalies.jsonl"), owner);
    let error = oddline_agent::source::identity::file_id(&fs::metadata(folder.path("logs/err")).unwrap());
    let own = || OwnFiles {
        folders: vec![folder.path("state")],
        files: vec![folder.path("logs/../logs/odd.jsonl")],
        ids: vec![error],
    };
    assert_eq!(
        paths(&folder.discover("logs", own()).scan()),
        [folder.path("logs/a"), folder.path("logs/odd.jsonl.old")]
    );
    assert!(folder.discover("state/*", own()).scan().appeared.is_empty());
    let opener = Opener::guarded(own());
    assert!(matches!(opener.open(&folder.path("logs/z")), Err(SourceError::Own { .. })));
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let folder = Folder::new();
    let fifo = folder.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for opener in [Opener::following_links(), Opener::guarded(OwnFiles::default())] {
        for path in [fifo.as_path(), folder.0.path(), Path::new("/dev/zero")] {
            assert!(matches!(opener.open(path), Err(SourceError::NotAFile { .. })), "{}", path.display());
        }
        assert!(opener.open(&folder.path("none")).unwrap().is_none());
    }
}
