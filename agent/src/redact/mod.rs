//! What a sample line may show. Pure. One pass by hand instead of a dozen regular expressions: a line costs about what
//! parsing it costs, and no dependency is added.
//!
//! | found | shown as |
//! |---|---|
//! | private key block | `[private key]`, to its end or the line's |
//! | value of a name like `password`, `token`, `api_key` | `[secret]` |
//! | the rest of the line after `Authorization:` and `Cookie:` | `[secret]` |
//! | value of at least 20 hex or base64 characters of a name like `key`, `sig` | `[secret]` |
//! | word after `Bearer` or `Basic`; credentials in a URL | `[secret]` |
//! | JWT; keys of AWS, GitHub, GitLab, Slack, Stripe, Google, npm; long words of mixed random characters | `[secret]` |
//! | e-mail address | `[email]` |
//! | 13 to 19 digits with a card's check digit | `[card]` |
//! | IPv4 and IPv6 addresses, when asked for | `[ip]` |
//!
//! It works on what secrets look like: a password that stands in a sentence without its name is not found. Whoever
//! cannot accept that sets `samples = none`. Lowercase hex words without a name stay: they are digests and ids.

mod find;
mod secret;

use oddline_core::{
    event::{Name, Sample},
    format,
    limits::LINE_BYTES_MAX,
};
use serde::{Deserialize, Serialize};

use oddline_pipeline::Redactor;

use crate::publish::sink;

/// What leaves this host of an odd line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplePolicy {
    None,
    /// The line without what looks secret or personal.
    Redacted,
    /// The line, without escape sequences.
    Full,
}

/// What becomes of IP addresses in redacted samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressPolicy {
    Keep,
    Hide,
}

/// What this host lets out of its logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedactionRules {
    pub samples: SamplePolicy,
    /// Of the addresses in it.
    pub addresses: AddressPolicy,
}

impl Redactor for RedactionRules {
    fn shows_lines(&self) -> bool {
        self.samples != SamplePolicy::None
    }

    /// The sample of a line, cut to its bound; `None` when this host gives none, and for a line that says nothing.
    ///
    /// The line as it is read, not its bytes: escape sequences stand between a name and its secret, and the journal
    /// writes what holds them as numbers.
    fn sample(&self, line: &[u8]) -> Option<Sample> {
        if self.samples == SamplePolicy::None {
            return None;
        }
        let text = format::shown(line);
        if text.is_empty() {
            return None;
        }
        // Cut after redaction: half a secret is not recognised.
        Some(Sample::cut(&match self.samples {
            SamplePolicy::Full => text,
            SamplePolicy::None | SamplePolicy::Redacted => redact(&text, self.addresses).into(),
        }))
    }

    /// The name of a server or a component, which may stem from a line: also where no line may leave. The same name
    /// always becomes the same text, and two may become one. Addresses stay: a server may have no other name.
    fn name(&self, name: &str) -> Name {
        let name = sink::clean(name);
        if self.samples == SamplePolicy::Full {
            return Name::cut(&name);
        }
        let part = |part: &str| redact(part, AddressPolicy::Keep);
        Name::cut(&match name.split_once('@').filter(|(_, after)| is_unit(after)) {
            Some((before, after)) => format!("{}@{}", part(before), part(after)),
            None => part(&name),
        })
    }
}

/// The suffixes of systemd's units whose entries the journal names.
const UNITS: [&str; 8] = ["service", "socket", "timer", "mount", "slice", "scope", "swap", "target"];

/// What follows the `@` of `getty@tty1.service`, which is no address; perhaps with a field's name, which is longer than
/// the last part of most addresses.
fn is_unit(text: &str) -> bool {
    let mut labels = text.rsplit('.');
    let last = labels.next().unwrap_or_default();
    UNITS.contains(&last) || (last.len() > 4 && labels.next().is_some_and(|label| UNITS.contains(&label)))
}

/// A mask is another neighbour than what it hides: next to it more may be found. Each pass masks more of the line, and
/// lines made to need a second one are rare; the bound is for those made to need many.
const PASSES_MAX: usize = 8;

/// The line with masks. Of a line beyond [`LINE_BYTES_MAX`] the end is not looked at and not shown.
#[must_use]
pub fn redact(line: &str, addresses: AddressPolicy) -> String {
    let line = &line[..line.floor_char_boundary(LINE_BYTES_MAX)];
    let mut redacted = pass(line, addresses);
    for _ in 1..PASSES_MAX {
        let Some(text) = &redacted else { break };
        match pass(text, addresses) {
            Some(more) if more != *text => redacted = Some(more),
            Some(_) | None => break,
        }
    }
    redacted.unwrap_or_else(|| line.to_owned())
}

/// The line with masks where something was found; `None` where nothing was.
fn pass(line: &str, addresses: AddressPolicy) -> Option<String> {
    let mut out = String::new();
    let (mut at, mut copied) = (0, 0);
    while at < line.len() {
        let Some(found) = find::find(line, at, addresses) else {
            at = find::next_start(line, at);
            continue;
        };
        out.push_str(&line[copied..found.from]);
        out.push_str(found.mask.as_str());
        at = found.to;
        copied = found.to;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&line[copied..]);
    Some(out)
}

#[cfg(test)]
mod tests;
