//! Names that never come again: identifiers in a place where a source should have names. Whoever reads a source's records
//! in their order asks for each. Where names keep growing, only those that came again are names of that source from then
//! on: what was learnt before a flood of others stays.
//!
//! ```text
//!  name -> hash -> known? -> seen again, unless it is one of the newest
//!                  new?   -> a block of 64 new names is full -> are those of an older block seen again?
//! ```
//!
//! A fleet's first round looks like identifiers too: every name is new. So a block is judged only when fifteen more have
//! come and ten minutes have passed since, or a day and two hours, or when the table is full. Up to 960 names that take
//! turns are never mistaken. Depends on nothing but the source's own records: a replay decides the same.

use serde::{Deserialize, Serialize};

use crate::{limits::STREAMS_MAX, record::Record, time::EventTime};

/// Names that are judged together.
const BLOCK: usize = 64;
/// Names held at a time: as many as a source may have streams.
const NAMES_MAX: usize = STREAMS_MAX;
/// New blocks after which a name should have come again ...
const BLOCKS_LATER: usize = 15;
/// ... when so much time passed too, in seconds. Fleets report more often.
const ROUND_S: f64 = 600.0;
/// Or time that is enough alone, in seconds: what runs once a day has run again.
const DAY_S: f64 = 26.0 * 3_600.0;
/// Names of a block that have to come again, or it is no block of names.
const AGAIN_MIN: u32 = 16;

/// Whether the names that a source's records have keep growing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NameGrowth {
    servers: GrowthWatch,
    components: GrowthWatch,
    /// Kinds of names that were told.
    told: u8,
}

impl NameGrowth {
    /// Takes out of a record the names that are none in its source. `chosen` are those that an operator chose himself:
    /// server and component.
    pub fn watch(&mut self, record: &mut Record<'_>, chosen: (bool, bool)) {
        let time = record.time;
        if let Some(name) = record.server.as_deref().filter(|_| !chosen.0)
            && !self.servers.is_name(name, time)
        {
            record.server = None;
        }
        if let Some(name) = record.component.as_deref().filter(|_| !chosen.1)
            && !self.components.is_name(name, time)
        {
            record.component = None;
        }
    }

    /// Which names are used no more, in words to stand after the source's name; `None` while all are.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let which = match (self.servers.has_grown, self.components.has_grown) {
            (false, false) => return None,
            (true, false) => "servers",
            (false, true) => "components",
            (true, true) => "servers and components",
        };
        Some(format!(
            "it names ever more {which} and hardly one comes again: from now on only those that did are used as names"
        ))
    }

    /// The same once for each kind of name.
    pub fn take_problem(&mut self) -> Option<String> {
        let grown = u8::from(self.servers.has_grown) + u8::from(self.components.has_grown);
        let is_news = grown > std::mem::replace(&mut self.told, grown);
        if is_news { self.problem() } else { None }
    }

    /// What it holds weighs so much in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.servers.bytes() + self.components.bytes()
    }
}

/// The names of one kind, each by its hash in the order in which they came.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct GrowthWatch {
    /// Once they have grown, those that came again.
    hashes: Vec<u32>,
    blocks: Vec<NameBlock>,
    /// The place of the name before: the next is often the same, or the one that came after it last time.
    last: u16,
    has_grown: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct NameBlock {
    /// Names seen again, a bit each.
    again: u64,
    /// When its newest name came.
    newest_at: Option<EventTime>,
}

const _: () = assert!(BLOCK == u64::BITS as usize && NAMES_MAX.is_multiple_of(BLOCK) && NAMES_MAX <= u16::MAX as usize);

impl GrowthWatch {
    /// Whether `name` is one; counts it.
    fn is_name(&mut self, name: &str, time: Option<EventTime>) -> bool {
        let hash = hash(name);
        let last = usize::from(self.last);
        let is_at = |at: &usize| self.hashes.get(*at) == Some(&hash);
        let known = [last, last + 1].into_iter().find(is_at);
        let known = known.or_else(|| self.hashes.iter().position(|known| *known == hash));
        match known {
            Some(at) => self.seen_again(at, time),
            None if self.has_grown => {}
            None => self.add(hash, time),
        }
        known.is_some() || !self.has_grown
    }

    fn seen_again(&mut self, at: usize, time: Option<EventTime>) {
        self.last = place(at);
        let is_behind = self.hashes.len() - at > BLOCK;
        let Some(block) = self.blocks.get_mut(at / BLOCK) else { return };
        // What comes again at once may be one request with several lines.
        if is_behind || time.zip(block.newest_at).is_some_and(|(now, then)| now.seconds_since(then) >= ROUND_S) {
            block.again |= 1 << (at % BLOCK);
        }
    }

    fn add(&mut self, hash: u32, time: Option<EventTime>) {
        if self.hashes.len() == NAMES_MAX {
            self.hashes.clear();
            self.blocks.clear();
        }
        let at = self.hashes.len();
        self.hashes.push(hash);
        self.last = place(at);
        if at.is_multiple_of(BLOCK) {
            self.blocks.push(NameBlock::default());
        }
        self.blocks[at / BLOCK].newest_at = time;
        if at % BLOCK == BLOCK - 1 && self.is_growing(time) {
            self.has_grown = true;
            let blocks = std::mem::take(&mut self.blocks);
            let is_again = |at: usize| blocks[at / BLOCK].again >> (at % BLOCK) & 1 == 1;
            let kept = self.hashes.iter().enumerate().filter(|(at, _)| is_again(*at)).map(|(_, hash)| *hash);
            self.hashes = kept.collect();
            self.last = 0;
        }
    }

