//! Who gives up its place when a bounded table is full. One rule for values and for pace, so that a flood of names takes
//! places from itself and not from what was learnt.
//!
//! ```text
//!  learnt        goes only while newcomers hold less than a quarter; the one unseen for longest
//!  learnt nothing yet      else goes: the one unseen for longest, where each record seen counts as if it were newer
//! ```
//!
//! A quarter is kept for newcomers because a table full of what was once learnt would never learn anything again. Depends
//! on nothing but the source's own records: a replay evicts the same ones.

/// Records beyond which a newcomer is not worth more: it is about to be learnt.
const SEEN_MAX: u64 = 256;

/// What stands behind a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EvictionClaim {
    /// Something would have to be learnt again.
    pub learnt: bool,
    /// Records seen so far.
    pub seen: u64,
    /// When it was seen last, in any unit.
    pub last: i64,
}

/// The place to be given up, the first of equals. `worth` is what each record seen counts for, in the unit of
/// [`EvictionClaim::last`].
pub(crate) fn loser(claims: impl Iterator<Item = EvictionClaim>, worth: i64) -> usize {
    let mut learnt: Option<(i64, usize)> = None;
    let mut newcomer: Option<(i64, usize)> = None;
    let (mut count, mut newcomers) = (0, 0);
    for (place, claim) in claims.enumerate() {
        count += 1;
        newcomers += usize::from(!claim.learnt);
        let seen = i64::try_from(claim.seen.min(SEEN_MAX)).expect("a small number");
        let (least, rank) = if claim.learnt {
            (&mut learnt, claim.last)
        } else {
            (&mut newcomer, claim.last.saturating_add(seen * worth))
        };
        if least.is_none_or(|(known, _)| rank < known) {
            *least = Some((rank, place));
        }
    }
    let learnt = learnt.filter(|_| newcomers < count / 4);
    learnt.or(newcomer).map_or(0, |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(learnt: bool, seen: u64, last: i64) -> EvictionClaim {
        EvictionClaim { learnt, seen, last }
    }

    #[test]
    fn a_crowd_takes_places_from_itself() {
        let old = [claim(true, 500, 1), claim(true, 500, 2)];
        let crowd = (0..6).map(|i| claim(false, 1, 10 + i));
        assert_eq!(loser(old.into_iter().chain(crowd.clone()), 100), 2);
        let young = [claim(false, 9, 3), claim(true, 500, 4)];
        assert_eq!(loser(young.into_iter().chain(crowd), 100), 2, "what was seen more often stays for longer");
        assert_eq!(loser([claim(false, 1, 2_000), claim(false, 9, 3)].into_iter(), 100), 1, "but not for ever");
    }

    #[test]
    fn newcomers_find_a_quarter() {
        let full = (0..8).map(|i| claim(true, 500, 10 - i));
        assert_eq!(loser(full.clone(), 100), 7, "the one unseen for longest");
        assert_eq!(loser(full.clone().take(7).chain([claim(false, 1, 99)]), 100), 6);
        assert_eq!(loser(full.take(6).chain([claim(false, 1, 99), claim(false, 1, 100)]), 100), 6);
        assert_eq!(loser(core::iter::empty(), 100), 0);
    }
}
