//! The agent as an operator meets it: a configuration with mistakes, signals, `status`, metrics, and logs that are not
//! what they should be. Everything goes to a file, so that no broker is needed.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Command, Output},
};

use oddline_core::event::Event;
use oddline_e2e::{
    agent::{Agent, Link, Setup},
    fixture,
    heard::of_file,
    programs::built,
};
use oddline_testkit::{Random, free_port, process::signal, waiting::until};
use serde_json::Value;
use tempfile::TempDir;

struct Scene {
    folder: TempDir,
    agent: Agent,
}

impl Scene {
    /// An agent whose configuration has `more` at its end.
    fn new(more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let setup = Setup {
            name: "web-1".to_owned(),
            folder: folder.path().to_owned(),
            state_dir: None,
            model: fixture::model(),
            link: Link::File(folder.path().join("odd.jsonl")),
            files: folder.path().join("logs/*.log"),
            env: Vec::new(),
        };
        let scene = Self { agent: Agent::new(setup), folder };
        let text = scene.configuration();
        let socket = format!("control = {:?}", scene.path("control.sock"));
        scene.configure(&(text.replace("control = \"\"", &socket) + more));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configuration(&self) -> String {
        fs::read_to_string(self.path("agent.toml")).unwrap()
    }

    fn configure(&self, text: &str) {
        fs::write(self.path("agent.toml"), text).unwrap();
    }

    fn log(&self, name: &str, bytes: &[u8]) {
        let path = self.path("logs").join(name);
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    fn oddline(&self, arguments: &[&str]) -> Output {
        let config = self.path("agent.toml");
        Command::new(self.agent.program()).args(arguments).arg("--config").arg(config).output().unwrap()
    }

    /// Waits for a status in which something is so.
    fn status(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let look = || {
            let output = self.oddline(&["status", "--json"]);
            let status: Option<Value> = serde_json::from_slice(&output.stdout).ok();
            status.filter(&is_it)
        };
        let last = || String::from_utf8_lossy(&self.oddline(&["status", "--json"]).stdout).into_owned();
        until(look, || format!("{what}: {}\n{}", last(), self.agent.said()))
    }

    fn signal(&self, name: &str) {
        signal(self.agent.id(), name);
    }
}

fn source_in<'a>(status: &'a Value, ending: &str) -> &'a Value {
    let sources = status["reading"]["sources"].as_array().unwrap();
    sources.iter().find(|source| source["name"].as_str().unwrap().ends_with(ending)).unwrap_or(&Value::Null)
}

fn is_read(status: &Value, ending: &str, lines: u64) -> bool {
    source_in(status, ending)["lines"].as_u64() == Some(lines)
}

