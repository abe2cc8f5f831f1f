//! The lines of Blue Gene/L's event log, a public data set that detectors are compared on:
//! `label epoch date node time node type component level text`. The label is the truth (`-` is normal).

use std::borrow::Cow;

use super::{Context, level, timestamp};
use crate::{
    record::{Level, Record},
    time::EventTime,
};

/// Whether the second word is as long as an epoch and begins as one: few other lines get further.
pub(crate) fn is_likely(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(at) = memchr::memchr(b' ', bytes) else { return false };
    bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && bytes.get(at + 11) == Some(&b' ')
}

/// Reads one line; `None` when it has another shape.
pub(crate) fn parse<'a>(text: &'a str, context: &Context) -> Option<Record<'a>> {
    let mut words = text.splitn(10, ' ');
    let label = words.next()?;
    let epoch = words.next().filter(|w| w.len() == 10).and_then(|w| timestamp::whole(w, context))?;
    let _date = words.next()?;
    let node = words.next()?;
    // The second time is local and has microseconds, the first one is UTC and has none.
    let local = words.next().and_then(|w| timestamp::whole(w, context))?;
    let _same_node_and_type = (words.next()?, words.next()?);
    let component = words.next()?;
    let level = words.next().and_then(severity);
    let message = words.next().unwrap_or("");
    Some(Record {
        time: Some(EventTime::from_micros(epoch.micros() + local.micros().rem_euclid(1_000_000))),
        server: (node != "NULL").then_some(Cow::Borrowed(node)),
        component: Some(Cow::Borrowed(component)),
        level,
        message: Some(Cow::Borrowed(message)),
        anomalous: Some(label != "-"),
        ..Record::default()
    })
}

fn severity(name: &str) -> Option<Level> {
    match name {
        // The machine's highest severity, above FATAL.
        "FAILURE" => Some(Level::Alert),
        other => level::word(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read() {
        let line = "KERNX 1117838570 2005.06.03 R1-M0 2005-06-03-15.42.50.675872 R1-M0 RAS KERNEL FATAL data storage";
        let record = parse(line, &Context::default()).unwrap();
        assert_eq!(record.time, EventTime::parse("2005-06-03T22:42:50.675872Z"));
        assert_eq!((record.server.as_deref(), record.component.as_deref()), (Some("R1-M0"), Some("KERNEL")));
        assert_eq!((record.level, record.message.as_deref()), (Some(Level::Critical), Some("data storage")));
        assert_eq!(record.anomalous, Some(true));
        assert_eq!(parse(&line.replace("KERNX", "-"), &Context::default()).unwrap().anomalous, Some(false));
        assert!(parse(&line[..60], &Context::default()).is_none());
    }
}
