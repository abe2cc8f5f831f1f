//! An agent in bad weather: killed at random instants while its log is written and rotated, its broker killed and made
//! to forget, its disk filled, its clock set. At the end what it told is compared with a replay of the whole log.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use oddline_testkit::{
    Random,
    waiting::{PATIENCE, pass, within},
};
use tempfile::TempDir;

use crate::{
    agent::{Agent, Setup},
    clock::Clock,
    compare::Difference,
    disk::SmallDisk,
    ears::Ears,
    fixture,
    heard::Heard,
    replay::Replay,
    writer::{Counts, Writer},
};

/// Name of the agent.
pub const AGENT: &str = "web-1";
/// How many kills there are; another number by the environment.
const KILLS: u32 = 20;
const KILLS_VARIABLE: &str = "ODDLINE_KILLS";
/// The kill waits so long for the agent to be at work; then it comes all the same.
const WORK_WAIT: Duration = Duration::from_secs(5);
/// Longest time from the agent at work to its end, and at any instant.
const WORK_MS: u64 = 300;
const LIFE_MS: u64 = 1_000;
/// Lines until there is something to tell.
const FIRST_LINES: usize = 2_000;
/// Between two writes.
const WRITE_EVERY_MS: u64 = 15;
/// How far a clock is set back: more than any tolerance of times within a day.
const BACK_S: i64 = 3 * 86_400;

/// What is done to the agent besides killing it.
pub enum Hindrance {
    /// Nothing.
    None,
    /// The disk with its state is full for a while.
    Disk(SmallDisk),
    /// The wall clock jumps.
    Clock(Clock),
}

/// What is to happen.
pub struct Plan {
    /// Name of the test.
    pub test: &'static str,
    /// How often it is killed.
    pub kills: u32,
    /// What else is done to it.
    pub hindrance: Hindrance,
}

/// How many kills were asked for.
#[must_use]
pub fn kills() -> u32 {
    std::env::var(KILLS_VARIABLE).map_or(KILLS, |text| text.parse().expect("ODDLINE_KILLS is a number"))
}

/// One agent, its log, its hearer. The fields are dropped in this order.
pub struct Storm {
    agent: Agent,
    ears: Ears,
    desk: Arc<Desk>,
    plan: Plan,
    model: PathBuf,
    random: Random,
    happened: Happened,
    heard_before: usize,
    /// Last: all the others have files in it.
    _folder: TempDir,
}

/// Where the writer sits.
struct Desk {
    writer: Mutex<Writer>,
    /// It may write so many bytes so far.
    allowed: AtomicUsize,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Happened {
    kills: u32,
    at_work: u32,
    broker_kills: u32,
    disk_full: u32,
    clock_set: u32,
}

impl Storm {
    /// Starts everything.
    #[must_use]
    pub fn begin(plan: Plan, ears: Ears, folder: TempDir) -> Self {
        let mut random = Random::for_test(plan.test);
        let logs = folder.path().join("logs");
        std::fs::create_dir_all(&logs).expect("the test's folder can be written");
        let days = (plan.kills / 20 * 3).clamp(3, 12);
        let log = fixture::with_floods(&fixture::log(None, days));
        let writer = Writer::new(&logs.join("app.log"), log, random.fork());
        let model = fixture::model();
        let setup = Setup {
            name: AGENT.to_owned(),
            folder: folder.path().join("agent"),
            state_dir: if let Hindrance::Disk(disk) = &plan.hindrance {
                Some(disk.folder().join("state"))
            } else {
                None
            },
            model: model.clone(),
            link: ears.link(),
            files: logs.join("*.log"),
            env: if let Hindrance::Clock(clock) = &plan.hindrance { clock.env() } else { Vec::new() },
        };
        let desk = Desk { writer: Mutex::new(writer), allowed: AtomicUsize::new(0), stop: AtomicBool::new(false) };
        let mut storm = Self {
            agent: Agent::new(setup),
            ears,
            desk: Arc::new(desk),
            plan,
            model,
            random,
            happened: Happened::default(),
            heard_before: 0,
            _folder: folder,
        };
        storm.agent.start();
        // Before its first commit nothing is promised: it might begin with the live file when others are rotated.
        storm.desk.writer().write_lines(FIRST_LINES);
        let began = within(PATIENCE, || (storm.ears.count() > 0 || !storm.agent.is_alive()).then_some(()));
        assert!(began.is_some() && storm.agent.is_alive(), "nothing is heard; the agent said: {}", storm.agent.said());
        let (desk, random) = (Arc::clone(&storm.desk), storm.random.fork());
        std::thread::spawn(move || desk.write(random));
        storm
    }

