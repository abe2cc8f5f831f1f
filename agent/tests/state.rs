//! The state file against a simple model, and broken on purpose: cut, flipped, torn, on a full disk, killed.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use oddline_agent::state::{
    CHUNK_BYTES_MAX, ENTRY_BYTES_MAX, OpenedState, SPOOL_BYTES_MAX, SourceChange, StateCommit, StateError, StateFile,
    StoredSource, VALUE_BYTES_MAX,
};
use oddline_testkit::{Random, not_run};

type Chunks = Vec<Vec<u8>>;

/// What the file should hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    /// Position and chunks.
    sources: BTreeMap<Vec<u8>, (Vec<u8>, Chunks)>,
    values: BTreeMap<String, Vec<u8>>,
    spool: BTreeMap<u64, Vec<u8>>,
    last: u64,
}

impl Model {
    fn commit(&mut self, commit: &StateCommit) {
        for source in &commit.sources {
            let (position, chunks) = self.sources.entry(source.key.clone()).or_default();
            position.clone_from(&source.position);
            chunks.resize(source.chunk_count as usize, Vec::new());
            for (index, bytes) in &source.chunks {
                chunks[*index as usize].clone_from(bytes);
            }
        }
        for key in &commit.removed {
            self.sources.remove(key);
        }
        for (name, value) in &commit.values {
            match value {
                Some(value) => drop(self.values.insert(name.clone(), value.clone())),
                None => drop(self.values.remove(name)),
            }
        }
        for entry in &commit.entries {
            self.last += 1;
            self.spool.insert(self.last, entry.clone());
        }
    }

    fn ack(&mut self, up_to: u64) {
        self.spool.retain(|sequence, _| *sequence > up_to);
    }

    fn of(state: &mut StateFile) -> Self {
        let sources = state.sources().unwrap().into_iter();
        let names = (0..4).map(|n| format!("value{n}"));
        Self {
            sources: sources.map(|StoredSource { key, position, chunks }| (key, (position, chunks))).collect(),
            values: names.filter_map(|n| state.value(&n).unwrap().map(|v| (n, v))).collect(),
            spool: state.peek(0, usize::MAX).unwrap().into_iter().collect(),
            last: state.last(),
        }
    }

    /// The same but for entries that were acknowledged and are back.
    fn is_but_for_acks(&self, found: &Self) -> bool {
        let mut acked = found.clone();
        acked.ack(self.spool.keys().next().map_or(self.last, |first| first - 1));
        acked == *self
    }

    fn random_commit(&self, random: &mut Random) -> StateCommit {
        let mut commit = StateCommit::default();
        for n in 0..random.below(3) {
            let key = format!("source{n}").into_bytes();
            let old = self.sources.get(&key).map_or(0, |(_, chunks)| u32::try_from(chunks.len()).unwrap());
            let chunk_count = u32::try_from(random.below(5)).unwrap();
            let is_given = |random: &mut Random, index: u32| index >= old || random.below(2) == 0;
            let chunks = (0..chunk_count).filter(|i| is_given(random, *i)).collect::<Vec<_>>();
            let chunks = chunks.into_iter().map(|i| (i, random.bytes_below(9_000))).collect();
            commit.sources.push(SourceChange { key, position: random.bytes_below(50), chunks, chunk_count });
        }
        if random.below(10) == 0 {
            commit.removed.push(b"source2".to_vec());
        }
        if random.below(4) == 0 {
            let value = (random.below(3) > 0).then(|| random.bytes_below(40_000));
            commit.values.push((format!("value{}", random.below(4)), value));
        }
        commit.entries = (0..random.below(6)).map(|_| random.bytes_below(900)).collect();
        commit
    }
}

fn open(path: &Path) -> StateFile {
    let (state, opened) = StateFile::open(path, 7).unwrap();
    assert!(!matches!(opened, OpenedState::SetAside { .. }), "{opened:?}");
    state
}

/// A file with some history, closed; and what it holds.
fn file_with_history(dir: &Path) -> (PathBuf, Model) {
    let path = dir.join("state");
    let (mut state, mut model, mut random) = (open(&path), Model::default(), Random::new(99));
    for _ in 0..30 {
        let commit = model.random_commit(&mut random);
        state.commit(&commit).unwrap();
        model.commit(&commit);
    }
    (path, model)
}

