//! Typed questions to a configuration. Every answer that is wrong is noted and the next question is answered all the
//! same, so that one look finds all mistakes.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
};

use crate::{
    ENVIRONMENT_PREFIX, family,
    problem::{ConfigOrigin, ConfigProblem, ConfigProblems},
    tree::{Node, TreeItem, TreeTable},
};

/// How many letters may differ for a key to be what was probably meant.
const SUGGESTION_SIMILARITY_MIN: f64 = 0.7;
/// A path that begins with this lies where systemd puts a service's credentials.
const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY";

/// A configuration that is being read.
#[derive(Debug)]
pub struct ConfigReader {
    table: TreeTable,
    environment: BTreeMap<String, String>,
    problems: RefCell<Vec<ConfigProblem>>,
    asked: RefCell<BTreeSet<String>>,
}

/// One table of it. A key is known once it was asked for; [`ConfigSection::finish`] notes the others.
#[derive(Debug)]
pub struct ConfigSection<'a> {
    reader: &'a ConfigReader,
    table: Option<&'a TreeTable>,
    /// `broker`, `source.2`; empty for the top.
    path: String,
    /// Sections of a list have no variables: which one would be meant?
    in_list: bool,
    origin: ConfigOrigin,
    known: RefCell<Vec<&'static str>>,
}

impl ConfigReader {
    pub(crate) fn new(table: TreeTable, environment: BTreeMap<String, String>, problems: Vec<ConfigProblem>) -> Self {
        Self { table, environment, problems: RefCell::new(problems), asked: RefCell::default() }
    }

    /// The top table.
    #[must_use]
    pub fn top(&self) -> ConfigSection<'_> {
        self.sub(Some(&self.table), String::new(), false, ConfigOrigin::Missing)
    }

    fn sub<'a>(
        &'a self,
        table: Option<&'a TreeTable>,
        path: String,
        in_list: bool,
        origin: ConfigOrigin,
    ) -> ConfigSection<'a> {
        ConfigSection { reader: self, table, path, in_list, origin, known: RefCell::default() }
    }

    /// Environment variables that are probably a misspelt key, with the one that was meant. What another program of the
    /// family reads is no misspelling, and what is like nothing here is left alone.
    #[must_use]
    pub fn strange_variables(&self) -> Vec<(String, String)> {
        let asked = self.asked.borrow();
        let strange = self
            .environment
            .keys()
            .filter(|name| !asked.contains(*name) && !family::VARIABLES.contains(&name.as_str()));
        // What all of them begin with makes none of them alike.
        let rest = |name: &'_ String| name.strip_prefix(ENVIRONMENT_PREFIX).unwrap_or(name).to_owned();
        let meant = |name: &String| {
            let alike = |other: &String| strsim::normalized_damerau_levenshtein(&rest(name), &rest(other));
            let best = asked.iter().map(|other| (alike(other), other)).max_by(|a, b| a.0.total_cmp(&b.0))?;
            (best.0 >= SUGGESTION_SIMILARITY_MIN).then(|| best.1.clone())
        };
        strange.filter_map(|name| Some((name.clone(), meant(name)?))).collect()
    }

    /// The environment variables that were asked for.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        self.asked.borrow().iter().cloned().collect()
    }

    /// All mistakes; ask everything first.
    ///
    /// # Errors
    /// When there are any.
    pub fn finish(self) -> Result<(), ConfigProblems> {
        let mut problems = self.problems.into_inner();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(ConfigProblems(problems)) }
    }
}

impl<'a> ConfigSection<'a> {
    /// Whether the key was written anywhere.
    #[must_use]
    pub fn has(&self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// Whether a list without anything in it was written.
    #[must_use]
    pub fn is_empty_list(&self, key: &'static str) -> bool {
        self.find(key).is_some_and(|item| matches!(item.node, Node::List(list) if list.is_empty()))
    }

    /// Whether the section itself was written.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// A text that is parsed.
    #[must_use]
    pub fn value<T: FromStr<Err: Display>>(&self, key: &'static str) -> Option<T> {
        self.read(key, |node| match node {
            Node::Text(text) => text.parse().map_err(|error: T::Err| error.to_string()),
            other => Err(format!("a text in quotes is expected, this is {}", other.kind())),
        })
    }

    /// A path. `$CREDENTIALS_DIRECTORY/name` is resolved; nothing else is.
    #[must_use]
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        let text: String = self.value(key)?;
        let Some(rest) = text.strip_prefix(CREDENTIALS) else { return Some(PathBuf::from(text)) };
        match std::env::var_os(&CREDENTIALS[1..]) {
            Some(folder) => Some(PathBuf::from(folder).join(rest.trim_start_matches('/'))),
            None => {
                self.problem(
                    key,
                    format!("{CREDENTIALS} is not set: this works in a systemd service with credentials"),
                );
                None
            }
        }
    }