    /// All kills of the plan.
    pub fn rage(&mut self) {
        for kill in 0..self.plan.kills {
            self.allow_more();
            // Twice, in the middle of it: what was hindered once must be well again, to be hindered once more.
            let hindered = kill == self.plan.kills / 3 || kill == self.plan.kills * 2 / 3;
            match &self.plan.hindrance {
                Hindrance::Disk(_) if hindered => self.fill_the_disk(),
                Hindrance::Clock(_) => self.set_the_clock(),
                _ => {}
            }
            self.kill_once();
        }
    }

    /// Lets it come to its end; panics when anything is lost, repeated or otherwise than it was promised.
    pub fn settle(mut self) {
        self.desk.allowed.store(usize::MAX, Ordering::Relaxed);
        let written = within(PATIENCE, || {
            self.look();
            self.desk.writer().is_done().then_some(())
        });
        assert!(written.is_some(), "the log is not written to its end");
        let (live, log, counts) = {
            let writer = self.desk.writer();
            (writer.live().to_owned(), writer.log().to_vec(), writer.counts())
        };
        let replay = Replay { program: self.agent.program(), model: &self.model, live: &live };
        let expected = replay.of(&log);
        // Too few after all this time is shown as a difference.
        within(PATIENCE, || {
            let enough = |heard: &[Heard]| heard.iter().filter(|heard| heard.is_replayed()).count() >= expected.len();
            let all_came = self.ears.count() >= expected.len() && enough(&self.ears.heard());
            (all_came || !self.agent.is_alive()).then_some(())
        });
        self.agent.stop();
        let difference = Difference::between(&expected, &self.ears.heard());
        self.report(counts, &difference);
        self.check(&difference, &expected);
    }

    fn report(&self, counts: Counts, difference: &Difference) {
        let Happened { kills, at_work, broker_kills, disk_full, clock_set } = self.happened;
        let (again, _) = self.ears.again_and_faults();
        println!(
            "{}: {kills} kills ({at_work} at work), broker killed {broker_kills}, disk full {disk_full}, clock set {clock_set}; {} rotations ({} empty, {} deleted), {} half lines; came again on the \
             wire: {again}",
            self.plan.test, counts.rotations, counts.empty, counts.deleted, counts.half_lines
        );
        println!("{}: {difference}", self.plan.test);
    }

