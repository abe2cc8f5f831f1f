//! Through a name from word to word: each identifier in it becomes `*`, several in a row become one.

use super::{Rest, stems::Stem};

/// Whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Component,
    /// Only what no server is called is taken out.
    Server,
}

/// What was taken out of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Causes {
    /// The number of a thread.
    pub thread: bool,
    /// An identifier.
    pub id: bool,
    /// A long number, whatever it is.
    pub number: bool,
    /// A place in a file, or a port.
    pub line: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Thread,
    Id,
    Number,
}

/// Numbers from so many digits on are identifiers rather than parts of a name.
const NUMBER_DIGITS_MIN: usize = 4;
/// The same without a separator before them: `sha256`, `rfc5424` and `r8169` are names.
const GLUED_DIGITS_MIN: usize = 5;
/// The same behind a device's word.
const DEVICE_DIGITS_MAX: usize = 6;
/// Hexadecimal digits that are an identifier rather than a word: the beginning of a commit's or a container's.
const HEX_MIN: usize = 6;
/// The same whatever they look like: Docker's short id.
const CONTAINER_ID: usize = 12;

/// What is left of `name`, and why.
pub(super) fn walk(name: &str, naming: Naming) -> (Rest, Causes) {
    let mut walk = NameWalk { name, out: String::new(), copied: 0, starred: None };
    let mut causes = Causes::default();
    let mut stem = Stem::default();
    let hash = pod_hash_start(name).unwrap_or(name.len());
    let mut at = 0;
    while let Some(start) = name.as_bytes()[at..].iter().position(|b| is_of_word(*b)).map(|gap| at + gap) {
        let length = name.as_bytes()[start..].iter().position(|b| !is_of_word(*b));
        let end = length.map_or(name.len(), |length| start + length);
        at = end;
        let word = &name[start..end];
        let found = if start >= hash {
            Some((0, Cause::Id))
        } else if end - start == 8 && is_uuid_at(name, start) {
            at = start + UUID_BYTES;
            Some((0, Cause::Id))
        } else if naming == Naming::Server {
            is_container_id(word, stem_text(name, start)).then_some((0, Cause::Id))
        } else {
            identifier(word, stem, walk.is_behind_star(start))
        };
        if let Some((kept, cause)) = found {
            causes.thread |= cause == Cause::Thread;
            causes.id |= cause == Cause::Id;
            causes.number |= cause == Cause::Number;
            walk.star(start + kept, at);
        }
        if found.is_none() && naming == Naming::Component && !word.bytes().all(|b| b.is_ascii_digit()) {
            stem = Stem::of(word);
        }
    }
    (walk.rest(), causes)
}

/// The name under way.
struct NameWalk<'n> {
    name: &'n str,
    out: String,
    /// Bytes of the name that are in `out`, or replaced.
    copied: usize,
    /// Where the last replaced part ended.
    starred: Option<usize>,
}

impl NameWalk<'_> {
    fn is_behind_star(&self, start: usize) -> bool {
        self.starred.is_some_and(|end| start <= end + 1)
    }

    fn star(&mut self, start: usize, end: usize) {
        if !self.is_behind_star(start) {
            self.out.push_str(&self.name[self.copied..start]);
            self.out.push('*');
        }
        self.copied = end;
        self.starred = Some(end);
    }

    fn rest(mut self) -> Rest {
        let has_letters = |text: &str| text.chars().any(char::is_alphabetic);
        if self.starred.is_none() {
            return if has_letters(self.name) { Rest::Whole } else { Rest::Nothing };
        }
        self.out.push_str(&self.name[self.copied..]);
        if !has_letters(&self.out) {
            return Rest::Nothing;
        }
        // `docker/0d6c4a8e9f12` is docker.
        if let Some(path) = self.out.strip_suffix("/*").map(str::len) {
            self.out.truncate(path);
        }
        Rest::Other(self.out)
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// How much of a word stays before its identifier; `None` when all of it stays.
fn identifier(word: &str, before: Stem, is_behind_star: bool) -> Option<(usize, Cause)> {
    let bytes = word.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return (before == Stem::Id && bytes.len() >= HEX_MIN && is_hex(bytes)).then_some((0, Cause::Id));
    }
    if digits == bytes.len() {
        return match before {
            Stem::Thread => Some((0, Cause::Thread)),
            Stem::Id => Some((0, Cause::Id)),
            _ if is_behind_star => Some((0, Cause::Id)),
            Stem::Device if digits <= DEVICE_DIGITS_MAX => None,
            _ => (digits >= NUMBER_DIGITS_MIN).then_some((0, Cause::Number)),
        };
    }
    let is_short_id = before == Stem::Id && is_short_id(bytes, digits);
    if is_short_id || is_hex_id(bytes) || is_random(bytes) || (is_behind_star && is_hex(bytes)) {
        return Some((0, Cause::Id));
    }
    let letters = bytes.iter().take_while(|b| !b.is_ascii_digit()).count();
    if letters == 0 || bytes.len() - letters - digits > 1 {
        return None;
    }
    match Stem::of(&word[..letters]) {
        Stem::Thread => Some((letters, Cause::Thread)),
        Stem::Id => Some((letters, Cause::Id)),
        Stem::Device if digits <= DEVICE_DIGITS_MAX => None,
        _ => (digits >= GLUED_DIGITS_MIN).then_some((letters, Cause::Number)),
    }
}