#[test]
fn random_actions_agree_with_the_model() {
    for seed in 1..=25_u64 {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("state"), dir.path().join("copy"));
        let mut random = Random::new(seed);
        let (mut state, mut model) = (open(&path), Model::default());
        let epoch = state.epoch();
        for _ in 0..60 {
            match random.below(10) {
                0..=4 => {
                    let commit = model.random_commit(&mut random);
                    let sequences = state.commit(&commit).unwrap();
                    model.commit(&commit);
                    assert_eq!(
                        (*sequences.end(), sequences.count()),
                        (model.last, commit.entries.len()),
                        "seed {seed}"
                    );
                }
                5 | 6 => {
                    let up_to = state.first() + random.below(8);
                    state.ack(up_to).unwrap();
                    model.ack(up_to);
                }
                7 => {
                    let (from, most) = (random.below(model.last + 2), random.size_below(4_000));
                    let found = state.peek(from, most).unwrap();
                    let expected = model.spool.range(from..).map(|(s, e)| (*s, e.clone()));
                    assert!(expected.take(found.len()).eq(found.iter().cloned()), "seed {seed}");
                    let bytes: usize = found.iter().map(|(_, e)| e.len()).sum();
                    assert!(bytes <= most || found.len() == 1, "seed {seed}");
                    assert!(!found.is_empty() || model.spool.range(from..).next().is_none(), "seed {seed}");
                }
                8 => {
                    drop(state);
                    state = open(&path);
                }
                // Killed: what a reader of the file finds at this instant.
                _ => {
                    fs::copy(&path, &copy).unwrap();
                    let found = Model::of(&mut open(&copy));
                    assert!(model.is_but_for_acks(&found), "seed {seed}");
                    fs::remove_file(&copy).unwrap();
                }
            }
            assert_eq!(Model::of(&mut state), model, "seed {seed}");
            assert_eq!(state.spool_bytes(), model.spool.values().map(|e| e.len() as u64).sum::<u64>());
            assert_eq!(
                (state.epoch(), state.first()),
                (epoch, model.spool.keys().next().map_or(model.last + 1, |f| *f))
            );
        }
    }
}

/// Opens a damaged copy: `true` when all is there, `false` when it was set aside and a new file begun.
fn is_all_there(bytes: &[u8], dir: &Path, allowed: &[&Model]) -> bool {
    let path = dir.join("damaged");
    fs::write(&path, bytes).unwrap();
    let (mut state, opened) = StateFile::open(&path, 5).unwrap();
    let found = Model::of(&mut state);
    match opened {
        OpenedState::SetAside { to, why } => {
            assert_eq!((found, state.set_aside() > 0), (Model::default(), true));
            assert_eq!(fs::read(to).unwrap().len(), bytes.len());
            assert!(!why.is_empty());
            false
        }
        OpenedState::Fresh | OpenedState::Resumed => {
            assert!(allowed.contains(&&found), "silently another state");
            true
        }
    }
}

#[test]
fn a_cut_file_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = file_with_history(dir.path());
    let bytes = fs::read(path).unwrap();
    assert!(is_all_there(&bytes, dir.path(), &[&model]));
    for part in 0..64 {
        let length = bytes.len() * part / 64;
        assert!(!is_all_there(&bytes[..length], dir.path(), &[]), "cut to {length} bytes");
    }
    assert!(!is_all_there(&bytes[..bytes.len() - 1], dir.path(), &[]));
}

#[test]
fn a_flipped_bit_is_harmless_or_the_file_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = file_with_history(dir.path());
    let bytes = fs::read(path).unwrap();
    let mut random = Random::new(3);
    let mut harmless = 0;
    for n in 0..300 {
        let mut flipped = bytes.clone();
        // The first page holds the roots of everything.
        let at = if n < 100 { random.size_below(4096) } else { random.size_below(flipped.len()) };
        flipped[at] ^= 1 << random.below(8);
        harmless += usize::from(is_all_there(&flipped, dir.path(), &[&model]));
    }
    assert!((50..250).contains(&harmless), "{harmless} of 300 flips were harmless");
}

