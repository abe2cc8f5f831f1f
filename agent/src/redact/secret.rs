//! Secrets: by the name before them, by a word that announces them, or by their shape.

use super::find::{Found, Mask, is_word, run};

/// A name that contains one of these has a secret value, whatever it looks like.
const SECRET_NAMES: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "access-key",
    "accesskey",
    "private_key",
    "private-key",
    "privatekey",
    "credential",
    "session_id",
    "sessionid",
];
/// Names that are a secret's only as a whole or as the last part (`db_pass`, `x-auth`).
const SECRET_ENDS: [&str; 4] = ["pass", "pwd", "auth", "pin"];
/// After these the rest of the line is secret: their values have many parts.
const SECRET_LINES: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
/// Names whose value is a secret when it is long and looks like one.
const KEY_ENDS: [&str; 7] = ["key", "sig", "signature", "sid", "jwt", "hash", "code"];
/// The shortest value of such a name that is masked.
const KEY_VALUE_MIN: usize = 20;
/// Words that announce a secret as the next word, and the shortest taken for one.
const ANNOUNCING: [&str; 3] = ["bearer", "basic", "digest"];
const ANNOUNCED_MIN: usize = 8;
/// Beginnings of issued keys, each with the characters that must follow at least.
const ISSUED: [(&str, usize); 24] = [
    ("AKIA", 16),
    ("ASIA", 16),
    ("AGPA", 16),
    ("AIDA", 16),
    ("AROA", 16),
    ("ANPA", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("xoxr-", 10),
    ("xoxs-", 10),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("sk-", 20),
    ("AIza", 30),
    ("npm_", 30),
    ("hf_", 30),
];
/// A word of this length with enough changes between upper case, lower case and digits is nothing people write.
const RANDOM_MIN: usize = 32;
/// The shortest word that is a secret by its shape alone.
const SHAPED_MIN: usize = 15;
/// Longest name looked at: names are words.
const NAME_MAX: usize = 64;

pub(super) fn find(line: &str, at: usize) -> Option<Found> {
    let bytes = line.as_bytes();
    private_key(line, at).map(|to| Found { from: at, to, mask: Mask::PrivateKey }).or_else(|| {
        let (from, to) = url_credentials(bytes, at)
            .or_else(|| named(line, at))
            .or_else(|| announced(line, at))
            .or_else(|| shaped(line, at).map(|to| (at, to)))?;
        Some(Found { from, to, mask: Mask::Secret })
    })
}

fn private_key(line: &str, at: usize) -> Option<usize> {
    let rest = line[at..].strip_prefix("-----BEGIN ")?;
    let label = rest.split("-----").next()?;
    if !label.ends_with("PRIVATE KEY") && !label.ends_with("PRIVATE KEY BLOCK") {
        return None;
    }
    let end = line[at..].find("-----END ").map(|end| at + end + "-----END ".len());
    let close = end.and_then(|end| line[end..].find("-----").map(|close| end + close + "-----".len()));
    Some(close.unwrap_or(line.len()))
}

/// `//user:password@` in a URL: what stands between.
fn url_credentials(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    if !bytes[at..].starts_with(b"//") {
        return None;
    }
    let from = at + 2;
    let end = run(bytes, from, |b| !b.is_ascii_whitespace() && !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<'));
    let to = from + bytes[from..end].iter().rposition(|&b| b == b'@')?;
    let masked = &bytes[from..to] == Mask::Secret.as_str().as_bytes();
    (to > from && !masked).then_some((from, to))
}

/// The value of a name that says it is secret.
fn named(line: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = line.as_bytes();
    let end = run(bytes, at, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if end == at || end - at > NAME_MAX {
        return None;
    }
    let (from, quote) = value_start(bytes, end, bytes[at..].starts_with(b"--"))?;
    let name = line[at..end].to_ascii_lowercase();
    let is_last = |part: &str| {
        name.strip_suffix(part).is_some_and(|before| before.is_empty() || before.ends_with(['_', '-', '.']))
    };
    let to = if SECRET_LINES.contains(&name.as_str()) {
        if quote.is_empty() { bytes.len() } else { quoted_end(line, from, quote) }
    } else {
        value_end(line, from, quote)
    };
    let secret = SECRET_LINES.contains(&name.as_str())
        || SECRET_NAMES.iter().any(|part| name.contains(part))
        || (SECRET_ENDS.iter().any(|part| is_last(part)) && !line[from..to].starts_with('/'))
        || (KEY_ENDS.iter().any(|part| is_last(part)) && looks_issued(&line[from..to]));
    (secret && to > from).then_some((from, to))
}

/// Where the value of a name that ends at `end` begins, and the quote before it.
fn value_start(bytes: &[u8], end: usize, is_option: bool) -> Option<(usize, &[u8])> {
    let blank = |at: usize| run(bytes, at, |b| b == b' ' || b == b'\t');
    let after_name = end + opening(&bytes[end..]).len();
    let sign = blank(after_name);
    let after_sign = match bytes.get(sign) {
        Some(b'=' | b':') => run(bytes, sign, |b| matches!(b, b'=' | b':' | b'>')),
        // `--password value`
        Some(_) if is_option && sign > end => sign,
        Some(_) | None => return None,
    };
    let value = blank(after_sign);
    let quote = opening(&bytes[value..]);
    Some((value + quote.len(), quote))
}

/// A quote, with the backslashes before it when it stands in a string.
fn opening(bytes: &[u8]) -> &[u8] {
    let slashes = run(bytes, 0, |b| b == b'\\');
    match bytes.get(slashes) {
        Some(b'"' | b'\'' | b'`') => &bytes[..=slashes],
        Some(_) | None => &[],
    }
}

fn value_end(line: &str, from: usize, quote: &[u8]) -> usize {
    let bytes = line.as_bytes();
    if !quote.is_empty() {
        return quoted_end(line, from, quote);
    }
    // A mask that is already there, and whatever sticks to it.
    let masked = line[from..].starts_with(Mask::Secret.as_str());
    let start = if masked { from + Mask::Secret.as_str().len() } else { from };
    let ends =
        |b: u8| b.is_ascii_whitespace() || matches!(b, b'&' | b',' | b';' | b'"' | b'\'' | b')' | b'}' | b']' | b'<');
    let end = run(bytes, start, |b| !ends(b));
    let scheme = &line[start..end];
    // `token: Bearer abc`
    if ANNOUNCING.iter().any(|word| scheme.eq_ignore_ascii_case(word)) && bytes.get(end) == Some(&b' ') {
        return run(bytes, end + 1, |b| !ends(b));
    }
    end
}

fn quoted_end(line: &str, from: usize, quote: &[u8]) -> usize {
    let bytes = line.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        if bytes[at..].starts_with(quote) {
            return at;
        }
        at += if quote.len() == 1 && bytes[at] == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}

fn looks_issued(value: &str) -> bool {
    let belongs =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-' | b'.' | b'~' | b'%');
    value.len() >= KEY_VALUE_MIN && value.bytes().all(belongs)
}

/// `Bearer abc`: the second word.
fn announced(line: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = line.as_bytes();
    if !matches!(bytes[at].to_ascii_lowercase(), b'b' | b'd') {
        return None;
    }
    let end = run(bytes, at, |b| b.is_ascii_alphabetic());
    if !ANNOUNCING.iter().any(|word| line[at..end].eq_ignore_ascii_case(word)) || bytes.get(end) != Some(&b' ') {
        return None;
    }
    let from = run(bytes, end, |b| b == b' ');
    let to = run(bytes, from, is_token);
    (to - from >= ANNOUNCED_MIN).then_some((from, to))
}

/// A word that is a secret by its shape; its end.
fn shaped(line: &str, at: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    if at > 0 && is_word(bytes[at - 1]) {
        return None;
    }
    let end = run(bytes, at, is_token);
    if end - at < SHAPED_MIN {
        return None;
    }
    let word = &line[at..end];
    let jwt = word.starts_with("eyJ") && word.len() >= KEY_VALUE_MIN && word.contains('.');
    let follows = |start: &str| {
        run(bytes, at + start.len(), |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') - at - start.len()
    };
    let issued = ISSUED.iter().any(|(start, more)| word.starts_with(start) && follows(start) >= *more);
    (jwt || issued || is_random(word)).then_some(end)
}

fn is_random(word: &str) -> bool {
    if word.len() < RANDOM_MIN {
        return false;
    }
    let class = |b: u8| match b {
        b'A'..=b'Z' => Some(0),
        b'a'..=b'z' => Some(1),
        b'0'..=b'9' => Some(2),
        _ => None,
    };
    let (mut counts, mut changes, mut last) = ([0_usize; 3], 0, None);
    for class in word.bytes().filter_map(class) {
        counts[class] += 1;
        changes += usize::from(last.is_some_and(|last| last != class));
        last = Some(class);
    }
    // Random base64 changes at 62 of 100 places, words in camel case at about 20.
    counts.iter().all(|&count| count >= 3) && 5 * changes >= 2 * word.len()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'/' | b'=' | b'~')
}
