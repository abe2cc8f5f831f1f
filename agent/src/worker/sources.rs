//! All sources of the configuration: which are followed, which appear, which are left. Files are looked for at
//! intervals; what the state knows is gone on with even when it is not there at the moment, so that what was lost with
//! it is noticed.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use oddline_core::event::{Event, Gap, SourceName, Text};
use oddline_detector::InferError;

use super::followed::{Active, Followed, Identity, Turn, position};
use crate::{
    config::{Config, First, SourceConfig, What},
    events::{Told, say},
    pipeline::{Output, Treatment},
    source::{
        Begin, Source, SourceError, Stdin,
        discover::{Discover, Pattern},
    },
    state::{Opened, State, StoredSource},
};

/// New files are looked for this often.
const SCAN_EVERY: Duration = Duration::from_secs(5);
/// A file that is gone for so long is followed no more: names with dates in them never come back.
const GONE_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// The same while other files wait for a place.
const GONE_AFTER_CROWDED: Duration = Duration::from_secs(15 * 60);
const JOURNAL: &[u8] = b"journal";
const STDIN: &[u8] = b"stdin";
const FILE: &[u8] = b"file:";
/// Component of records that name none, in sources without a file's name.
const NO_COMPONENT: &str = "-";

/// What is known of a state file that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Nothing was read before.
    None,
    /// What was read before is not known any more.
    Lost,
    /// It goes on.
    Known,
}

/// Every source that is followed.
pub struct Sources {
    configs: Vec<SourceConfig>,
    /// One for each configured source that reads files.
    discovers: Vec<(usize, Discover)>,
    patterns: Vec<Pattern>,
    common: Common,
    stored: BTreeMap<Vec<u8>, StoredSource>,
    past: Past,
    /// Patterns whose files were looked for before.
    looked_for: Vec<Pattern>,
    followed: Vec<Followed>,
    scanned_at: Option<Instant>,
    complained: BTreeSet<PathBuf>,
    /// Files that match and are not followed.
    pub left_out: usize,
    /// Keys to be deleted from the state with the next commit.
    pub removed: Vec<Vec<u8>>,
}

#[derive(Clone)]
struct Common {
    samples: crate::redact::Samples,
    addresses: crate::redact::Addresses,
    flood_limit: u32,
}

