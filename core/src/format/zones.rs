//! Names of time zones in lines: the abbreviations that are known, and what a source means by those that mean several.
//! Refuses what is in no table: a capital word after a time is a zone only when it is known as one.

use std::str::FromStr;

use crate::time::{BadUtcOffset, UtcOffset};

/// The longest abbreviation.
pub(crate) const ZONE_BYTES_MAX: usize = 6;
/// A source has lines from few places.
const ZONES_MAX: usize = 8;

type ZoneBytes = [u8; ZONE_BYTES_MAX];

/// Abbreviations with their minutes east of UTC, sorted. Those with several meanings have the one that most lines mean:
/// AMT Amazon, AST Atlantic, BST British summer, CST and CDT North America's centre, ECT Ecuador, EST and EDT its east,
/// GST the Gulf, IST India, MST and MDT its mountains, PST and PDT its Pacific coast, SST Samoa.
const KNOWN: &[(&str, i16)] = &[
    ("ACDT", 630),
    ("ACST", 570),
    ("ACWST", 525),
    ("ADT", -180),
    ("AEDT", 660),
    ("AEST", 600),
    ("AKDT", -480),
    ("AKST", -540),
    ("ALMT", 300),
    ("AMT", -240),
    ("ANAT", 720),
    ("AQTT", 300),
    ("AST", -240),
    ("AWST", 480),
    ("AZOST", 0),
    ("AZOT", -60),
    ("AZT", 240),
    ("BNT", 480),
    ("BRST", -120),
    ("BRT", -180),
    ("BST", 60),
    ("BTT", 360),
    ("CAT", 120),
    ("CDT", -300),
    ("CEST", 120),
    ("CET", 60),
    ("CHADT", 825),
    ("CHAST", 765),
    ("CHST", 600),
    ("CKT", -600),
    ("CLST", -180),
    ("CLT", -240),
    ("CST", -360),
    ("CVT", -60),
    ("CWST", 525),
    ("CXT", 420),
    ("DAVT", 420),
    ("EAT", 180),
    ("ECT", -300),
    ("EDT", -240),
    ("EEST", 180),
    ("EET", 120),
    ("EGST", 0),
    ("EGT", -60),
    ("EST", -300),
    ("FJT", 720),
    ("FKST", -180),
    ("FKT", -240),
    ("FNT", -120),
    ("GALT", -360),
    ("GAMT", -540),
    ("GFT", -180),
    ("GMT", 0),
    ("GST", 240),
    ("GYT", -240),
    ("HADT", -540),
    ("HAST", -600),
    ("HDT", -540),
    ("HKT", 480),
    ("HOVT", 420),
    ("HST", -600),
    ("ICT", 420),
    ("IDT", 180),
    ("IRDT", 270),
    ("IRKT", 480),
    ("IRST", 210),
    ("IST", 330),
    ("JST", 540),
    ("KGT", 360),
    ("KRAT", 420),
    ("KST", 540),
    ("LHDT", 660),
    ("LHST", 630),
    ("MAGT", 660),
    ("MAWT", 300),
    ("MDT", -360),
    ("MEST", 120),
    ("MESZ", 120),
    ("MET", 60),
    ("MEZ", 60),
    ("MHT", 720),
    ("MMT", 390),
    ("MSD", 240),
    ("MSK", 180),
    ("MST", -420),
    ("MUT", 240),
    ("MVT", 300),
    ("MYT", 480),
    ("NCT", 660),
    ("NDT", -150),
    ("NFT", 660),
    ("NOVT", 420),
    ("NPT", 345),
    ("NST", -210),
    ("NZDT", 780),
    ("NZST", 720),
    ("OMST", 360),
    ("ORAT", 300),
    ("PDT", -420),
    ("PETT", 720),
    ("PGT", 600),
    ("PHT", 480),
    ("PKT", 300),
    ("PMDT", -120),
    ("PMST", -180),
    ("PST", -480),
    ("PYST", -180),
    ("PYT", -240),
    ("SAMT", 240),
    ("SAST", 120),
    ("SBT", 660),
    ("SCT", 240),
    ("SGT", 480),
    ("SST", -660),
    ("TFT", 300),
    ("TJT", 300),
    ("TKT", 780),
    ("TLT", 540),
    ("TMT", 300),
    ("TRT", 180),
    ("TVT", 720),
    ("UCT", 0),
    ("ULAT", 480),
    ("UT", 0),
    ("UTC", 0),
    ("UYT", -180),
    ("UZT", 300),
    ("VLAT", 600),
    ("VUT", 660),
    ("WAKT", 720),
    ("WAT", 60),
    ("WEST", 60),
    ("WET", 0),
    ("WGST", -120),
    ("WGT", -180),
    ("WIB", 420),
    ("WIT", 540),
    ("WITA", 480),
    ("WST", 780),
    ("YAKT", 540),
    ("YEKT", 300),
];

/// The names in [`KNOWN`] as numbers, in the same order: each capital word after a time is looked for.
const KEYS: [u64; KNOWN.len()] = {
    let mut keys = [0; KNOWN.len()];
    let mut at = 0;
    while at < keys.len() {
        let name = KNOWN[at].0.as_bytes();
        let mut bytes = [0; ZONE_BYTES_MAX];
        let mut letter = 0;
        while letter < name.len() {
            bytes[letter] = name[letter];
            letter += 1;
        }
        keys[at] = key(bytes);
        at += 1;
    }
    keys
};

