//! Where in a line something is to be masked: addresses and numbers here, secrets in [`super::secret`].

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{AddressPolicy, secret};

/// Longest part of an address before its `@` that is looked for: five times what RFC 5321 allows. A miss must cost a
/// bounded look ahead, else a line made of short words costs the square of its length.
const LOCAL_MAX: usize = 320;

/// What stands in a secret's place. Square brackets are part of nothing that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mask {
    PrivateKey,
    Secret,
    Email,
    Card,
    Ip,
}

impl Mask {
    pub(super) const ALL: [Self; 5] = [Self::PrivateKey, Self::Secret, Self::Email, Self::Card, Self::Ip];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKey => "[private key]",
            Self::Secret => "[secret]",
            Self::Email => "[email]",
            Self::Card => "[card]",
            Self::Ip => "[ip]",
        }
    }
}

/// Bytes `from..to` of the line become a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FoundSecret {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) mask: Mask,
}

/// What begins at `at`, where a word begins.
pub(super) fn find(line: &str, at: usize, addresses: AddressPolicy) -> Option<FoundSecret> {
    let found = |to: usize, mask| FoundSecret { from: at, to, mask };
    secret::find(line, at)
        .or_else(|| email(line, at).map(|to| found(to, Mask::Email)))
        .or_else(|| card(line.as_bytes(), at).map(|to| found(to, Mask::Card)))
        .or_else(|| match addresses {
            AddressPolicy::Keep => None,
            AddressPolicy::Hide => ip(line, at).map(|to| found(to, Mask::Ip)),
        })
}

/// The next place after `at` where something may begin: any byte that does not go on a word, on a character boundary.
pub(super) fn next_start(line: &str, at: usize) -> usize {
    let bytes = line.as_bytes();
    if is_escaped(&bytes[at..]) {
        return at + ESCAPED;
    }
    let mut next = at + 1;
    while next < bytes.len() && (is_word(bytes[next - 1]) && is_word(bytes[next])) {
        next += 1;
    }
    while !line.is_char_boundary(next) {
        next += 1;
    }
    next
}

/// Bytes of `\u0026`, as JSON writes a character that is none of a word's.
pub(super) const ESCAPED: usize = 6;

/// Whether such a character comes next.
pub(super) fn is_escaped(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\\u") && bytes.get(2..ESCAPED).is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
}

/// Whether a word goes on at `at`.
pub(super) fn is_inside(bytes: &[u8], at: usize) -> bool {
    let escaped = at.checked_sub(ESCAPED).is_some_and(|before| is_escaped(&bytes[before..]));
    !escaped && at > 0 && is_word(bytes[at - 1])
}

/// Letters, digits, and everything beyond ASCII.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// End of the run of bytes from `at` on that `belongs`.
pub(super) fn run(bytes: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|&b| !belongs(b)).map_or(bytes.len(), |length| at + length)
}

/// The same, of at most `most` bytes.
pub(super) fn run_within(bytes: &[u8], at: usize, most: usize, belongs: impl Fn(u8) -> bool) -> usize {
    run(&bytes[..bytes.len().min(at.saturating_add(most))], at, belongs)
}

fn email(line: &str, at: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    let local = run_within(bytes, at, LOCAL_MAX, |b| is_word(b) || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-'));
    if local == at || bytes.get(local) != Some(&b'@') {
        return None;
    }
    let end = run(bytes, local + 1, |b| is_word(b) || matches!(b, b'.' | b'-'));
    // A dot at the end is the sentence's.
    let domain = line[local + 1..end].trim_end_matches(['.', '-']);
    let dot = domain.find('.')?;
    (dot > 0).then_some(local + 1 + domain.len())
}

/// Digits of a card, in groups or not; the end of the longest that fits.
fn card(bytes: &[u8], at: usize) -> Option<usize> {
    // 3 to 6 are the schemes people pay with, 2 is a newer range; 0 and 1 are times and ids.
    let before = at.checked_sub(1).map(|before| bytes[before]);
    if !matches!(bytes[at], b'2'..=b'6') || is_inside(bytes, at) || matches!(before, Some(b'.' | b'_')) {
        return None;
    }
    let mut digits = [0_u8; 19];
    let (mut count, mut end, mut next) = (0, None, at);
    while count < digits.len() {
        match bytes.get(next) {
            Some(digit) if digit.is_ascii_digit() => {
                digits[count] = digit - b'0';
                count += 1;
                next += 1;
                let after = bytes.get(next).copied().unwrap_or(b' ');
                if count >= 13 && !is_word(after) && luhn(&digits[..count]) {
                    end = Some(next);
                }
            }
            Some(b' ' | b'-') if bytes.get(next + 1).is_some_and(u8::is_ascii_digit) => next += 1,
            Some(_) | None => break,
        }
    }
    end
}

/// The check digit of ISO/IEC 7812-1.
fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, &d)| u32::from(if i % 2 == 1 { doubled(d) } else { d })).sum();
    sum.is_multiple_of(10)
}

fn ip(line: &str, at: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    if !bytes[at].is_ascii_hexdigit() && bytes[at] != b':' {
        return None;
    }
    if is_inside(bytes, at) || at > 0 && matches!(bytes[at - 1], b'.' | b':') {
        return None;
    }
    let trimmed = |end: usize| at + line[at..end].trim_end_matches('.').len();
    let end = trimmed(run(bytes, at, |b| b.is_ascii_digit() || b == b'.'));
    if !bytes.get(end).copied().is_some_and(is_word) && line[at..end].parse::<Ipv4Addr>().is_ok() {
        return Some(end);
    }
    let end = trimmed(run(bytes, at, |b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')));
    if bytes.get(end).copied().is_some_and(is_word) {
        return None;
    }
    // A colon behind an address belongs to the sentence, unless the address ends with two.
    let whole = &line[at..end];
    if !whole.contains(':') {
        return None;
    }
    let shorter = whole.strip_suffix(':').unwrap_or(whole);
    // "::" alone is a path of C++ or Rust more often than an address.
    let is_ip = |text: &&str| text.len() > 2 && text.parse::<Ipv6Addr>().is_ok();
    [whole, shorter].into_iter().find(is_ip).map(|text| at + text.len())
}
