//! The client identifier of an agent: its fleet and its name, joined so that no two agents share one. A broker ends the
//! session of an identifier that comes a second time, so whoever can choose another's identifier can cut it off.
//!
//! ```text
//!  oddline_<fleet>_<agent>        names are [a-z0-9-]: the separator is none of their characters
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
    fn what_is_no_agents_has_no_owner() {
        for text in ["", "oddline", "oddline_", "oddline_home", "oddline_home_", "oddline__pi", "oddline-home-pi"] {
            assert_eq!(owner(text), None, "{text}");
        }
        for text in ["oddline_home_pi_4", "oddline_home_Pi", "oddline_home_pi ", "collector", "x_home_pi"] {
            assert_eq!(owner(text), None, "{text}");
        }
    }
}
