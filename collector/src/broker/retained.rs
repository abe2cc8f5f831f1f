//! The last message of each topic, within a count and a number of bytes. What no longer fits is refused and counted;
//! what is there stays. Pure: what a message is, is the caller's.

use std::collections::BTreeMap;

#[derive(Debug)]
pub struct Retained<M> {
    messages: BTreeMap<String, (usize, M)>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
    refused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker keeps no more retained messages")]
pub struct NoRoom;

impl<M: Clone> Retained<M> {
    #[must_use]
    pub const fn new(count_max: usize, bytes_max: usize) -> Self {
        Self { messages: BTreeMap::new(), bytes: 0, count_max, bytes_max, refused: 0 }
    }

    /// Keeps `message`, whose payload has `payload_bytes`, instead of what was there. An empty payload clears the topic.
    ///
    /// # Errors
    /// When it does not fit; what was there stays.
    pub fn set(&mut self, topic: &str, payload_bytes: usize, message: M) -> Result<(), NoRoom> {
        if payload_bytes == 0 {
            if let Some((bytes, _)) = self.messages.remove(topic) {
                self.bytes -= bytes;
            }
            return Ok(());
        }
        let bytes = topic.len() + payload_bytes;
        let (before, is_new) = self.messages.get(topic).map_or((0, true), |(bytes, _)| (*bytes, false));
        if self.bytes - before + bytes > self.bytes_max || (is_new && self.messages.len() >= self.count_max) {
            self.refused += 1;
            return Err(NoRoom);
        }
        self.bytes = self.bytes - before + bytes;
        self.messages.insert(topic.to_owned(), (bytes, message));
        Ok(())
    }

    /// Whether [`Retained::set`] would keep it.
    ///
    /// # Errors
    /// When it would not; that counts as a refusal.
    pub fn check_room(&mut self, topic: &str, payload_bytes: usize) -> Result<(), NoRoom> {
        let (before, is_new) = self.messages.get(topic).map_or((0, 1), |(bytes, _)| (*bytes, 0));
        let fits = self.bytes - before + topic.len() + payload_bytes <= self.bytes_max
            && self.messages.len() + is_new <= self.count_max;
        if payload_bytes == 0 || fits {
            return Ok(());
        }
        self.refused += 1;
        Err(NoRoom)
    }

    /// What matches a filter, in the order of topics. Only whole levels `+` and a last level `#` are wildcards.
    #[must_use]
    pub fn matching(&self, filter: &str) -> Vec<(String, M)> {
        // Without the slash before "#": "a/#" is also "a" itself.
        let start = filter[..filter.find(['+', '#']).unwrap_or(filter.len())].trim_end_matches('/');
        self.messages
            .range(start.to_owned()..)
            .take_while(|(topic, _)| topic.starts_with(start))
            .filter(|(topic, _)| matches(filter, topic))
            .map(|(topic, (_, message))| (topic.clone(), message.clone()))
            .collect()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of their topics and payloads.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that were refused for want of room.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for pattern in filter.split('/') {
        match (pattern, levels.next()) {
            // "a/#" is also "a" itself.
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (pattern, Some(level)) if pattern == level => {}
            (_, Some(_) | None) => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_message_stays_and_an_empty_one_clears() {
        let mut kept = Retained::new(2, 20);
        kept.set("a/b", 3, 1).unwrap();
        kept.set("a/b", 5, 2).unwrap();
        assert_eq!((kept.len(), kept.bytes()), (1, 8));
        kept.set("a/c", 9, 3).unwrap();
        assert_eq!(kept.set("a/d", 1, 4), Err(NoRoom));
        assert_eq!(kept.set("a/c", 10, 4), Err(NoRoom));
        assert_eq!(kept.matching("a/+"), [("a/b".to_owned(), 2), ("a/c".to_owned(), 3)]);
        kept.set("a/b", 0, 5).unwrap();
        kept.set("a/d", 1, 4).unwrap();
        assert_eq!((kept.len(), kept.bytes(), kept.refused()), (2, 16, 2));
    }

    #[test]
    fn filters_match_whole_levels() {
        for (filter, topic, does) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("+/b", "a/b", true),
            ("a/#", "a/b/c", true),
            ("a/#", "a", true),
            ("a/#", "ab", false),
            ("#", "a/b", true),
            ("a/b/+", "a/c/d", false),
            ("a/+/c", "a/b/c", true),
            ("a", "a/b", false),
        ] {
            assert_eq!(matches(filter, topic), does, "{filter} {topic}");
        }
    }

    proptest! {
        /// Against a list of pairs: the same content, the same sums, never beyond the bounds.
        #[test]
        fn it_equals_a_plain_list(steps in proptest::collection::vec(("[ab]/[abc]", 0_usize..9, 0_u8..), 1..60)) {
            let mut kept = Retained::new(4, 30);
            let mut plain: Vec<(String, usize, u8)> = Vec::new();
            for (topic, payload, message) in steps {
                let mut next: Vec<_> = plain.iter().filter(|(t, ..)| *t != topic).cloned().collect();
                if payload > 0 {
                    next.push((topic.clone(), payload, message));
                }
                let fits = next.len() <= 4 && next.iter().map(|(t, p, _)| t.len() + p).sum::<usize>() <= 30;
                prop_assert_eq!(kept.check_room(&topic, payload).is_ok(), fits || payload == 0);
                prop_assert_eq!(kept.set(&topic, payload, message).is_ok(), fits || payload == 0);
                if fits || payload == 0 {
                    plain = next;
                }
                plain.sort();
                let all: Vec<_> = plain.iter().map(|(t, _, m)| (t.clone(), *m)).collect();
                prop_assert_eq!(kept.matching("#"), all.clone());
                let under: Vec<_> = all.into_iter().filter(|(t, _)| t.starts_with("a/")).collect();
                prop_assert_eq!(kept.matching("a/+"), under);
                prop_assert_eq!(kept.bytes(), plain.iter().map(|(t, p, _)| t.len() + p).sum::<usize>());
            }
        }
    }
}
