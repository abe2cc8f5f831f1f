//! Several records on one line: a list of objects, objects one behind the other, frames of syslog with octet counts. Cuts
//! the line where a record ends, within a bound; does not read what it cuts.

use serde::de::IgnoredAny;

use super::tag;
use crate::record::Fault;

/// Records of one line. An exporter's batch has some hundred.
pub(crate) const RECORDS_MAX: usize = 1_024;

/// What stands between the objects of a list or a sequence: RFC 7464 has a record separator there.
const GAPS: [char; 5] = [' ', '\t', ',', '\u{1e}', '\r'];

/// The records of a line, each a text of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineBundle<'a> {
    pub parts: Vec<&'a str>,
    /// What comes after them and is no record, with what is wrong with it.
    pub rest: Option<(&'a str, Fault)>,
}

/// The objects of `[{..},{..}]`; as far as it goes, when it is broken off.
pub(crate) fn list(text: &str) -> Option<LineBundle<'_>> {
    let inner = text.strip_prefix('[')?.trim_start();
    if !inner.starts_with('{') {
        return None;
    }
    // A text may begin with brackets too: `[{main} started]`.
    let inner = inner[1..].trim_start().starts_with(['"', '}']).then_some(inner)?;
    objects(inner)
}

/// The objects of `{..}{..}`, with and without commas and blanks between them, and of the last line of a list; `None` when
/// it does not begin with a whole one.
pub(crate) fn objects(text: &str) -> Option<LineBundle<'_>> {
    let mut bundle = LineBundle { parts: Vec::new(), rest: None };
    let mut rest = text;
    while rest.starts_with('{') && bundle.parts.len() < RECORDS_MAX {
        let Some(end) = object_end(rest) else { break };
        bundle.parts.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(GAPS);
    }
    if matches!(rest, "]" | "],") {
        rest = "";
    }
    let is_full = bundle.parts.len() == RECORDS_MAX && rest.starts_with('{');
    bundle.rest = match rest {
        "" => None,
        rest => Some((rest, if is_full { Fault::Crowded } else { Fault::Malformed })),
    };
    (!bundle.parts.is_empty()).then_some(bundle)
}

/// The frames of `58 <11>1 ...64 <11>1 ...` (RFC 6587) when there are several; of one, the count is a wrapper.
pub(crate) fn frames(text: &str) -> Option<LineBundle<'_>> {
    let mut bundle = LineBundle { parts: Vec::new(), rest: None };
    let mut rest = text;
    while let Some((count, frame)) = counted(rest) {
        if bundle.parts.len() == RECORDS_MAX {
            bundle.rest = Some((rest, Fault::Crowded));
            break;
        }
        // A count that does not lead to the next frame is wrong, and the rest is one.
        let next = frame.get(count..).filter(|next| counted(next).is_some());
        let (part, after) = next.map_or((frame, ""), |next| (&frame[..count], next));
        bundle.parts.push(part);
        rest = after;
    }
    (bundle.parts.len() > 1).then_some(bundle)
}

/// A frame's count (RFC 6587, at most six digits), and what follows it.
pub(crate) fn counted(text: &str) -> Option<(usize, &str)> {
    let digits = text.bytes().take(7).take_while(u8::is_ascii_digit).count();
    let rest = text[digits..].strip_prefix(' ').filter(|rest| digits < 7 && rest.starts_with('<'))?;
    tag::strip_priority(rest)?;
    Some((text[..digits].parse().ok()?, rest))
}

/// Where the object ends that `text` begins with.
fn object_end(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(bundle: Option<LineBundle<'_>>) -> String {
        let Some(bundle) = bundle else { return "none".to_owned() };
        let rest = bundle.rest.map(|(rest, fault)| format!(" + {rest} {fault:?}")).unwrap_or_default();
        bundle.parts.join(" ; ") + &rest
    }

    #[test]
    fn lists_and_sequences_are_cut_between_objects() {
        for (text, expected) in [
            (r#"[{"a":1},{"a":2}]"#, r#"{"a":1} ; {"a":2}"#),
            (r#"[ {"a":"}]"} , {"a":["{"]} ],"#, r#"{"a":"}]"} ; {"a":["{"]}"#),
            (r#"[{"a":1},"#, r#"{"a":1}"#),
            (r#"[{"a":1},{"a":"x"#, r#"{"a":1} + {"a":"x Malformed"#),
            (r#"[{"a":1}] and more"#, r#"{"a":1} + ] and more Malformed"#),
            ("[{main} started]", "none"),
            ("[1,2]", "none"),
            ("[]", "none"),
        ] {
            assert_eq!(parts(list(text)), expected, "{text}");
        }
        for (text, expected) in [
            (r#"{"a":1}{"a":"\"}"} {"b":{}}"#, r#"{"a":1} ; {"a":"\"}"} ; {"b":{}}"#),
            ("{\"a\":1}\u{1e}{\"a\":2}", r#"{"a":1} ; {"a":2}"#),
            (r#"{"a":1}]"#, r#"{"a":1}"#),
            (r#"{"a":1} tail"#, r#"{"a":1} + tail Malformed"#),
            (r#"{"a":1"#, "none"),
        ] {
            assert_eq!(parts(objects(text)), expected, "{text}");
        }
    }

    #[test]
    fn frames_are_cut_by_their_counts() {
        for (text, expected) in [
            ("6 <11>ab8 <11>cdef5 <11>g", "<11>ab ; <11>cdef ; <11>g"),
            ("7 <11>é8 <11>cdef", "none"),
            ("6 <11>ab", "none"),
            ("99 <11>ab", "none"),
            ("6 <11>ab99 <11>rest", "<11>ab ; <11>rest"),
            ("6 words", "none"),
        ] {
            assert_eq!(parts(frames(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_line_holds_so_many_and_no_more() {
        let text = "{}".repeat(RECORDS_MAX + 2);
        let bundle = objects(&text).unwrap();
        assert_eq!((bundle.parts.len(), bundle.rest), (RECORDS_MAX, Some(("{}{}", Fault::Crowded))));
        let bundle = objects(&text[..2 * RECORDS_MAX]).unwrap();
        assert_eq!((bundle.parts.len(), bundle.rest), (RECORDS_MAX, None));
        let text = "5 <11>x".repeat(RECORDS_MAX + 1);
        assert_eq!(frames(&text).unwrap().rest, Some(("5 <11>x", Fault::Crowded)));
    }
}
