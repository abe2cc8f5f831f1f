//! Good inputs to start from: lines of every format, and the pinned bytes of what is stored and sent.

const LINES: &[&str] = &[
    "timestamp,server,component,value,anomalous\n2026-01-05T00:00:00Z,web-1,cpu,42.5,0",
    r#"{"time":"2026-01-05T00:00:00.123+01:00","host":"web-1","service":"api","level":"error","msg":"took 12 ms","took_ms":12}"#,
    "<34>1 2026-01-05T22:14:15.003Z host su - ID47 [a@1 b=\"c\\\"d\"] \u{feff}failed for root",
    "<13>Jan  5 22:14:15 host su[42]: failed for root",
    r#"{"__REALTIME_TIMESTAMP":"1767571200000000","_HOSTNAME":"pi","SYSLOG_IDENTIFIER":"cron","PRIORITY":"3","MESSAGE":[104,105]}"#,
    "time=2026-01-05T00:00:00Z level=warn msg=\"disk is \\\"full\\\"\" used=97.5% took=1m30s",
    "::1 - - [05/Jan/2026:00:00:00 +0000] \"GET /a?b=%00 HTTP/1.1\" 500 1234 \"-\" \"curl\" 0.123",
    "2026-01-05 00:00:00,123 ERROR [main] com.example.App: request took 9300 ms",
    "[ 12.345678] usb 1-1: new device",
];
const CONFIGURATIONS: &[&str] = &[
    "name = \"web-1\"\nfleet = \"home\"\n[[source]]\npath = \"/var/log/*.log\"\nformat = \"jsonl\"\nvalues = \"measured\"\n\
     [source.fields]\ntime = \"ts\"\n[broker]\naddress = \"mqtts://[::1]:8883\"\nevents = \"json\"\n",
    "[broker]\nembedded = true\nlisten = \"127.0.0.1:1883\"\n[store]\nurl = \"sqlite:///var/lib/x.db\"\nkeep_days = 30\n\
     [api]\nlisten = \"127.0.0.1:8080\"\n",
];
const WORDS: &[&str] = &[
    "oddline/v1/home/web-1/events",
    "oddline/v1/home/+/model/state",
    "oddline/v1/_models/0000000000000000000000000000000000000000000000000000000000000000",
    "$share/g/oddline/v1/#",
    "fleet/agent",
    "oddline-agent:home:web-1",
];
const QUERIES: &[&str] = &[
    "server=web-1&component=a%20b&kind=score&min_score=1.5&since=2026-01-05T00:00:00Z&limit=10",
    "since=24h&until=now&cursor=MTIz&by=server,kind",
];

/// Lines of every format.
#[must_use]
pub fn lines() -> Vec<Vec<u8>> {
    bytes(LINES)
}

/// Configurations of agent and collector.
#[must_use]
pub fn configurations() -> Vec<Vec<u8>> {
    bytes(CONFIGURATIONS)
}

/// Topics, filters and names.
#[must_use]
pub fn topics() -> Vec<Vec<u8>> {
    bytes(WORDS)
}

/// What stands behind `?`.
#[must_use]
pub fn queries() -> Vec<Vec<u8>> {
    bytes(QUERIES)
}

/// Batches, entries and words as they travel.
#[must_use]
pub fn messages() -> Vec<Vec<u8>> {
    let entries = include_str!("../../core/tests/data/entries.hex").lines();
    let entries = entries.filter_map(|line| line.split_once(' ')).map(|(_, hex)| unhex(hex));
    let words = [
        include_str!("../../core/tests/data/batch.json"),
        include_str!("../../core/tests/data/desired.json"),
        include_str!("../../core/tests/data/model_state.json"),
        r#"{"fleet":"home","agent":"pi","epoch":"1","oldest":1,"boot":"x","version":"0.1.0"}"#,
        r#"{"state":"up","figures":{"model":7,"records":3,"failed_sources":["a"],"spooled":1}}"#,
    ];
    let packed = [include_str!("../../core/tests/data/batch.hex"), include_str!("../../core/tests/data/ack.hex")];
    entries.chain(bytes(&words)).chain(packed.map(unhex)).collect()
}

/// What the state file holds of a source.
#[must_use]
pub fn states() -> Vec<Vec<u8>> {
    vec![unhex(include_str!("../../pipeline/src/tests/data/source.hex"))]
}

/// A model file.
#[must_use]
pub fn models() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../detector/tests/data/golden.onnx").to_vec()]
}

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}
