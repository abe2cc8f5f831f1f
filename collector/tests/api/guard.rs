//! Who may ask.

use std::time::{Duration, Instant};

use oddline_collector::{
    serve::{ApiSettings, HttpLimits, HttpServer, ServeError, ServeSources, TokenError},
    store::{DatabaseAddress, OpenMode, Store},
    writer,
};

use crate::{
    client::exchange,
    web::{Web, on_sqlite, settings},
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

async fn try_start(folder: &std::path::Path, settings: ApiSettings) -> Result<HttpServer, ServeError> {
    let address = DatabaseAddress::Sqlite(folder.join("collector.db"));
    let store = Store::open(&address, OpenMode::Serve).await.unwrap();
    let pulse =
        oddline_collector::serve::HealthStatus { connected: true, queued: 0, queue_max: 1, stands_for: Duration::ZERO };
    let sources = ServeSources {
        store,
        figures: Default::default(),
        live: writer::live(),
        pulse: std::sync::Arc::new(move || pulse),
        clock: std::sync::Arc::new(Instant::now),
    };
    HttpServer::start(settings, sources).await
}

/// Beyond loopback, with a token.
async fn open(folder: &std::path::Path, limits: HttpLimits) -> Web {
    let token_file = folder.join("token");
    std::fs::write(&token_file, format!("{TOKEN}\n")).unwrap();
    let settings =
        ApiSettings { listen: "0.0.0.0:0".parse().unwrap(), token_file: Some(token_file), limits, ..settings() };
    let mut web = on_sqlite(folder, settings).await;
    web.address.set_ip("127.0.0.1".parse().unwrap());
    web
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_start_beyond_loopback_without_a_good_token() {
    let folder = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"] {
        let settings = ApiSettings { listen: listen.parse().unwrap(), ..settings() };
        let error = try_start(folder.path(), settings).await.unwrap_err();
        assert!(matches!(error, ServeError::Token(TokenError::Needed(_))), "{error}");
        assert!(error.to_string().contains("token_file"), "{error}");
    }
    let token_file = folder.path().join("token");
    let with = ApiSettings { token_file: Some(token_file.clone()), ..settings() };
    assert!(try_start(folder.path(), with.clone()).await.unwrap_err().to_string().contains("cannot be read"));
    for bad in ["", "short", "0123456789abcde f0123456789", "0123456789abcdef\n0123456789abcdef\n"] {
        std::fs::write(&token_file, bad).unwrap();
        let error = try_start(folder.path(), with.clone()).await.unwrap_err().to_string();
        assert!(error.contains("16 to 512"), "{bad:?}: {error}");
        assert!(bad.is_empty() || !error.contains(bad), "a secret is not printed");
    }
    // Nor on loopback, when a proxy there passes on what others ask.
    let proxied = [
        ApiSettings { hosts: vec!["localhost".to_owned(), "logs.example".to_owned()], ..settings() },
        ApiSettings { trusted_proxies: vec!["127.0.0.1".parse().unwrap()], ..settings() },
    ];
    for settings in proxied {
        let error = try_start(folder.path(), settings).await.unwrap_err();
        assert!(matches!(error, ServeError::Token(TokenError::Proxied)), "{error}");
    }
    let here = ApiSettings { hosts: vec!["localhost".to_owned(), "[::1]".to_owned()], ..settings() };
    try_start(folder.path(), here).await.unwrap().stop().await;
    for loopback in ["127.0.0.1:0", "127.0.0.2:0"] {
        let settings = ApiSettings { listen: loopback.parse().unwrap(), ..settings() };
        try_start(folder.path(), settings).await.unwrap().stop().await;
    }
    let taken = try_start(folder.path(), settings()).await.unwrap();
    let settings = ApiSettings { listen: taken.local_addr(), ..settings() };
    let error = try_start(folder.path(), settings).await.unwrap_err();
    assert!(matches!(error, ServeError::Listen { .. }), "{error}");
    taken.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_token_opens_and_health_is_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let limits = HttpLimits { wrong_token_delay: Duration::from_millis(120), ..settings().limits };
    let mut web = open(folder.path(), limits).await;
    for target in ["/api/v1/servers", "/api/v1/openapi.json", "/metrics", "/api/v1/live", "/nothing"] {
        let answer = web.ask("GET", target, &[], "");
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{target}");
        let wrong = Instant::now();
        assert_eq!(web.ask("GET", target, &[("authorization", "Bearer 0123456789abcdef")], "").status, 401);
        assert!(wrong.elapsed() >= limits.wrong_token_delay);
    }
    assert_eq!(web.get("/healthz"), serde_json::json!({"status": "ok"}));
    web.pulse.lock().unwrap().connected = false;
    assert_eq!(web.refused("/healthz", 503), serde_json::json!({"status": "failing"}), "no more without a token");
    web.token = Some(TOKEN.to_owned());
    assert!(web.refused("/healthz", 503)["wrong"][0].as_str().unwrap().contains("broker"));
    web.pulse.lock().unwrap().connected = true;
    for target in ["/api/v1/servers", "/api/v1/anomalies"] {
        web.get(target);
    }
    assert_eq!(web.refused("/nothing", 404)["status"], 404);
    // Another name is no danger where a token is needed.
    assert_eq!(web.ask("GET", "/api/v1/servers", &[("host", "logs.example")], "").status, 200);
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_comes_to_an_end_and_locks_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let limits = HttpLimits { wrong_tokens: 10, wrong_token_delay: Duration::from_millis(1), ..settings().limits };
    let mut web = open(folder.path(), limits).await;
    let guess = |web: &Web| web.ask("GET", "/api/v1/servers", &[("authorization", "Bearer guess")], "");
    for _ in 0..10 {
        assert_eq!(guess(&web).status, 401);
    }
    let answer = guess(&web);
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    web.token = Some(TOKEN.to_owned());
    web.get("/api/v1/servers");
    web.token = None;
    assert_eq!(guess(&web).status, 429, "a right one forgives nothing");
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_behind_the_same_proxy_locks_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let limits =
        HttpLimits { burst: 20, per_second: 1, wrong_token_delay: Duration::from_millis(1), ..settings().limits };
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    let told = vec!["127.0.0.1".parse().unwrap()];
    for trusted_proxies in [Vec::new(), told] {
        let is_told = !trusted_proxies.is_empty();
        let settings = ApiSettings { limits, token_file: Some(token_file.clone()), trusted_proxies, ..settings() };
        let mut web = on_sqlite(folder.path(), settings).await;
        let ask = |web: &Web, from: &str, token: &str| {
            // What the stranger claims, then what the proxy adds.
            let from = format!("10.9.8.7, {from}");
            let mut headers = vec![("x-forwarded-for", from.as_str())];
            headers.extend((!token.is_empty()).then_some(("authorization", token)));
            web.ask("GET", "/api/v1/servers", &headers, "").status
        };
        for attempt in ["", "Bearer guess"] {
            while ask(&web, "203.0.113.66", attempt) != 429 {}
        }
        web.token = Some(TOKEN.to_owned());
        web.get("/api/v1/servers");
        web.token = None;
        // Without the token it is the proxy that tells people apart, when it is believed.
        assert_eq!(ask(&web, "198.51.100.5", ""), if is_told { 401 } else { 429 });
        assert_eq!(ask(&web, "203.0.113.66", ""), 429);
        web.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_a_trusted_proxy_are_those_of_all_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let limits = HttpLimits { connections: 12, connections_each: 4, ..settings().limits };
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let settings = ApiSettings { limits, token_file: Some(token_file), trusted_proxies, ..settings() };
    let web = on_sqlite(folder.path(), settings).await;
    let idle: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(web.address).unwrap()).collect();
    assert_eq!(web.ask("GET", "/healthz", &[], "").status, 200, "beside {} others", idle.len());
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_gets_nothing_on_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    let hosts = vec!["logs.example".to_owned()];
    let mut web = on_sqlite(folder.path(), ApiSettings { hosts, token_file: Some(token_file), ..settings() }).await;
    web.token = Some(TOKEN.to_owned());
    for host in ["evil.example", "localhost.evil.example", "10.1.2.3", "evil.example:80"] {
        assert_eq!(web.ask("GET", "/api/v1/servers", &[("host", host)], "").status, 421, "{host}");
    }
    for host in ["localhost", "127.0.0.1:8180", "[::1]:8180", "logs.example"] {
        assert_eq!(web.ask("GET", "/api/v1/servers", &[("host", host)], "").status, 200, "{host}");
    }
    let verdict = "/api/v1/anomalies/zzzzzzzz/verdict";
    let json = ("content-type", "application/json");
    let post = |headers: &[(&str, &str)]| web.ask("POST", verdict, headers, r#"{"verdict": "real"}"#).status;
    assert_eq!(post(&[json, ("origin", "http://evil.example")]), 403);
    assert_eq!(post(&[("content-type", "text/plain")]), 415, "what a form can send");
    assert_eq!(post(&[json, ("origin", "http://localhost")]), 404, "our own page, an unknown anomaly");
    assert_eq!(web.ask("OPTIONS", verdict, &[("content-type", "application/json")], "").status, 405, "no preflight");
    assert_eq!(web.ask("DELETE", "/api/v1/servers", &[json], "").status, 405);
    assert_eq!(web.refused("/api/v2/servers", 404)["title"], "Not Found");
    let bare = exchange(web.address, b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(bare.status, 421, "no Host at all");
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_a_configured_token_counts() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    let mut web = on_sqlite(folder.path(), ApiSettings { token_file: Some(token_file), ..settings() }).await;
    assert_eq!(web.refused("/api/v1/servers", 401)["status"], 401);
    web.token = Some(TOKEN.to_owned());
    web.get("/api/v1/servers");
    web.server.stop().await;
}
