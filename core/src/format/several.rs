//! Several lines of one event: made-up logs of many programs, each line with what becomes of it.

use super::{Context, LogFormat, ParsedLine, Parser};
use crate::{record::Fault, time::EventTime};

/// `R` begins a record, `|` belongs to the one before, `.` is a part of one that is not whole yet, `-` is no record.
fn check(log: &str) {
    check_as(LogFormat::Auto, log);
}

fn check_as(format: LogFormat, log: &str) {
    let context = Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() };
    let mut parser = Parser::new(format);
    for (number, row) in log.lines().enumerate().filter(|(_, row)| !row.is_empty()) {
        let (expected, line) = (&row[..1], &row[2..]);
        let parsed = parser.parse(line.as_bytes(), &context);
        let is = match &parsed {
            ParsedLine::Record(_) => "R",
            ParsedLine::Continued => "|",
            ParsedLine::Pending => ".",
            ParsedLine::Skipped => "-",
        };
        assert_eq!(is, expected, "line {number} of\n{log}\n{line}\n{parsed:?}");
        assert!(parser.further().is_none(), "{line}");
    }
}

#[test]
fn java() {
    check(
        "
R 2026-01-05 10:00:00,000 INFO  com.shop.Cart - added
R 2026-01-05 10:00:01,000 ERROR com.shop.Cart - checkout failed
| java.lang.IllegalStateException: no stock
| \tat com.shop.Cart.add(Cart.java:7) ~[shop.jar:1.2]
| \tat com.shop.Main$1.run(Unknown Source)
| \tSuppressed: java.io.IOException: closed
| \t\tat com.shop.Db.close(Db.java:9)
| Caused by: java.sql.SQLException: timeout
| second line of the message
| \t... 12 more
| \t... 3 common frames omitted
R 2026-01-05 10:00:02,000 INFO  com.shop.Cart - added
R Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space
| \tat com.shop.Cart.grow(Cart.java:70)
R 2026-01-05 10:00:03,000 INFO  com.shop.Cart - added
",
    );
    check(
        "
R java.lang.RuntimeException: first
| \tat com.shop.Cart.add(Cart.java:7)
R java.lang.RuntimeException: second
| \tat com.shop.Cart.add(Cart.java:7)
R Exception in thread \"main\" java.lang.NullPointerException
|     at com.shop.Cart.add(Cart.java:7)
",
    );
}

#[test]
fn python() {
    check(
        "
R 2026-01-05 10:00:00,000 - shop.cart - ERROR - failed
| Traceback (most recent call last):
|   File \"/a/b.py\", line 7, in <module>
|     x()
|     ~^^
| KeyError: 'item'
- 
| During handling of the above exception, another exception occurred:
- 
| Traceback (most recent call last):
|   File \"/a/c.py\", line 9, in y
|   [Previous line repeated 9 more times]
| socket.timeout: timed out
R 2026-01-05 10:01:00,000 - shop.cart - INFO - ok
",
    );
    check(
        "
R Traceback (most recent call last):
|   File \"/a/b.py\", line 7, in <module>
|     x()
| ValueError: bad
R next run
R ERROR:root:disk full
| Traceback (most recent call last):
|   File \"/a/b.py\", line 7, in <module>
|     raise ValueError
| ValueError
R INFO:root:ok
",
    );
}

#[test]
fn go() {
    check(
        "
R 2026/01/05 10:00:00 listening on :8080
R panic: runtime error: index out of range [3] with length 2
- 
| goroutine 1 [running]:
| main.main()
| \t/src/main.go:12 +0x1d
| net/http.(*conn).serve(0xc0000b4000, {0x7f, 0xc0})
| \t/usr/local/go/src/net/http/server.go:1995 +0x612
| created by net/http.(*Server).Serve
| \t/usr/local/go/src/net/http/server.go:3089 +0x5ed
| exit status 2
R 2026/01/05 10:00:05 listening on :8080
R 2026/01/05 10:00:06 http: panic serving 192.0.2.7:1234: boom
| goroutine 33 [running]:
| main.handler(...)
| \t/src/main.go:20
R 2026/01/05 10:00:07 ok
R fatal error: all goroutines are asleep - deadlock!
| goroutine 1 [chan receive]:
| main.main()
",
    );
}

