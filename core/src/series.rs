//! Names of logs that are named after the time they were begun: which of them are one log that goes on, in which order, and
//! what its records are called. Looks at no file.
//!
//! | names | one log | component |
//! |---|---|---|
//! | `app-2026-11-20.log` `app-2026-11-21.log` | `app-*.log` | `app` |
//! | `log20261120.txt` `log20261120_001.txt` | `log*.txt` | `log` |
//! | `postgresql-2026-11-20_000000.log` | `postgresql-*.log` | `postgresql` |
//! | `postgresql-Mon.log` `postgresql-Tue.log` | `postgresql-*.log`, ordered by their last change | `postgresql` |
//! | `u_ex261120.log` | `u_ex*.log` | `u_ex` |
//! | `/var/log/pods/NAMESPACE_POD_UID/web/0.log` `1.log` | `*.log` | `web` |

use std::path::Path;

use crate::rotation::is_compressed;

/// Component of records of a file whose name says nothing.
pub const NO_COMPONENT: &str = "-";
/// What Docker's files are called after: their own names are ids.
const CONTAINER: &str = "container";
/// Between a name and a time in it.
const SEPARATORS: [u8; 4] = *b"-_. ";
/// Numbers behind a date: a time of day and the parts of one day.
const NUMBERS_MAX: usize = 8;
/// Digits of a part's number; more are a port or an id, unless a second was named before it.
const PART_DIGITS_MAX: usize = 3;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// As `%a` and `%A` write them. `mon` in lower case is a monitor.
const WEEKDAYS: [&str; 14] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Mon",
    "Tue",
    "Wed",
    "Thu",
    "Fri",
    "Sat",
    "Sun",
];
const YEARS: std::ops::RangeInclusive<u64> = 1990..=2099;
/// Of years in two digits.
const SHORT_YEARS: std::ops::RangeInclusive<u64> = 15..=49;
/// Seconds since 1970 that a name may hold: 2001 to 2039.
const EPOCH_S: std::ops::RangeInclusive<u64> = 1_000_000_000..=2_199_999_999;

/// A name with a time in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedName {
    /// The name with `*` in place of the time and what numbers the parts of one time.
    pub pattern: String,
    /// Grows with age's opposite, where the name tells the order: date, time of day, part.
    pub order: Option<Vec<u64>>,
}

/// What the time in a file's name says; `None` when there is none. What compression adds to a name is left aside.
#[must_use]
pub fn dated_name(name: &str) -> Option<DatedName> {
    let name = uncompressed(name);
    let bytes = name.as_bytes();
    let is_start = |at: usize| at == 0 || !bytes[at - 1].is_ascii_digit();
    (0..bytes.len()).filter(|&at| is_start(at)).find_map(|at| {
        let date = date(bytes, at)?;
        let (order, end) = numbers(bytes, date)?;
        // One that follows a letter is of digits alone: `log20261120.txt`.
        let pattern = format!("{}*{}", &name[..at], &name[end..]);
        (!name.contains('*')).then_some(DatedName { pattern, order })
    })
}

/// The series that a path belongs to: as [`dated_name`], and the files that Kubernetes keeps of one container's restarts.
#[must_use]
pub fn series(path: &Path) -> Option<DatedName> {
    let name = path.file_name()?.to_str()?;
    if is_pod(path)
        && let Some(number) = name.strip_suffix(".log").and_then(|number| number.parse().ok())
    {
        return Some(DatedName { pattern: "*.log".to_owned(), order: Some(vec![number]) });
    }
    dated_name(name)
}

/// What records of a file are called that name no component: its name without ending, time and ids.
#[must_use]
pub fn component(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let folder = || Some(path.parent()?.file_name()?.to_string_lossy().into_owned());
    if let Some(container) = container(path, &name) {
        return container;
    }
    let stem =
        |name: &str| Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = match dated_name(&name) {
        Some(dated) => without_time(&stem(&dated.pattern)),
        None => stem(uncompressed(&name)),
    };
    Some(stem).filter(|stem| !stem.is_empty()).or_else(folder).unwrap_or_else(|| NO_COMPONENT.to_owned())
}

