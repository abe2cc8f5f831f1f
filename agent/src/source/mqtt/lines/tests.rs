//! What becomes of the payloads of other people's sensors.

use oddline_core::format::{Context, LogFormat, Parser};

use super::*;

fn received() -> EventTime {
    EventTime::parse("2026-01-05T10:00:00Z").unwrap()
}

/// `component|time|message|fault|numbers` of each record that a message becomes; the time only when it is another than
/// that at which the message came.
fn records(topic: &str, payload: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut parser = Parser::new(LogFormat::Jsonl(mapping(Mapping::default())));
    each_line(topic, payload, received(), |line| {
        let record = parser.parse(line.as_bytes(), &Context::default()).record().unwrap();
        let time = record.time.filter(|time| *time != received()).map(|time| time.to_string()).unwrap_or_default();
        let value = record.value.map(|value| format!("={value}"));
        let numbers = record.numbers.iter().map(|(name, number)| format!("{name}={number}"));
        let numbers: Vec<String> = value.into_iter().chain(numbers).collect();
        found.push(format!(
            "{}|{time}|{}|{}|{}",
            record.component.as_deref().unwrap_or("-"),
            record.message.as_deref().unwrap_or(""),
            record.fault.map_or_else(String::new, |fault| fault.describe().to_owned()),
            numbers.join(" ")
        ));
    });
    found
}

