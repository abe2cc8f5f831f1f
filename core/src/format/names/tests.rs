//! Names as programs write them, and what is left of each.

use super::*;

fn left(name: &str) -> String {
    component(Cow::Borrowed(name)).map(Cow::into_owned).unwrap_or_default()
}

#[test]
fn names_with_numbers_stay() {
    for name in [
        "sensor-17",
        "sensor-1017",
        "pi-03",
        "node1",
        "db-1",
        "cpu0",
        "eth0",
        "disk1",
        "sda1",
        "web-2",
        "room-204",
        "kafka-0",
        "python3.11",
        "x509",
        "sha256",
        "log4j2",
        "com.shop.Cart2",
        "app::run",
        "dfs.Node$Receiver",
        "postgresql@15-main.service",
        "getty@tty1.service",
        "wg-quick@wg0.service",
        "redis@6379.service",
        "php8.2-fpm.service",
        "e1000e",
        "cafe01",
        "rfc5424",
        "Payment Service",
        "client-v2",
        "envoy-http2",
        "decade",
        "su(pam_unix)",
        "postfix/smtpd",
        "caf\u{e9}-2",
        "s3",
        "nginx/1.25.3",
        "ip-10-0-3-17",
    ] {
        assert_eq!(left(name), name);
        assert!(matches!(component(Cow::Borrowed(name)), Some(Cow::Borrowed(_))), "{name} is copied");
    }
}

#[test]
fn identifiers_in_names_become_their_kind() {
    for (name, kind) in [
        ("worker-10", "worker-*"),
        ("pool-2-thread-9", "pool-*-thread-*"),
        ("Thread-7", "Thread-*"),
        ("http-nio-8080-exec-3", "http-nio-*-exec-*"),
        ("ForkJoinPool.commonPool-worker-3", "ForkJoinPool.commonPool-worker-*"),
        ("ThreadPoolExecutor-0_1", "ThreadPoolExecutor-*"),
        ("qtp1453128758-23", "qtp*"),
        ("spid51", "spid*"),
        ("spid7s", "spid*"),
        ("req-3ceb3f", "req-*"),
        ("req-deface", "req-*"),
        ("req-00009e", "req-*"),
        ("order-17", "order-*"),
        ("session-12.scope", "session-*.scope"),
        ("session-c2.scope", "session-*.scope"),
        ("run-r1234abcd.service", "run-*.service"),
        ("run-p123-i456.scope", "run-*.scope"),
        ("user-1000.slice", "user-*.slice"),
        ("sshd@17-10.0.0.1:22-10.0.0.5:51234.service", "sshd@"),
        ("sshd@0-[2001:db8::1]:22-[2001:db8::2]:51234.service", "sshd@"),
        ("user@1000.service", "user@"),
        ("systemd-coredump@3-5678_5679-0.service", "systemd-coredump@"),
        ("worker@12.service", "worker@"),
        ("docker/0d6c4a8e9f12", "docker"),
        ("name/0d6c4a8e9f12", "name"),
        ("shop-0d6c4a8e9f12", "shop-*"),
        ("docker-3ceb3f97b7508b529b216363.scope", "docker-*.scope"),
        ("web-6d4cf56db6-x7k2p", "web-*"),
        ("web-5b9xk7tq4z-bcdfg", "web-*"),
        ("node-exporter-x7k2p", "node-exporter-*"),
        ("backup-28401234-x7k2p", "backup-*"),
        ("cart-550e8400-e29b-41d4-a716-446655440000", "cart-*"),
        ("cart:01ARZ3NDEKTSV4RRFFQ69G5FAV", "cart:*"),
        ("backup-2026-01-05", "backup-*"),
        ("app-20260105", "app-*"),
        ("views.py:10", "views.py"),
        ("src/main.rs:10:5", "src/main.rs"),
        ("main.go:123", "main.go"),
        ("db-1:5432", "db-1"),
        ("nginx[12]", "nginx"),
        ("com.shop.Cart$$Lambda$14/0x0000000800c03000", "com.shop.Cart$$Lambda$*"),
        ("kworker/0:1", "kworker"),
        ("i-0abc123def4567890", "i-*"),
    ] {
        assert_eq!(left(name), kind, "{name}");
    }
}

#[test]
fn identifiers_alone_are_no_names() {
    for name in [
        "",
        "12",
        "4711",
        "0d6c4a8e9f12",
        "012345678901",
        "3ceb3f97b750",
        "550e8400-e29b-41d4-a716-446655440000",
        "10.0.0.1",
        "10.0.0.1:8080",
        "2001:db8::1",
        "00:1a:2b:3c:4d:5e",
        "https://api.example.com/u/1",
        "redis://cache",
        "203.0.113.5, 10.0.0.1",
        "0x7f3a2b",
        "2026-01-05",
        "12.5",
    ] {
        assert_eq!(left(name), "", "{name}");
    }
}

#[test]
fn words_of_a_text_are_names_only_without_identifiers() {
    let in_text = |word| component_in_text(word).map(Cow::into_owned);
    for (word, name) in [("worker-3", "worker-*"), ("views.py:10", "views.py"), ("cart-2", "cart-2"), ("a::b", "a::b")]
    {
        assert_eq!(in_text(word).as_deref(), Some(name));
    }
    for word in ["req-3ceb3f", "blk_12345", "fe80::1", "https://a.example/", "app-1234"] {
        assert_eq!(in_text(word), None, "{word}");
    }
}

#[test]
fn servers_stay_but_for_what_is_none() {
    let server = |name| server(Cow::Borrowed(name)).map(Cow::into_owned).unwrap_or_default();
    for name in
        ["sensor-17", "worker-1", "job-7", "ip-10-0-3-17", "i-0abc123def4567890", "web-4711", "R1-M0-N4", "pi", "a.b"]
    {
        assert_eq!(server(name), name);
    }
    for (name, left) in [
        ("db-1:9100", "db-1"),
        ("web-6d4cf56db6-x7k2p", "web-*"),
        ("0d6c4a8e9f12", ""),
        ("10.0.0.1", ""),
        ("203.0.113.5, 10.0.0.1", ""),
        ("https://a.example/1", ""),
        ("550e8400-e29b-41d4-a716-446655440000", ""),
    ] {
        assert_eq!(server(name), left, "{name}");
    }
    assert_eq!(host(Cow::Borrowed("192.0.2.7")).as_deref(), Some("192.0.2.7"));
    assert_eq!(host(Cow::Borrowed("0d6c4a8e9f12")), None);
}

#[test]
fn threads_identifiers_and_places_write_no_log() {
    for word in [
        "worker-1",
        "pool-2-thread-9",
        "main",
        "MainThread",
        "tokio-runtime-worker",
        "spid51",
        "scheduling-1",
        "req-3ceb3f",
        "0d6c4a8e9f12",
        "views.py:10",
        "2001:db8::1",
        "https://a.example/",
    ] {
        assert!(!may_be_host(word), "{word}");
    }
    for word in ["gate", "web-1", "host-4711", "node1", "ip-10-0-3-17", "domain"] {
        assert!(may_be_host(word), "{word}");
    }
    assert!(is_sql_session("spid51") && is_sql_session("spid7s") && !is_sql_session("spider1"));
}