    fn check(&self, difference: &Difference, expected: &[String]) {
        let heard = self.ears.heard();
        let last_words = || {
            let said = self.agent.said();
            said.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        assert!(difference.is_none(), "{difference}\nthe agent said last:\n{}", last_words());
        let floods = expected.iter().filter(|event| event.starts_with("{\"flood_summary\"")).count();
        assert!(expected.len() >= 100 && floods > 0, "the log has enough to tell: {}, {floods} floods", expected.len());
        let (_, faults) = self.ears.again_and_faults();
        assert_eq!(faults, Vec::<String>::new());
        let other: Vec<&str> = heard.iter().filter(|h| h.is_fault()).map(|h| h.text.as_str()).collect();
        assert!(other.is_empty(), "nothing went wrong that it had to tell of: {other:?}");
        let sequences: Vec<u64> = heard.iter().map(|heard| heard.sequence).collect();
        let without_hole = (1..=heard.len() as u64).collect::<Vec<_>>();
        assert!(sequences == without_hole, "a sequence is missing, or out of its order: {sequences:?}");
        assert!(heard.iter().all(|h| h.epoch == heard[0].epoch), "the state file was begun anew");
        assert!(self.happened.at_work * 4 >= self.plan.kills, "too few kills met it at work: {:?}", self.happened);
        if let Hindrance::Clock(_) = self.plan.hindrance {
            assert!(wall_clock_went_back(&heard), "the clock was set back, and no entry shows it");
        }
    }

    fn kill_once(&mut self) {
        if self.random.once_in(2) {
            within(WORK_WAIT, || self.is_at_work().then_some(()));
            self.live_for(WORK_MS);
        } else {
            self.live_for(LIFE_MS);
        }
        let broker_too = self.random.once_in(3);
        let broker_first = broker_too && self.random.once_in(2);
        if broker_first {
            self.kill_broker();
            self.live_for(WORK_MS);
        }
        self.happened.at_work += u32::from(self.is_at_work());
        self.end_agent();
        if broker_too && !broker_first {
            self.kill_broker();
        }
        if self.random.once_in(3) {
            self.live_for(WORK_MS);
        }
        if let (Hindrance::Clock(_), true) = (&self.plan.hindrance, self.random.once_in(2)) {
            // As if the clock had been wrong when these lines were written; the next ones are dated right again.
            let back = Duration::from_secs(BACK_S.unsigned_abs());
            let mut writer = self.desk.writer();
            writer.write_lines(50);
            writer.date_back(back);
            writer.rotate();
        }
        if let (Ears::Broker { broker, .. }, true) = (&mut self.ears, broker_too) {
            broker.start();
        }
        self.heard_before = self.ears.count();
        self.agent.start();
    }

    fn end_agent(&mut self) {
        if self.agent.kill() {
            self.happened.kills += 1;
            return;
        }
        panic!("the agent ended by itself; it said: {}", self.agent.said());
    }

    fn kill_broker(&mut self) {
        if let Ears::Broker { broker, .. } = &mut self.ears {
            broker.kill();
            self.happened.broker_kills += 1;
        }
    }

    /// Nothing is acknowledged, so that the spool must grow, and it cannot.
    fn fill_the_disk(&mut self) {
        let Hindrance::Disk(disk) = &self.plan.hindrance else { return };
        if let Ears::Broker { subscriber, .. } = &self.ears {
            subscriber.fall_silent();
        }
        disk.fill();
        let mark = self.agent.said().len();
        let third = self.desk.writer().log().len() / 4;
        self.desk.allowed.fetch_add(third, Ordering::Relaxed);
        self.agent.says(mark, "that the disk is full", |said| said.contains("No space left"));
        self.happened.disk_full += 1;
        self.end_agent();
        // And once more, into the full disk.
        self.agent.start();
        self.live_for(LIFE_MS);
        // What was sent is acknowledged, and cannot be deleted.
        if let (Ears::Broker { subscriber, .. }, true) = (&self.ears, self.random.once_in(2)) {
            subscriber.speak();
            self.live_for(LIFE_MS);
        }
        self.end_agent();
        let Hindrance::Disk(disk) = &self.plan.hindrance else { return };
        disk.free();
        if let Ears::Broker { subscriber, .. } = &self.ears {
            subscriber.speak();
        }
        self.heard_before = self.ears.count();
        self.agent.start();
    }

    fn set_the_clock(&mut self) {
        let Hindrance::Clock(clock) = &self.plan.hindrance else { return };
        let offsets = [0, -BACK_S, -BACK_S - 3_600, 3_600];
        clock.set_s(offsets[self.random.size_below(offsets.len())]);
        self.happened.clock_set += 1;
    }

    /// Its share of the log for one more kill.
    fn allow_more(&self) {
        let share = self.desk.writer().log().len() / usize::try_from(self.plan.kills + 1).expect("a few kills");
        self.desk.allowed.fetch_add(share, Ordering::Relaxed);
    }

    fn live_for(&mut self, millis: u64) {
        self.look();
        pass(self.random.millis_below(millis));
        self.look();
    }

    /// Whether it has told anything in this life.
    fn is_at_work(&self) -> bool {
        self.look();
        self.ears.count() > self.heard_before
    }

    /// Tells the writer what need not be kept any more.
    fn look(&self) {
        if let Some(record) = self.ears.record() {
            self.desk.writer().was_read(record);
        }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.desk.stop.store(true, Ordering::Relaxed);
    }
}

impl Desk {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().expect("no holder of this lock dies")
    }

    fn write(&self, mut random: Random) {
        while !self.stop.load(Ordering::Relaxed) {
            let mut writer = self.writer();
            if writer.is_done() {
                return;
            }
            if writer.written() < self.allowed.load(Ordering::Relaxed) {
                writer.act();
            }
            drop(writer);
            pass(random.millis_below(WRITE_EVERY_MS));
        }
    }
}

/// Two entries of one boot, of which the later one has the much earlier wall clock.
fn wall_clock_went_back(heard: &[Heard]) -> bool {
    let day_us = 86_400_000_000;
    heard.windows(2).any(|pair| {
        let [before, after] = [pair[0].entry.stamp, pair[1].entry.stamp];
        before.boot == after.boot
            && before.monotonic_us <= after.monotonic_us
            && after.wall.micros() < before.wall.micros() - day_us
    })
}