/// Payloads as devices and bridges publish them.
#[test]
fn messages_are_records_of_their_topic() {
    for (topic, payload, expected) in [
        // Numbers.
        ("sensors/kitchen/temperature", "21.5", "sensors/kitchen/temperature||||=21.5"),
        ("esphome/shed/sensor/rssi/state", "-67", "esphome/shed/sensor/rssi/state||||=-67"),
        ("a/humidity", " 40 %\r\n", "a/humidity||||=40"),
        ("a/t", "21,5 °C", "a/t||||=21.5"),
        ("a/t", "\"21.5\"", "a/t||||=21.5"),
        ("a/t", "1e3", "a/t||||=1000"),
        // States.
        ("stat/plug/POWER", "ON", "stat/plug/POWER||ON||=1"),
        ("homeassistant/status", "offline", "homeassistant/status||offline||=0"),
        ("shellies/shelly1-A4CF12/online", "false", "shellies/shelly1-A4CF12/online||false||=0"),
        ("door", "\"open\"", "door||open||=1"),
        // Words.
        ("zigbee2mqtt/bridge/log", "device joined", "zigbee2mqtt/bridge/log||device joined||"),
        ("a/fw", "007", "a/fw||007||"),
        ("a/list", "[1,2]", "a/list||[1,2]||"),
        ("a/t", "unavailable", "a/t||unavailable||"),
        // JSON.
        ("s/k", r#"{"temperature":21.5,"humidity":40}"#, "s/k||||humidity=40 temperature=21.5"),
        (
            "zigbee2mqtt/0x00158d0001a2b3c4",
            r#"{"battery":97,"contact":false,"last_seen":"2026-01-05T10:00:00Z","linkquality":120,"update":{"state":"idle"}}"#,
            "zigbee2mqtt/0x00158d0001a2b3c4||||battery=97 contact=0 linkquality=120",
        ),
        (
            "tele/plug/SENSOR",
            r#"{"Time":"2026-01-05T11:00:02","SI7021":{"Temperature":21.5,"Humidity":40.1},"TempUnit":"C"}"#,
            "tele/plug/SENSOR||||SI7021.Humidity=40.1 SI7021.Temperature=21.5",
        ),
        (
            "tele/plug/STATE",
            r#"{"Time":"2026-01-05T10:00:00","UptimeSec":120,"POWER":"ON","Wifi":{"RSSI":76,"Signal":-62}}"#,
            "tele/plug/STATE||||POWER=1 UptimeSec=120 Wifi.RSSI=76 Wifi.Signal=-62",
        ),
        (
            "shellyplus1pm/status/switch:0",
            r#"{"id":0,"output":true,"apower":8.5,"aenergy":{"total":12.5,"minute_ts":1767607200},"temperature":{"tC":45.2}}"#,
            "shellyplus1pm/status/switch:0||||aenergy.total=12.5 apower=8.5 output=1 temperature.tC=45.2",
        ),
        (
            "shellyplus1pm/events/rpc",
            r#"{"method":"NotifyStatus","params":{"ts":1767607200.25,"switch:0":{"apower":9.25}}}"#,
            "shellyplus1pm/events/rpc||||params.switch:0.apower=9.25",
        ),
        ("s/k", r#"{"value":"21.5 °C","battery":90}"#, "s/k||||=21.5 battery=90"),
        ("s/k", r#"{"ts":1767607100,"t":1}"#, "s/k|2026-01-05T09:58:20Z|||t=1"),
        ("s/k", r#"{"timestamp":"2026-01-05T09:30:00+01:00","t":1}"#, "s/k|2026-01-05T08:30:00Z|||t=1"),
        ("s/k", r#"{"msg":"pump on","n":3}"#, "s/k||pump on||n=3"),
        ("s/k", r#"{"mqtt.topic":"x","component":"y","receiveTimestamp":1,"n":3}"#, "s/k||||n=3"),
        ("s/k", "{}", "s/k||||"),
        // What is wrong with them.
        ("s/k", r#"{"value":null}"#, "s/k|||the value is not a number|"),
        ("s/k", "nan", "s/k|||the value is NaN or infinite|"),
    ] {
        assert_eq!(records(topic, payload.as_bytes()), [expected], "{topic} {payload}");
    }
}

#[test]
fn what_breaks_off_is_a_fault_and_what_is_no_text_is_told() {
    let broken = records("s/k", b"{\"temperature\":21.5,\n\"humidity\":nan}");
    assert!(broken.len() == 1 && broken[0].starts_with("s/k|") && broken[0].contains("temperature=21.5"), "{broken:?}");
    assert!(!broken[0].contains("||temperature"), "{broken:?}");
    assert_eq!(records("cam/image", b"\xff\xd8\xff\xe0"), ["cam/image||(4 bytes that are no text)||"]);
    assert!(records("s/k", b"").is_empty() && records("s/k", b" \n").is_empty());
}

#[test]
fn a_message_with_many_numbers_is_several_records_of_one_time() {
    let energy = r#"{"Time":"2026-01-05T09:59:00","ENERGY":{"Total":1.2,"Yesterday":0.1,"Today":0.05,"Period":0,"Power":5,
        "ApparentPower":6,"ReactivePower":3,"Factor":0.8,"Voltage":230,"Current":0.02}}"#;
    let found = records("tele/plug/SENSOR", energy.as_bytes());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|record| record.starts_with("tele/plug/SENSOR|2026-01-05T09:59:00Z|")), "{found:?}");
    assert_eq!(found.iter().map(|record| record.matches('=').count()).sum::<usize>(), 10);
    let huge: Vec<String> = (0..1_000).map(|n| format!("\"n{n:04}\":{n}")).collect();
    let found = records("s/k", format!("{{{}}}", huge.join(",")).as_bytes());
    assert_eq!(found.len(), FIELDS_MAX / NUMBERS_MAX);
    let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    assert_eq!(records("s/k", deep.as_bytes()), ["s/k||||"]);
}

#[test]
fn topics_are_names_whatever_is_in_them() {
    let long = "a/".repeat(200) + "end";
    let found = records(&long, b"1");
    let name = found[0].split('|').next().unwrap();
    assert!(name.len() <= NAME_BYTES_MAX && name.starts_with("...") && name.ends_with("a/end"), "{name}");
    assert_eq!(records("a\"\n\u{1b}[31mb\\", b"1"), ["a\"\u{fffd}b\\||||=1"]);
    let wide = "é".repeat(100);
    assert!(records(&wide, b"1")[0].starts_with("...é"));
}

/// The table of `docs/formats.md` says the truth.
#[test]
fn every_example_of_the_manual_is_read_as_its_table_says() {
    let text = include_str!("../../../../../docs/formats.md");
    let head = "| Topic | Payload | Component | Numbers | Message |";
    let rows = text.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with('|'));
    let mut examples = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [topic, payload, component, numbers, message] = cells[..] else { panic!("{row}") };
        let none = |cell: &str| if cell == "-" { String::new() } else { cell.to_owned() };
        let numbers =
            none(numbers).split(' ').map(|n| n.strip_prefix("value").unwrap_or(n).to_owned()).collect::<Vec<_>>();
        let expected = format!("{component}||{}||{}", none(message), numbers.join(" "));
        assert_eq!(records(topic.trim_matches('`'), payload.trim_matches('`').as_bytes()), [expected], "{row}");
        examples += 1;
    }
    assert!(examples >= 8, "only {examples} examples were found");
}
