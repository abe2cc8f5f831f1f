//! The decoders. Each says more than that it did not panic where there is more to say: what was read can be written again.

use std::{fs, path::PathBuf, sync::LazyLock};

use oddline_collector::{
    broker::acl::{AccessRules, Principal},
    fleet::ServedFleets,
    ingest,
    serve::is_query,
};
use oddline_config::Layers;
use oddline_core::{
    format::{Context, LogFormat, Parser},
    seal::seal,
    sections::Sections,
    topic::MqttTopic,
    wire,
};
use oddline_detector::{ModelOpenError, OpenModel};
use oddline_pipeline::PipelineState;

/// Bytes of the checksum that ends a model file.
const SEAL: usize = 30;

/// That it came back is all that counts.
fn done<T>(_: T) {}

/// Lines of a log, in every format; each parser sees them one after the other, as a source does.
pub fn lines(bytes: &[u8]) {
    for name in ["auto", "csv", "jsonl", "syslog", "journald", "logfmt", "access", "plain"] {
        let mut parser = Parser::new(name.parse::<LogFormat>().expect("a name of the configuration"));
        for line in bytes.split(|byte| *byte == b'\n') {
            done(parser.parse(line, &Context::default()));
        }
    }
}

/// What comes from a broker, on each side.
pub fn messages(bytes: &[u8]) {
    for channel in ["events", "birth", "status", "model/state", "model/desired", "ack"] {
        done(ingest::read(&format!("oddline/v1/home/pi/{channel}"), bytes, bytes.len().is_multiple_of(2)));
    }
    done(ingest::entries(bytes));
    done(wire::decode_ack(bytes));
    done(wire::decode_model(bytes));
    done(wire::DesiredModel::from_json(bytes));
    done(wire::ModelState::from_json(bytes));
    if let Ok(entry) = wire::decode_entry(bytes) {
        let epoch = oddline_core::id::Epoch::from_random(1);
        let again = wire::decode_json(&wire::encode_json(epoch, 1, std::slice::from_ref(&entry)));
        assert!(again.is_ok_and(|batch| batch.entries.len() == 1), "what was read can be written as JSON");
        let packed = wire::encode_batch(epoch, 1, &[bytes]).expect("what was read is within its bounds");
        let batch = wire::decode(&packed).expect("just packed");
        assert!(wire::decode_body(&batch).is_ok_and(|read| read[0].entry == Ok(entry)));
    }
}

/// What the state file holds of a source.
pub fn states(bytes: &[u8]) {
    if let Ok(sections) = Sections::split(bytes) {
        done(PipelineState::read(&sections));
    }
}

/// A model file, as it is and with its checksum made good.
pub fn models(bytes: &[u8]) {
    let mut sealed = bytes[..bytes.len().saturating_sub(SEAL)].to_vec();
    seal(&mut sealed);
    for bytes in [bytes, &sealed] {
        assert!(!matches!(OpenModel::open(bytes), Err(ModelOpenError::Panicked)), "the runtime panicked on it");
    }
}

/// Topics, filters and names at the broker's gate.
pub fn topics(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let rules = AccessRules { fleets: ServedFleets::Every };
    let whos = [
        Principal::by_word(Some(&text), &text),
        Principal::by_word(None, &text),
        Principal::by_word(Some("home/pi"), "pi"),
        Principal::by_certificate(&text, Some(&text)),
    ];
    for who in whos.into_iter().flatten() {
        done(rules.publish(&who, &text, true));
        done(rules.subscribe(&who, &text));
        done(who.may_be_client(&text, &rules.fleets));
    }
    if let Ok(topic) = text.parse::<MqttTopic>() {
        assert_eq!(topic.to_string(), text, "a topic is written as it was read");
    }
}

/// What stands behind `?` of the API.
pub fn queries(bytes: &[u8]) {
    let _: bool = is_query(&String::from_utf8_lossy(bytes));
}

/// Configuration files of agent and collector.
pub fn configurations(bytes: &[u8]) {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        tempfile::Builder::new().prefix("oddline-fuzz").tempdir().expect("a folder").keep().join("some.toml")
    });
    fs::write(&*FILE, bytes).expect("a file in a temporary folder");
    done(oddline_agent::config::load(&FILE));
    let layers = Layers { environment: Vec::new(), ..Layers::of(&FILE) };
    done(oddline_collector::config::from(&layers));
}
