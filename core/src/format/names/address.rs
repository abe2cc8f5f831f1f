//! Addresses of networks and machines: IPv4, IPv6 and MAC, with a port, a zone or brackets, and lists of them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// `2001:db8::1` with eight groups of four and an IPv4 address inside, a zone, brackets and a port.
const ADDRESS_BYTES_MAX: usize = 80;

/// Whether the text is one address and nothing else.
pub(crate) fn is_address(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_colon = memchr::memchr(b':', bytes).is_some();
    let is_shaped = bytes.len() <= ADDRESS_BYTES_MAX
        && bytes.first().is_some_and(|b| b.is_ascii_hexdigit() || matches!(b, b'[' | b':'))
        && (has_colon || bytes[0].is_ascii_digit() || matches!(bytes.len(), 14 | 17))
        && (has_colon || memchr::memchr2(b'.', b'-', bytes).is_some())
        // `db::add` may be a module as well as an address.
        && bytes.iter().any(u8::is_ascii_digit);
    if !is_shaped {
        return false;
    }
    let (host, _prefix) = text.split_once('/').unwrap_or((text, ""));
    let (host, _zone) = host.split_once('%').unwrap_or((host, ""));
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || bare.parse::<Ipv6Addr>().is_ok()
        || host.parse::<SocketAddr>().is_ok()
        || is_mac(bytes)
}

/// Whether the text is an address or begins a list with one: `203.0.113.5, 10.0.0.1`.
pub(crate) fn is_address_list(text: &str) -> bool {
    let first = memchr::memchr2(b',', b' ', text.as_bytes()).map_or(text, |end| &text[..end]);
    is_address(first.trim_end_matches(','))
}

/// `00:1a:2b:3c:4d:5e`, with dashes, and `001a.2b3c.4d5e`.
fn is_mac(bytes: &[u8]) -> bool {
    let is_hex = |group: &[u8]| group.iter().all(u8::is_ascii_hexdigit);
    match bytes.len() {
        17 => {
            let separator = bytes[2];
            matches!(separator, b':' | b'-')
                && bytes.split(|b| *b == separator).all(|group| group.len() == 2 && is_hex(group))
        }
        14 => bytes.split(|b| *b == b'.').all(|group| group.len() == 4 && is_hex(group)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names() {
        for text in [
            "10.0.0.1",
            "10.0.0.1:8080",
            "10.0.0.0/24",
            "::1",
            "2001:db8::1",
            "[2001:db8::1]:443",
            "fe80::1%eth0",
            "::ffff:10.0.0.1",
            "00:1a:2b:3c:4d:5e",
            "00-1A-2B-3C-4D-5E",
            "001a.2b3c.4d5e",
        ] {
            assert!(is_address(text), "{text}");
        }
        for text in ["", "db-1", "db::add", "app::run", "1.2.3", "10.0.0.256", "ip-10-0-0-1", "a.b.c.d", "12:30"] {
            assert!(!is_address(text), "{text}");
        }
        assert!(is_address_list("203.0.113.5, 10.0.0.1") && is_address_list("203.0.113.5,unknown"));
        assert!(!is_address_list("Payment Service") && !is_address_list("a, b"));
    }
}
