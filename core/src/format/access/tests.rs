//! Lines of access logs as programs write them, and what each becomes.

use super::*;
use crate::format::{LogFormat, Mapping, Parser};

const COMMON: &str = r#"192.0.2.7 - ann [05/Jan/2026:00:00:00 +0000] "GET /a?b=[c] HTTP/1.1" 200 1234"#;
const REQUEST: &str = "GET /a HTTP/1.1";

fn read(text: &str) -> Record<'_> {
    parse(text, &Context::default()).unwrap_or_else(|| panic!("{text}"))
}

fn jan_5() -> Option<EventTime> {
    EventTime::parse("2026-01-05T00:00:00Z")
}

fn numbers(record: &Record<'_>) -> Vec<(String, f64)> {
    record.numbers.iter().map(|(name, value)| (name.to_string(), *value)).collect()
}

fn named(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

/// Component, message and numbers of a line of 2026-01-05T00:00:00Z that is without fault.
fn check(record: &Record<'_>, line: &str, component: &str, message: &str, expected: &[(&str, f64)]) {
    assert_eq!((record.time, record.fault), (jan_5(), None), "{line}");
    assert_eq!(record.component.as_deref().unwrap_or(""), component, "{line}");
    assert_eq!(record.message.as_deref(), Some(message), "{line}");
    assert_eq!(numbers(record), named(expected), "{line}");
}

#[test]
fn common_lines_are_read() {
    let record = read(COMMON);
    assert_eq!((record.server.as_deref(), record.value, record.level), (None, None, Some(Level::Info)));
    check(&record, COMMON, "", "GET /a?b=[c] HTTP/1.1", &[("status", 200.0), ("bytes", 1234.0)]);
}

#[test]
fn what_stands_before_the_time_is_told_apart() {
    for (head, component) in [
        ("192.0.2.7 - -", ""),
        ("2001:db8::7 - -", ""),
        ("::1 - ann", ""),
        ("client.example.net - -", ""),
        ("localhost - -", ""),
        ("- - -", ""),
        ("unix: - -", ""),
        ("192.0.2.7 - John Doe", ""),
        ("192.0.2.7 - o'neil@example.net", ""),
        ("192.0.2.7, 198.51.100.2 - -", ""),
        ("2001:db8::7, 198.51.100.2, 192.0.2.1 - ann", ""),
        ("- 192.0.2.7 - -", ""),
        ("198.51.100.2 192.0.2.7 - -", ""),
        ("192.0.2.7", ""),
        ("shop.example:443 192.0.2.7 - -", "shop.example"),
        ("shop.example 2001:db8::7 - ann", "shop.example"),
        ("shop 192.0.2.7 - -", "shop"),
        ("*.example:80 192.0.2.7 - -", "*.example"),
        ("198.51.100.9:8080 192.0.2.7 - -", ""),
        ("[2001:db8::1]:443 192.0.2.7 - -", ""),
        ("_ 192.0.2.7 - -", ""),
        ("shop.example:443 192.0.2.7, 198.51.100.2 - -", "shop.example"),
    ] {
        let line = format!("{head} [05/Jan/2026:00:00:00 +0000] \"{REQUEST}\" 200 5");
        check(&read(&line), &line, component, REQUEST, &[("status", 200.0), ("bytes", 5.0)]);
    }
}

#[test]
fn a_virtual_host_may_follow_the_time() {
    for between in ["shop.example", "\"shop.example\"", "shop.example:443", "192.0.2.9 shop.example"] {
        let line = format!("192.0.2.7 - - [05/Jan/2026:00:00:00 +0000] {between} \"{REQUEST}\" 304 -");
        check(&read(&line), &line, "shop.example", REQUEST, &[("status", 304.0)]);
    }
    let line = format!("[05/Jan/2026:01:00:00 +0100] 192.0.2.7 shop.example \"{REQUEST}\" 304 0");
    check(&read(&line), &line, "shop.example", REQUEST, &[("status", 304.0), ("bytes", 0.0)]);
}

#[test]
fn requests_are_whatever_clients_sent() {
    for (request, message) in [
        ("", ""),
        ("-", "-"),
        ("GET /", "GET /"),
        ("GET / HTTP/2.0", "GET / HTTP/2.0"),
        ("GET / HTTP/3", "GET / HTTP/3"),
        (r"\x16\x03\x01\x02\x00", r"\x16\x03\x01\x02\x00"),
        (r#"GET /\"a\" HTTP/1.1"#, r#"GET /"a" HTTP/1.1"#),
        (r"GET /\x22a\x22 HTTP/1.1", r#"GET /"a" HTTP/1.1"#),
        (r#"GET /"a" HTTP/1.1"#, r#"GET /"a" HTTP/1.1"#),
        (r"GET /a\\", r"GET /a\"),
        ("GET /?q= 200 5 HTTP/1.1", "GET /?q= 200 5 HTTP/1.1"),
    ] {
        let line = format!("192.0.2.7 - - [05/Jan/2026:00:00:00 +0000] \"{request}\" 400 5 \"-\" \"-\"");
        check(&read(&line), &line, "", message, &[("status", 400.0), ("bytes", 5.0)]);
    }
}

#[test]
fn times_are_told_from_other_numbers_behind_the_agent() {
    let request_time = |seconds: f64| vec![("request_time".to_owned(), seconds)];
    let both = |one: f64, other: f64| named(&[("request_time", one), ("upstream_response_time", other)]);
    for (tail, expected) in [
        (" 0.125", request_time(0.125)),
        (" 0.125 0.124 .", both(0.125, 0.124)),
        (" 0.250 0.125, 0.0625", both(0.25, 0.1875)),
        (" 0.250 0.125, 0.0625 : 0.0625", both(0.25, 0.25)),
        (" 0.250 -", request_time(0.25)),
        (" \"0.250\" \"0.125, 0.125\"", both(0.25, 0.25)),
        (" 25 \"web@docker\" \"http://192.0.2.9:80\" 12ms", request_time(0.012)),
        (" 3.5 ms", request_time(0.0035)),
        (" 12345", vec![]),
        (" 8080 4711", vec![]),
        (" \"1.1\" \"TLSv1.3\" \"198.51.100.2\" \"3.25\"", vec![]),
        (" 78 0.004 [default-web-80] [] 192.0.2.9:80 612 0.003 200 0f3a9c", both(0.004, 0.003)),
        (" \"-\" rt=0.125 urt=\"0.1\" ua=\"-\"", named(&[("rt", 0.125), ("urt", 0.1)])),
        (" rt=0.125 urt=0.0625, 0.0625 uct=\"0.5, -\"", named(&[("rt", 0.125), ("urt", 0.125), ("uct", 0.5)])),
        (" cs=MISS rt=12ms", named(&[("rt", 0.012)])),
    ] {
        let line = format!("{COMMON} \"-\" \"agent \\\"x\\\" 1.0\"{tail}");
        assert_eq!(numbers(&read(&line))[2..], expected, "{line}");
    }
    assert_eq!(numbers(&read(&format!("{COMMON} 0.5")))[2..], request_time(0.5));
    assert_eq!(read(&format!("{COMMON} \"-\" \"agent")).numbers.len(), 2);
}

#[test]
fn the_status_is_the_level() {
    for (status, level) in [
        ("200", Some(Level::Info)),
        ("101", Some(Level::Info)),
        ("404", Some(Level::Warning)),
        ("499", Some(Level::Warning)),
        ("502", Some(Level::Error)),
        ("-", None),
        ("000", None),
    ] {
        let line = COMMON.replace(" 200 ", &format!(" {status} "));
        assert_eq!(
            (read(&line).level, read(&line).numbers.get("status").is_some()),
            (level, level.is_some()),
            "{line}"
        );
    }
    assert_eq!(read(&COMMON.replace("05/Jan", "55/Jan")).fault, Some(Fault::Time));
}

#[test]
fn other_proxies_are_known() {
    let check_line = |line: &str, component, message, expected: &[(&str, f64)]| {
        check(&read(line), line, component, message, expected);
    };
    check_line(
        r#"[05/Jan/2026:00:00:00 +0000] - 200 404 - GET https shop.example "/a?b=1" [Client 192.0.2.7] [Length 123] [Gzip 2.50] [Sent-to 192.0.2.9] "agent" "-""#,
        "shop.example",
        "GET /a?b=1",
        &[("status", 404.0), ("upstream_status", 200.0), ("bytes", 123.0), ("gzip_ratio", 2.5)],
    );
    check_line(
        r#"[05/Jan/2026:00:00:00 +0000] HIT - 304 - GET http shop.example "/" [Client 2001:db8::7] [Length 0] [Gzip -] [Sent-to -] "a \"b\" c" "https://x/""#,
        "shop.example",
        "GET /",
        &[("status", 304.0), ("bytes", 0.0)],
    );
    check_line(
        r#"[05/Jan/2026:00:00:00 +0000] 404 - GET http 192.0.2.9 "/x" [Client 192.0.2.7] [Length 150] [Gzip -] "-" "-""#,
        "",
        "GET /x",
        &[("status", 404.0), ("bytes", 150.0)],
    );
    check_line(
        r#"[2026-01-05T00:00:00.000Z] "POST /cart HTTP/2" 503 UF 25 91 250 - "-" "agent" "c0ffee" "shop.example" "192.0.2.9:80""#,
        "shop.example",
        "POST /cart HTTP/2",
        &[("status", 503.0), ("bytes_received", 25.0), ("bytes", 91.0), ("request_time", 0.25)],
    );
    check_line(
        r#"[2026-01-05T00:00:00.000Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 91 5 4 "-" "agent" "c0ffee" "shop.example" "192.0.2.9:80" inbound"#,
        "shop.example",
        "GET / HTTP/1.1",
        &[
            ("status", 200.0),
            ("bytes_received", 0.0),
            ("bytes", 91.0),
            ("request_time", 0.005),
            ("upstream_response_time", 0.004),
        ],
    );
    check_line(
        r#"h2 2026-01-05T00:00:00.000000Z app/lb/50dc6c49 192.0.2.7:2817 192.0.2.9:80 -1 0.5 0.25 502 - 34 366 "GET https://shop.example:443/ HTTP/2.0" "agent" - - arn:aws "Root=1""#,
        "",
        "GET https://shop.example:443/ HTTP/2.0",
        &[("status", 502.0), ("target_time", 0.5), ("answer_time", 0.25), ("bytes_received", 34.0), ("bytes", 366.0)],
    );
    check_line(
        "1767571200.000    250 192.0.2.7 TCP_MISS/200 1234 GET http://shop.example/ - HIER_DIRECT/192.0.2.9 text/html",
        "",
        "GET http://shop.example/",
        &[("status", 200.0), ("request_time", 0.25), ("bytes", 1234.0)],
    );
}

#[test]
fn haproxy_is_read_with_and_without_its_head() {
    let http = r#"192.0.2.7:5000 [05/Jan/2026:00:00:00.000] front back/srv 0/0/1/2/3 200 123 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1""#;
    let expected: &[(&str, f64)] = &[
        ("status", 200.0),
        ("bytes", 123.0),
        ("request_time", 0.003),
        ("upstream_response_time", 0.002),
        ("connect_time", 0.001),
        ("queue_time", 0.0),
    ];
    check(&read(http), http, "", "GET / HTTP/1.1", expected);
    let captured = http.replace("0/0 \"", "0/0 {shop.example|x} {} \"").replace("192.0.2.7", "2001:db8::7");
    check(&read(&captured), &captured, "", "GET / HTTP/1.1", expected);
    let refused = r#"192.0.2.7:5000 [05/Jan/2026:00:00:00.000] front~ back/<NOSRV> 0/-1/-1/-1/+3 -1 +0 - - CC-- 1/1/0/0/0 0/0 "<BADREQ>""#;
    check(&read(refused), refused, "", "<BADREQ>", &[("bytes", 0.0), ("request_time", 0.003)]);
    let tcp = "192.0.2.7:5000 [05/Jan/2026:00:00:00.000] front back/srv 0/0/5007 212 -- 0/0/0/0/3 0/0";
    let times: &[(&str, f64)] =
        &[("bytes", 212.0), ("session_time", 5.007), ("connect_time", 0.0), ("queue_time", 0.0)];
    check(&read(tcp), tcp, "", "front back/srv", times);
    let broken = tcp.replace(" -- ", " SC ");
    assert_eq!(read(&broken).level, Some(Level::Warning));
    assert_eq!(read(&broken).message.as_deref(), Some("front back/srv SC"));

    let context = Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() };
    for head in ["Jan  5 00:00:00 lb haproxy[12]: ", "<174>1 2026-01-05T00:00:00.000000+00:00 lb haproxy 12 - - "] {
        for format in [LogFormat::Syslog, LogFormat::Access, LogFormat::Auto] {
            let line = format!("{head}{http}");
            let record = Parser::new(format).parse(line.as_bytes(), &context).record().map(Record::into_owned).unwrap();
            assert_eq!(record.server.as_deref(), Some("lb"), "{line}");
            check(&record, &line, "haproxy", "GET / HTTP/1.1", expected);
        }
    }
}

#[test]
fn an_access_log_inside_syslog_keeps_its_server() {
    let context = Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() };
    let line = format!("<190>Jan  5 00:00:00 web nginx: {COMMON} \"-\" \"agent\" 0.125");
    for format in [LogFormat::Syslog, LogFormat::Access, LogFormat::Auto] {
        let record = Parser::new(format).parse(line.as_bytes(), &context).record().map(Record::into_owned).unwrap();
        assert_eq!((record.server.as_deref(), record.level), (Some("web"), Some(Level::Info)));
        let expected = [("status", 200.0), ("bytes", 1234.0), ("request_time", 0.125)];
        check(&record, &line, "nginx", "GET /a?b=[c] HTTP/1.1", &expected);
    }
}

#[test]
fn json_is_read_as_an_access_log() {
    let caddy = r#"{"level":"info","ts":1767571200,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.7","remote_port":"41342","client_ip":"192.0.2.7","proto":"HTTP/2.0","method":"GET","host":"shop.example:443","uri":"/a","headers":{"User-Agent":["x"]},"tls":{"resumed":false,"version":772,"cipher_suite":4865}},"bytes_read":0,"user_id":"","duration":0.25,"size":10900,"status":404,"resp_headers":{"Server":["Caddy"]}}"#;
    let traefik = r#"{"ClientAddr":"192.0.2.7:4000","ClientPort":"4000","DownstreamContentSize":12,"DownstreamStatus":502,"Duration":250000000,"OriginDuration":125000000,"RequestCount":7,"RequestHost":"shop.example","RequestMethod":"GET","RequestPath":"/a","RequestProtocol":"HTTP/1.1","level":"info","msg":"","time":"2026-01-05T00:00:00Z"}"#;
    let read = |line: &'static str, format| {
        Parser::new(format).parse(line.as_bytes(), &Context::default()).record().map(Record::into_owned).unwrap()
    };
    for format in [LogFormat::Access, LogFormat::Auto, LogFormat::Jsonl(Mapping::default())] {
        let record = read(caddy, format.clone());
        let expected = [("status", 404.0), ("bytes", 10900.0), ("request_time", 0.25)];
        check(&record, caddy, "shop.example", "GET /a HTTP/2.0", &expected);
        assert_eq!(record.level, Some(Level::Warning));
        let record = read(traefik, format);
        let expected = [("status", 502.0), ("bytes", 12.0), ("request_time", 0.25), ("upstream_response_time", 0.125)];
        check(&record, traefik, "shop.example", "GET /a HTTP/1.1", &expected);
        assert_eq!(record.level, Some(Level::Error));
    }
}

#[test]
fn other_lines_are_refused() {
    for text in [
        "",
        "[",
        "a b c [x] \"",
        "a b c [x] \"\" 99",
        "a [x] \"\" 200 1",
        "][",
        &COMMON[..40],
        "2026-01-05T00:00:00Z web nginx: 192.0.2.7 - - [05/Jan/2026:00:00:00 +0000] \"GET /\" 200 1",
        "2026-01-05 00:00:00 INFO said [12/34] \"no\" 200 times",
        "[2026-01-05 00:00:00] INFO \"quoted\" - text",
        "http is a protocol",
        "192.0.2.7:80 [x] a b/c 1/2/3 4",
    ] {
        assert!(parse(text, &Context::default()).is_none(), "{text}");
    }
}

fn laid_out<'a>(format: &str, line: &'a str) -> Record<'a> {
    let layout = format.parse().unwrap_or_else(|error| panic!("{format}: {error}"));
    parse_laid_out(line, &layout, &Context::default())
}

