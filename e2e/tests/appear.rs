//! Files that appear while the agent runs are read from their start, whatever comes between.

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

/// Lines of the new file until the kill: too few to tell anything.
const QUIET_LINES: usize = 20;

/// Lines of a file that the agent has read, as it says itself.
fn lines_read(agent: &Agent, path: &Path) -> Option<u64> {
    let status = agent.status()?;
    let sources = status.pointer("/reading/sources").or_else(|| status.get("sources"))?.as_array()?;
    let source = sources.iter().find(|source| source["name"] == path.display().to_string())?;
    source["lines"].as_u64()
}

#[test]
fn a_new_file_that_is_rotated_while_the_agent_is_dead_is_read_from_its_start() {
    let test = "e2e: appear";
    let folder = TempDir::new().unwrap();
    let Some(ears) = Ears::behind_broker(test, folder.path(), AGENT) else { return };
    let logs = folder.path().join("logs");
    fs::create_dir_all(&logs).unwrap();
    let (old, new) = (logs.join("old.log"), logs.join("new.log"));
    fs::write(&old, fixture::log(Some("server-01"), 3)).unwrap();
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
    assert!(agent.is_alive() && ears.count() > 0, "nothing was heard; the agent said: {}", agent.said());

    let log = fixture::log(Some("server-03"), 3);
    let end = log.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(QUIET_LINES - 1).unwrap().0 + 1;
    let model = fixture::model();
    let program = agent.program().to_owned();
    let replay = Replay { program: &program, model: &model, live: &new };
    assert_eq!(replay.of(&log[..end]), Vec::<String>::new(), "the first lines are to be quiet");
    fs::write(&new, &log[..end]).unwrap();
    let read = || lines_read(&agent, &new).filter(|lines| *lines == QUIET_LINES as u64);
    until(read, || format!("it does not read the new file: {:?}; it said: {}", agent.status(), agent.said()));
    assert!(agent.kill());
    fs::rename(&new, new.with_added_extension("1")).unwrap();
    fs::write(&new, &log[end..]).unwrap();
    agent.start();

    let expected = replay.of(&log);
    let of_new = |heard: &Heard| **heard.entry.event.source() == *new.display().to_string();
    let difference = || Difference::between(&expected, &ears.heard().into_iter().filter(of_new).collect::<Vec<_>>());
    let found = within(PATIENCE, || Some(difference()).filter(Difference::is_none)).unwrap_or_else(difference);
    println!("{test}: {found}");
    assert!(found.is_none(), "{found}\n{}", agent.said());
    assert!(!ears.heard().iter().any(Heard::is_fault), "nothing went wrong that it had to tell of");
}