fn uncompressed(name: &str) -> &str {
    if !is_compressed(name.as_ref()) {
        return name;
    }
    name.rsplit_once('.').map_or(name, |(name, _)| name)
}

/// A name without the star, and without the separators that stood around it.
fn without_time(stem: &str) -> String {
    let is_separator = |c: char| u8::try_from(c).is_ok_and(|byte| SEPARATORS.contains(&byte));
    match stem.split_once('*') {
        None => stem.trim_end_matches(is_separator).to_owned(),
        Some((before, after)) => {
            let before = before.trim_end_matches(is_separator);
            let after = after.trim_end_matches(is_separator);
            if before.is_empty() {
                after.trim_start_matches(is_separator).to_owned()
            } else {
                format!("{before}{after}")
            }
        }
    }
}

/// The container that a path of Kubernetes, Docker or Podman is of.
fn container(path: &Path, name: &str) -> Option<String> {
    if is_pod(path) {
        return Some(path.parent()?.file_name()?.to_string_lossy().into_owned());
    }
    let stem = name.strip_suffix(".log").or_else(|| name.strip_suffix("-json.log"))?;
    // POD_NAMESPACE_CONTAINER-ID.log
    if let Some((before, id)) = stem.rsplit_once('-')
        && is_id(id)
        && let [_pod, _namespace, container] = before.splitn(3, '_').collect::<Vec<_>>()[..]
    {
        return Some(container.to_owned());
    }
    let stem = stem.strip_suffix("-json").unwrap_or(stem);
    let holds_id = || path.iter().any(|part| part.to_str().is_some_and(is_id));
    (is_id(stem) || (stem == "ctr" && holds_id())).then(|| CONTAINER.to_owned())
}

/// `.../pods/NAMESPACE_POD_UID/CONTAINER/NUMBER.log`
fn is_pod(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().rev().take(4).filter_map(|part| part.to_str()).collect();
    matches!(parts[..], [name, _, pod, "pods"]
        if pod.split('_').count() == 3 && name.split('.').next().is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit())))
}