fn is_hex(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_hexdigit)
}

/// How often letters follow digits or digits letters.
fn changes(bytes: &[u8]) -> usize {
    bytes.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count()
}

/// Behind a word such as `req`: `x7k2`, `c2`, `u12`; but `v2` is a version.
fn is_short_id(bytes: &[u8], digits: usize) -> bool {
    let is_numbered_letter = bytes.len() == digits + 1 && !matches!(bytes[0], b'v' | b'V');
    digits > 1 || changes(bytes) > 1 || is_numbered_letter || (bytes.len() >= 4 && is_hex(bytes))
}

/// Digits and letters up to f as no name has them: `3ceb3f`, `0x7f3a`, but not `cafe01`.
fn is_hex_id(bytes: &[u8]) -> bool {
    if let [b'0', b'x' | b'X', rest @ ..] = bytes {
        return !rest.is_empty() && is_hex(rest);
    }
    // The driver of a network card.
    if bytes.len() < HEX_MIN || !is_hex(bytes) || bytes == b"e1000e" {
        return false;
    }
    bytes.len() >= CONTAINER_ID || bytes[0].is_ascii_digit() || changes(bytes) > 1
}

/// Letters and digits mixed as by a generator of identifiers: `01ARZ3NDEKTSV4RRFFQ69G5FAV`, `k3j9x2q7`.
fn is_random(bytes: &[u8]) -> bool {
    let changes = changes(bytes);
    match bytes.len() {
        ..7 => false,
        7..10 => changes >= 5,
        10..16 => changes >= 4,
        _ => changes >= 3,
    }
}

/// A container's id where a server's name should be. Cloud machines are called `i-0abc123def4567890`.
fn is_container_id(word: &str, before: &str) -> bool {
    word.len() >= CONTAINER_ID && is_hex(word.as_bytes()) && before != "i-"
}

/// What stands before `start`, when it is short.
fn stem_text(name: &str, start: usize) -> &str {
    if start <= 2 { &name[..start] } else { "" }
}

const UUID_BYTES: usize = 36;

fn is_uuid_at(name: &str, start: usize) -> bool {
    let Some(uuid) = name.as_bytes().get(start..start + UUID_BYTES) else { return false };
    uuid.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Where the hashes begin that Kubernetes appends to a pod's name: `-6d4cf56db6-x7k2p`, `-x7k2p`. Its alphabet has no
/// vowels and none of the digits 0, 1 and 3, so that no word comes of it.
fn pod_hash_start(name: &str) -> Option<usize> {
    let (rest, pod) = name.rsplit_once('-')?;
    if pod.len() != 5 || !is_of_pods(pod) || rest.is_empty() {
        return None;
    }
    let set = rest.rsplit_once('-').filter(|(workload, set)| {
        let has_digit = |text: &str| text.bytes().any(|b| b.is_ascii_digit());
        !workload.is_empty() && (6..=10).contains(&set.len()) && is_of_pods(set) && (has_digit(set) || has_digit(pod))
    });
    match set {
        Some((workload, _)) => Some(workload.len() + 1),
        None => (changes(pod.as_bytes()) > 1).then_some(rest.len() + 1),
    }
}

fn is_of_pods(text: &str) -> bool {
    text.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b))
}