#[test]
fn a_torn_commit_is_there_or_not_there() {
    const SECTOR: usize = 512;
    let dir = tempfile::tempdir().unwrap();
    let (path, before) = file_with_history(dir.path());
    let mut random = Random::new(11);
    let (mut there, mut not_there) = (0, 0);
    for _ in 0..15 {
        let mut model = before.clone();
        let mut state = open(&path);
        let old = fs::read(&path).unwrap();
        let commit = StateCommit { entries: vec![random.bytes_below(900)], ..before.random_commit(&mut random) };
        state.commit(&commit).unwrap();
        model.commit(&commit);
        let new = fs::read(&path).unwrap();
        // Power cuts leave any part of what was written since the sync before.
        for _ in 0..20 {
            let share = random.below(100);
            let mut torn = old.clone();
            torn.resize(new.len().max(old.len()), 0);
            for at in (0..new.len()).step_by(SECTOR) {
                let end = new.len().min(at + SECTOR);
                if random.below(100) < share {
                    torn[at..end].copy_from_slice(&new[at..end]);
                }
            }
            let copy = dir.path().join("torn");
            fs::write(&copy, &torn).unwrap();
            let found = Model::of(&mut open(&copy));
            assert!(found == before || found == model, "half a commit");
            there += usize::from(found == model);
            not_there += usize::from(found == before);
        }
        drop(state);
        fs::write(&path, old).unwrap();
    }
    assert!(there > 0 && not_there > 0, "{there} there, {not_there} not");
}

#[test]
fn a_file_that_is_set_aside_is_counted_and_the_newest_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let first = open(&path).epoch();
    for n in 1..=4 {
        fs::write(&path, "no database").unwrap();
        let (state, opened) = StateFile::open(&path, 1 << 40 | n).unwrap();
        assert!(matches!(opened, OpenedState::SetAside { .. }));
        assert_eq!((state.set_aside(), state.last()), (n, 0));
        assert_ne!(state.epoch(), first);
    }
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["state", "state.set-aside.3", "state.set-aside.4"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_file(&path).unwrap();
    assert_eq!(open(&path).set_aside(), 4);
}

#[test]
fn an_unfinished_new_file_is_begun_again_and_a_busy_one_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    fs::write(dir.path().join("state.new"), "half").unwrap();
    let mut state = open(&path);
    assert!(!dir.path().join("state.new").exists());
    assert!(matches!(StateFile::open(&path, 1), Err(StateError::Busy { .. })));
    assert!(matches!(StateFile::open(&dir.path().join("none/state"), 1), Err(StateError::Io { .. })));
    state.commit(&StateCommit { entries: vec![b"still here".to_vec()], ..StateCommit::default() }).unwrap();
    drop(state);
    let (mut state, opened) = StateFile::open(&path, 1).unwrap();
    assert_eq!((opened, state.peek(1, 0).unwrap()), (OpenedState::Resumed, vec![(1, b"still here".to_vec())]));
}

#[test]
fn bounds_are_kept_and_leave_the_state_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = open(&dir.path().join("state"));
    let source =
        |bytes| SourceChange { key: b"s".to_vec(), position: Vec::new(), chunks: vec![(0, bytes)], chunk_count: 1 };
    let too_large = [
        StateCommit { entries: vec![vec![0; ENTRY_BYTES_MAX + 1]], ..StateCommit::default() },
        StateCommit { sources: vec![source(vec![0; CHUNK_BYTES_MAX + 1])], ..StateCommit::default() },
        StateCommit { values: vec![("v".to_owned(), Some(vec![0; VALUE_BYTES_MAX + 1]))], ..StateCommit::default() },
    ];
    for commit in too_large {
        assert!(matches!(state.commit(&commit), Err(StateError::TooLarge { .. })));
    }
    let entries = vec![vec![7; ENTRY_BYTES_MAX]; 32];
    let full = StateCommit { entries, ..StateCommit::default() };
    while !state.is_spool_full() {
        state.commit(&full).unwrap();
    }
    assert_eq!(state.spool_bytes(), SPOOL_BYTES_MAX);
    while state.commit(&full).is_ok() {}
    assert!(matches!(state.commit(&full), Err(StateError::SpoolFull { bytes, .. }) if bytes > SPOOL_BYTES_MAX));
    // Without entries there is always room.
    state.commit(&StateCommit { sources: vec![source(vec![1])], ..StateCommit::default() }).unwrap();
    state.ack(u64::MAX).unwrap();
    assert_eq!((state.spool_bytes(), state.first()), (0, state.last() + 1));
    state.commit(&full).unwrap();
}