#[test]
fn formats_of_nginx_are_compiled() {
    let combined = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time $upstream_response_time $pipe"#;
    let line = r#"192.0.2.7 - John Doe [05/Jan/2026:00:00:00 +0000] "GET /\x22 HTTP/1.1" 200 5 "-" "a \"b\" c" 0.250 0.125, 0.125 ."#;
    let expected = [("status", 200.0), ("bytes", 5.0), ("request_time", 0.25), ("upstream_response_time", 0.25)];
    check(&laid_out(combined, line), line, "", "GET /\" HTTP/1.1", &expected);

    let timing = "$msec $remote_addr $host \"$request\" $status bytes=$body_bytes_sent rt=$request_time urt=$upstream_response_time";
    let line = "1767571200.000 192.0.2.7 shop.example \"GET / HTTP/1.1\" 499 bytes=0 rt=0.5 urt=-";
    let expected = [("status", 499.0), ("bytes", 0.0), ("request_time", 0.5)];
    check(&laid_out(timing, line), line, "shop.example", "GET / HTTP/1.1", &expected);

    let directive = "log_format main '$hostname $time_iso8601 $request_method $scheme://$host$request_uri $server_protocol '\n    '$status ${bytes_sent}B $connection $my_own_time';";
    let line = "web-1 2026-01-05T00:00:00+00:00 GET https://shop.example:443/a?b=1 HTTP/2.0 200 77B 4711 1.5";
    let record = laid_out(directive, line);
    let expected = [("status", 200.0), ("bytes_sent", 77.0), ("my_own_time", 1.5)];
    check(&record, line, "shop.example", "GET /a?b=1 HTTP/2.0", &expected);
    assert_eq!(record.server.as_deref(), Some("web-1"));

    let json = r#"{"t":"$time_iso8601","r":"$request","s":$status,"us":"$upstream_status","n":"$server_name"}"#;
    let line = r#"{"t":"2026-01-05T00:00:00+00:00","r":"GET / HTTP/1.1","s":502,"us":"504, 502","n":"_"}"#;
    check(&laid_out(json, line), line, "", "GET / HTTP/1.1", &[("status", 502.0), ("upstream_status", 502.0)]);

    let bare = "$time_local $request $status $http_x_forwarded_for $request_time";
    let line = "05/Jan/2026:00:00:00 +0000 GET /a b HTTP/1.1 200 192.0.2.7, 192.0.2.8 0.5";
    check(&laid_out(bare, line), line, "", "GET /a b HTTP/1.1", &[("status", 200.0), ("request_time", 0.5)]);
}