#[test]
fn rust() {
    check(
        "
R 2026-01-05T10:00:00Z  INFO shop: up
R thread 'main' panicked at src/main.rs:3:5:
| index out of bounds: the len is 2 but the index is 3
| stack backtrace:
|    0: rust_begin_unwind
|              at /rustc/90b35a6/library/std/src/panicking.rs:593:5
|    1: core::panicking::panic_fmt
| note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
R 2026-01-05T10:00:01Z  INFO shop: up
R thread 'worker' panicked at 'no stock', src/main.rs:9:5
| note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
R 2026-01-05T10:00:02Z ERROR shop: failed
| Caused by:
|     0: cannot open
|     1: No such file or directory (os error 2)
",
    );
}

#[test]
fn dot_net_node_ruby_php_and_debuggers() {
    check(
        "
R fail: Shop.Cart[0]
R Unhandled exception. System.InvalidOperationException: no stock
|  ---> System.IO.IOException: closed
|    at Shop.Db.Read(Int32 n) in /src/Db.cs:line 7
|    --- End of inner exception stack trace ---
|    at Shop.Cart.Add(Item item)
R done
",
    );
    check(
        "
R 2026-01-05T10:00:00Z error: cannot connect
| Error: connect ECONNREFUSED 127.0.0.1:5432
|     at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16) {
|   errno: -111,
|   code: 'ECONNREFUSED',
|   address: '127.0.0.1'
| }
R 2026-01-05T10:00:05Z info: up
R /srv/cart.js:10
|     throw new Error('no stock')
|     ^
- 
| Error: no stock
|     at add (/srv/cart.js:10:9)
|     at async Server.run (file:///srv/index.mjs:3:1)
- 
| Node.js v20.11.0
",
    );
    check(
        "
R cart.rb:7:in 'add': no stock (RuntimeError)
| \tfrom cart.rb:12:in 'each'
| \tfrom cart.rb:20:in '<main>'
R PHP Fatal error:  Uncaught Exception: no stock in /srv/cart.php:3
| Stack trace:
| #0 /srv/cart.php(9): add()
| #1 {main}
R Stopped
R Program terminated with signal SIGSEGV, Segmentation fault.
| #0  0x00007ffff7e4a2a1 in raise () from /lib/libc.so.6
| #1  main () at cart.c:7
",
    );
}

#[test]
fn messages_of_syslog_and_the_journal() {
    check(
        "
R Jan  5 10:00:00 gate shop[7]: ERROR failed
R Jan  5 10:00:00 gate cron[9]: started
| Jan  5 10:00:00 gate shop[7]: java.lang.IllegalStateException: no stock
R Jan  5 10:00:00 gate sshd[11]: Accepted
| Jan  5 10:00:00 gate shop[7]: #011at com.shop.Cart.add(Cart.java:7)
| Jan  5 10:00:00 gate shop[7]: at com.shop.Main.main(Main.java:9)
| Jan  5 10:00:00 gate shop[7]: ... 3 more
R Jan  5 10:00:01 gate shop[7]: restarted
R Jan  5 10:09:00 gate shop[7]: at com.shop.Main.main(Main.java:9)
R Jan  5 10:10:00 gate kernel: BUG: kernel NULL pointer dereference
| Jan  5 10:10:00 gate kernel: CPU: 1 PID: 12 Comm: dd Not tainted
| Jan  5 10:10:00 gate kernel: RIP: 0010:dump_stack_lvl+0x34/0x48
| Jan  5 10:10:00 gate kernel: Call Trace:
| Jan  5 10:10:00 gate kernel: <TASK>
| Jan  5 10:10:00 gate kernel: ? __schedule+0x34/0x48
R Jan  5 10:10:01 gate kernel: usb 1-1: new device
R Jan  5 10:11:00 gate worker[8]: Traceback (most recent call last):
| Jan  5 10:11:00 gate worker[8]: File \"/a/b.py\", line 7, in <module>
| Jan  5 10:11:00 gate worker[8]: run(x)
| Jan  5 10:11:00 gate worker[8]: ValueError: bad
R Jan  5 10:11:01 gate worker[8]: started: yes
| a line of another time, without a head
",
    );
    check(
        r#"
R {"__REALTIME_TIMESTAMP":"1767607200000000","_HOSTNAME":"a","_SYSTEMD_UNIT":"s.service","PRIORITY":"3","MESSAGE":"failed"}
| {"__REALTIME_TIMESTAMP":"1767607200000100","_HOSTNAME":"a","_SYSTEMD_UNIT":"s.service","PRIORITY":"3","MESSAGE":"  detail"}
R {"__REALTIME_TIMESTAMP":"1767607200000200","_HOSTNAME":"a","_SYSTEMD_UNIT":"t.service","PRIORITY":"6","MESSAGE":"    at com.shop.Cart.add(Cart.java:7)"}
| {"__REALTIME_TIMESTAMP":"1767607200000300","_HOSTNAME":"a","_SYSTEMD_UNIT":"s.service","PRIORITY":"3","MESSAGE":"\tat com.shop.Cart.add(Cart.java:7)"}
R {"__REALTIME_TIMESTAMP":"1767607201000000","_HOSTNAME":"a","_SYSTEMD_UNIT":"s.service","PRIORITY":"6","MESSAGE":"up"}
"#,
    );
}