#[test]
fn a_configuration_with_five_mistakes_is_told_of_all_five() {
    let scene = Scene::new("");
    scene.configure(
        "name = \"Web 1\"\nflood_limt = 9\nsamples = \"some\"\n[broker]\naddress = \"broker:1883\"\n\
         [[source]]\nfiles = [\"logs/*.log\"]\n",
    );
    for command in ["validate", "run"] {
        let output = scene.oddline(&[command]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        for mistake in [
            "agent.toml:1: name: ",
            "agent.toml:2: flood_limt: unknown key; did you mean \"flood_limit\"?",
            "agent.toml:3: samples: \"some\" is none of",
            "agent.toml:5: broker.address: ",
            "agent.toml:7: source.1.files: \"logs/*.log\" is not an absolute path",
        ] {
            assert!(said.contains(mistake), "{command}: {mistake:?} is not in\n{said}");
        }
        assert!(said.contains("5 mistakes"), "{said}");
    }
    assert!(!scene.path("state").exists(), "nothing is begun");
}

#[test]
fn files_that_are_named_are_looked_at() {
    let scene = Scene::new("");
    let text = scene.configuration();
    scene.configure(&text.replace("[output]", "[broker]\naddress = \"mqtts://b\"\nca = \"/nowhere/ca.pem\"\n[other]"));
    let said = String::from_utf8_lossy(&scene.oddline(&["validate"]).stderr).into_owned();
    assert!(said.contains("other: unknown key"), "{said}");
    let text = text.replace("[output]", "[broker]\naddress = \"mqtts://b\"\nca = \"/nowhere/ca.pem\"\n");
    let text: String =
        text.lines().filter(|line| !line.starts_with("file =")).map(|line| format!("{line}\n")).collect();
    scene.configure(&text.replace("factory = \"", "factory = \"/nowhere"));
    let output = scene.oddline(&["validate"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("CA certificate /nowhere/ca.pem") && said.contains("model.factory: /nowhere"), "{said}");
}

#[test]
fn places_are_relative_to_where_the_agent_is_started() {
    let scene = Scene::new("");
    let text = scene.configuration();
    let folder = format!("{}/", scene.folder.path().display());
    let lines = text.lines().map(|line| match line.starts_with("files") || line.starts_with("factory") {
        true => format!("{line}\n"),
        false => format!("{}\n", line.replace(&folder, "")),
    });
    let text: String = lines.collect();
    assert!(text.contains("state_dir = \"state\"") && text.contains("file = \"odd.jsonl\""), "{text}");
    scene.configure(&text);
    let mut command = Command::new(scene.agent.program());
    let output =
        command.args(["validate", "--config", "agent.toml"]).current_dir(scene.folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("agent.toml is fine"), "{output:?}");
}

#[test]
fn a_model_that_is_none_is_refused_at_the_start() {
    let scene = Scene::new("");
    fs::write(scene.path("bad.onnx"), "no model").unwrap();
    let text = scene.configuration();
    let good = format!("factory = {:?}", fixture::model());
    scene.configure(&text.replace(&good, &format!("factory = {:?}", scene.path("bad.onnx"))));
    let output = scene.oddline(&["run"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("bad.onnx") && said.contains("no model can be used"), "{said}");
}

#[test]
fn status_metrics_and_reload() {
    let port = free_port();
    let mut scene = Scene::new(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n"));
    scene.log("a.log", &fixture::log(Some("server-01"), 1));
    scene.agent.start();
    let lines = fixture::log(Some("server-01"), 1).iter().filter(|byte| **byte == b'\n').count() as u64;
    let status = scene.status("it does not read the log", |status| is_read(status, "a.log", lines));
    assert_eq!(source_in(&status, "a.log")["lag_bytes"], 0);
    let shown = scene.oddline(&["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("web-1 of fleet home") && shown.contains("a.log") && shown.contains("ok"), "{shown}");

    // A page in a browser brings the name that it was found under.
    for host in ["evil.example", "127.0.0.1.evil.example", "evil.example:9464", "x@evil.example", "x\r\nHost: y", ""] {
        let page = metrics(port, host);
        assert!(page.starts_with("HTTP/1.1 421") && !page.contains("oddline_lines_total"), "{host:?}: {page}");
    }
    for host in ["localhost", "127.0.0.1:9464", "[::1]:9464", "10.1.2.3", "pi-kitchen"] {
        assert!(metrics(port, host).starts_with("HTTP/1.1 200 OK"), "{host}");
    }
    let page = metrics(port, "x");
    assert!(
        page.starts_with("HTTP/1.1 200 OK") && page.contains(&format!("\noddline_lines_total {lines}\n")),
        "{page}"
    );

    // A reload with a mistake changes nothing; one without takes the new source.
    let good = scene.configuration();
    scene.configure(&good.replace("name = \"web-1\"", "nmae = \"web-1\""));
    let mark = scene.agent.said().len();
    scene.signal("HUP");
    let said = scene.agent.says(mark, "that the reload is refused", |said| said.contains("is kept"));
    assert!(said.contains("did you mean \"name\"?"), "{said}");
    assert!(scene.agent.is_alive());
    // Nor does one that names a place where nothing can be written.
    scene.configure(&good.replace("\n[output]\nfile = \"", "\n[output]\nfile = \"/proc"));
    let mark = scene.agent.said().len();
    scene.signal("HUP");
    let said = scene.agent.says(mark, "that the reload is refused", |said| said.contains("is kept"));
    assert!(said.contains("output.file: /proc"), "{said}");
    assert!(scene.agent.is_alive());
    fs::create_dir(scene.path("more")).unwrap();
    fs::write(scene.path("more/b.log"), "2026-01-05T00:00:00Z,x,y,1\n").unwrap();
    scene.configure(&(good + &format!("[[source]]\nfiles = [{:?}]\nbegin = \"start\"\n", scene.path("more/*.log"))));
    scene.signal("HUP");
    let status = scene.status("it does not take the new source", |status| is_read(status, "b.log", 1));
    assert!(is_read(&status, "a.log", lines), "what it knew it still knows: {status}");
    scene.agent.stop();
    let gone = scene.oddline(&["status"]);
    assert!(!gone.status.success() && String::from_utf8_lossy(&gone.stderr).contains("no agent answers"), "{gone:?}");
}

fn metrics(port: u16, host: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

#[test]
fn lines_that_are_not_what_they_should_be_are_counted_and_the_rest_is_judged() {
    let mut scene = Scene::new("");
    let log = fixture::log(Some("server-01"), 1);
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let bad: [&[u8]; 12] = [
        b"\n",
        b"no table at all\n",
        b"2026-13-45T99:99:99Z,server-01,cpu,1,0\n",
        b"2026-01-05T00:00:00Z,server-01,cpu,NaN,0\n",
        b"2026-01-05T00:00:00Z,server-01,cpu,1e999,0\n",
        b"2026-01-05T00:00:00Z,server-01,cpu\n",
        b"\x00\x00\x00\x00\n",
        b"\xff\xfe\x80binary\x01\x02\n",
        b"\x1b[2J\x1b[31mred\x1b[0m\n",
        b"{\"json\": true}\n",
        b"\"unclosed,quote,of,a,table\n",
        b",,,,\n",
    ];
    let mut mixed = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        mixed.extend_from_slice(line);
        if at > 0 && at % 500 == 0 {
            mixed.extend_from_slice(bad[at / 500 % bad.len()]);
        }
    }
    // One line longer than any line may be.
    mixed.extend_from_slice(&vec![b'x'; 200_000]);
    mixed.push(b'\n');
    mixed.extend_from_slice(lines[1]);
    scene.log("mixed.log", &mixed);
    fs::write(scene.path("logs/junk.log"), junk()).unwrap();
    fs::write(scene.path("logs/empty.log"), "").unwrap();
    scene.agent.start();
    let judged = |status: &Value| source_in(status, "mixed.log")["judged"].as_u64().unwrap_or(0);
    let status = scene.status("it does not judge the good lines", |status| judged(status) as usize >= lines.len() - 1);
    assert!(source_in(&status, "mixed.log")["faults"].as_u64().unwrap() >= 5, "{status}");
    let kinds = source_in(&status, "mixed.log")["faulty"].as_array().unwrap();
    assert!(kinds.iter().any(|kind| kind["fault"].as_str().unwrap().contains("NaN")), "{status}");
    scene.status("it does not read the junk", |status| source_in(status, "junk.log")["lag_bytes"] == 0);
    let status = scene.status("the junk is not reported", |status| {
        source_in(status, "junk.log")["not_understood"].is_string() && is_read(status, "junk.log", junk_lines())
    });
    for name in ["mixed.log", "junk.log"] {
        let source = source_in(&status, name);
        let classes = ["scored", "watched", "unusable", "continued", "skipped"];
        let sum: u64 = classes.iter().map(|class| source[class].as_u64().unwrap()).sum();
        assert_eq!(source["lines"], sum, "every line is in one class: {source}");
    }
    let shown = String::from_utf8_lossy(&scene.oddline(&["status"]).stdout).into_owned();
    assert!(
        shown.contains("NOT UNDERSTOOD: ") && shown.contains(" x the value is NaN or infinite, first: "),
        "{shown}"
    );
    assert!(scene.agent.is_alive());
    scene.agent.stop();
    let said = scene.agent.said();
    assert!(!said.contains("panicked") && said.matches("junk.log: all ").count() == 1, "{said}");
    let is_junk = |event: &Event| matches!(event, Event::SourceFailed(fault) if fault.cause.contains("junk.log: all "));
    let told = of_file(&scene.path("odd.jsonl")).iter().filter(|heard| is_junk(&heard.entry.event)).count();
    assert_eq!(told, 1, "once");
    // What is told of such lines shows no control character to a terminal.
    let events = fs::read(scene.path("odd.jsonl")).unwrap();
    assert!(!events.contains(&0x1b) && !events.contains(&0), "events are plain text");
}

/// Bytes of no format, the same each time.
fn junk() -> Vec<u8> {
    let mut random = Random::new(1);
    (0..300_000).map(|_| random.byte()).chain([b'\n']).collect()
}

/// Lines end with LF, CRLF or CR.
fn junk_lines() -> u64 {
    let (mut lines, mut before) = (0, 0);
    for byte in junk() {
        lines += u64::from(matches!(byte, b'\r' | b'\n') && before != b'\r');
        before = byte;
    }
    lines
}

/// What `logger` of util-linux sends, over both protocols and in both framings.
#[test]
fn messages_of_syslog_senders_are_taken() {
    let (udp, tcp) = (free_port(), free_port());
    let source = |address: String| format!("[[source]]\nsyslog = \"{address}\"\n");
    let mut scene = Scene::new(&(source(format!("udp://127.0.0.1:{udp}")) + &source(format!("tcp://127.0.0.1:{tcp}"))));
    scene.agent.start();
    let name = |protocol: &str, port: u16| format!("syslog {protocol}://127.0.0.1:{port}");
    scene.status("it does not listen", |status| source_in(status, &name("tcp", tcp)).is_object());
    let send = |port: u16, more: &[&str]| {
        let logger = |options: &[&str]| {
            let mut command = Command::new("logger");
            command.args(["--server", "127.0.0.1", "--port", &port.to_string(), "--tag", "sender", "--id=7"]);
            command.args(more).args(options).arg("pump stopped after 7 starts").status()
        };
        for options in [&["--rfc3164"][..], &["--rfc5424"]] {
            let status = logger(options).unwrap();
            assert!(status.success(), "{status}");
        }
    };
    send(udp, &["--udp"]);
    send(tcp, &["--tcp"]);
    send(tcp, &["--tcp", "--octet-count"]);
    for (name, lines) in [(name("udp", udp), 2), (name("tcp", tcp), 4)] {
        let status = scene.status("the messages do not come", |status| is_read(status, &name, lines));
        let source = source_in(&status, &name);
        assert_eq!((&source["watched"], &source["faults"]), (&lines.into(), &0.into()), "{source}");
    }
    scene.agent.stop();
}

#[test]
fn a_file_that_cannot_be_read_is_shown_and_the_others_go_on() {
    let mut scene = Scene::new("");
    let text = scene.configuration();
    // Reading a process's memory from address 0 fails, for root too.
    scene.configure(&text.replace("files = [", "files = [\"/proc/self/mem\", "));
    scene.log("a.log", &fixture::log(Some("server-01"), 1));
    scene.agent.start();
    let status = scene.status("the fault is not shown", |status| source_in(status, "/mem")["failed"].is_string());
    assert!(source_in(&status, "/mem")["failed"].as_str().unwrap().contains("cannot read the log /proc/"), "{status}");
    scene.status("the other does not go on", |status| source_in(status, "a.log")["judged"].as_u64() > Some(1_000));
    scene.agent.stop();
    let failed = |event: &Event| matches!(event, Event::SourceFailed(fault) if fault.source.contains("mem"));
    let told = of_file(&scene.path("odd.jsonl")).iter().filter(|heard| failed(&heard.entry.event)).count();
    assert_eq!(told, 1, "one fault, however often it is tried again");
}

#[test]
fn a_log_that_grows_faster_than_it_is_judged_is_behind_and_memory_stays() {
    let mut scene = Scene::new("");
    let day = fixture::log(Some("server-01"), 1);
    let header = day.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    scene.log("a.log", &day);
    scene.agent.start();
    scene.status("it does not begin", |status| source_in(status, "a.log")["judged"].as_u64() > Some(1_000));
    let before = memory_kib(scene.agent.id());
    // About 160 MB at once: as fast as a disk takes them.
    for _ in 0..400 {
        scene.log("a.log", &day[header..]);
    }
    let lag = |status: &Value| source_in(status, "a.log")["lag_bytes"].as_u64().unwrap_or(0);
    let behind = lag(&scene.status("it was never behind", |status| lag(status) > 1_000_000));
    let after = memory_kib(scene.agent.id());
    println!("e2e: behind by {behind} bytes; {before} KiB before, {after} KiB while behind");
    assert!(after < before + 8 * 1024, "{before} KiB before, {after} KiB while behind");
    scene.agent.stop();
}

fn memory_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn systemd_is_told_when_it_is_ready_alive_and_stopping() {
    let mut scene = Scene::new("");
    scene.log("a.log", &fixture::log(Some("server-01"), 1));
    let socket = UnixDatagram::bind(scene.path("notify")).unwrap();
    socket.set_nonblocking(true).unwrap();
    let notify = ("NOTIFY_SOCKET".to_owned(), scene.path("notify").display().to_string());
    scene.agent.add_env([notify, ("WATCHDOG_USEC".to_owned(), "120000000".to_owned())]);
    scene.agent.start();
    let mut told = String::new();
    let mut hear = |word: &str| {
        let mut bytes = [0; 4_096];
        let look = || {
            while let Ok(length) = socket.recv(&mut bytes) {
                told += &(String::from_utf8_lossy(&bytes[..length]).into_owned() + "\n");
            }
            // What comes after it is left for the next question.
            let end = told.find(word)? + word.len();
            let rest = told.split_off(end);
            Some(std::mem::replace(&mut told, rest))
        };
        until(look, || format!("systemd is not told {word}"))
    };
    let first = hear("READY=1");
    assert!(!first.contains("WATCHDOG") || first.find("READY") < first.find("WATCHDOG"), "{first}");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    scene.signal("HUP");
    hear("RELOADING=1");
    let again = hear("READY=1");
    assert!(again.contains("MONOTONIC_USEC="), "{again}");
    scene.agent.stop();
    hear("STOPPING=1");
}

#[test]
fn a_line_is_explained() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("a.log");
    fs::write(&log, fixture::log(Some("server-01"), 1)).unwrap();
    let explain = |more: &[&str]| {
        let (log, model) = (log.to_str().unwrap(), fixture::model());
        let mut command = Command::new(built("oddline-agent"));
        command.args(["explain", log, "--model"]).arg(model).args(more).output().unwrap()
    };
    let text = String::from_utf8(explain(&[]).stdout).unwrap();
    assert!(text.contains("ANOMALOUS: score") && text.contains("feature") && text.contains("was expected"), "{text}");
    // What was found later about the line, such as a silence after it, follows.
    let first = |more: &[&str]| -> Value {
        let text = String::from_utf8(explain(more).stdout).unwrap();
        serde_json::from_str(text.lines().next().unwrap()).unwrap()
    };
    let line = first(&["--json"]);
    assert_eq!(line, first(&["--json", "--line", &line["line"].to_string()]));
    let none = explain(&["--line", "99999999"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("no line 99999999"), "{none:?}");
}

#[test]
fn a_line_without_a_value_is_explained_by_what_was_told_of_it() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("app.log");
    let mut lines: Vec<String> =
        (0..400).map(|i| format!("2026-01-{:02}T{:02}:00:00Z INFO served", 5 + i / 24, i % 24)).collect();
    lines.push("2026-01-21T17:00:00Z ERROR disk on fire".to_owned());
    fs::write(&log, lines.join("\n") + "\n").unwrap();
    let explain = |more: &[&str]| {
        let mut command = Command::new(built("oddline-agent"));
        let output = command.arg("explain").arg(&log).arg("--model").arg(fixture::model()).args(more).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = explain(&[]);
    assert!(text.starts_with("line 401: 2026-01-21T17:00:00Z ERROR disk on fire\nTOLD: "), "{text}");
    assert!(text.contains("first message of level error from this component, score 5.00 (threshold 1.00)"), "{text}");
    let event: Value = serde_json::from_str(&explain(&["--json"])).unwrap();
    assert_eq!(event["event"]["episode_opened"]["peak"], 5.0);
}
