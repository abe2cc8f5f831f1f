//! Instants on their way out: microseconds in postcard, RFC 3339 in JSON. Years that RFC 3339 cannot name are written
//! as `<n>us`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::EventTime;

const SUFFIX: &str = "us";

pub(super) fn serialize<S: Serializer>(time: &EventTime, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() { serializer.serialize_str(&text(*time)) } else { time.serialize(serializer) }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventTime, D::Error> {
    if !deserializer.is_human_readable() {
        return EventTime::deserialize(deserializer);
    }
    let text = String::deserialize(deserializer)?;
    let micros = text.strip_suffix(SUFFIX).and_then(|n| n.parse().ok()).map(EventTime::from_micros);
    let time = micros.or_else(|| EventTime::parse(&text));
    time.ok_or_else(|| de::Error::custom(format_args!("{text:?} is no RFC 3339 instant")))
}

fn text(time: EventTime) -> String {
    let printed = time.to_string();
    // Not every year has four digits: what would read back as something else is written as a number.
    if EventTime::parse(&printed) == Some(time) { printed } else { format!("{}{SUFFIX}", time.micros()) }
}

/// The same for an instant that may be missing.
pub(super) mod option {
    use super::{Deserialize, Deserializer, EventTime, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Instant(#[serde(with = "super")] EventTime);

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<EventTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Instant).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<EventTime>, D::Error> {
        Ok(Option::<Instant>::deserialize(d)?.map(|instant| instant.0))
    }
}
