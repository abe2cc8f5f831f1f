//! The list of certificates that count no longer: a text file, one a line, that people can read and edit.
//!
//! ```text
//!  # serial in hexadecimal, then what is for people
//!  3f9a01c2d4e5b607a8b9c0d1e2f30415 pi-kitchen
//! ```

use std::{collections::BTreeSet, fmt, fs, io, path::Path, path::PathBuf, str::FromStr};

/// Bytes of the list: forty thousand lines.
pub const REVOKED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Hexadecimal digits of a serial number: 20 bytes, as X.509 allows.
const SERIAL_DIGITS_MAX: usize = 40;

/// Serial number of a certificate: lowercase hexadecimal digits without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(String);

/// Why a text is no serial number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no serial number: 1 to {SERIAL_DIGITS_MAX} hexadecimal digits are expected")]
pub struct SerialError(String);

impl Serial {
    /// From the big-endian bytes in a certificate.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(shortest(&oddline_core::id::hex(bytes)))
    }

    /// Its big-endian bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let even = if self.0.len().is_multiple_of(2) { self.0.clone() } else { format!("0{}", self.0) };
        let byte = |at| u8::from_str_radix(&even[at..at + 2], 16).expect("checked when it was made");
        (0..even.len()).step_by(2).map(byte).collect()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Serial {
    type Err = SerialError;

    fn from_str(text: &str) -> Result<Self, SerialError> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        let short = shortest(&text.to_ascii_lowercase());
        if digits && short.len() <= SERIAL_DIGITS_MAX {
            return Ok(Self(short));
        }
        Err(SerialError(text[..text.floor_char_boundary(80)].to_owned()))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn shortest(digits: &str) -> String {
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    }
}

/// The certificates that count no longer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revoked(BTreeSet<Serial>);

/// Why the list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RevokedError {
    #[error("list of revoked certificates {}: {reason}", path.display())]
    Read { path: PathBuf, reason: io::Error },
    /// Longer than [`REVOKED_BYTES_MAX`].
    #[error("list of revoked certificates {}: {bytes} bytes are more than {REVOKED_BYTES_MAX}", path.display())]
    TooLarge {
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
    },
    /// A line does not begin with a serial number.
    #[error("list of revoked certificates {}, line {line}: {reason}", path.display())]
    Line {
        path: PathBuf,
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        reason: SerialError,
    },
}

impl Revoked {
    /// Reads the list; a file that is not there is an empty one.
    ///
    /// # Errors
    /// When it cannot be read, is too long, or a line is none of it.
    pub fn read(path: &Path) -> Result<Self, RevokedError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let text = oddline_owner::of(folder, || bounded(path))
            .unwrap_or_else(|reason| Err(RevokedError::Read { path: path.to_owned(), reason }))?;
        let mut serials = BTreeSet::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let first = content.split_whitespace().next().unwrap_or(content);
            let serial = first.parse().map_err(|reason| RevokedError::Line { path: path.to_owned(), line, reason })?;
            serials.insert(serial);
        }
        Ok(Self(serials))
    }

    /// Whether this certificate is on it.
    #[must_use]
    pub fn contains(&self, serial: &Serial) -> bool {
        self.0.contains(serial)
    }

    pub fn insert(&mut self, serial: Serial) {
        self.0.insert(serial);
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Serial> {
        self.0.iter()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Its text, empty when it is not there.
fn bounded(path: &Path) -> Result<String, RevokedError> {
    let failed = |reason| RevokedError::Read { path: path.to_owned(), reason };
    match fs::metadata(path) {
        Ok(found) if found.len() > REVOKED_BYTES_MAX => {
            Err(RevokedError::TooLarge { path: path.to_owned(), bytes: found.len() })
        }
        Ok(_) => fs::read_to_string(path).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(failed(error)),
    }
}

/// The list with more lines, and without those whose certificates have ended: nobody lets them in anyway. Lines that
/// people wrote stay.
pub(super) fn relisted(list: &str, more: impl Iterator<Item = String>, today: &str) -> String {
    let has_ended = |line: &&str| line.rsplit_once(", ends ").is_some_and(|(_, ends)| is_day(ends) && ends < today);
    let kept = list.lines().filter(|line| !has_ended(line)).map(str::to_owned);
    let head = if list.is_empty() { Some("# serial in hexadecimal, then what is for people".to_owned()) } else { None };
    head.into_iter().chain(kept).chain(more).fold(String::new(), |text, line| text + &line + "\n")
}

fn is_day(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_serial_a_line_however_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("revoked");
        assert_eq!(Revoked::read(&path).unwrap(), Revoked::default());
        fs::write(&path, "# a note\n\n00AB12 pi\n  7f  web, lost\n").unwrap();
        let revoked = Revoked::read(&path).unwrap();
        assert_eq!(revoked.len(), 2);
        assert!(revoked.contains(&Serial::from_bytes(&[0, 0xab, 0x12])));
        assert!(revoked.contains(&"007F".parse().unwrap()));
        assert!(!revoked.contains(&"ab".parse().unwrap()));
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("revoked");
        fs::write(&path, "ab\npi-kitchen\n").unwrap();
        let error = Revoked::read(&path).unwrap_err();
        assert!(matches!(error, RevokedError::Line { line: 2, .. }), "{error}");
        assert!("".parse::<Serial>().is_err() && "f".repeat(41).parse::<Serial>().is_err());
        assert_eq!(Serial::from_bytes(&[0, 0]).as_str(), "0");
        for bytes in [vec![0x0a, 0xbc], vec![0xff; 20], vec![0]] {
            assert_eq!(Serial::from_bytes(&bytes).to_bytes(), bytes);
        }
    }
}