#[test]
fn containers() {
    check(
        r#"
R {"log":"2026-01-05 10:00:00 ERROR failed\n","stream":"stderr","time":"2026-01-05T10:00:00.1Z"}
| {"log":"Traceback (most recent call last):\n","stream":"stderr","time":"2026-01-05T10:00:00.1Z"}
R {"log":"2026-01-05 10:00:00 INFO served\n","stream":"stdout","time":"2026-01-05T10:00:00.1Z"}
| {"log":"  File \"/a/b.py\", line 7, in \u003cmodule\u003e\n","stream":"stderr","time":"2026-01-05T10:00:00.1Z"}
| {"log":"    x()\n","stream":"stderr","time":"2026-01-05T10:00:00.1Z"}
| {"log":"ValueError: bad\n","stream":"stderr","time":"2026-01-05T10:00:00.1Z"}
R {"log":"2026-01-05 10:00:09 INFO up\n","stream":"stderr","time":"2026-01-05T10:00:09.1Z"}
"#,
    );
    check(
        "
R a-1  | ERROR failed
R b-1  | ready
| a-1  | java.lang.IllegalStateException: no stock
|  a-1  | \tat com.shop.Cart.add(Cart.java:7)
"
        .replace("|  a-1", "| a-1")
        .as_str(),
    );
}

#[test]
fn indentation_and_missing_times() {
    check(
        "
R 2026-01-05 10:00:00 UTC [7] ERROR:  syntax error
| \tSELECT a
R 2026-01-05 10:00:01 UTC [7] LOG:  ok
R 2026-01-05 10:00:02 UTC [7] LOG:  ok
R 2026-01-05 10:00:03 UTC [7] LOG:  statement: SELECT a,
|   b
| FROM t
| WHERE c = 1
R ERROR: this one says so itself
R 2026-01-05 10:00:04 UTC [7] LOG:  ok
",
    );
    check(
        "
R started
R job 1 done
R job 2 done
R job 3 failed:
|   disk full
R procs
",
    );
    check(
        "
R procs -----------memory---------- ---swap--
R  r  b   swpd   free   buff  cache   si   so
R  1  0      0 123456    100  2000    0    0
R  0  0      0 123400    100  2000    0    0
",
    );
}

#[test]
fn a_source_that_writes_in_another_way_from_now_on_is_read_again() {
    let mut log: String = (0..9).map(|n| format!("R 2026-01-05 10:00:0{n} INFO begun\n")).collect();
    log.extend((0..256).map(|n| format!("| item {n}\n")));
    log.extend((0..20).map(|n| format!("R item {n}\n")));
    check(&log);
}

#[test]
fn printed_json_is_one_record() {
    let log = r#"
- [
.   {
.     "timestamp": "2026-01-05T10:00:00Z",
.     "host": "pi", "metric": "cpu",
.     "tags": ["a", "}"],
.     "value": 12
R   },
.   {
.     "timestamp": "2026-01-05T10:00:01Z",
.     "value": 13
R   }
- ]
. { "timestamp": "2026-01-05T10:00:02Z",
R   "value": 13 }
R {"timestamp":"2026-01-05T10:00:03Z","value":14},
R {"timestamp":"2026-01-05T10:00:04Z","value":15}
"#;
    check(log);
    check_as(LogFormat::Jsonl(super::Mapping::default()), log);
    check_as(LogFormat::Journal, "\n. {\n. \t\"__REALTIME_TIMESTAMP\" : \"1\",\n. \t\"MESSAGE\" : \"x\"\nR }\n");
    let mut parser = Parser::new(LogFormat::Auto);
    let mut parse =
        |line: &str| parser.parse(line.as_bytes(), &Context::default()).record().map(super::Record::into_owned);
    assert_eq!(parse("{"), None);
    assert_eq!(parse("  \"value\": 3,"), None);
    assert_eq!(parse("  \"host\": \"pi\""), None);
    let record = parse("}").unwrap();
    assert_eq!((record.value, record.server.as_deref(), record.fault), (Some(3.0), Some("pi"), None));
    assert_eq!(parser.joined(), Some("{ \"value\": 3, \"host\": \"pi\" }"));
}

