//! The agent on a disk that is full: it waits with everything it would write, whatever happens meanwhile, and goes on
//! when there is room.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use oddline_e2e::{
    agent::{Agent, Setup},
    compare::Difference,
    disk::SmallDisk,
    ears::Ears,
    fixture,
    replay::Replay,
    storm::AGENT,
};
use oddline_testkit::{
    not_run,
    process::signal,
    waiting::{PATIENCE, until, within},
};
use tempfile::TempDir;

/// Events that wait in the state file when the disk is full.
const WAITING: usize = 200;

fn agent(folder: &Path, disk: &SmallDisk, live: &Path, ears: &Ears) -> Agent {
    let setup = Setup::new(AGENT, folder.join("agent"), ears.link());
    Agent::new(Setup { files: live.to_owned(), state_dir: Some(disk.folder().join("state")), ..setup })
}

#[test]
fn an_acknowledgement_a_reload_and_a_restart_are_survived_on_a_full_disk() {
    let test = "e2e: acknowledged on a full disk";
    let folder = TempDir::new().unwrap();
    let disk = match SmallDisk::mount(&folder.path().join("disk")) {
        Ok(disk) => disk,
        Err(why) => return not_run(test, &why),
    };
    let Some(mut ears) = Ears::behind_broker(test, folder.path(), AGENT) else { return };
    let live = folder.path().join("app.log");
    let log = fixture::with_floods(&fixture::log(None, 4));
    let half = log.len() / 2;
    let half = half + log[half..].iter().position(|b| *b == b'\n').unwrap() + 1;
    fs::write(&live, &log[..half]).unwrap();
    let mut agent = agent(folder.path(), &disk, &live, &ears);
    let Ears::Broker { subscriber, .. } = &ears else { unreachable!("it is behind a broker") };
    subscriber.fall_silent();
    agent.start();
    let many = || (ears.count() >= WAITING).then_some(());
    until(many, || format!("{} events were heard; the agent said: {}", ears.count(), agent.said()));
    let read = || agent.status().filter(|status| status["reading"]["sources"][0]["lag_bytes"] == 0);
    until(read, || format!("it is not read to its end; the agent said: {}", agent.said()));

    disk.fill();
    let mark = agent.said().len();
    OpenOptions::new().append(true).open(&live).unwrap().write_all(&log[half..]).unwrap();
    agent.says(mark, "that the disk is full", |said| said.contains("No space left"));

    // What was sent is sent again over the next connection, and acknowledged now.
    let mark = agent.said().len();
    let Ears::Broker { broker, subscriber, .. } = &mut ears else { unreachable!("it is behind a broker") };
    subscriber.speak();
    broker.kill();
    broker.start();
    agent.says(mark, "that the acknowledged waits", |said| said.contains("what is delivered waits in it"));
    assert!(agent.is_alive(), "it ended by itself; it said: {}", agent.said());

    let mark = agent.said().len();
    signal(agent.id(), "HUP");
    agent.says(mark, "that it goes on", |said| said.contains("could not be committed"));
    agent.says(mark, "that it waits", |said| said.contains("No space left"));
    assert!(agent.is_alive(), "it ended by itself; it said: {}", agent.said());

    assert!(agent.kill());
    let mark = agent.said().len();
    agent.start();
    agent.says(mark, "that it waits", |said| said.contains("No space left"));
    assert!(agent.is_alive(), "it ended by itself; it said: {}", agent.said());

    disk.free();
    let expected = Replay { program: agent.program(), model: &fixture::model(), live: &live }.of(&log);
    let difference = || Difference::between(&expected, &ears.heard());
    let found = within(PATIENCE, || Some(difference()).filter(Difference::is_none)).unwrap_or_else(difference);
    assert!(found.is_none(), "{found}\n{}", agent.said());
    let delivered = || agent.status().filter(|status| status["reading"]["waiting"] == 0);
    until(delivered, || format!("events wait for ever; the agent said: {}", agent.said()));
    agent.stop();
}
