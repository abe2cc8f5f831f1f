//! Whether another client uses the same name. A broker ends the older of two connections, so both end the other's for
//! ever. One that says why is believed at once; of one that only closes, a row of connections that ended soon after they
//! were up is told. Pure.

use std::time::Duration;

use crate::client_id;

/// Connections in a row. Two can be a broker that was restarted twice.
const ENDED_MIN: u32 = 3;
/// The other waits for a minute at most before it comes back.
const SOON: Duration = Duration::from_secs(90);

/// What the broker's `session taken over` means.
pub(super) fn taken_over(client_id: &str) -> String {
    format!("another client uses the name {} (session taken over): give one of the two another name", name(client_id))
}

#[derive(Debug, Default)]
pub(super) struct EndedConnection {
    in_a_row: u32,
}

impl EndedConnection {
    /// One more, that was up for so long (zero when none came about); what is told beside the reason.
    pub(super) fn another(&mut self, held: Duration, client_id: &str) -> Option<String> {
        // One that did not come about says nothing of others.
        if !held.is_zero() {
            self.in_a_row = if held < SOON { self.in_a_row.saturating_add(1) } else { 0 };
        }
        (self.in_a_row >= ENDED_MIN && !held.is_zero()).then(|| {
            format!(
                "; {} connections in a row ended soon after they were up: if another client uses the name {}, give one of \
                 the two another name",
                self.in_a_row,
                name(client_id)
            )
        })
    }
}

/// As an operator knows it.
fn name(client_id: &str) -> String {
    client_id::owner(client_id).map_or_else(|| client_id.to_owned(), |(fleet, agent)| format!("{fleet}/{agent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_short_connections_in_a_row_are_worth_a_word() {
        let id = client_id::of(&"home".parse().unwrap(), &"pi".parse().unwrap());
        let (short, none, long) = (Duration::from_secs(20), Duration::ZERO, SOON);
        let mut ended = EndedConnection::default();
        let said: Vec<bool> = [short, none, short, none, short, none, short, long, short]
            .into_iter()
            .map(|held| ended.another(held, &id).is_some())
            .collect();
        assert_eq!(said, [false, false, false, false, true, false, true, false, false]);
        ended.another(short, &id);
        let hint = ended.another(short, &id).unwrap();
        assert!(hint.contains("another client uses the name home/pi"), "{hint}");
        let hint = ended.another(short, "collector").unwrap();
        assert!(hint.contains("the name collector"), "{hint}");
    }
}
