//! The flood limit: so many episodes an hour and source travel one by one, the rest as one summary with counts.
//! Pure; runs on event time, so that a replay holds back the same ones: on the source's watermark, since one record of
//! the far future would end the refilling.

use std::collections::BTreeMap;

use oddline_core::{
    event::{Extras, FLOOD_COMPONENTS_MAX, FloodSummary, List, Name, SourceName},
    time::EventTime,
    weight,
};
use serde::{Deserialize, Serialize};

use crate::redactor::Redactor;

/// A summary is due this long after the first episode held back, in seconds.
const SUMMARY_S: f64 = 3_600.0;
/// Components counted by name until a summary is made; further ones are counted together.
const COUNTED_MAX: usize = 1_024;

/// A node of a tree is two thirds full.
const NODE: usize = 2;

/// A token bucket and what it held back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FloodLimit {
    per_hour: u32,
    tokens: f64,
    filled: Option<EventTime>,
    held: Option<Held>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held {
    from: EventTime,
    to: EventTime,
    components: BTreeMap<String, u64>,
    others: u64,
}

impl FloodLimit {
    /// A full bucket.
    #[must_use]
    pub(crate) fn new(per_hour: u32) -> Self {
        Self { per_hour, tokens: f64::from(per_hour), filled: None, held: None }
    }

    /// Another limit, from now on: a smaller one takes what is in the bucket beyond it, a larger one fills it faster.
    pub(crate) fn limit(&mut self, per_hour: u32) {
        self.per_hour = per_hour;
    }

    /// Tokens that come in an hour.
    #[must_use]
    pub(crate) fn per_hour(&self) -> u32 {
        self.per_hour
    }

    /// What it holds back weighs so much in memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let names = self.held.iter().flat_map(|held| held.components.keys());
        names.map(|name| weight::block(name.capacity()) + NODE * size_of::<(String, u64)>()).sum()
    }

    /// Whether an episode that opens when the watermark stands at `now` may travel; if not, it is counted.
    pub(crate) fn admit(&mut self, now: EventTime, component: &str) -> bool {
        // A watermark that was set back brings no tokens, and goes on from there.
        let since = self.filled.map_or(0.0, |filled| now.seconds_since(filled).max(0.0));
        self.filled = Some(now);
        let limit = f64::from(self.per_hour);
        self.tokens = (self.tokens + since * limit / 3_600.0).min(limit);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return true;
        }
        self.hold(now, component);
        false
    }

    fn hold(&mut self, now: EventTime, component: &str) {
        let fresh = || Held { from: now, to: now, components: BTreeMap::new(), others: 0 };
        let held = self.held.get_or_insert_with(fresh);
        // Set back by days, the watermark would not pass an hour after it for as long.
        held.from = held.from.min(now);
        held.to = held.to.max(now);
        if let Some(count) = held.components.get_mut(component) {
            *count += 1;
        } else if held.components.len() < COUNTED_MAX {
            held.components.insert(component.to_owned(), 1);
        } else {
            held.others += 1;
        }
    }

    /// The summary that is due at event time `now`, if one is.
    pub(crate) fn due(&mut self, source: &SourceName, now: EventTime, redactor: &dyn Redactor) -> Option<FloodSummary> {
        let due = self.held.as_ref().is_some_and(|held| now.seconds_since(held.from) >= SUMMARY_S);
        if due { self.rest(source, redactor) } else { None }
    }

    /// What is held back, at the end of a replay.
    pub(crate) fn rest(&mut self, source: &SourceName, redactor: &dyn Redactor) -> Option<FloodSummary> {
        self.held.take().map(|held| held.summary(source, redactor))
    }
}

impl Held {
    fn summary(self, source: &SourceName, redactor: &dyn Redactor) -> FloodSummary {
        let suppressed = self.components.values().sum::<u64>() + self.others;
        let mut named: BTreeMap<Name, u64> = BTreeMap::new();
        for (component, count) in self.components {
            *named.entry(redactor.name(&component)).or_default() += count;
        }
        let mut counts: Vec<(Name, u64)> = named.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let mut components: List<(Name, u64), FLOOD_COMPONENTS_MAX> = List::default();
        let mut others = self.others;
        for (component, count) in counts {
            if components.push((component, count)).is_err() {
                others += count;
            }
        }
        let source = source.clone();
        FloodSummary {
            source,
            from: self.from,
            to: self.to,
            suppressed,
            components,
            others,
            by_clock: false,
            extras: Extras::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use oddline_core::event::Sample;

    use super::*;
    use crate::redactor::Unredacted;

    /// Masks names with an `@`.
    #[derive(Debug)]
    struct Masked;

    impl Redactor for Masked {
        fn shows_lines(&self) -> bool {
            false
        }

        fn sample(&self, _line: &[u8]) -> Option<Sample> {
            None
        }

        fn name(&self, name: &str) -> Name {
            Name::cut(if name.contains('@') { "[email]" } else { name })
        }
    }

    fn at(seconds: i64) -> EventTime {
        EventTime::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_bucket_empties_refills_and_says_what_it_held() {
        let source = SourceName::cut("log");
        let mut flood = FloodLimit::new(60);
        let admitted = (0..100).filter(|i| flood.admit(at(0), if i % 2 == 0 { "a" } else { "b" })).count();
        assert_eq!(admitted, 60);
        assert!(flood.due(&source, at(3_599), &Unredacted).is_none());
        let summary = flood.due(&source, at(3_600), &Unredacted).unwrap();
        assert_eq!((summary.suppressed, summary.others), (40, 0));
        let components: Vec<(&str, u64)> = summary.components.iter().map(|(n, c)| (&**n, *c)).collect();
        assert_eq!(components, [("a", 20), ("b", 20)]);
        assert!(flood.due(&source, at(9_000), &Unredacted).is_none());
        assert!(flood.admit(at(60), "a"), "one token a minute");
        assert!(!flood.admit(at(60), "a"));
        assert!(!flood.admit(at(30), "a"), "a watermark set back brings no token");
        assert!(flood.admit(at(90), "a"), "and it goes on from there");
    }
    #[test]
    fn a_summary_names_nobody() {
        let mut flood = FloodLimit::new(0);
        for component in ["ann@example.org", "web", "bob@example.org"] {
            assert!(!flood.admit(at(0), component));
        }
        let summary = flood.rest(&SourceName::cut("log"), &Masked).unwrap();
        let components: Vec<(&str, u64)> = summary.components.iter().map(|(n, c)| (&**n, *c)).collect();
        assert_eq!((summary.suppressed, components), (3, vec![("[email]", 2), ("web", 1)]));
    }
}