    /// A whole number within bounds.
    #[must_use]
    pub fn number<T>(&self, key: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let bounds = || format!("a whole number from {} to {} is expected", range.start(), range.end());
        self.read(key, |node| {
            let number = match node {
                Node::Integer(number) => *number,
                Node::Text(text) => text.parse().map_err(|_| format!("{}, not {text:?}", bounds()))?,
                other => return Err(format!("{}, this is {}", bounds(), other.kind())),
            };
            let fits = T::try_from(number).ok().filter(|number| range.contains(number));
            fits.ok_or_else(|| format!("{}, not {number}", bounds()))
        })
    }

    /// A span of time such as `30s`, `15m`, `2h`, `90d`, in seconds, within bounds.
    #[must_use]
    pub fn seconds(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.read(key, |node| {
            let Node::Text(text) = node else {
                return Err(format!("a span of time such as \"30s\" or \"2h\" is expected, this is {}", node.kind()));
            };
            let seconds = span_seconds(text).ok_or_else(|| {
                format!("{text:?} is no span of time: \"30s\", \"15m\", \"2h\" or \"90d\" is expected")
            })?;
            let within = range.contains(&seconds);
            within
                .then_some(seconds)
                .ok_or_else(|| format!("{text}: from {}s to {}s is allowed", range.start(), range.end()))
        })
    }