/// Why the sources cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The model.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// Standard input.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Sources {
    /// The configured sources, as far as the state knows them.
    ///
    /// # Errors
    /// When the model runtime cannot allocate, or standard input cannot be read.
    pub fn new(
        config: &Config,
        stored: Vec<StoredSource>,
        past: Past,
        looked_for: Option<Vec<u8>>,
        active: &Active,
        out: &mut Output,
    ) -> Result<Self, SetupError> {
        let patterns = patterns(config);
        // A state that does not say it knows the patterns it meets.
        let looked_for = looked_for.and_then(|bytes| read_patterns(&bytes)).unwrap_or_else(|| patterns.clone());
        let discover = |(at, source): (usize, &SourceConfig)| match &source.what {
            What::Files { include, exclude } => Some((at, Discover::new(include.clone(), exclude.clone()))),
            What::Journal(_) | What::Stdin => None,
        };
        let mut sources = Self {
            discovers: config.sources.iter().enumerate().filter_map(discover).collect(),
            configs: config.sources.clone(),
            patterns,
            common: Common { samples: config.samples, addresses: config.addresses, flood_limit: config.flood_limit },
            stored: stored.into_iter().map(|stored| (stored.key.clone(), stored)).collect(),
            past,
            looked_for,
            followed: Vec::new(),
            scanned_at: None,
            complained: BTreeSet::new(),
            left_out: 0,
            removed: Vec::new(),
        };
        sources.open_streams(active, out)?;
        sources.resume_files(active, out)?;
        Ok(sources)
    }

    /// Looks for new files when it is time to, and leaves those that are long gone.
    ///
    /// # Errors
    /// When the model runtime cannot allocate.
    pub fn look(&mut self, now: Instant, active: &Active, out: &mut Output) -> Result<(), InferError> {
        if self.scanned_at.is_some_and(|at| now.duration_since(at) < SCAN_EVERY) {
            return Ok(());
        }
        let is_first = self.scanned_at.replace(now).is_none();
        self.left_out = 0;
        for number in 0..self.discovers.len() {
            let (at, discover) = &mut self.discovers[number];
            let (at, scan) = (*at, discover.scan());
            for (folder, error) in scan.failed {
                if self.complained.insert(folder.clone()) {
                    say(&Told::FolderFails { folder, why: error.to_string() });
                }
            }
            self.left_out += scan.left_out + usize::from(scan.cut);
            for path in scan.appeared {
                self.open_file(at, path, is_first, active, out)?;
            }
        }
        if is_first && self.left_out > 0 {
            say(&Told::TooManyFiles { left_out: self.left_out });
        }
        self.leave(now);
        Ok(())
    }

    /// All that are followed.
    pub fn each(&mut self) -> impl Iterator<Item = &mut Followed> {
        self.followed.iter_mut()
    }

    /// The turn of one of those that are followed.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn turn(&mut self, at: usize, now: Instant, out: &mut Output) -> Result<(u64, Turn), InferError> {
        self.followed[at].turn(now, out)
    }

    /// What the state keeps of the patterns whose files were looked for; nothing before the first look.
    #[must_use]
    pub fn looked_for(&self) -> Option<Vec<u8>> {
        self.scanned_at?;
        let texts: Vec<String> = self.patterns.iter().map(ToString::to_string).collect();
        Some(postcard::to_stdvec(&texts).expect("texts can always be written"))
    }

    /// All that are followed, to look at.
    #[must_use]
    pub fn followed(&self) -> &[Followed] {
        &self.followed
    }

    /// Whether nothing will ever come again.
    #[must_use]
    pub fn are_closed(&self) -> bool {
        self.discovers.is_empty() && self.followed.iter().all(Followed::is_closed)
    }

    fn open_streams(&mut self, active: &Active, out: &mut Output) -> Result<(), SetupError> {
        for config in self.configs.clone() {
            let (key, source) = match &config.what {
                What::Files { .. } => continue,
                What::Stdin => (STDIN, Source::Stdin(Stdin::new(std::io::stdin())?)),
                What::Journal(reader) => {
                    let known = self.stored.get(JOURNAL).and_then(position);
                    let begin = known.map_or_else(|| first(config.begin), Begin::After);
                    (JOURNAL, Source::journal(reader.clone(), begin))
                }
            };
            let name = String::from_utf8_lossy(key).into_owned();
            let identity = Identity { key: key.to_vec(), name, path: None };
            let component = config.component.clone().unwrap_or_else(|| NO_COMPONENT.to_owned());
            self.follow(identity, source, &config, component, active, out)?;
            if key == JOURNAL && config.begin == First::End {
                self.tell_lost("journal", out);
            }
        }
        Ok(())
    }

    /// Files that were followed before, whether they are there or not.
    fn resume_files(&mut self, active: &Active, out: &mut Output) -> Result<(), InferError> {
        let keys: Vec<Vec<u8>> = self.stored.keys().filter(|key| key.starts_with(FILE)).cloned().collect();
        for key in keys {
            let path = PathBuf::from(std::ffi::OsString::from_vec(key[FILE.len()..].to_vec()));
            match self.discovers.iter_mut().find(|(_, discover)| discover.means(&path)) {
                Some((at, discover)) => {
                    discover.adopt(path.clone());
                    let at = *at;
                    self.open_file(at, path, false, active, out)?;
                }
                // It is configured no more. Whoever takes that back within its life finds everything as it was.
                None if path.exists() => {}
                None => self.removed.push(key),
            }
        }
        Ok(())
    }

    fn open_file(
        &mut self,
        at: usize,
        path: PathBuf,
        is_first: bool,
        active: &Active,
        out: &mut Output,
    ) -> Result<(), InferError> {
        let key = [FILE, path.as_os_str().as_bytes()].concat();
        if self.followed.iter().any(|followed| followed.key() == key) {
            return Ok(());
        }
        let config = self.configs[at].clone();
        let known = self.stored.get(&key).and_then(position);
        let is_new_pattern = !self.looked_for.iter().any(|pattern| pattern.covers(&path));
        let is_old = is_first && (self.past != Past::Known || is_new_pattern);
        let begin = match known {
            Some(position) => Begin::After(position),
            None if is_old => first(config.begin),
            // What appears later is new, all of it.
            None => Begin::Start,
        };
        let name = path.display().to_string();
        if is_old && config.begin == First::End {
            self.tell_lost(&name, out);
        }
        let source = Source::file(&path, begin);
        let component = config.component.clone().unwrap_or_else(|| stem(&path));
        self.follow(Identity { key, name, path: Some(path) }, source, &config, component, active, out)
    }

    fn follow(
        &mut self,
        identity: Identity,
        source: Source,
        config: &SourceConfig,
        component: String,
        active: &Active,
        out: &mut Output,
    ) -> Result<(), InferError> {
        let Common { samples, addresses, flood_limit } = self.common.clone();
        let treatment = Treatment {
            format: config.format.clone(),
            server: config.server.clone(),
            component,
            values: config.values,
            offset_s: config.offset_s,
            samples,
            addresses,
            flood_limit,
        };
        say(&Told::Follows { source: identity.name.clone() });
        let stored = self.stored.remove(&identity.key);
        self.followed.push(Followed::new(identity, source, treatment, active, stored.as_ref(), out)?);
        Ok(())
    }

    /// What was written since a state file that is lost was not read, and nobody knows how much it is.
    fn tell_lost(&self, source: &str, out: &mut Output) {
        if self.past == Past::Lost {
            let cause = Text::cut("the state file was damaged: what was written since it was last used was not read");
            let source = SourceName::cut(source);
            out.events.push(Event::Gap(Gap { source, bytes: None, records: None, after: None, cause }));
        }
    }

    fn leave(&mut self, now: Instant) {
        let (discovers, removed) = (&mut self.discovers, &mut self.removed);
        let (patience, why) = match self.left_out {
            0 => (GONE_AFTER, "its file has been gone for a day"),
            _ => (GONE_AFTER_CROWDED, "its file has been gone for a quarter of an hour, and others wait for its place"),
        };
        self.followed.retain_mut(|followed| {
            if !followed.is_gone(now, patience) {
                return true;
            }
            say(&Told::Leaves { source: followed.name().to_owned(), why });
            for (_, discover) in discovers.iter_mut() {
                followed.path().into_iter().for_each(|path| discover.forget(path));
            }
            removed.push(followed.key().to_vec());
            false
        });
    }
}