#[test]
fn formats_of_apache_are_compiled() {
    let with_time = r#"%h %l %u %t \"%r\" %>s %b %D %{X-Forwarded-For}i"#;
    let line = r#"192.0.2.7 - - [05/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 - 250000 192.0.2.8, 192.0.2.9"#;
    check(&laid_out(with_time, line), line, "", "GET / HTTP/1.1", &[("status", 200.0), ("request_time", 0.25)]);

    for (unit, value) in [("%T", "2"), ("%{s}T", "2"), ("%{ms}T", "2000"), ("%{us}T", "2000000"), ("%D", "2000000")] {
        let format = format!("LogFormat \"%v:%p %h %t \\\"%r\\\" %s %>s %O {unit}\" vhost");
        let line = format!("shop.example:443 ::1 [05/Jan/2026:01:00:00 +0100] \"-\" 302 503 77 {value}");
        let record = laid_out(&format, &line);
        let expected = [("status", 503.0), ("bytes_sent", 77.0), ("request_time", 2.0)];
        check(&record, &line, "shop.example", "-", &expected);
        assert_eq!(record.level, Some(Level::Error));
    }

    let parted = r#"%{%Y-%m-%d %H:%M:%S}t %V %m %U%q %H %!200,304s %I 100%% %^FB"#;
    let line = "2026-01-05 00:00:00 shop.example POST /a?b=1 HTTP/1.0 500 9 100% 500000";
    let expected = [("status", 500.0), ("bytes_received", 9.0), ("first_byte_time", 0.5)];
    check(&laid_out(parted, line), line, "shop.example", "POST /a?b=1 HTTP/1.0", &expected);

    let tabs = r#"%{sec}t\t%a\t%r\t%s"#;
    let line = "1767571200\t192.0.2.7\tGET / HTTP/1.1\t204";
    check(&laid_out(tabs, line), line, "", "GET / HTTP/1.1", &[("status", 204.0)]);
}

