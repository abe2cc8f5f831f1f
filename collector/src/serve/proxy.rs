//! Who asks, when a proxy passes the question on: its own address counts unless the operator said that it is trusted, and
//! then the address that it says. Anybody may write anything into the headers; only what trusted proxies have added, at
//! the right end, is believed.

use std::{net::IpAddr, str::FromStr};

use axum::http::{HeaderMap, HeaderName, header};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address, or all with the same first bits: `127.0.0.1`, `10.1.0.0/16`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkRange {
    address: IpAddr,
    bits: u32,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address or network: 127.0.0.1, 10.1.0.0/16 and fd00::/8 are some")]
pub struct NetworkError(String);

impl FromStr for NetworkRange {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let parsed = address.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let network = parsed.and_then(|address| {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most));
            Some(Self { address, bits: bits? })
        });
        network.ok_or_else(|| NetworkError(text[..text.floor_char_boundary(80)].to_owned()))
    }
}

impl NetworkRange {
    fn has(&self, address: IpAddr) -> bool {
        let same = |differ: u128, width: u32| self.bits == 0 || differ >> (width - self.bits) == 0;
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => same((ours.to_bits() ^ theirs.to_bits()).into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.to_bits() ^ theirs.to_bits(), 128),
            _ => false,
        }
    }
}

/// Whether the address is a trusted proxy's.
pub(super) fn is_trusted(proxies: &[NetworkRange], address: IpAddr) -> bool {
    proxies.iter().any(|proxy| proxy.has(address))
}

/// Who asks: the last of those on the way that is no trusted proxy. A proxy that says nothing, or what cannot be read, asks
/// itself.
pub(super) fn client(peer: IpAddr, proxies: &[NetworkRange], headers: &HeaderMap) -> IpAddr {
    let mut client = peer;
    let said = said(headers);
    let mut before = said.iter().rev();
    while is_trusted(proxies, client) {
        match before.next().and_then(|said| address(said)) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// Whom the proxies name, nearest last. With both headers one is the client's own, and who knows which: none counts.
fn said(headers: &HeaderMap) -> Vec<&str> {
    let elements = |name: HeaderName| -> Vec<&str> {
        // One that is no text stands for whatever it was: it must not let the one before it move up.
        let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
        values.flat_map(|value| value.split(',')).collect()
    };
    let (common, standard) = (elements(X_FORWARDED_FOR), elements(header::FORWARDED));
    match (common.is_empty(), standard.is_empty()) {
        (_, true) => common,
        (true, false) => standard.into_iter().map(forwarded_for).collect(),
        (false, false) => Vec::new(),
    }
}

/// `for` of one element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> &str {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.trim(), value))
        .find(|(name, _)| name.eq_ignore_ascii_case("for"))
        .map_or("?", |f| f.1)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `"[2001:db8::1]:80"`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(peer: &str, pairs: &[(&'static str, &'static str)]) -> String {
        let proxies: Vec<NetworkRange> =
            ["127.0.0.1", "10.1.0.0/16", "fd00::/8"].iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        client(peer.parse().unwrap(), &proxies, &headers).to_string()
    }

    #[test]
    fn only_what_trusted_proxies_added_counts() {
        const FOR: &str = "x-forwarded-for";
        for (peer, headers, client) in [
            // Nobody's proxy says nothing of worth.
            ("192.0.2.9", &[(FOR, "198.51.100.1")][..], "192.0.2.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &[(FOR, "198.51.100.1")], "198.51.100.1"),
            ("::ffff:127.0.0.1", &[(FOR, "198.51.100.1:4711")], "198.51.100.1"),
            // What the client wrote itself stands further left.
            ("127.0.0.1", &[(FOR, "203.0.113.7, 198.51.100.1")], "198.51.100.1"),
            ("127.0.0.1", &[(FOR, "203.0.113.7"), (FOR, "198.51.100.1")], "198.51.100.1"),
            ("127.0.0.1", &[(FOR, "203.0.113.7, 198.51.100.1, 10.1.2.3, fd00::1")], "198.51.100.1"),
            ("127.0.0.1", &[(FOR, "203.0.113.7, unknown, 10.1.2.3")], "10.1.2.3"),
            ("127.0.0.1", &[(FOR, "10.1.9.9")], "10.1.9.9"),
            ("127.0.0.1", &[(FOR, ""), (FOR, "")], "127.0.0.1"),
            ("fd00::5", &[("forwarded", "for=203.0.113.7, FOR=\"[2001:db8::1]:80\";proto=https")], "2001:db8::1"),
            ("fd00::5", &[("forwarded", "for=203.0.113.7, proto=https")], "fd00::5"),
            ("127.0.0.1", &[("forwarded", "for=203.0.113.7"), (FOR, "198.51.100.1")], "127.0.0.1"),
        ] {
            assert_eq!(asks(peer, headers), client, "{peer} {headers:?}");
        }
    }

    #[test]
    fn networks_as_people_write_them() {
        let has = |network: &str, address: &str| network.parse::<NetworkRange>().unwrap().has(address.parse().unwrap());
        assert!(has("0.0.0.0/0", "192.0.2.1") && !has("0.0.0.0/0", "2001:db8::1"));
        assert!(has("10.1.0.0/16", "10.1.255.255") && !has("10.1.0.0/16", "10.2.0.0"));
        assert!(has("2001:db8::/33", "2001:db8:7fff::1") && !has("2001:db8::/33", "2001:db8:8000::1"));
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::1/129", "10.0.0.1:80"] {
            assert!(bad.parse::<NetworkRange>().is_err(), "{bad}");
        }
    }
}