    /// Whether most names that should have come again have not: those of the newest such block, and of all together.
    fn is_growing(&self, now: Option<EventTime>) -> bool {
        let newest = self.blocks.len() - 1;
        let is_full = self.hashes.len() == NAMES_MAX;
        let is_due = |at: usize, block: &NameBlock| {
            let passed = now.zip(block.newest_at).map_or(ROUND_S, |(now, then)| now.seconds_since(then));
            (newest - at >= BLOCKS_LATER && (passed >= ROUND_S || is_full)) || (newest > at && passed >= DAY_S)
        };
        let due = self.blocks.iter().enumerate().take_while(|(at, block)| is_due(*at, block));
        let again: Vec<u32> = due.map(|(_, block)| block.again.count_ones()).collect();
        let half = u32::try_from(again.len() * BLOCK / 2).unwrap_or(u32::MAX);
        again.last().is_some_and(|newest| *newest < AGAIN_MIN) && again.iter().sum::<u32>() < half
    }

    fn bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<u32>() + self.blocks.capacity() * size_of::<NameBlock>()
    }
}

fn place(at: usize) -> u16 {
    u16::try_from(at).expect("no more names than that are held")
}

/// FNV-1a.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;

    fn at(seconds: i64) -> Option<EventTime> {
        EventTime::parse("2026-01-05T00:00:00Z").map(|t| t.plus_seconds(seconds as f64))
    }

    /// The record, from 1 on, whose name is none for the first time; 0 when there is none.
    fn grown(names: impl Iterator<Item = (String, Option<EventTime>)>) -> usize {
        let mut watch = GrowthWatch::default();
        for (count, (name, time)) in names.enumerate() {
            if !watch.is_name(&name, time) {
                return count + 1;
            }
            assert!(watch.bytes() < 40_000, "{}", watch.bytes());
        }
        0
    }

    #[test]
    fn identifiers_are_told_within_some_thousand() {
        assert_eq!(grown((0..3_000).map(|i| (format!("k{i}q"), at(i)))), 1_024, "one a second");
        assert_eq!(grown((0..9_000).map(|i| (format!("k{i}q"), at(i / 100)))), 4_096, "a hundred a second");
        assert_eq!(grown((0..9_000).map(|i| (format!("k{}q", i / 5), at(i)))), 1_023 * 5 + 1, "each five times");
        assert_eq!(grown((0..9_000).map(|i| (format!("k{i}q"), None))), 1_024, "without times");
        let slow = grown((0..900).map(|i| (format!("k{i}q"), at(i * 12 * MINUTE))));
        assert!((64..320).contains(&slow), "five an hour: {slow}");
        let mixed = |i: i64| if i % 3 == 0 { format!("cart-{}", i % 20) } else { format!("k{i}q") };
        assert!((1_000..2_000).contains(&grown((0..9_000).map(|i| (mixed(i), at(i))))), "beside twenty names");
    }

    #[test]
    fn names_that_come_again_stay() {
        let servers = |order: fn(i64) -> i64, rounds: i64, step_s: i64| {
            (0..rounds * 10_000).map(move |i| (format!("server-{:03}", order(i % 10_000)), at(i / 10_000 * step_s)))
        };
        assert_eq!(grown(servers(|i| i / 20, 4, MINUTE)), 0, "each server's twenty components");
        assert_eq!(grown(servers(|i| i % 500, 4, MINUTE)), 0, "each component's five hundred servers");
        assert_eq!(grown(servers(|i| i % 500, 3, 3_600)), 0, "once an hour");
        assert_eq!(grown((0..12_000).map(|i| (format!("server-{}", i % 4_000), at(i / 100)))), 0, "thousands a minute");
        assert_eq!(grown((0..9_000).map(|i| (format!("job-{}", i % 300), at(i * 288)))), 0, "each once a day");
        // A fleet that grows by a server an hour for three months.
        let growing = |i: i64| format!("server-{}", (i * 7_919) % (50 + i / 60));
        assert_eq!(grown((0..60 * 2_000).map(|i| (growing(i), at(i * MINUTE)))), 0);
    }

    #[test]
    fn names_known_before_a_flood_stay() {
        let mut watch = GrowthWatch::default();
        for minute in 0..30 {
            assert!((0..20).all(|i| watch.is_name(&format!("cart-{i}"), at(minute * MINUTE))));
        }
        let strangers = (0..9_000).filter(|i| watch.is_name(&format!("k{i}q"), at(30 * MINUTE + i / 100))).count();
        assert!((4_000..4_096).contains(&strangers), "{strangers}");
        assert!((0..20).all(|i| watch.is_name(&format!("cart-{i}"), at(3_600))));
        assert!(!watch.is_name("k0q", at(3_600)) && !watch.is_name("new", at(3_600)));
    }

    #[test]
    fn names_are_taken_out_and_that_is_told_once() {
        let mut growth = NameGrowth::default();
        let mut told = 0;
        for i in 0..2_000 {
            let mut record = Record {
                time: at(i),
                server: Some("gate".into()),
                component: Some(format!("k{i}q").into()),
                ..Record::default()
            };
            growth.watch(&mut record, (false, false));
            assert_eq!((record.server.as_deref(), record.component.is_some()), (Some("gate"), i < 1_023));
            told +=
                i32::from(growth.take_problem().is_some_and(|problem| problem.contains("ever more components and")));
            let stored: NameGrowth = postcard::from_bytes(&postcard::to_allocvec(&growth).unwrap()).unwrap();
            assert_eq!(stored, growth);
            let mut chosen = Record { time: at(i), component: Some(format!("k{i}q").into()), ..Record::default() };
            growth.watch(&mut chosen, (false, true));
            assert!(chosen.component.is_some());
        }
        assert_eq!(told, 1);
    }
}
