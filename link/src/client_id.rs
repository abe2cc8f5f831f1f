//! The client identifier of an agent: its fleet and its name, joined so that no two agents share one. A broker ends the
//! session of an identifier that comes a second time, so whoever can choose another's identifier can cut it off.
//!
//! ```text
//!  oddline_<fleet>_<agent>             names are [a-z0-9-]: the separator is none of their characters
//!  oddline_<fleet>_<agent>_<filter>    of its connection that listens to others; 8 hexadecimal digits made of the filter
//! ```
//!
//! Brokers take letters, digits, `-` and `_` everywhere; some refuse `/`, `+` and `#`, which are grammar of topics.

use oddline_core::id::{AgentName, FleetName};

const START: &str = "oddline";
const SEPARATOR: char = '_';

/// Of this agent.
#[must_use]
pub fn of(fleet: &FleetName, agent: &AgentName) -> String {
    format!("{START}{SEPARATOR}{fleet}{SEPARATOR}{agent}")
}

/// Of a connection of this agent that only listens to `filter`: always the same, and no agent's own.
#[must_use]
pub fn of_listener(fleet: &FleetName, agent: &AgentName, filter: &str) -> String {
    format!("{}{SEPARATOR}{:08x}", of(fleet, agent), fnv1a(filter.as_bytes()))
}

/// Fowler, Noll, Vo 1991, 32 bits: to tell a few filters of one agent apart.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Whose it is; `None` when it is no agent's.
#[must_use]
pub fn owner(client_id: &str) -> Option<(FleetName, AgentName)> {
    let rest = client_id.strip_prefix(START)?.strip_prefix(SEPARATOR)?;
    let (fleet, agent) = rest.split_once(SEPARATOR)?;
    Some((fleet.parse().ok()?, agent.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_agents_never_share_one() {
        let id = |fleet: &str, agent: &str| of(&fleet.parse().unwrap(), &agent.parse().unwrap());
        assert_eq!(id("home", "pi"), "oddline_home_pi");
        assert_ne!(id("home", "x-y"), id("home-x", "y"));
        for (fleet, agent) in [("home", "x-y"), ("home-x", "y"), ("-", "--"), ("a", "b")] {
            assert_eq!(owner(&id(fleet, agent)), Some((fleet.parse().unwrap(), agent.parse().unwrap())));
        }
    }

    #[test]
    fn a_listener_has_one_of_its_own_that_stays() {
        let id = |filter: &str| of_listener(&"home".parse().unwrap(), &"pi".parse().unwrap(), filter);
        assert_eq!(id("a"), "oddline_home_pi_e40c292c");
        assert_ne!(id("sensors/#"), id("sensors/+"));
        assert_eq!(owner(&id("sensors/#")), None);
    }

    #[test]
    fn what_is_no_agents_has_no_owner() {
        for text in ["", "oddline", "oddline_", "oddline_home", "oddline_home_", "oddline__pi", "oddline-home-pi"] {
            assert_eq!(owner(text), None, "{text}");
        }
        for text in ["oddline_home_pi_4", "oddline_home_Pi", "oddline_home_pi ", "collector", "x_home_pi"] {
            assert_eq!(owner(text), None, "{text}");
        }
    }
}