/// A small disk of its own, gone with the value.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(dir.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|s| s.success()).then_some(Self(dir))
    }

    /// Leaves `free` bytes or less.
    fn fill(&self, free: u64) -> PathBuf {
        let ballast = self.0.path().join("ballast");
        let mut file = fs::File::create(&ballast).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len().saturating_sub(free);
        file.set_len(length).unwrap();
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _status = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_passes() {
    let (mut refused, mut killed) = (0, 0);
    for free in (0..12).map(|n| n * 24 * 1024) {
        let Some(disk) = Disk::new("6m") else {
            not_run("a_full_disk_loses_nothing_and_passes", "mounting a small tmpfs needs root");
            return;
        };
        let path = disk.0.path().join("state");
        let (mut state, mut model, mut random) = (open(&path), Model::default(), Random::new(free + 1));
        let mut commit = model.random_commit(&mut random);
        state.commit(&commit).unwrap();
        model.commit(&commit);
        let ballast = disk.fill(free);
        for _ in 0..60 {
            commit = model.random_commit(&mut random);
            commit.entries.push(vec![1; 20_000]);
            match state.commit(&commit) {
                Ok(_) => model.commit(&commit),
                Err(StateError::Io { .. }) => {
                    refused += 1;
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        // Killed while the disk is full: the file alone tells.
        let left = tempfile::tempdir().unwrap();
        let copy = left.path().join("copy");
        fs::copy(&path, &copy).unwrap();
        let found = Model::of(&mut open(&copy));
        let mut done = model.clone();
        done.commit(&commit);
        assert!(found == model || found == done);
        killed += 1;
        fs::remove_file(ballast).unwrap();
        // The same commit again, and it is there once.
        state.commit(&commit).unwrap();
        assert_eq!(Model::of(&mut state), done);
        drop(state);
        assert_eq!(Model::of(&mut open(&path)), done);
    }
    assert!(refused > 6, "the disk was full {refused} times of {killed}");
}

const CHILD: &str = "ODDLINE_STATE_CHILD";

/// Commits for ever, telling the last sequence of each: what the test below does in the process that it starts.
fn commit_for_ever(path: &Path) -> ! {
    let mut state = open(path);
    loop {
        let n = state.last() + 1;
        let source = SourceChange {
            key: b"source".to_vec(),
            position: n.to_string().into_bytes(),
            chunks: vec![(0, vec![u8::try_from(n % 251).unwrap(); 25_600])],
            chunk_count: 1,
        };
        let commit =
            StateCommit { sources: vec![source], entries: vec![n.to_string().into_bytes()], ..StateCommit::default() };
        state.commit(&commit).unwrap();
        // Whoever reads may be killed between; a line is whole or not there.
        println!("\ncommitted {n}");
        if n.is_multiple_of(5) {
            state.ack(n - 2).unwrap();
        }
    }
}

#[test]
fn a_killed_writer_loses_nothing_it_has_told() {
    const KILLS: u64 = 20;
    if let Some(path) = std::env::var_os(CHILD) {
        commit_for_ever(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let mut random = Random::new(17);
    let mut told = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_writer_loses_nothing_it_has_told", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed at a random instant after a random number of commits, while it goes on.
        let commits = random.below(12);
        let wait = Duration::from_micros(random.below(8_000));
        let mut numbers = lines.map_while(Result::ok).filter_map(|l| l.strip_prefix("committed ")?.parse::<u64>().ok());
        told = numbers.by_ref().take(usize::try_from(commits).unwrap() + 1).last().unwrap_or(told);
        let (_open, never) = std::sync::mpsc::channel::<()>();
        assert!(never.recv_timeout(wait).is_err());
        child.kill().unwrap();
        child.wait().unwrap();
        told = numbers.last().unwrap_or(told);
        let mut state = open(&path);
        let last = state.last();
        assert!(last == told || last == told + 1, "told {told}, found {last}");
        let sources = state.sources().unwrap();
        assert_eq!(sources[0].position, last.to_string().into_bytes());
        assert_eq!(sources[0].chunks[0], vec![u8::try_from(last % 251).unwrap(); 25_600]);
        let spool = state.peek(0, usize::MAX).unwrap();
        assert_eq!(spool.last().unwrap(), &(last, last.to_string().into_bytes()));
        assert!(spool.windows(2).all(|w| w[0].0 + 1 == w[1].0) && spool[0].0 <= last - last % 5 + 1);
    }
    assert!(told > KILLS, "{told} commits");
}