/// Sorts as the name does.
const fn key(name: ZoneBytes) -> u64 {
    let [a, b, c, d, e, f] = name;
    u64::from_be_bytes([a, b, c, d, e, f, 0, 0])
}

/// What a source means by names of zones, where it is not what most do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZoneNames {
    /// The first without a name ends the list.
    entries: [(ZoneBytes, i16); ZONES_MAX],
}

/// Why a name of a zone cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneNameError {
    /// No abbreviation.
    #[error("{0:?} is no name of a zone: two to six capital letters are expected, such as IST")]
    Name(String),
    /// Too many.
    #[error("more than {ZONES_MAX} names of zones")]
    TooMany,
    /// No name, = and offset.
    #[error("{0:?}: a zone's name, = and its offset from UTC are expected, such as IST=+02:00")]
    Pair(String),
    /// No offset.
    #[error(transparent)]
    Offset(#[from] BadUtcOffset),
}

impl ZoneNames {
    /// By `name` is meant the zone `offset` east of UTC.
    ///
    /// # Errors
    /// When it is no name, or one too many.
    pub fn set(&mut self, name: &str, offset: UtcOffset) -> Result<(), ZoneNameError> {
        let bytes = packed(name.as_bytes()).filter(|_| name.len() > 1 && name.bytes().all(|b| b.is_ascii_uppercase()));
        let bytes = bytes.ok_or_else(|| ZoneNameError::Name(name.to_owned()))?;
        let free = |entry: &&mut (ZoneBytes, i16)| entry.0 == bytes || entry.0[0] == 0;
        let entry = self.entries.iter_mut().find(free).ok_or(ZoneNameError::TooMany)?;
        *entry = (bytes, i16::try_from(offset.seconds() / 60).unwrap_or_default());
        Ok(())
    }

    /// Takes the names of `other` too; they count before these.
    ///
    /// # Errors
    /// When they are too many together.
    pub fn with(mut self, other: &Self) -> Result<Self, ZoneNameError> {
        for (name, minutes) in other.entries.iter().take_while(|entry| entry.0[0] != 0) {
            let free = |entry: &&mut (ZoneBytes, i16)| entry.0 == *name || entry.0[0] == 0;
            *self.entries.iter_mut().find(free).ok_or(ZoneNameError::TooMany)? = (*name, *minutes);
        }
        Ok(self)
    }

    /// Seconds east of UTC of the zone called `name`; `None` when nobody knows it.
    pub(crate) fn offset_s(&self, name: &[u8]) -> Option<i32> {
        let bytes = packed(name)?;
        let minutes = self.own(bytes).or_else(|| {
            let known = KEYS.binary_search(&key(bytes)).ok();
            known.map(|at| KNOWN[at].1)
        })?;
        Some(i32::from(minutes) * 60)
    }

    fn own(&self, name: ZoneBytes) -> Option<i16> {
        if self.entries[0].0[0] == 0 {
            return None;
        }
        self.entries.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
    }
}

/// One name, as typed: `IST=+02:00`.
impl FromStr for ZoneNames {
    type Err = ZoneNameError;

    fn from_str(text: &str) -> Result<Self, ZoneNameError> {
        let (name, offset) = text.split_once('=').ok_or_else(|| ZoneNameError::Pair(text.to_owned()))?;
        let mut names = Self::default();
        names.set(name.trim(), offset.trim().parse()?)?;
        Ok(names)
    }
}

fn packed(name: &[u8]) -> Option<ZoneBytes> {
    let mut bytes = ZoneBytes::default();
    bytes.get_mut(..name.len())?.copy_from_slice(name);
    (!name.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_words_of_logs() {
        assert!(KNOWN.is_sorted_by(|a, b| a.0 < b.0));
        for word in ["INFO", "WARN", "ERROR", "ERR", "LOG", "GET", "PUT", "POST", "HEAD", "FATAL", "DEBUG", "NOTE"] {
            assert_eq!(ZoneNames::default().offset_s(word.as_bytes()), None, "{word}");
        }
        assert!(KNOWN.iter().all(|(name, minutes)| name.len() <= ZONE_BYTES_MAX && (-720..=840).contains(minutes)));
    }

    #[test]
    fn a_source_may_mean_another_zone() {
        let mut zones: ZoneNames = "IST=+02:00".parse().unwrap();
        zones.set("BST", "+06:00".parse().unwrap()).unwrap();
        zones.set("XYZT", "-03:30".parse().unwrap()).unwrap();
        let read = |name: &[u8]| zones.offset_s(name);
        assert_eq!((read(b"IST"), read(b"BST"), read(b"XYZT")), (Some(7_200), Some(21_600), Some(-12_600)));
        assert_eq!((read(b"CET"), read(b"QQQ"), read(b""), read(b"TOOLONG")), (Some(3_600), None, None, None));
        for wrong in ["IST", "ist=+02:00", "I=+02:00", "=+02:00", "IST=2", "ABCDEFG=+01:00"] {
            assert!(wrong.parse::<ZoneNames>().is_err(), "{wrong}");
        }
        for letter in 'A'..'F' {
            zones.set(&format!("X{letter}"), UtcOffset::default()).unwrap();
        }
        assert_eq!(zones.set("XZ", UtcOffset::default()), Err(ZoneNameError::TooMany));
        assert!(ZoneNames::default().with(&zones).unwrap().offset_s(b"XA").is_some());
    }
}
