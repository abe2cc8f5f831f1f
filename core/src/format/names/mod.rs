//! What may be the name of a server or of a component, and what is left of a name that holds an identifier: the kind of
//! thing it is (`worker-10` is a `worker-*`, `views.py:10` is `views.py`), or nothing. Every name becomes streams that
//! are learnt for days; a name that comes once is a stream that never is.
//!
//! Refuses to guess about numbers that belong to a name: `sensor-17`, `node1`, `cpu0` and `postgresql@15-main` stay as
//! they are. Servers stay but for what surely is no server's name. What an operator named himself, by a mapping or as
//! a column of a table, does not come here.

use std::borrow::Cow;

use self::{
    address::{is_address, is_address_list},
    walk::{Causes, Naming, walk},
};

pub(crate) mod address;
mod stems;
mod walk;

/// The component that `name` names; `None` when nothing but an identifier, an address or a number is in it.
pub(crate) fn component(name: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if is_bare(&name) {
        return Some(name);
    }
    let rest = Reduction::of(&name).rest;
    rest.of(name)
}

/// The same of a word in a text, which is rather a part of the text than a name: `None` also when what is left says
/// only that an identifier stood there (`req-3ceb3f`).
pub(crate) fn component_in_text(word: &str) -> Option<Cow<'_, str>> {
    if is_bare(word) {
        return Some(Cow::Borrowed(word));
    }
    let reduction = Reduction::of(word);
    if reduction.causes.id || reduction.causes.number {
        return None;
    }
    reduction.rest.of(Cow::Borrowed(word))
}

/// Shorter than a container's id or a pod's hashes with a name before them.
const SERVER_BYTES_MIN: usize = 8;

/// The server that `name` names; `None` for an address, a URL and the id of a container.
pub(crate) fn server(name: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if is_no_name(&name, has_digit(&name)) { None } else { host(name) }
}

/// The same where a protocol has a field for it, which may hold an address: syslog's appliances have no other name.
pub(crate) fn host(name: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if !has_digit(&name) || is_address(&name) {
        return Some(name);
    }
    let end = port_start(&name).unwrap_or(name.len());
    if name.len() < SERVER_BYTES_MIN {
        return Rest::Whole.within(end, name.len()).of(name);
    }
    let (rest, _) = walk(&name[..end], Naming::Server);
    rest.within(end, name.len()).of(name)
}

/// Whether the first word of a text may be the server that wrote it: no thread, identifier or place in a program.
pub(crate) fn may_be_host(word: &str) -> bool {
    let Reduction { rest, causes } = Reduction::of(word);
    !matches!(rest, Rest::Nothing) && !causes.id && !causes.line && !is_thread(word)
}

/// Whether `word` names a thread: `main`, `worker-1`, `pool-2-thread-9`, `spid51`.
pub(crate) fn is_thread(word: &str) -> bool {
    if has_digit(word) {
        return Reduction::of(word).causes.thread;
    }
    let last = word.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(word);
    stems::is_thread_alone(last)
}

/// SQL Server's session: `spid51`, `spid7s`.
pub(crate) fn is_sql_session(word: &str) -> bool {
    let digits = word.strip_prefix("spid").map(|rest| rest.strip_suffix('s').unwrap_or(rest));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// What of a name stays.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Whole,
    Prefix(usize),
    Other(String),
    Nothing,
}

