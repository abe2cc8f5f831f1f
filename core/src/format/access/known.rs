//! Formats of other proxies that are known without being told, written as an operator would write them: nginx-proxy-manager,
//! Envoy, the load balancers of AWS; and Squid's.

use std::sync::LazyLock;

use super::{AccessEntry, layout::AccessLayout};
use crate::format::Context;

/// Formats whose lines begin with a time in brackets.
static BRACKETED: LazyLock<Vec<AccessLayout>> = LazyLock::new(|| {
    compiled(&[
        "[$time_local] $cache $upstream_status $status - $request_method $scheme $host \"$request_uri\" [Client $client] \
         [Length $body_bytes_sent] [Gzip $gzip_ratio] [Sent-to $upstream] \"$agent\" \"$referer\"",
        "[$time_local] $status - $request_method $scheme $host \"$request_uri\" [Client $client] \
         [Length $body_bytes_sent] [Gzip $gzip_ratio] \"$agent\" \"$referer\"",
        "[$time_iso8601] \"$request\" $status $flags $bytes_received $body_bytes_sent $duration_ms $upstream_ms \
         \"$forwarded\" \"$agent\" \"$request_id\" \"$host\" \"$upstream\"",
        "[$time_iso8601] \"$request\" $status $flags $details $termination \"$failure\" $bytes_received $body_bytes_sent \
         $duration_ms $upstream_ms \"$forwarded\" \"$agent\" \"$request_id\" \"$host\" \"$upstream\"",
    ])
});

/// Application load balancers of AWS begin with the kind of the connection.
static TYPED: LazyLock<Vec<AccessLayout>> = LazyLock::new(|| {
    compiled(&["$type $time_iso8601 $balancer $client $target $wait_time $target_time $answer_time $status \
                $upstream_status $bytes_received $body_bytes_sent \"$request\" \"$agent\""])
});

/// Squid's own, and the classic load balancer's of AWS.
static TIMED: LazyLock<Vec<AccessLayout>> = LazyLock::new(|| {
    compiled(&[
        "$msec $duration_ms $client $result/$status $body_bytes_sent $request_method $request_uri $user $peer $kind",
        "$time_iso8601 $balancer $client $target $wait_time $target_time $answer_time $status $upstream_status \
         $bytes_received $body_bytes_sent \"$request\"",
    ])
});

fn compiled(formats: &[&str]) -> Vec<AccessLayout> {
    formats.iter().map(|format| format.parse().expect("each is compiled by a test")).collect()
}

/// Reads one line; `None` when it is of none of these.
pub(super) fn parse<'a>(text: &'a str, context: &Context) -> Option<AccessEntry<'a>> {
    let bytes = text.as_bytes();
    let layouts = match bytes.first()? {
        b'[' if bytes.get(1).is_some_and(u8::is_ascii_digit) => &BRACKETED,
        b'h' | b'w' | b'g' if is_typed(text) => &TYPED,
        b'1' | b'2' if is_timed(bytes) => &TIMED,
        _ => return None,
    };
    layouts.iter().find_map(|layout| layout.read(text, context).filter(|entry| !entry.is_time_wrong))
}

fn is_typed(text: &str) -> bool {
    ["http ", "https ", "h2 ", "grpcs ", "ws ", "wss "].iter().any(|kind| text.starts_with(kind))
}

/// Whether a line begins with an epoch of thousandths and a blank, as Squid's does, or with a time of microseconds and a
/// zone, as a load balancer's does. Addresses of clients begin with digits too.
fn is_timed(bytes: &[u8]) -> bool {
    match bytes.get(10) {
        Some(b'.') => bytes.get(14) == Some(&b' ') && bytes[..10].iter().all(u8::is_ascii_digit),
        Some(b'T') => bytes.get(26) == Some(&b'Z') && bytes[4] == b'-',
        _ => false,
    }
}
