//! Which names mean which field, as an operator chose them or as they usually do.

use serde::{Deserialize, Serialize};

use super::{fields::MappedField, usual_names};

/// The names under which a line's fields are looked for, the best first; nested JSON fields as `outer.inner`.
/// An empty list stands for the usual names. Names are compared without case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// `timestamp`, `time`, `ts`, `@timestamp`, ...: text or epoch seconds, milli-, micro- or nanoseconds.
    pub timestamp: Vec<String>,
    /// `host`, `hostname`, `server`, ...
    pub server: Vec<String>,
    /// `component`, `service`, `logger`, `unit` (of systemd), `metric`, ...
    pub component: Vec<String>,
    /// `level`, `severity`, ...: a word, or a number of syslog's or Bunyan's.
    pub level: Vec<String>,
    /// `message`, `msg`, ...
    pub message: Vec<String>,
    /// `value`.
    pub value: Vec<String>,
}

/// The fields that a mapping may name.
pub const FIELD_NAMES: &str = "timestamp, server, component, level, message and value";

/// The usual names alone.
pub(crate) static USUAL: Mapping = Mapping {
    timestamp: Vec::new(),
    server: Vec::new(),
    component: Vec::new(),
    level: Vec::new(),
    message: Vec::new(),
    value: Vec::new(),
};

impl Mapping {
    /// Looks for the field `field` under these names, `|` between alternatives. False when there is no such field.
    pub fn set(&mut self, field: &str, names: &str) -> bool {
        let list = match field {
            "timestamp" => &mut self.timestamp,
            "server" => &mut self.server,
            "component" => &mut self.component,
            "level" => &mut self.level,
            "message" => &mut self.message,
            "value" => &mut self.value,
            _ => return false,
        };
        *list = names.split('|').map(|name| name.trim().to_owned()).collect();
        true
    }

    /// The field that `key` means, its place in the list of names, and whether an operator chose it.
    pub(super) fn field(&self, key: &str) -> Option<(MappedField, usize, bool)> {
        let lists = self.lists();
        if lists.iter().all(|(_, names)| names.is_empty()) {
            return usual_names::find(key).map(|(field, rank)| (field, rank, false));
        }
        let own = lists.iter().find_map(|(field, names)| {
            names.iter().position(|name| name.eq_ignore_ascii_case(key)).map(|rank| (*field, rank, true))
        });
        own.or_else(|| {
            let (field, rank) = usual_names::find(key)?;
            let is_replaced = lists.iter().any(|(other, names)| *other == field && !names.is_empty());
            (!is_replaced).then_some((field, rank, false))
        })
    }

    /// Whether `key` means a server or a component.
    pub(super) fn is_name(&self, key: &str) -> bool {
        self.field(key).is_some_and(|(field, ..)| matches!(field, MappedField::Server | MappedField::Component))
    }

    fn lists(&self) -> [(MappedField, &[String]); 6] {
        [
            (MappedField::Time, &self.timestamp),
            (MappedField::Level, &self.level),
            (MappedField::Message, &self.message),
            (MappedField::Server, &self.server),
            (MappedField::Component, &self.component),
            (MappedField::Value, &self.value),
        ]
    }
}