/// The patterns of all sources.
fn patterns(config: &Config) -> Vec<Pattern> {
    let of = |source: &SourceConfig| match &source.what {
        What::Files { include, .. } => include.clone(),
        What::Journal(_) | What::Stdin => Vec::new(),
    };
    config.sources.iter().flat_map(of).collect()
}

fn read_patterns(bytes: &[u8]) -> Option<Vec<Pattern>> {
    let texts: Vec<String> = postcard::from_bytes(bytes).ok()?;
    Some(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

fn first<P>(begin: First) -> Begin<P> {
    match begin {
        First::Start => Begin::Start,
        First::End => Begin::End,
    }
}

/// What a copy of a state file holds of a log. The copy is read in a place of its own and stays as it is.
///
/// # Errors
/// When it cannot be read, is damaged, or does not know the log.
pub fn snapshot(state: &Path, log: &Path) -> Result<StoredSource> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let copy = folder.path().join("state");
    std::fs::copy(state, &copy).with_context(|| format!("cannot read the state file {}", state.display()))?;
    let (mut opened, how) = State::open(&copy, 0)?;
    if let Opened::SetAside { why, .. } = how {
        bail!("the state file {} is damaged: {why}", state.display());
    }
    let log = std::path::absolute(log)?;
    let key = [FILE, log.as_os_str().as_bytes()].concat();
    let known = opened.sources()?.into_iter().find(|stored| stored.key == key);
    known.with_context(|| format!("the state file {} does not know {}", state.display(), log.display()))
}

/// What records of a file are called that name no component.
#[must_use]
pub fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| NO_COMPONENT.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
