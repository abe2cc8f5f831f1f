//! A server under test, whose answers are all compared with the OpenAPI document.

use std::{
    io::BufReader,
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use oddline_collector::{
    serve::{ApiSettings, HealthStatus, HttpLimits, HttpServer, ServeSources},
    store::{DatabaseAddress, OpenMode, Store},
    writer::{self, LiveStatus},
};
use serde_json::Value;

use crate::{
    client::{Answer, connect, exchange, head},
    openapi::check,
};

/// A server and what it answers from.
pub(crate) struct Web {
    pub address: SocketAddr,
    pub store: Store,
    pub live: LiveStatus,
    pub pulse: Arc<Mutex<HealthStatus>>,
    pub server: HttpServer,
    pub token: Option<String>,
}

/// On a port of its own, with limits that no test meets by accident.
pub(crate) fn settings() -> ApiSettings {
    let limits = HttpLimits { burst: 1_000_000, ..HttpLimits::default() };
    ApiSettings { listen: "127.0.0.1:0".parse().unwrap(), limits, ..ApiSettings::default() }
}

/// A store in the folder, and a server for it.
pub(crate) async fn on_sqlite(folder: &std::path::Path, settings: ApiSettings) -> Web {
    let address = DatabaseAddress::Sqlite(folder.join("collector.db"));
    let store = Store::open(&address, OpenMode::Serve).await.unwrap();
    start(&address, store, settings).await
}

/// The same, whose limits are counted by another clock.
pub(crate) async fn on_sqlite_at(folder: &std::path::Path, settings: ApiSettings, clock: TestClock) -> Web {
    let address = DatabaseAddress::Sqlite(folder.join("collector.db"));
    let store = Store::open(&address, OpenMode::Serve).await.unwrap();
    start_at(&address, store, settings, clock).await
}

pub(crate) type TestClock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// A server beside whoever writes.
pub(crate) async fn start(address: &DatabaseAddress, store: Store, settings: ApiSettings) -> Web {
    start_at(address, store, settings, Arc::new(Instant::now)).await
}

async fn start_at(address: &DatabaseAddress, store: Store, settings: ApiSettings, clock: TestClock) -> Web {
    let pulse =
        Arc::new(Mutex::new(HealthStatus { connected: true, queued: 0, queue_max: 64, stands_for: Duration::ZERO }));
    let (live, told) = (writer::live(), Arc::clone(&pulse));
    let sources = ServeSources {
        store: Store::open(address, OpenMode::Use).await.unwrap(),
        figures: Arc::default(),
        live: live.clone(),
        pulse: Arc::new(move || *told.lock().unwrap()),
        clock,
    };
    let server = HttpServer::start(settings, sources).await.unwrap();
    Web { address: server.local_addr(), store, live, pulse, server, token: None }
}

impl Web {
    /// Asks for something that must be there.
    pub(crate) fn get(&self, target: &str) -> Value {
        let answer = self.ask("GET", target, &[], "");
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.json()
    }

    /// Asks for something that must not be answered; the problem.
    pub(crate) fn refused(&self, target: &str, status: u16) -> Value {
        let answer = self.ask("GET", target, &[], "");
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        answer.json()
    }

    /// Posts JSON.
    pub(crate) fn post(&self, target: &str, body: &str) -> Answer {
        self.ask("POST", target, &[("content-type", "application/json")], body)
    }

    /// Sends a request and compares its answer with the document.
    pub(crate) fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let answer = exchange(self.address, self.request(method, target, headers, body).as_bytes()).expect("an answer");
        for name in ["cache-control", "x-content-type-options", "content-security-policy", "x-frame-options"] {
            assert!(answer.header(name).is_some(), "{target} has no {name}");
        }
        assert!(answer.header("access-control-allow-origin").is_none());
        check(method, target, &answer);
        answer
    }

    pub(crate) fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut text = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            text += "host: localhost\r\n";
        }
        if let Some(token) = &self.token {
            text += &format!("authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            text += &format!("content-length: {}\r\n", body.len());
        }
        text + "\r\n" + body
    }

    /// Opens the live stream; its status and what follows.
    pub(crate) fn listen(&self, headers: &[(&str, &str)]) -> (u16, BufReader<TcpStream>) {
        use std::io::Write as _;
        let mut stream = connect(self.address);
        stream.write_all(self.request("GET", "/api/v1/live", headers, "").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let (status, _) = head(&mut reader).unwrap();
        (status, reader)
    }

    /// All rows of a list, page by page.
    pub(crate) fn all(&self, target: &str, list: &str) -> Vec<Value> {
        let joint = if target.contains('?') { '&' } else { '?' };
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{target}{cursor}"));
            rows.extend(page[list].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("{joint}cursor={}", encoded(next)),
                None => return rows,
            }
        }
    }
}

/// Percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut done, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            done.push(byte.into());
        } else {
            done += &format!("%{byte:02X}");
        }
        done
    })
}