/// A container's id: 64 hexadecimal digits, or the first twelve.
fn is_id(text: &str) -> bool {
    matches!(text.len(), 12 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A date that begins at a place: the numbers that order it, none for a weekday, and where it ends.
struct FoundDate {
    order: Option<Vec<u64>>,
    /// How much of a time of day is in it: hour, minute, second.
    time: usize,
    end: usize,
}

fn date(bytes: &[u8], at: usize) -> Option<FoundDate> {
    let follows_separator = at == 0 || SEPARATORS.contains(&bytes[at - 1]);
    if let Some(found) = digits(bytes, at).and_then(|(text, end)| compact(text, end)) {
        return Some(found);
    }
    if !follows_separator {
        return None;
    }
    separated(bytes, at).or_else(|| day_first(bytes, at)).or_else(|| weekday(bytes, at))
}

/// Digits alone.
fn compact(text: &[u8], end: usize) -> Option<FoundDate> {
    let part = |from: usize, to: usize| number(&text[from..to]);
    let day = |year: bool, month: u64, day: u64| year && (1..=12).contains(&month) && (1..=31).contains(&day);
    let long = |n: usize| text.len() >= n && day(YEARS.contains(&part(0, 4)), part(4, 6), part(6, 8));
    let short = || day(SHORT_YEARS.contains(&part(0, 2)), part(2, 4), part(4, 6));
    let (order, time) = match text.len() {
        6 if short() || (YEARS.contains(&part(0, 4)) && (1..=12).contains(&part(4, 6))) => (vec![part(0, 6)], 0),
        8 if long(8) => (vec![part(0, 8)], 0),
        8 if short() && part(6, 8) < 24 => (vec![part(0, 6), part(6, 8)], 1),
        10 if long(8) && part(8, 10) < 24 => (vec![part(0, 8), part(8, 10)], 1),
        12 if long(8) && part(8, 10) < 24 => (vec![part(0, 8), part(8, 12) * 100], 2),
        14 | 17 if long(8) && part(8, 10) < 24 => (vec![part(0, 8), part(8, 14), number(&text[14..])], 3),
        10 if EPOCH_S.contains(&part(0, 10)) => (vec![part(0, 10)], 3),
        13 if EPOCH_S.contains(&part(0, 10)) => (vec![part(0, 13)], 3),
        _ => return None,
    };
    Some(FoundDate { order: Some(order), time, end })
}

/// Year, month and perhaps day; year and week; year and day of the year.
fn separated(bytes: &[u8], at: usize) -> Option<FoundDate> {
    let (year, end) = digits(bytes, at).filter(|(text, _)| text.len() == 4 && YEARS.contains(&number(text)))?;
    let separator = *bytes.get(end).filter(|b| SEPARATORS.contains(b))?;
    let year = number(year);
    let found = |month: u64, day: u64, end: usize| {
        Some(FoundDate { order: Some(vec![year * 10_000 + month * 100 + day]), time: 0, end })
    };
    if bytes.get(end + 1) == Some(&b'W') {
        let (week, end) = digits(bytes, end + 2).filter(|(text, _)| text.len() == 2 && number(text) <= 53)?;
        return found(0, number(week), end);
    }
    if let Some((day, end)) = digits(bytes, end + 1).filter(|(text, _)| text.len() == 3 && number(text) <= 366) {
        return found(0, number(day), end);
    }
    let (month, end) = month(bytes, end + 1)?;
    if bytes.get(end) != Some(&separator) {
        return found(month, 0, end);
    }
    match digits(bytes, end + 1) {
        Some((day, end)) if day.len() == 2 && (1..=31).contains(&number(day)) => found(month, number(day), end),
        _ => found(month, 0, end),
    }
}

/// Day, month and year. With a month in digits it may as well be month, day and year: then the names tell no order.
fn day_first(bytes: &[u8], at: usize) -> Option<FoundDate> {
    let (first, end) = digits(bytes, at).filter(|(text, _)| text.len() == 2 && (1..=31).contains(&number(text)))?;
    let is_separated = bytes.get(end).is_some_and(|b| SEPARATORS.contains(b));
    let at_month = end + usize::from(is_separated);
    let is_named = bytes.get(at_month).is_some_and(u8::is_ascii_alphabetic);
    let (second, end) = match is_named {
        true => month(bytes, at_month)?,
        false if is_separated => digits(bytes, at_month)
            .map(|(text, end)| (text.len(), number(text), end))
            .filter(|(length, second, _)| *length == 2 && (1..=31).contains(second))
            .map(|(_, second, end)| (second, end))?,
        false => return None,
    };
    if is_separated && bytes.get(end) != bytes.get(at_month - 1) {
        return None;
    }
    let (year, end) = digits(bytes, end + usize::from(is_separated))
        .filter(|(text, _)| text.len() == 4 && YEARS.contains(&number(text)))?;
    let order = is_named.then(|| vec![number(year) * 10_000 + second * 100 + number(first)]);
    Some(FoundDate { order, time: 0, end })
}

fn weekday(bytes: &[u8], at: usize) -> Option<FoundDate> {
    let name = WEEKDAYS.iter().find(|name| bytes[at..].starts_with(name.as_bytes()))?;
    Some(FoundDate { order: None, time: 0, end: at + name.len() })
}

/// Two digits or a name.
fn month(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    if let Some((text, end)) = digits(bytes, at) {
        return Some((number(text), end)).filter(|(month, _)| text.len() == 2 && (1..=12).contains(month));
    }
    let text = bytes.get(at..at + 3)?.to_ascii_lowercase();
    let index = MONTHS.iter().position(|month| month.as_bytes() == text)?;
    Some((index as u64 + 1, at + 3))
}

/// What follows a date: a time of day, the number of a part. The order of all of it and where it ends; `None` when
/// something else follows directly, so that it was no date.
fn numbers(bytes: &[u8], date: FoundDate) -> Option<(Option<Vec<u64>>, usize)> {
    let FoundDate { mut order, mut time, mut end } = date;
    for _ in 0..NUMBERS_MAX {
        let is_time = time == 0 && bytes.get(end) == Some(&b'T');
        if !is_time && !bytes.get(end).is_some_and(|b| SEPARATORS.contains(b)) {
            break;
        }
        let Some((text, after)) = digits(bytes, end + 1) else { break };
        let is_alone = bytes.get(after).is_none_or(|b| !b.is_ascii_alphanumeric() || (*b == b'Z' && time > 0));
        let value = if text.len() <= 18 { number(text) } else { return None };
        time = match (time, text.len()) {
            (0, 2) if value < 24 => 1,
            (1, 2) if value < 60 => 2,
            (2, 2) if value < 60 => 3,
            (0, 4) if value < 2_400 && value % 100 < 60 => 2,
            (0, 6 | 9) if number(&text[..6]) < 240_000 => 3,
            (_, length) if length <= PART_DIGITS_MAX || text[0] == b'0' || time == 3 => time.max(3),
            _ => break,
        };
        if !is_alone && bytes.get(after) != Some(&b'Z') {
            break;
        }
        if let Some(order) = &mut order {
            order.push(value);
        }
        end = after;
    }
    if bytes.get(end) == Some(&b'Z') && time > 0 {
        end += 1;
    }
    // A date ends where a word ends.
    bytes.get(end).is_none_or(|b| !b.is_ascii_alphanumeric()).then_some((order, end))
}

/// All digits from a place on.
fn digits(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    (length > 0).then(|| (&rest[..length], at + length))
}

/// The number of up to eighteen digits.
fn number(digits: &[u8]) -> u64 {
    digits.iter().take(18).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(name: &str) -> String {
        dated_name(name).map_or_else(|| "-".to_owned(), |dated| dated.pattern)
    }

    #[test]
    fn names_that_differ_by_a_time_are_one_log() {
        for (name, expected, called) in [
            ("app-2026-11-20.log", "app-*.log", "app"),
            ("app-20261120.log", "app-*.log", "app"),
            ("app.2026-11-20.log", "app.*.log", "app"),
            ("app-2026-11-20.log.gz", "app-*.log", "app"),
            ("app_20261120_13.log", "app_*.log", "app"),
            ("app-2026-11-20-13.log", "app-*.log", "app"),
            ("app-2026-11-20T13-05-06.003Z.log", "app-*.log", "app"),
            ("app-2026-11-20T130506.log", "app-*.log", "app"),
            ("app-2026-11.log", "app-*.log", "app"),
            ("app-2026-W47.log", "app-*.log", "app"),
            ("app-2026-324.log", "app-*.log", "app"),
            ("app-20-Nov-2026.log", "app-*.log", "app"),
            ("app-20Nov2026.log", "app-*.log", "app"),
            ("app-2026-Nov-20.log", "app-*.log", "app"),
            ("app-20.11.2026.log", "app-*.log", "app"),
            ("app.1767571200.log", "app.*.log", "app"),
            ("localhost.2026-11-20.log", "localhost.*.log", "localhost"),
            ("localhost_access_log.2026-11-20.txt", "localhost_access_log.*.txt", "localhost_access_log"),
            ("catalina.2026-11-20.out", "catalina.*.out", "catalina"),
            ("postgresql-2026-11-20_000000.log", "postgresql-*.log", "postgresql"),
            ("postgresql-Mon.log", "postgresql-*.log", "postgresql"),
            ("log20261120.txt", "log*.txt", "log"),
            ("log20261120_001.txt", "log*.txt", "log"),
            ("log-20261120_1.txt", "log-*.txt", "log"),
            ("u_ex261120.log", "u_ex*.log", "u_ex"),
            ("u_ex26112013.log", "u_ex*.log", "u_ex"),
            ("access_log.2026-11-20", "access_log.*", "access_log"),
            ("access.log.20261120", "access.log.*", "access.log"),
            ("prog.host.root.log.INFO.20261120-101010.4711", "prog.host.root.log.INFO.*", "prog.host.root.log.INFO"),
            ("2026-11-20_app.log", "*_app.log", "app"),
            ("app-2026-11-20-web.log", "app-*-web.log", "app-web"),
            ("worker-1-2026-11-20.log", "worker-1-*.log", "worker-1"),
            ("app-2026-11-20-8080.log", "app-*-8080.log", "app-8080"),
            ("2026-11-20.log", "*.log", "logs"),
        ] {
            assert_eq!(pattern(name), expected, "{name}");
            assert_eq!(component(&Path::new("/var/logs").join(name)), called, "{name}");
        }
    }

    #[test]
    fn other_numbers_are_no_times() {
        for name in [
            "app.log",
            "app.log.1",
            "worker-1.log",
            "worker-12.log",
            "app-8080.log",
            "ceph-mon.log",
            "mon.log",
            "Monitor.log",
            "app-2026-13-01.log",
            "app-20261320.log",
            "app-20261120abc.log",
            "app-123456.log",
            "app-2026.log",
            "v1.2.3.log",
            "host-10.0.0.1.log",
            "app-999999999999.log",
            "kern.log",
            "dpkg.log",
            "app-3f2a9c1b77de.log",
            "april.log",
            "app-20261120123.log",
            "a*-2026-11-20.log",
        ] {
            assert_eq!(pattern(name), "-", "{name}");
        }
        assert_eq!(component(Path::new("/var/log/app.log")), "app");
        assert_eq!(component(Path::new("/var/log/syslog")), "syslog");
        assert_eq!(component(Path::new("/var/log/app.log.1")), "app.log");
        assert_eq!(component(Path::new("/")), NO_COMPONENT);
    }

    #[test]
    fn names_tell_the_order() {
        for names in [
            &[
                "a-2026-11-20.log",
                "a-2026-11-20.1.log",
                "a-2026-11-20.2.log",
                "a-2026-11-20.10.log",
                "a-2026-11-21.log",
            ][..],
            &["log20261120.txt", "log20261120_001.txt", "log20261120_002.txt", "log20261121.txt"],
            &["p-2026-11-20_000000.log", "p-2026-11-20_135959.log", "p-2026-11-21_000000.log"],
            &["u_ex261120.log", "u_ex261121.log", "u_ex270101.log"],
            &["a-30Nov2026.log", "a-01Dec2026.log"],
            &["a-2026-11.log", "a-2026-12.log", "a-2027-01.log"],
            &["a_20261120_09.log", "a_20261120_10.log", "a_20261121_00.log"],
        ] {
            let orders: Vec<_> = names.iter().map(|name| dated_name(name).unwrap().order.unwrap()).collect();
            assert!(orders.is_sorted(), "{names:?}: {orders:?}");
        }
        assert!(
            dated_name("p-Mon.log").unwrap().order.is_none() && dated_name("a-05-06-2026.log").unwrap().order.is_none()
        );
    }

    #[test]
    fn an_id_of_a_container_is_no_name() {
        let id = "0d6c4a8e9f12".repeat(6)[..64].to_owned();
        for (path, called) in [
            ("/var/log/pods/shop_web-5d9_8f3b0c1e-aa/nginx/0.log".to_owned(), "nginx"),
            ("/var/log/pods/shop_web-5d9_8f3b0c1e-aa/nginx/12.log.20261120-101010".to_owned(), "nginx"),
            (format!("/var/log/containers/web-5d9_shop_nginx-{id}.log"), "nginx"),
            (format!("/var/lib/docker/containers/{id}/{id}-json.log"), "container"),
            ("/jobs/0d6c4a8e9f12-json.log".to_owned(), "container"),
            (format!("/var/lib/containers/storage/overlay-containers/{id}/userdata/ctr.log"), "container"),
            ("/srv/ctr.log".to_owned(), "ctr"),
        ] {
            assert_eq!(component(Path::new(&path)), called, "{path}");
        }
        let restarts = series(Path::new("/var/log/pods/shop_web-5d9_8f3b/nginx/10.log")).unwrap();
        assert_eq!((restarts.pattern.as_str(), restarts.order), ("*.log", Some(vec![10])));
        assert_eq!(series(Path::new("/var/log/app/10.log")), None);
    }
}
