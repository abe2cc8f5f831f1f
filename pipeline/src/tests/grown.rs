//! What the state file holds of a source, pinned, and read by programs of other ages. `ODDLINE_PIN=1` writes it anew.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use oddline_core::sections::SectionError;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A source that has read a few lines.
fn begun() -> Pipeline {
    let (mut pipeline, mut out) = (new(60), PipelineOutput::default());
    for (at, value) in [(0, 5), (60, 6), (120, 5)] {
        let line = format!(r#"{{"time":{},"host":"a","service":"cpu","value":{value}}}"#, 1_767_571_200 + at);
        pipeline.line(line.as_bytes(), None, &mut out).unwrap();
    }
    pipeline.idle(&mut out).unwrap();
    pipeline
}

fn pinned() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/tests/data/source.hex");
    if env::var_os("ODDLINE_PIN").is_some() {
        fs::write(&path, hex(&written(&begun()))).unwrap();
    }
    #[expect(clippy::disallowed_methods, reason = "what is pinned lies in a file")]
    let text = fs::read_to_string(&path).unwrap();
    unhex(&text)
}

/// The parts of a value as they stand: tag, and the whole with its head.
fn parts(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut rest, mut parts) = (&bytes[1..], Vec::new());
    while let Some(tag) = rest.first() {
        let length = u32::from_le_bytes(rest[1..5].try_into().unwrap()) as usize;
        parts.push((*tag, rest[..5 + length].to_vec()));
        rest = &rest[5 + length..];
    }
    parts
}

fn without(bytes: &[u8], tag: u8) -> Vec<u8> {
    let kept = parts(bytes).into_iter().filter(|(other, _)| *other != tag).flat_map(|(_, part)| part);
    bytes[..1].iter().copied().chain(kept).collect()
}

#[test]
fn what_is_stored_of_a_source_is_pinned() {
    let bytes = written(&begun());
    assert!(bytes == pinned(), "the layout of a part changed: give it another tag\n{}", hex(&bytes));
    let tags: Vec<u8> = parts(&bytes).into_iter().map(|(tag, _)| tag).collect();
    assert_eq!(tags, [12, 14, 15, 16, 6, 7, 8, 9, 10, 11, 17]);
}

#[test]
fn a_newer_program_reads_what_an_older_one_stored() {
    // Before floods of names were told of there was no part 8.
    let older = without(&pinned(), 8);
    let pipeline = Pipeline::new("log", treatment(60), model(), Some(read(&older))).unwrap();
    assert!(written(&pipeline) == pinned());
    // Before lines were counted by what became of them there was no part 9.
    let older = without(&pinned(), 9);
    let pipeline = Pipeline::new("log", treatment(60), model(), Some(read(&older))).unwrap();
    assert!(without(&written(&pipeline), 9) == older && *pipeline.tally() == LineTally::default());
    // Before times were compared with their neighbours there was no part 10.
    let older = without(&pinned(), 10);
    let pipeline = Pipeline::new("log", treatment(60), model(), Some(read(&older))).unwrap();
    assert!(written(&pipeline) == pinned());
    // Before names that keep growing were told there was no part 11.
    let older = without(&pinned(), 11);
    let pipeline = Pipeline::new("log", treatment(60), model(), Some(read(&older))).unwrap();
    assert!(without(&written(&pipeline), 11) == older && pipeline.names_grown().is_none());
    // Before the metrics of a server were judged together there was no part 17.
    let older = without(&pinned(), 17);
    let pipeline = Pipeline::new("log", treatment(60), model(), Some(read(&older))).unwrap();
    assert!(written(&pipeline) == pinned());
}

#[test]
fn an_older_program_leaves_what_it_does_not_know_and_forgets_what_it_cannot_go_on_from() {
    let newer = [pinned(), b"\xc8\x03\0\0\0new".to_vec()].concat();
    let pipeline = Pipeline::new("log", treatment(60), model(), Some(read(&newer))).unwrap();
    assert!(written(&pipeline) == pinned());
    for tag in [6, 7, 12, 14, 15, 16] {
        let bytes = without(&newer, tag);
        let refused = PipelineState::read(&Sections::split(&bytes).unwrap()).err();
        assert_eq!(refused, Some(SectionError::Missing(tag)));
    }
}