impl Rest {
    fn of(self, name: Cow<'_, str>) -> Option<Cow<'_, str>> {
        match self {
            Self::Whole => Some(name),
            Self::Nothing => None,
            Self::Other(text) => Some(Cow::Owned(text)),
            Self::Prefix(end) => Some(match name {
                Cow::Borrowed(name) => Cow::Borrowed(&name[..end]),
                Cow::Owned(mut name) => {
                    name.truncate(end);
                    Cow::Owned(name)
                }
            }),
        }
    }

    /// What stays of a name of `length` bytes when this stays of its first `end`.
    fn within(self, end: usize, length: usize) -> Self {
        if self == Self::Whole && end < length { Self::Prefix(end) } else { self }
    }
}

struct Reduction {
    rest: Rest,
    causes: Causes,
}

impl Reduction {
    fn of(name: &str) -> Self {
        let without = |rest, causes| Self { rest, causes };
        let has_digit = has_digit(name);
        if is_no_name(name, has_digit) {
            return without(Rest::Nothing, Causes { id: true, ..Causes::default() });
        }
        if !has_digit && !stems::begins_with_id(name) {
            return without(Rest::Whole, Causes::default());
        }
        if let Some(at) = memchr::memchr(b'@', name.as_bytes()).filter(|at| *at > 0) {
            let is_instance_id = is_instance_id(&name[..at], &name[at + 1..]);
            let rest = if is_instance_id { Rest::Prefix(at + 1) } else { Rest::Whole };
            return without(rest, Causes { id: is_instance_id, ..Causes::default() });
        }
        let end = line_start(name);
        let (rest, causes) = walk(&name[..end], Naming::Component);
        Self { rest: rest.within(end, name.len()), causes: Causes { line: end < name.len(), ..causes } }
    }
}

/// Whether a name has nothing that an identifier, an address or a URL has, as most names.
fn is_bare(name: &str) -> bool {
    name.bytes().fold(true, |is_bare, byte| is_bare & !matches!(byte, b'0'..=b':')) && !stems::begins_with_id(name)
}

fn has_digit(name: &str) -> bool {
    name.bytes().any(|b| b.is_ascii_digit())
}

/// URLs, addresses and lists of them, such as those whom a proxy forwarded for.
fn is_no_name(name: &str, has_digit: bool) -> bool {
    has_digit && is_address_list(name) || name.as_bytes().contains(&b':') && name.contains("://")
}

/// Where `:443` begins at the end of a name without other colons.
fn port_start(name: &str) -> Option<usize> {
    let colon = memchr::memchr(b':', name.as_bytes()).filter(|at| *at > 0)?;
    let port = &name.as_bytes()[colon + 1..];
    ((1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit)).then_some(colon)
}

/// Where the place within a file, the port or the process id begins that a name ends with: `views.py:10`, `a.rs:10:5`,
/// `app[12]`, `pool(3)`. The name's length when it has none.
fn line_start(name: &str) -> usize {
    let mut end = name.len();
    for close in [b']', b')'] {
        if name.as_bytes().last() == Some(&close) {
            let inner = &name[..end - 1];
            let digits = inner.len() - inner.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let open = inner.len() - digits;
            if digits > 0 && open > 1 && matches!(inner.as_bytes()[open - 1], b'[' | b'(') {
                end = open - 1;
            }
        }
    }
    for _ in 0..2 {
        let kept = name[..end].trim_end_matches(|c: char| c.is_ascii_digit());
        let is_cut = kept.len() < end && kept.len() > 1 && kept.ends_with(':') && !kept.ends_with("::");
        end = if is_cut { kept.len() - 1 } else { end };
    }
    end
}

/// The endings of systemd's units.
const UNIT_ENDS: [&str; 8] = [".service", ".socket", ".scope", ".slice", ".timer", ".mount", ".path", ".target"];

/// Whether a name is a unit's of systemd.
pub(crate) fn is_unit(name: &str) -> bool {
    UNIT_ENDS.iter().any(|end| name.len() > end.len() && name.ends_with(end))
}

/// Whether an instance of the template `stem@` is a connection, a user or something else that comes and goes:
/// `17-10.0.0.1:22-10.0.0.5:51234`, `1000` of `user`. Other instances were named by who enabled them.
fn is_instance_id(stem: &str, instance: &str) -> bool {
    let end = UNIT_ENDS.iter().find_map(|end| instance.strip_suffix(end));
    let instance = end.unwrap_or(instance);
    let bytes = instance.as_bytes();
    let all_digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    if all_digits {
        return bytes.len() > 5 || matches!(stem, "user" | "user-runtime-dir") || stems::is_counted(stem);
    }
    let is_of_addresses = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'-' | b'_' | b'.' | b':' | b'[' | b']');
    let counter = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let is_connection = counter > 0
        && bytes.get(counter) == Some(&b'-')
        && bytes.iter().all(is_of_addresses)
        && bytes.iter().filter(|b| matches!(b, b'-' | b'_' | b'.' | b':')).count() >= 2;
    let (rest, causes) = walk(instance, Naming::Component);
    is_connection || is_address(instance) || (causes.id && rest != Rest::Whole)
}

#[cfg(test)]
mod tests;
