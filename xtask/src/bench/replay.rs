//! A log made as long as is asked for: the same days again and again, each time with later dates, so that time never
//! runs backwards and memory need not hold more than one copy.

use std::io::{self, Write};

/// Writes the header once, then records until `records` are written.
///
/// # Errors
/// When the log has no record, spans no whole day, or cannot be written to `to`.
pub(crate) fn write(log: &str, days: i64, records: u64, mut to: impl Write) -> io::Result<()> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let (header, body) = log.split_once('\n').ok_or_else(|| invalid("a log of one line"))?;
    if body.is_empty() || days < 1 {
        return Err(invalid("a log without a record or a day"));
    }
    writeln!(to, "{header}")?;
    let mut left = records;
    for round in 0.. {
        for line in body.lines() {
            if left == 0 {
                return to.flush();
            }
            let date = line.get(..10).and_then(days_of).ok_or_else(|| invalid("a line without a date"))?;
            writeln!(to, "{}{}", date_of(date + round * days), &line[10..])?;
            left -= 1;
        }
    }
    unreachable!("the rounds end when nothing is left")
}

/// Days since 1970-01-01 of `YYYY-MM-DD`, in the proleptic Gregorian calendar.
pub(crate) fn days_of(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Years that begin in March have their leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// A date such as `2026-01-05` from days since 1970.
pub(crate) fn date_of(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The date that many days after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = days.div_euclid(146_097) * 400 + year_of_era + i64::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        assert_eq!(days_of("1970-01-01"), Some(0));
        assert_eq!(days_of("2000-03-01"), Some(11_017));
        assert_eq!(civil(11_016), (2000, 2, 29));
        for days in (-800_000..800_000).step_by(17) {
            let (year, month, day) = civil(days);
            if year >= 0 {
                assert_eq!(days_of(&format!("{year:04}-{month:02}-{day:02}")), Some(days));
            }
        }
        assert_eq!(days_of("no date"), None);
    }

    #[test]
    fn days_repeat_later() {
        let log = "timestamp,value\n2026-02-27T00:00:00Z,1\n2026-02-28T12:00:00Z,2\n";
        let mut out = Vec::new();
        write(log, 2, 5, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let times: Vec<&str> = text.lines().skip(1).map(|line| &line[..13]).collect();
        assert_eq!(times, ["2026-02-27T00", "2026-02-28T12", "2026-03-01T00", "2026-03-02T12", "2026-03-03T00"]);
    }

    #[test]
    fn a_log_without_records_is_refused() {
        assert!(write("timestamp,value\n", 2, 5, Vec::new()).is_err());
        assert!(write("timestamp", 2, 5, Vec::new()).is_err());
    }
}
