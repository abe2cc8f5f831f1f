//! Secrets: by the name before them, by a word that announces them, or by their shape.

use super::find::{ESCAPED, FoundSecret, Mask, is_escaped, is_inside, run, run_within};

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
/// What tells a secret by its shape stands in so many bytes: a look at each word's start must not reach to the end of
/// what may be the whole line. The header of a JWT may hold a certificate's digest.
const SHAPE_MAX: usize = 256;
const JWT_HEADER_MAX: usize = 2_048;

pub(super) fn find(line: &str, at: usize) -> Option<FoundSecret> {
    let bytes = line.as_bytes();
    private_key(line, at).map(|to| FoundSecret { from: at, to, mask: Mask::PrivateKey }).or_else(|| {
        let (from, to) = url_credentials(bytes, at)
            .or_else(|| named(line, at))
            .or_else(|| announced(line, at))
            .or_else(|| shaped(line, at).map(|to| (at, to)))?;
        Some(FoundSecret { from, to, mask: Mask::Secret })
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

/// `//user:password@` in a URL, `\/\/` in a JSON string: what stands between.
fn url_credentials(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    if !matches!(bytes[at], b'/' | b'\\') || at > 0 && bytes[at - 1] == b'\\' {
        return None;
    }
    let slash = |at: usize| {
        let end = run(bytes, at, |b| b == b'\\');
        (bytes.get(end) == Some(&b'/')).then_some(end + 1)
    };
    let from = slash(slash(at)?)?;
    let end = run(bytes, from, |b| !b.is_ascii_whitespace() && !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<'));
    let to = from + bytes[from..end].iter().rposition(|&b| b == b'@')?;
    let masked = &bytes[from..to] == Mask::Secret.as_str().as_bytes();
    (to > from && !masked).then_some((from, to))
}

/// The value of a name that says it is secret.
fn named(line: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = line.as_bytes();
    let belongs = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let end = run_within(bytes, at, NAME_MAX + 1, belongs);
    if end == at || end - at > NAME_MAX {
        return None;
    }
    let (from, quote) = value_start(bytes, end, bytes[at..].starts_with(b"--"))?;
    let name = line[at..end].to_ascii_lowercase();
    let is_last = |part: &str| {
        name.strip_suffix(part).is_some_and(|before| before.is_empty() || before.ends_with(['_', '-', '.']))
    };
    if SECRET_LINES.contains(&name.as_str()) {
        let to = if quote.is_empty() { bytes.len() } else { quoted_end(line, from, quote) };
        return (to > from).then_some((from, to));
    }
    let is_path = line[from..].trim_start_matches('\\').starts_with('/');
    let secret = SECRET_NAMES.iter().any(|part| name.contains(part))
        || (SECRET_ENDS.iter().any(|part| is_last(part)) && !is_path);
    let (from, to) = if secret {
        value(line, from, quote)
    } else if KEY_ENDS.iter().any(|part| is_last(part)) {
        (from, issued_end(line, from, quote)?)
    } else {
        return None;
    };
    (to > from).then_some((from, to))
}

/// A secret value: of a list or an object all that is inside.
fn value(line: &str, from: usize, quote: &[u8]) -> (usize, usize) {
    let is_mask = Mask::ALL.iter().any(|mask| line[from..].starts_with(mask.as_str()));
    if quote.is_empty() && !is_mask && matches!(line.as_bytes().get(from), Some(b'[' | b'{' | b'(')) {
        return (from + 1, closing(line, from));
    }
    (from, value_end(line, from, quote))
}

/// Where the bracket at `at` is closed, outside quotes; else the line's end.
fn closing(line: &str, at: usize) -> usize {
    let bytes = line.as_bytes();
    let (mut depth, mut next) = (0_usize, at);
    while next < bytes.len() {
        let quote = opening(&bytes[next..]);
        if !quote.is_empty() {
            next = quoted_end(line, next + quote.len(), quote) + quote.len();
            continue;
        }
        match bytes[next] {
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return next;
        }
        next += 1;
    }
    bytes.len()
}

/// Where the value of a name that ends at `end` begins, and the quote before it.
fn value_start(bytes: &[u8], end: usize, is_option: bool) -> Option<(usize, &[u8])> {
    let blank = |at: usize| run(bytes, at, |b| b == b' ' || b == b'\t');
    let mut after_name = end;
    while is_colour(&bytes[after_name..]) {
        after_name = run(bytes, after_name + ESCAPED + 1, |b| b.is_ascii_digit() || b == b';') + 1;
    }
    after_name += opening(&bytes[after_name..]).len();
    let sign = blank(after_name);
    let after_sign = match bytes.get(sign) {
        Some(b'=' | b':') => run(bytes, sign, |b| matches!(b, b'=' | b':' | b'>')),
        Some(b'\\') if is_escaped(&bytes[sign..]) && bytes[sign + 2..].starts_with(b"003d") => sign + ESCAPED,
        // `--password value`
        Some(_) if is_option && sign > end => sign,
        Some(_) | None => return None,
    };
    let value = blank(after_sign);
    let quote = opening(&bytes[value..]);
    Some((value + quote.len(), quote))
}

/// `\u001b[0m`: an escape sequence in a JSON string, up to its letter.
fn is_colour(bytes: &[u8]) -> bool {
    let inside = |b: &u8| b.is_ascii_digit() || *b == b';';
    bytes.get(..ESCAPED + 1).is_some_and(|start| start.eq_ignore_ascii_case(b"\\u001b["))
        && bytes[ESCAPED + 1..].iter().find(|b| !inside(b)).is_some_and(u8::is_ascii_alphabetic)
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
    let end = run(bytes, start, |b| !ends_value(b));
    // `Some("abc")`
    if end > start && bytes[end - 1] == b'(' && matches!(bytes.get(end), Some(b'"' | b'\'')) {
        return closing(line, end - 1);
    }
    let scheme = &line[start..end];
    // `token: Bearer abc`
    if ANNOUNCING.iter().any(|word| scheme.eq_ignore_ascii_case(word)) && bytes.get(end) == Some(&b' ') {
        return run(bytes, end + 1, |b| !ends_value(b));
    }
    end
}

fn ends_value(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'&' | b',' | b';' | b'"' | b'\'' | b')' | b'}' | b']' | b'<')
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

/// The end of a value that looks issued: long, and of a token's characters alone.
fn issued_end(line: &str, from: usize, quote: &[u8]) -> Option<usize> {
    let bytes = line.as_bytes();
    let belongs = |&at: &usize| is_token(bytes, at) || bytes[at] == b'%';
    let length = (from..bytes.len()).take(SHAPE_MAX).take_while(belongs).count();
    let is_end = match bytes.get(from + length) {
        None => true,
        Some(_) if length == SHAPE_MAX => true,
        Some(&next) if quote.is_empty() => ends_value(next),
        Some(_) => bytes[from + length..].starts_with(quote),
    };
    (length >= KEY_VALUE_MIN && is_end).then(|| value_end(line, from, quote))
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
    let to = token_end(bytes, from, usize::MAX);
    (to - from >= ANNOUNCED_MIN).then_some((from, to))
}

/// A word that is a secret by its shape; its end.
fn shaped(line: &str, at: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    if is_inside(bytes, at) {
        return None;
    }
    let word = &line[at..token_end(bytes, at, SHAPE_MAX)];
    if word.len() < SHAPED_MIN {
        return None;
    }
    let plain = |from: usize, most: usize| {
        run_within(bytes, from, most, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') - from
    };
    let is_jwt = || bytes.get(at + plain(at, JWT_HEADER_MAX)) == Some(&b'.');
    let jwt = word.starts_with("eyJ") && word.len() >= KEY_VALUE_MIN && is_jwt();
    let issued = ISSUED.iter().any(|(start, more)| word.starts_with(start) && plain(at + start.len(), *more) == *more);
    (jwt || issued || is_random(word)).then(|| token_end(bytes, at, usize::MAX))
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

/// Where a token that begins at `at` ends, or `most` bytes after.
fn token_end(bytes: &[u8], at: usize, most: usize) -> usize {
    let end = bytes.len().min(at.saturating_add(most));
    (at..end).find(|&next| !is_token(bytes, next)).unwrap_or(end)
}

/// Whether the byte is part of a token; a JSON string may write its slashes as `\/`.
fn is_token(bytes: &[u8], at: usize) -> bool {
    match bytes[at] {
        b'.' | b'_' | b'-' | b'+' | b'/' | b'=' | b'~' => true,
        b'\\' => bytes.get(at + 1) == Some(&b'/'),
        byte => byte.is_ascii_alphanumeric(),
    }
}
