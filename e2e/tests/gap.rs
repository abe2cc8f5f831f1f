//! What was deleted before it was read: one gap, with its size, and everything else as in a replay without it.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::fs;

use oddline_e2e::{
    agent::{Agent, Setup},
    compare::Difference,
    ears::Ears,
    fixture,
    heard::Heard,
    replay::Replay,
    storm::AGENT,
    waiting::{PATIENCE, until, within},
};
use tempfile::TempDir;

/// Days of the log: so long that the agent is killed while it reads.
const DAYS: u32 = 20;

#[test]
fn a_generation_deleted_before_it_was_read_is_one_gap_with_its_size() {
    let test = "e2e: gap";
    let folder = TempDir::new().unwrap();
    let Some(ears) = Ears::behind_broker(test, folder.path(), AGENT) else { return };
    let logs = folder.path().join("logs");
    fs::create_dir_all(&logs).unwrap();
    let live = logs.join("app.log");
    let log = fixture::log(None, DAYS);
    let end = log.len() / 10 * 9;
    let end = end + log[end..].iter().position(|b| *b == b'\n').unwrap() + 1;
    let (first, next) = log.split_at(end);
    fs::write(&live, first).unwrap();
    let mut agent = Agent::new(Setup {
        name: AGENT.to_owned(),
        folder: folder.path().join("agent"),
        state_dir: None,
        model: fixture::model(),
        link: ears.link(),
        files: logs.join("*.log"),
        env: Vec::new(),
    });
    agent.start();
    within(PATIENCE, || (ears.count() > 0 || !agent.is_alive()).then_some(()));
    assert!(agent.kill() && ears.count() > 0, "nothing was heard; the agent said: {}", agent.said());

    // Rotated, and gone; the log goes on in a new file.
    fs::rename(&live, live.with_added_extension("1")).unwrap();
    fs::write(&live, next).unwrap();
    fs::remove_file(live.with_added_extension("1")).unwrap();
    agent.start();
    let gaps = |heard: &[Heard]| heard.iter().filter_map(Heard::gap).collect::<Vec<_>>();
    let told = || Some(gaps(&ears.heard())).filter(|gaps| !gaps.is_empty());
    let gap = until(told, || format!("no gap is told of; the agent said: {}", agent.said()));
    let [Some(bytes)] = gap[..] else { panic!("one gap with its bytes: {gap:?}") };
    let read = first.len() - usize::try_from(bytes).unwrap();
    println!("{test}: of {} bytes {read} were read, {bytes} are told to be lost", first.len());
    assert!(bytes > 0 && read > 0, "it was killed while it read");
    assert_eq!(first[read - 1], b'\n', "what was read ends with a line");

    // If the size were wrong by a line, every record's number after it would be.
    let left = [&first[..read], next].concat();
    let expected = Replay { program: agent.program(), model: &fixture::model(), live: &live }.of(&left);
    let difference = || Difference::between(&expected, &ears.heard());
    let found = within(PATIENCE, || Some(difference()).filter(Difference::is_none)).unwrap_or_else(difference);
    println!("{test}: {found}");
    assert!(found.is_none(), "{found}\n{}", agent.said());
    agent.stop();
    assert_eq!(gaps(&ears.heard()).len(), 1);
    let other: Vec<String> =
        ears.heard().iter().filter(|h| !h.is_replayed() && h.gap().is_none()).map(|h| h.text.clone()).collect();
    assert!(other.is_empty(), "{other:?}");
}
