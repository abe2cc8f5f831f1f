//! What was deleted before it was read: one gap, with its size, and everything else as in a replay without it.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{fs, path::Path};

use oddline_e2e::{
    agent::{Agent, Setup},
    compare::Difference,
    ears::Ears,
    fixture,
    heard::Heard,
    replay::Replay,
    storm::AGENT,
};
use oddline_testkit::waiting::{PATIENCE, until, within};
use tempfile::TempDir;

/// Days of the log: so long that the agent is killed while it reads.
const DAYS: u32 = 20;

/// An agent on the only log of a folder.
fn agent(folder: &Path, live: &Path, ears: &Ears) -> Agent {
    let setup = Setup::new(AGENT, folder.join("agent"), ears.link());
    Agent::new(Setup { files: live.to_owned(), ..setup })
}

fn hears(ears: &Ears, agent: &mut Agent) {
    within(PATIENCE, || (ears.count() > 0 || !agent.is_alive()).then_some(()));
    assert!(agent.is_alive() && ears.count() > 0, "nothing was heard; the agent said: {}", agent.said());
}

/// Waits until what is heard equals the replay.
fn check(test: &str, ears: &Ears, agent: &Agent, expected: &[String]) {
    let difference = || Difference::between(expected, &ears.heard());
    let found = within(PATIENCE, || Some(difference()).filter(Difference::is_none)).unwrap_or_else(difference);
    println!("{test}: {found}");
    assert!(found.is_none(), "{found}\n{}", agent.said());
}

fn faults(ears: &Ears) -> Vec<Heard> {
    ears.heard().into_iter().filter(Heard::is_fault).collect()
}

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
    let mut agent = agent(folder.path(), &live, &ears);
    agent.start();
    hears(&ears, &mut agent);
    assert!(agent.kill());

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
    check(test, &ears, &agent, &expected);
    agent.stop();
    let told = faults(&ears);
    assert!(told.len() == 1 && told[0].gap().is_some(), "one gap and nothing else: {told:?}");
}

/// Nothing was in what is deleted here: that the log was rotated often while it was quiet is nothing to tell of.
#[test]
fn a_quiet_log_that_was_rotated_away_is_no_gap() {
    let test = "e2e: quiet";
    let folder = TempDir::new().unwrap();
    let Some(ears) = Ears::behind_broker(test, folder.path(), AGENT) else { return };
    let live = folder.path().join("app.log");
    let log = fixture::log(None, 3);
    let half = log.len() / 2;
    let (first, next) = log.split_at(half + log[half..].iter().position(|b| *b == b'\n').unwrap() + 1);
    fs::write(&live, first).unwrap();
    let mut agent = agent(folder.path(), &live, &ears);
    agent.start();
    hears(&ears, &mut agent);
    // All that was read is committed at the end: from here on nothing is.
    agent.stop();
    agent.start();
    let reading = |figure: &str| agent.status()?.pointer(&format!("/reading/{figure}"))?.as_u64();
    let is_read = || reading("sources/0/lag_bytes").filter(|lag| *lag == 0);
    until(is_read, || format!("it does not read all: {:?}", agent.status()));
    let before = reading("commits").unwrap();

    fs::rename(&live, live.with_added_extension("1")).unwrap();
    fs::write(&live, "").unwrap();
    // That it goes on in the new file is committed in its time, although nothing was read in it.
    let committed = || reading("commits").filter(|commits| *commits > before);
    until(committed, || format!("its place is not committed: {:?}", agent.status()));
    assert!(agent.kill());
    fs::remove_file(live.with_added_extension("1")).unwrap();
    fs::write(&live, next).unwrap();
    agent.start();
    let expected = Replay { program: agent.program(), model: &fixture::model(), live: &live }.of(&log);
    check(test, &ears, &agent, &expected);
    agent.stop();
    assert!(faults(&ears).is_empty(), "{:?}", faults(&ears));
}
