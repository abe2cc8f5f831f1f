//! Which topics a source listens to, as MQTT writes it: `#` for all levels below, `+` for one. Refuses what a broker
//! would refuse, and the topics of agents themselves.

use std::{fmt, str::FromStr};

use oddline_core::topic;

/// MQTT allows 65,535; nobody reads that.
const BYTES_MAX: usize = 1_024;
/// `$share/<group>/<filter>`: each message goes to one of the group.
const SHARED: &str = "$share";

/// A filter that a broker takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFilter(String);

/// Why a text is no [`TopicFilter`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicFilterError {
    #[error("{0:?} is no MQTT topic filter: {1}; expected is such as \"sensors/#\" or \"tele/+/SENSOR\"")]
    Shape(String, &'static str),
    #[error("{0:?} are topics of agents and collectors: an agent does not read what they say")]
    Own(String),
}

impl FromStr for TopicFilter {
    type Err = TopicFilterError;

    fn from_str(text: &str) -> Result<Self, TopicFilterError> {
        let shown = || text[..text.floor_char_boundary(100)].to_owned();
        let wrong = |why| Err(TopicFilterError::Shape(shown(), why));
        let mut rest = text;
        if text.split('/').next() == Some(SHARED) {
            match text.splitn(3, '/').collect::<Vec<_>>()[..] {
                [_, group, filter] if !group.is_empty() && !group.contains(['+', '#']) => rest = filter,
                _ => return wrong("a shared one is $share/GROUP/FILTER"),
            }
        }
        if rest.is_empty() {
            return wrong("it is empty");
        }
        if text.len() > BYTES_MAX {
            return wrong("it is longer than 1024 bytes");
        }
        if text.contains(char::is_control) {
            return wrong("there is a control character in it");
        }
        let levels: Vec<&str> = rest.split('/').collect();
        let before = &levels[..levels.len() - 1];
        if levels.iter().any(|level| level.len() > 1 && level.contains(['+', '#'])) {
            return wrong("+ and # stand alone between two /");
        }
        if before.contains(&"#") {
            return wrong("# is the last level");
        }
        if topic::is_own(rest) {
            return Err(TopicFilterError::Own(shown()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_those_that_a_broker_takes() {
        for text in [
            "#",
            "+",
            "sensors/#",
            "tele/+/SENSOR",
            "/a",
            "a/",
            "+/+/state",
            "$SYS/broker/load/#",
            "$share/g/a/#",
            "é/#",
        ] {
            assert_eq!(text.parse::<TopicFilter>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("", "empty"),
            ("a/#/b", "# is the last level"),
            ("#/", "# is the last level"),
            ("a#", "stand alone"),
            ("a/b+/c", "stand alone"),
            ("##", "stand alone"),
            ("a\nb", "control character"),
            ("$share/g", "$share/GROUP/FILTER"),
            ("$share//a", "$share/GROUP/FILTER"),
            ("$share/g/", "empty"),
            ("oddline/#", "agents and collectors"),
            ("oddline/v1/home/+/events", "agents and collectors"),
            ("$share/g/oddline/#", "agents and collectors"),
        ] {
            let error = text.parse::<TopicFilter>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!("a".repeat(BYTES_MAX + 1).parse::<TopicFilter>().is_err());
    }
}