    /// True or false.
    #[must_use]
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        self.read(key, |node| match node {
            Node::Flag(flag) => Ok(*flag),
            Node::Text(text) => text.parse().map_err(|_| format!("true or false is expected, not {text:?}")),
            other => Err(format!("true or false is expected, this is {}", other.kind())),
        })
    }

    /// One of several words.
    #[must_use]
    pub fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let names = || choices.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        self.read(key, |node| {
            let Node::Text(text) = node else {
                return Err(format!("one of {} is expected, this is {}", names(), node.kind()));
            };
            let found = choices.iter().find(|(name, _)| name == text);
            found.map(|(_, choice)| *choice).ok_or_else(|| format!("{text:?} is none of {}", names()))
        })
    }

    /// A list of texts, each parsed; `None` when it was not written. In a variable they are separated by commas.
    #[must_use]
    pub fn list<T: FromStr<Err: Display>>(&self, key: &'static str) -> Option<Vec<T>> {
        let item = self.find(key)?;
        let texts: Vec<(ConfigOrigin, &str)> = match &item.node {
            Node::List(list) => {
                let text = |item: &'_ TreeItem| match &item.node {
                    Node::Text(_) => true,
                    other => {
                        self.note(item.origin.clone(), key, format!("a list of texts has {} in it", other.kind()));
                        false
                    }
                };
                list.iter().filter(|item| text(item)).filter_map(|i| Some((i.origin.clone(), i.node.text()?))).collect()
            }
            Node::Text(text) if matches!(item.origin, ConfigOrigin::Environment(_)) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                parts.map(|part| (item.origin.clone(), part)).collect()
            }
            other => {
                let what = format!("a list in brackets is expected, this is {}", other.kind());
                self.note(item.origin.clone(), key, what);
                return None;
            }
        };
        let mut values = Vec::new();
        for (origin, text) in texts {
            match text.parse() {
                Ok(value) => values.push(value),
                Err(error) => self.note(origin, key, format!("{error}")),
            }
        }
        Some(values)
    }

    /// A table of texts, each parsed: `{ key = "text" }`.
    #[must_use]
    pub fn map<T: FromStr<Err: Display>>(&self, key: &'static str) -> Option<BTreeMap<String, T>> {
        let item = self.find(key)?;
        let Node::Table(table) = &item.node else {
            self.note(item.origin.clone(), key, format!("a table in braces is expected, this is {}", item.node.kind()));
            return None;
        };
        let mut values = BTreeMap::new();
        for (name, item) in table {
            let parsed = item.node.text().map(|text| text.parse().map_err(|e: T::Err| e.to_string()));
            match parsed.unwrap_or_else(|| Err(format!("a text in quotes is expected, this is {}", item.node.kind()))) {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(error) => self.note(item.origin.clone(), &format!("{key}.{name}"), error),
            }
        }
        Some(values)
    }

    /// A section; one that was not written has no key, except those of the environment.
    #[must_use]
    pub fn section(&self, key: &'static str) -> ConfigSection<'a> {
        self.known.borrow_mut().push(key);
        let item = self.table.and_then(|table| table.get(key));
        let table = match item.map(|item| (&item.node, &item.origin)) {
            Some((Node::Table(table), _)) => Some(table),
            Some((other, origin)) => {
                let what = format!("a section [{}] is expected, this is {}", self.name(key), other.kind());
                self.note(origin.clone(), key, what);
                None
            }
            None => None,
        };
        let origin = item.map_or(ConfigOrigin::Missing, |item| item.origin.clone());
        self.reader.sub(table, self.name(key), self.in_list, origin)
    }

    /// The sections of a list, `[[key]]`.
    #[must_use]
    pub fn sections(&self, key: &'static str) -> Vec<ConfigSection<'a>> {
        self.known.borrow_mut().push(key);
        let Some(item) = self.table.and_then(|table| table.get(key)) else { return Vec::new() };
        let expected =
            |other: &Node| format!("a list of sections [[{}]] is expected, this is {}", self.name(key), other.kind());
        let Node::List(list) = &item.node else {
            self.note(item.origin.clone(), key, expected(&item.node));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (number, item) in (1..).zip(list) {
            match &item.node {
                Node::Table(table) => {
                    let path = format!("{}.{number}", self.name(key));
                    sections.push(self.reader.sub(Some(table), path, true, item.origin.clone()));
                }
                other => self.note(item.origin.clone(), key, expected(other)),
            }
        }
        sections
    }

    /// Notes a mistake of a key that only the caller can see.
    pub fn problem(&self, key: &'static str, what: impl Into<String>) {
        let origin = self.find(key).map_or_else(|| self.origin.clone(), |item| item.origin);
        self.note(origin, key, what.into());
    }

    /// Everything was asked for: what else was written is unknown.
    pub fn finish(self) {
        let known = self.known.borrow();
        for (key, item) in self.table.into_iter().flatten() {
            if known.contains(&key.as_str()) {
                continue;
            }
            let meant = closest(key, known.iter().copied()).map(str::to_owned);
            let hint = meant.map_or_else(
                || format!("known here: {}", known.join(", ")),
                |meant| format!("did you mean {meant:?}?"),
            );
            self.note(item.origin.clone(), key, format!("unknown key; {hint}"));
        }
    }

    fn read<T>(&self, key: &'static str, parse: impl FnOnce(&Node) -> Result<T, String>) -> Option<T> {
        let item = self.find(key)?;
        match parse(&item.node) {
            Ok(value) => Some(value),
            Err(what) => {
                self.note(item.origin, key, what);
                None
            }
        }
    }

    /// The value that counts: the environment's, else the files'.
    fn find(&self, key: &'static str) -> Option<TreeItem> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        if !self.in_list {
            let name = format!("{ENVIRONMENT_PREFIX}{}", self.name(key).replace('.', "_").to_uppercase());
            let text = self.reader.environment.get(&name).cloned();
            self.reader.asked.borrow_mut().insert(name.clone());
            if let Some(text) = text {
                return Some(TreeItem { origin: ConfigOrigin::Environment(name), node: Node::Text(text) });
            }
        }
        self.table?.get(key).cloned()
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn note(&self, origin: ConfigOrigin, key: &str, what: String) {
        self.reader.problems.borrow_mut().push(ConfigProblem { origin, key: self.name(key), what });
    }
}

impl Node {
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// What was probably meant by a name that nobody knows.
#[must_use]
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.into_iter().map(|other| (strsim::jaro_winkler(name, other), other));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= SUGGESTION_SIMILARITY_MIN).then_some(best.1)
}

fn span_seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = match &text[at..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    text[..at].parse::<u64>().ok()?.checked_mul(unit)
}
