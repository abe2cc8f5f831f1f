//! Planted secrets never come out, ordinary lines stay as they are, twice is as good as once.

use oddline_core::event::SAMPLE_BYTES_MAX;
use proptest::prelude::*;

use super::*;

const KEEP: AddressPolicy = AddressPolicy::Keep;

fn rules(samples: SamplePolicy) -> RedactionRules {
    RedactionRules { samples, addresses: KEEP }
}

#[test]
fn secrets_are_masked() {
    for (line, expected) in [
        ("login password=hunter2 ok", "login password=[secret] ok"),
        ("password: hunter2, user: bob", "password: [secret], user: bob"),
        (r#"{"db_password":"hun\"ter2","n":1}"#, r#"{"db_password":"[secret]","n":1}"#),
        (r#"msg="{\"token\":\"abc\"}""#, r#"msg="{\"token\":\"[secret]\"}""#),
        ("GET /x?api_key=abc&page=2 200", "GET /x?api_key=[secret]&page=2 200"),
        ("run --password hunter2 --fast", "run --password [secret] --fast"),
        ("Authorization: Bearer abc.def xyz", "Authorization: [secret]"),
        ("cookie: a=1; b=2", "cookie: [secret]"),
        ("sent Bearer abcdefgh12 to", "sent Bearer [secret] to"),
        ("postgres://me:hunter2@db/x failed", "postgres://[secret]@db/x failed"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def", "[secret]"),
        ("key AKIAABCDEFGHIJKLMNOP used", "key [secret] used"),
        ("x ghp_abcdefghijklmnopqrstuvwxyz0123456789 y", "x [secret] y"),
        ("signing key=0123456789abcdef0123 done", "signing key=[secret] done"),
        ("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", "[secret]"),
        ("a -----BEGIN RSA PRIVATE KEY-----abc-----END RSA PRIVATE KEY----- b", "a [private key] b"),
        ("-----BEGIN PRIVATE KEY----- abc", "[private key]"),
        ("mail from <jörg.o+x@example.co.uk>.", "mail from <[email]>."),
        ("paid with 4111 1111 1111 1111 today", "paid with [card] today"),
        ("card=4111111111111111;", "card=[card];"),
        ("1234 5500-0055-5555-5559 5", "1234 [card] 5"),
        (r"postgres:\/\/me:hunter2@db", r"postgres:\/\/[secret]@db"),
        (r#""key":"ab\/0123456789abcdef0123""#, r#""key":"[secret]""#),
        (r#"{"password":["hunter2"]}"#, r#"{"password":[[secret]]}"#),
        (r#"{"password": {"new":"a]}b","old":["c"]},"n":1}"#, r#"{"password": {[secret]},"n":1}"#),
        (r#"Login { password: Some("hunter2"), n: 1 }"#, "Login { password: [secret]), n: 1 }"),
        (r"a=1\u0026pass=hunter2 b", r"a=1\u0026pass=[secret] b"),
        (r"\u003cann@example.org\u003e", r"\u003c[email]\u003e"),
        (r"\u001b[36mpassword\u001b[0m=hunter2 b", r"\u001b[36mpassword\u001b[0m=[secret] b"),
        (r"password\u003dhunter2", r"password\u003d[secret]"),
    ] {
        assert_eq!(redact(line, KEEP), expected, "{line}");
    }
}

#[test]
fn ordinary_lines_stay() {
    for line in [
        "",
        "2026-01-05T00:00:00Z web-1 nginx: 10.0.0.1 - - \"GET /index.html HTTP/1.1\" 200 512",
        "Nov 22 12:00:00 pi sshd[123]: Accepted publickey for root from ::1 port 4711",
        "sudo: root : PWD=/root ; USER=root ; COMMAND=/bin/ls",
        "commit 0123456789abcdef0123456789abcdef01234567 by bot@build",
        "id 550e8400-e29b-41d4-a716-446655440000 at 1700000000000000",
        "/home/User1/Projects/MyApp2/src/Main3Controller.java:17",
        "cache key=user:17 missed, basic auth is on, bearer of news",
        "ünïcödé straße 日本語 — ok",
        "4111 1111 1111 1112 has no check digit; 41111111111111111111111 is too long",
        "author=me compass=north monkey=abcdefghijklmnopqrstuvwxyz",
    ] {
        assert_eq!(redact(line, KEEP), line);
    }
}

#[test]
fn addresses_are_masked_when_asked_for() {
    for (line, expected) in [
        ("from 10.0.0.1:8080.", "from [ip]:8080."),
        ("from 2001:db8::1, fe80::1:", "from [ip], [ip]:"),
        ("at 12:34:56 version 1.2.3 of std::net 1.2.3.4.5", "at 12:34:56 version 1.2.3 of std::net 1.2.3.4.5"),
        ("[::ffff:10.0.0.1]", "[[ip]]"),
    ] {
        assert_eq!(redact(line, AddressPolicy::Hide), expected);
    }
}

#[test]
fn samples_are_as_the_host_allows() {
    let line = "password=hunter2";
    assert_eq!(rules(SamplePolicy::None).sample(line.as_bytes()), None);
    assert_eq!(&*rules(SamplePolicy::Redacted).sample(line.as_bytes()).unwrap(), "password=[secret]");
    assert_eq!(&*rules(SamplePolicy::Full).sample(line.as_bytes()).unwrap(), line);
    let long = format!("{} 4111111111111111 {}", "x ".repeat(SAMPLE_BYTES_MAX / 2 - 5), "y".repeat(100_000));
    let cut = rules(SamplePolicy::Redacted).sample(long.as_bytes()).unwrap();
    assert!(cut.len() <= SAMPLE_BYTES_MAX && !cut.contains("4111"));
}

#[test]
fn what_is_read_is_redacted_not_its_bytes() {
    let coloured = "\u{1b}[36mpassword\u{1b}[0m=hunter2";
    let numbers = coloured.bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(",");
    let entry = format!(r#"{{"__REALTIME_TIMESTAMP":"1","MESSAGE":[{numbers}]}}"#);
    for line in [coloured, &entry] {
        assert_eq!(&*rules(SamplePolicy::Redacted).sample(line.as_bytes()).unwrap(), "password=[secret]");
    }
    let cut = entry.trim_end_matches("]}");
    assert_eq!(rules(SamplePolicy::Redacted).sample(cut.as_bytes()), None, "nothing of it can be read");
}

#[test]
fn names_are_redacted_unless_samples_are_full() {
    for (name, expected) in [
        ("web-1", "web-1"),
        ("10.0.0.1", "10.0.0.1"),
        ("user@1000.service", "user@1000.service"),
        ("getty@tty1.service.length", "getty@tty1.service.length"),
        ("ann@example.org.length", "[email]"),
        ("sync ann@example.org", "sync [email]"),
        ("ann@mail.service.com", "[email]"),
        ("job?token=abc", "job?token=[secret]"),
        ("AKIAABCDEFGHIJKLMNOP.length", "[secret]"),
        ("a\u{1b}\nb", "a\u{fffd}\u{fffd}b"),
    ] {
        assert_eq!(&*rules(SamplePolicy::None).name(name), expected);
        assert_eq!(&*rules(SamplePolicy::Redacted).name(name), expected);
    }
    assert_eq!(&*rules(SamplePolicy::Full).name("ann@example.org\u{1b}"), "ann@example.org\u{fffd}");
}

/// Pieces that meet in odd ways.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "password",
        "token",
        "key",
        "Bearer",
        "basic",
        "Cookie",
        "--secret",
        "=",
        ":",
        " ",
        "\"",
        "\\\"",
        "'",
        "@",
        ".",
        "//",
        "[secret]",
        "[email]",
        "{",
        "(",
        "\\u0026",
        "\\u001b[0m",
        "\\/",
        "[",
        "]",
        "&",
        ",",
        ";",
        "-",
        "eyJ",
        "AKIA",
        "ghp_",
        "4111111111111111",
        "4111 1111 1111 1111",
        "10.0.0.1",
        "::1",
        "a@b.co",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "wJalrXUtnFEMI4K7MDENGbPxRfiCYEX2MPLEK9EY",
        "0123456789abcdef0123",
    ];
    prop_oneof![
        6 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9]{1,24}",
        1 => "\\PC{0,3}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => "\\PC{0,80}",
        3 => proptest::collection::vec(piece(), 0..16).prop_map(|pieces| pieces.concat()),
    ]
}

/// A secret in its setting, and the secret.
fn planted() -> impl Strategy<Value = (String, String)> {
    let named = ("(db_)?(password|token|api_key|secret|passwd)", "(=|: |=\"|\": \"| = )", "[a-zA-Z0-9!$%*+./_-]{6,30}")
        .prop_map(|(name, sign, secret)| (format!("{name}{sign}{secret}"), secret));
    let bearer = "[a-zA-Z0-9_.-]{10,40}".prop_map(|secret| (format!("Bearer {secret}"), secret));
    let aws = "AKIA[A-Z0-9]{16}".prop_map(|secret| (secret.clone(), secret));
    let github = "ghp_[a-zA-Z0-9]{36}".prop_map(|secret| (secret.clone(), secret));
    let email = "[a-z]{3,10}[.+][a-z]{3,8}@[a-z]{3,10}\\.(com|org|co\\.uk)".prop_map(|secret| (secret.clone(), secret));
    let card = "4[0-9]{14}".prop_map(|digits| {
        let check = (0..10).map(|d| format!("{digits}{d}")).find(|card| is_card(card)).expect("one of ten digits fits");
        (check.clone(), check)
    });
    let url = "[a-z]{3,8}:[a-zA-Z0-9]{6,12}".prop_map(|secret| (format!("https://{secret}@host/x"), secret));
    prop_oneof![named, bearer, aws, github, email, card, url]
}

fn is_card(digits: &str) -> bool {
    let sum: u32 = (0..)
        .zip(digits.bytes().rev())
        .map(|(i, b)| {
            let digit = u32::from(b - b'0') * if i % 2 == 1 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn anything_goes_in_and_twice_is_as_good_as_once(line in text()) {
        for addresses in [AddressPolicy::Keep, AddressPolicy::Hide] {
            let once = redact(&line, addresses);
            prop_assert_eq!(redact(&once, addresses), once);
        }
    }

    #[test]
    fn what_is_planted_does_not_come_out(before in "([a-z0-9/:]{0,12} ){0,3}", (setting, secret) in planted(), after in "( [a-z0-9]{0,12}){0,3}") {
        let line = format!("{before}{setting}{after}");
        let redacted = redact(&line, AddressPolicy::Keep);
        prop_assert!(!redacted.contains(&secret), "{line:?} -> {redacted:?}");
    }
}

/// What is looked at from each word's start is bounded. Eight times the length costs eight times as much, not 64 times;
/// the best of several runs each, against what else runs here.
#[test]
fn a_line_costs_by_its_length() {
    for piece in
        ["a.", "a-", "a/", "eyJ-", "eyJ/", "key=", "pass=/", "a@", "\\", "//a@", "password=", "1.", "(", "a=\""]
    {
        let best = |length: usize| {
            let line = piece.repeat(length / piece.len()) + "!";
            let once = || {
                let began = std::time::Instant::now();
                std::hint::black_box(redact(&line, AddressPolicy::Hide));
                began.elapsed()
            };
            (0..5).map(|_| once()).min().unwrap()
        };
        let (short, long) = (best(6 * 1024), best(48 * 1024));
        assert!(long < short * 24 + std::time::Duration::from_millis(2), "{piece:?}: {short:?} {long:?}");
    }
}

/// Not a test of speed, which depends on the machine: it prints what a line costs beside copying it.
#[test]
fn cost_of_a_line() {
    let line =
        "Nov 22 12:00:00 web-1 nginx[123]: 10.0.0.1 - bob@example.com \"GET /x?token=abc&page=2 HTTP/1.1\" 200 512";
    let turns = 20_000;
    let time = |work: &dyn Fn() -> String| {
        let began = std::time::Instant::now();
        let bytes: usize = (0..turns).map(|_| std::hint::black_box(work()).len()).sum();
        assert!(bytes > 0);
        began.elapsed().as_nanos() / turns
    };
    let plain =
        "Nov 22 12:00:00 web-1 nginx[123]: worker process 4711 exited on signal 9, restarting it after 30 s of quiet";
    let (redacting, clean) =
        (time(&|| redact(line, AddressPolicy::Hide)), time(&|| redact(plain, AddressPolicy::Hide)));
    let copying = time(&|| line.to_owned());
    println!("{} bytes: {redacting} ns a line with four masks, {clean} ns without, copying {copying} ns", line.len());
}
