//! Whether another program seems to run under the same name. A broker ends the older of two connections, so both end the
//! other's for ever. One that says why is believed at once; of one that only closes, a row of connections that were ended
//! soon after they stood is told. Pure.

use std::time::Duration;

use crate::client_id;

/// Connections in a row. Two can be a broker that was restarted twice.
const ENDED_MIN: u32 = 3;
/// The other waits for a minute at most before it comes back.
const SOON: Duration = Duration::from_secs(90);

#[derive(Debug, Default)]
pub(super) struct EndedConnection {
    in_a_row: u32,
}

impl EndedConnection {
    /// One more, that stood for so long (zero when none came about); what is told beside the reason.
    pub(super) fn another(&mut self, held: Duration, client_id: &str) -> Option<String> {
        // One that did not come about says nothing of others.
        if !held.is_zero() {
            self.in_a_row = if held < SOON { self.in_a_row.saturating_add(1) } else { 0 };
        }
        (self.in_a_row >= ENDED_MIN && !held.is_zero()).then(|| {
            let who = client_id::owner(client_id).map_or_else(
                || format!("another program runs under the name {client_id}"),
                |(fleet, agent)| format!("another agent runs under the name {agent} of fleet {fleet}"),
            );
            format!(
                "; {} connections in a row were ended soon after they stood: if {who}, give one of them another name",
                self.in_a_row
            )
        })
    }
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
        assert!(hint.contains("another agent runs under the name pi of fleet home"), "{hint}");
        let hint = ended.another(short, "collector").unwrap();
        assert!(hint.contains("another program runs under the name collector"), "{hint}");
    }
}
