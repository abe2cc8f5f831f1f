//! The two marks that syslog's messages carry wherever they end up: `<34>` before and the program's name.

use super::clean::trimmed_start;

/// A program's name with its parentheses and paths; longer first words are text.
const TAG_BYTES_MAX: usize = 64;
/// The highest facility, 23, with the lowest severity.
const PRIORITY_MAX: u32 = 191;

/// `<34>` and what follows it.
pub(crate) fn strip_priority(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.strip_prefix('<')?.split_once('>').filter(|(d, _)| (1..=3).contains(&d.len()))?;
    let priority = digits.bytes().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))?;
    (priority <= PRIORITY_MAX).then_some((priority, rest))
}

/// The program that wrote a message, its process id left out.
pub(crate) struct Tag<'a> {
    pub program: &'a str,
    pub has_pid: bool,
    pub message: &'a str,
}

/// Reads `sshd[12]: text`, `kernel: text`, `su(pam_unix)[3]: text`, `syslogd 1.4.1: text`.
pub(crate) fn tag(text: &str) -> Option<Tag<'_>> {
    let bytes = text.as_bytes();
    let ends_tag = |at: usize| bytes[at] == b':' && matches!(bytes.get(at + 1), None | Some(b' ' | b'\t'));
    let head = bytes.iter().take(TAG_BYTES_MAX).enumerate();
    let (stop, _) =
        head.into_iter().find(|(at, byte)| matches!(byte, b' ' | b'[') || **byte == b':' && ends_tag(*at))?;
    let colon = match bytes[stop] {
        b':' => stop,
        b'[' => {
            let close = stop + bytes[stop..].iter().take(TAG_BYTES_MAX).position(|&b| b == b']')?;
            (bytes.get(close + 1) == Some(&b':')).then_some(close + 1)?
        }
        _ => {
            let version = bytes[stop + 1..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
            let end = stop + 1 + version;
            // Digits alone are a sequence number behind a host.
            let has_dot = bytes[stop + 1..end].contains(&b'.');
            (has_dot && bytes.get(end).is_some() && ends_tag(end)).then_some(end)?
        }
    };
    let program = &text[..stop];
    let named = !program.is_empty() && program.bytes().any(|b| b.is_ascii_alphabetic());
    let message = trimmed_start(&text[colon + 1..]);
    (named && !program.ends_with(':')).then_some(Tag { program, has_pid: bytes[stop] == b'[', message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_in_many_ways() {
        let read = |text| tag(text).map(|t| (t.program, t.has_pid, t.message));
        assert_eq!(read("sshd[12]: hi"), Some(("sshd", true, "hi")));
        assert_eq!(read("su(pam_unix)[3]: hi"), Some(("su(pam_unix)", true, "hi")));
        assert_eq!(read("kernel:"), Some(("kernel", false, "")));
        assert_eq!(read("syslogd 1.4.1: restart."), Some(("syslogd", false, "restart.")));
        assert_eq!(read("app::run: hi"), Some(("app::run", false, "hi")));
        for text in ["", ":", "[1]: x", "12: x", "http://a.example", "two words: x", "open[12", "app[1] x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn priorities_have_a_range() {
        assert_eq!(strip_priority("<191>x"), Some((191, "x")));
        for text in ["<192>x", "<>x", "<0001>x", "<1x>", "<1", "1>"] {
            assert_eq!(strip_priority(text), None, "{text}");
        }
    }
}