#[test]
fn what_is_broken_off_comes_before_what_follows() {
    let context = Context::default();
    let mut parser = Parser::new(LogFormat::Auto);
    assert_eq!(parser.parse(b"{", &context), ParsedLine::Pending);
    assert_eq!(parser.parse(b"  \"value\": 3,", &context), ParsedLine::Pending);
    let broken = parser.parse(b"INFO: up", &context).record().unwrap();
    assert_eq!((broken.value, broken.fault), (Some(3.0), Some(Fault::Malformed)));
    assert_eq!(parser.further().unwrap().message.as_deref(), Some("up"));
    assert!(parser.further().is_none());
    assert_eq!(parser.parse(b"{", &context), ParsedLine::Pending);
    assert!(parser.is_pending());
    parser.flush(&context);
    assert!(!parser.is_pending() && parser.further().is_some() && parser.further().is_none());
}

#[test]
fn parts_of_a_line_are_joined() {
    let context = Context::default();
    let mut parser = Parser::new(LogFormat::Auto);
    let mut parse = |line: &str| {
        let record = parser.parse(line.as_bytes(), &context).record().map(super::Record::into_owned);
        assert!(parser.further().is_none());
        record.map(|record| {
            (record.message.unwrap().into_owned(), record.level.is_some(), record.time.unwrap().to_string())
        })
    };
    let own = |text: &str, is_level: bool, time: &str| Some((text.to_owned(), is_level, time.to_owned()));
    assert_eq!(parse("2026-01-05T10:00:00.1Z stdout P {\"level\":\"error\","), None);
    assert_eq!(parse("2026-01-05T10:00:00.2Z stderr F other"), own("other", false, "2026-01-05T10:00:00.2Z"));
    assert_eq!(parse("2026-01-05T10:00:00.3Z stdout P \"msg\":\"no "), None);
    assert_eq!(parse("2026-01-05T10:00:00.4Z stdout F stock\"}"), own("no stock", true, "2026-01-05T10:00:00.1Z"));
    assert_eq!(parse(r#"{"log":"a long ","stream":"stdout","time":"2026-01-05T10:00:01Z"}"#), None);
    assert_eq!(
        parse(r#"{"log":"line\n","stream":"stdout","time":"2026-01-05T10:00:01.1Z"}"#),
        own("a long line", false, "2026-01-05T10:00:01Z")
    );
}

#[test]
fn parts_have_a_bound() {
    let context = Context::default();
    let mut parser = Parser::new(LogFormat::Auto);
    let part = format!("2026-01-05T10:00:00Z stdout P {}", "x".repeat(16 * 1024));
    for _ in 0..10 {
        assert_eq!(parser.parse(part.as_bytes(), &context), ParsedLine::Pending);
    }
    let record = parser.parse(b"2026-01-05T10:00:00Z stdout F end", &context).record().unwrap();
    assert_eq!(record.fault, Some(Fault::TooLong));
    assert_eq!(record.message.unwrap().len(), crate::limits::LINE_BYTES_MAX);
    // A part whose rest never came is a record of its own.
    let part = |second: u32, text: &str| {
        format!(r#"{{"log":"{text}","stream":"stdout","time":"2026-01-05T10:00:{second:02}Z"}}"#)
    };
    assert_eq!(parser.parse(part(1, "prompt>").as_bytes(), &context), ParsedLine::Pending);
    let up = part(30, "up\\n");
    let stale = parser.parse(up.as_bytes(), &context).record().unwrap();
    assert_eq!(stale.message.as_deref(), Some("prompt>"));
    assert_eq!(parser.further().unwrap().message.as_deref(), Some("up"));
}

#[test]
fn lines_between_records_are_none() {
    check(
        "
- -- Logs begin at Mon 2026-01-05 09:00:00 UTC, end at Mon 2026-01-05 10:00:00 UTC. --
- -- Boot 0a1b2c3d --
R Jan 05 10:00:00 gate sshd[12]: hi
- -- No entries --
R Jan 05 10:00:01 gate sshd[12]: -- dashes --
",
    );
}
