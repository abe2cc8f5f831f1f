//! The kill test: whatever happens to agent, broker, disk and clock while the log rotates, what is heard equals the
//! replay of the whole log. `ODDLINE_KILLS=200` kills longer.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use oddline_e2e::{
    clock::Clock,
    disk::SmallDisk,
    ears::Ears,
    storm::{AGENT, Hindrance, Plan, Storm, kills},
};
use oddline_testkit::not_run;
use tempfile::TempDir;

#[test]
fn nothing_is_lost_and_nothing_comes_twice() {
    let test = "e2e: kill";
    let folder = TempDir::new().unwrap();
    let Some(ears) = Ears::behind_broker(test, folder.path(), AGENT) else { return };
    let mut storm = Storm::begin(Plan { test, kills: kills(), hindrance: Hindrance::None }, ears, folder);
    storm.rage();
    storm.settle();
}

#[test]
fn nor_when_the_disk_is_full_for_a_while() {
    let test = "e2e: disk full";
    let folder = TempDir::new().unwrap();
    let disk = match SmallDisk::mount(&folder.path().join("disk")) {
        Ok(disk) => disk,
        Err(why) => return not_run(test, &why),
    };
    let Some(ears) = Ears::behind_broker(test, folder.path(), AGENT) else { return };
    let plan = Plan { test, kills: (kills() / 3).max(6), hindrance: Hindrance::Disk(disk) };
    let mut storm = Storm::begin(plan, ears, folder);
    storm.rage();
    storm.settle();
}

#[test]
fn nor_when_the_clock_is_set_back() {
    let test = "e2e: clock set back";
    let folder = TempDir::new().unwrap();
    let clock = match Clock::new(folder.path()) {
        Ok(clock) => clock,
        Err(why) => return not_run(test, &why),
    };
    let Some(ears) = Ears::behind_broker(test, folder.path(), AGENT) else { return };
    let plan = Plan { test, kills: (kills() / 2).max(8), hindrance: Hindrance::Clock(clock) };
    let mut storm = Storm::begin(plan, ears, folder);
    storm.rage();
    storm.settle();
}