#[test]
fn a_line_that_does_not_fit_says_so() {
    let format = "$remote_addr [$time_local] \"$request\" $status";
    for line in ["192.0.2.7 is no line", "192.0.2.7 [05/Jan/2026:00:00:00 +0000] \"GET /\" ok", "192.0.2.7 [05/Jan"] {
        let record = laid_out(format, line);
        assert_eq!((record.fault, record.message.is_some()), (Some(Fault::Layout), true), "{line}");
    }
    let line = "192.0.2.7 [55/Jan/2026:00:00:00 +0000] \"GET /\" 200";
    assert_eq!(laid_out(format, line).fault, Some(Fault::Time));
}

#[test]
fn what_is_wrong_with_a_format_is_named_with_its_place() {
    for (format, expected) in [
        ("combined", "neither variables of nginx"),
        ("$remote_addr $time_local", "nothing in it is read"),
        ("$remote_addr ${status $request", "character 14: the name in ${...}"),
        ("log_format main '$request $status", "character 17: the quote ' is not closed"),
        ("$status$body_bytes_sent", "two fields that are read touch each other"),
        ("%h %t %y", "character 7: %y is no directive of Apache"),
        ("%h %{ms", "character 4: the brace is not closed"),
        ("%h %r %{min}T", "character 7: \"min\" is no unit of %T: s, ms and us are"),
        ("%h %r %", "character 7: a directive is not finished"),
        ("LogFormat combined %h", "the quoted format is missing"),
    ] {
        let error = format.parse::<AccessLayout>().unwrap_err().to_string();
        assert!(error.contains(expected), "{format}: {error}");
    }
    assert!(format!("$status {}", "x".repeat(5_000)).parse::<AccessLayout>().is_err());
}

#[test]
fn a_format_is_stored_as_its_text() {
    let layout: AccessLayout = "$request $status".parse().unwrap();
    let stored = postcard::to_allocvec(&LogFormat::LaidOut(layout.clone())).unwrap();
    assert_eq!(postcard::from_bytes::<LogFormat>(&stored), Ok(LogFormat::LaidOut(layout.clone())));
    assert_eq!(LogFormat::Auto.laid_out(Some(layout.clone())), Ok(LogFormat::LaidOut(layout.clone())));
    assert!(LogFormat::Syslog.laid_out(Some(layout)).unwrap_err().to_string().contains("it is for access"));
    // What is stored counts the formats: they keep their numbers.
    assert_eq!((stored[0], postcard::to_allocvec(&LogFormat::Plain).unwrap()), (8, vec![7]));
}
