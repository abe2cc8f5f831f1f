//! All sources of the configuration: which are followed, which appear, which are left. Files are looked for at
//! intervals; what the state knows is gone on with even when it is not there at the moment, so that what was lost with
//! it is noticed. How they are asked is [`super::turns`]'s.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime},
};

use oddline_core::{
    event::{BoundedText, Event, Extras, Gap, SourceName},
    series::NO_COMPONENT,
};
use oddline_detector::InferError;
use oddline_pipeline::{PipelineOutput, SourceOptions};

use super::{
    appearances::FirstAppearances,
    away::{FolderLook, HungSource},
    flags::StateFlags,
    followed::{ActiveModel, FollowedSource, SourceIdentity},
    helper::Helper,
    status::StatusHandle,
    stored::position,
    words::does_not_answer,
};
use crate::{
    config::{AgentConfig, EventDestination, SourceConfig, SourceKind, StartAt},
    figures::SourceFigures,
    memory::MemoryBudget,
    redact::RedactionRules,
    source::{
        LogSource, MqttListener, Opener, SourceError, StartPosition, Stdin, SyslogListener, SystemMetrics,
        SystemReader,
        discover::{Discover, Pattern},
        identity::file_id,
        opener::OwnFiles,
    },
    spool::SharedState,
    state::{StateError, StoredSource},
};

const JOURNAL: &[u8] = b"journal";
const STDIN: &[u8] = b"stdin";
const SYSTEM: &[u8] = b"system";
/// Before the address; with it the source's name.
const SYSLOG: &[u8] = b"syslog ";

/// What is known of a state file that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PriorState {
    None,
    /// What was read before is not known any more.
    Lost,
    Known,
}

pub(crate) struct KnownState {
    /// The state file: what was learnt of a source is read when it is followed.
    pub state: SharedState,
    pub positions: Vec<StoredSource>,
    pub past: PriorState,
}

/// Every source that is followed.
pub(crate) struct FollowedSources {
    pub(super) configs: Vec<SourceConfig>,
    pub(super) opener: Opener,
    /// Calls to the files' file systems are made through it.
    pub(super) helper: Helper,
    /// One for each configured source that reads files.
    pub(super) looks: Vec<FolderLook>,
    common: SharedOptions,
    pub(super) state: SharedState,
    /// Positions of those in the state that are not followed yet.
    pub(super) stored: BTreeMap<Vec<u8>, StoredSource>,
    pub(super) budget: MemoryBudget,
    pub(super) is_full: bool,
    pub(super) past: PriorState,
    /// Patterns whose files were looked for before.
    pub(super) looked_for: Vec<Pattern>,
    pub(super) followed: Vec<FollowedSource>,
    /// Those that have not come back from a turn.
    pub(super) away: Vec<HungSource>,
    pub(super) scanned_at: Option<Instant>,
    pub(super) appearances: FirstAppearances,
    pub(super) complained: BTreeSet<PathBuf>,
    /// Files that match and are not followed.
    pub left_out: usize,
    /// When the newest of those was written.
    pub(super) left_out_modified: Option<SystemTime>,
    /// How many were told of.
    pub(super) left_out_told: usize,
    /// Series that go on from files that were logs of their own, with the keys of those.
    pub(super) converted: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    /// Keys to be deleted from the state with the next commit.
    pub removed: Vec<Vec<u8>>,
}

#[derive(Clone)]
struct SharedOptions {
    redactor: Arc<RedactionRules>,
    flood_limit: u32,
}

/// Why the sources cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    State(#[from] StateError),
}

impl FollowedSources {
    /// The configured sources, as far as the state knows them.
    ///
    /// # Errors
    /// When the model runtime cannot allocate, or standard input cannot be read.
    pub(crate) fn new(
        config: &AgentConfig,
        known: KnownState,
        noted: &StateFlags,
        active: &ActiveModel,
        board: &StatusHandle,
        out: &mut PipelineOutput,
    ) -> Result<Self, SetupError> {
        let patterns: Vec<Pattern> = config.sources.iter().flat_map(|source| include(source).to_vec()).collect();
        let opener = opener(config);
        // A state that does not say it knows the patterns it meets.
        let looked_for = noted.looked_for().and_then(|bytes| read_patterns(&bytes)).unwrap_or(patterns);
        let discover = |(at, source): (usize, &SourceConfig)| match &source.what {
            SourceKind::Files { include, exclude } => {
                Some(FolderLook::new(at, Discover::new(include.clone(), exclude.clone(), opener.clone())))
            }
            SourceKind::Journal(_)
            | SourceKind::Stdin
            | SourceKind::Syslog(_)
            | SourceKind::Mqtt(_)
            | SourceKind::System(_) => None,
        };
        let mut sources = Self {
            looks: config.sources.iter().enumerate().filter_map(discover).collect(),
            configs: config.sources.clone(),
            opener,
            helper: Helper::new(board.stopping()),
            common: SharedOptions { redactor: Arc::new(config.redaction), flood_limit: config.flood_limit },
            state: known.state,
            stored: known.positions.into_iter().map(|stored| (stored.key.clone(), stored)).collect(),
            budget: config.memory.clone(),
            is_full: false,
            past: known.past,
            looked_for,
            followed: Vec::new(),
            away: Vec::new(),
            scanned_at: None,
            appearances: FirstAppearances::after(noted.looked_at()),
            complained: BTreeSet::new(),
            left_out: 0,
            left_out_modified: None,
            left_out_told: 0,
            converted: Vec::new(),
            removed: Vec::new(),
        };
        sources.open_streams(active, out)?;
        sources.resume_files(active, out)?;
        Ok(sources)
    }

    /// All that are followed and can be asked.
    pub(crate) fn each(&mut self) -> impl Iterator<Item = &mut FollowedSource> {
        self.followed.iter_mut()
    }

    /// What the state keeps of the patterns whose files were looked for; nothing before the first look.
    #[must_use]
    pub(crate) fn looked_for(&self) -> Option<Vec<u8>> {
        self.scanned_at?;
        let looked = self.looks.iter().filter(|look| look.looked);
        let texts: Vec<String> = looked.flat_map(|look| self.include(look.at)).map(ToString::to_string).collect();
        Some(postcard::to_stdvec(&texts).expect("texts can always be written"))
    }

    /// When was looked for files the last time.
    #[must_use]
    pub(crate) fn looked_at(&self) -> Option<SystemTime> {
        self.appearances.last()
    }

    /// All that are followed and can be asked, to look at.
    #[must_use]
    pub(crate) fn followed(&self) -> &[FollowedSource] {
        &self.followed
    }

    /// What is shown of all, whether they can be asked or not.
    #[must_use]
    pub(crate) fn figures(&self) -> Vec<SourceFigures> {
        let away = self.away.iter().map(|away| away.outline.figures.clone());
        let looks = self.looks.iter().filter(|look| look.is_hanging()).map(|look| {
            let name = self.name(look.at);
            SourceFigures { failed: Some(does_not_answer(&name)), name, ..SourceFigures::default() }
        });
        self.followed.iter().map(FollowedSource::figures).chain(away).chain(looks).collect()
    }

    /// Gaps of all, and their bytes.
    #[must_use]
    pub(crate) fn gaps(&self) -> (u64, u64) {
        let all = self.followed.iter().map(|source| source.gaps).chain(self.away.iter().map(|away| away.outline.gaps));
        all.fold((0, 0), |sum, gaps| (sum.0 + gaps.0, sum.1 + gaps.1))
    }

    /// The patterns of a configured source.
    pub(super) fn include(&self, at: usize) -> &[Pattern] {
        include(&self.configs[at])
    }

    /// What a configured source is called as long as none of its files is known.
    pub(super) fn name(&self, at: usize) -> String {
        self.include(at).first().map(ToString::to_string).unwrap_or_default()
    }

    /// Whether nothing will ever come again.
    #[must_use]
    pub(crate) fn are_closed(&self) -> bool {
        self.looks.is_empty() && self.away.is_empty() && self.followed.iter().all(FollowedSource::is_closed)
    }

    fn open_streams(&mut self, active: &ActiveModel, out: &mut PipelineOutput) -> Result<(), SetupError> {
        for config in self.configs.clone() {
            let (key, source) = match &config.what {
                SourceKind::Files { .. } => continue,
                SourceKind::Stdin => (STDIN.to_vec(), LogSource::Stdin(Stdin::new(std::io::stdin())?)),
                SourceKind::System(interval) => {
                    let metrics = SystemMetrics::new(SystemReader::default(), *interval);
                    (SYSTEM.to_vec(), LogSource::System(Box::new(metrics)))
                }
                SourceKind::Syslog(address) => (
                    [SYSLOG, address.to_string().as_bytes()].concat(),
                    LogSource::Syslog(SyslogListener::new(*address)),
                ),
                SourceKind::Mqtt(subscription) => {
                    let listener = MqttListener::new((**subscription).clone());
                    (subscription.to_string().into_bytes(), LogSource::Mqtt(listener))
                }
                SourceKind::Journal(reader) => {
                    let known = self.stored.get(JOURNAL).and_then(position);
                    let begin = known.map_or_else(|| first(config.begin), StartPosition::After);
                    (JOURNAL.to_vec(), LogSource::journal(reader.clone(), begin))
                }
            };
            let name = String::from_utf8_lossy(&key).into_owned();
            let is_journal = key == JOURNAL;
            let identity = SourceIdentity { key, name, path: None };
            let component = config.component.clone().unwrap_or_else(|| NO_COMPONENT.to_owned());
            self.follow(identity, source, &config, component, active, out)?;
            if is_journal && config.begin == StartAt::End {
                self.report_lost("journal", out);
            }
        }
        Ok(())
    }

    pub(super) fn follow(
        &mut self,
        identity: SourceIdentity,
        source: LogSource,
        config: &SourceConfig,
        component: String,
        active: &ActiveModel,
        out: &mut PipelineOutput,
    ) -> Result<(), SetupError> {
        let SharedOptions { redactor, flood_limit } = self.common.clone();
        let treatment = SourceOptions {
            format: config.format.clone(),
            server: config.server.clone(),
            component,
            values: config.values,
            times: config.times,
            redactor,
            flood_limit,
        };
        let stored = match self.stored.remove(&identity.key) {
            // What is not in the state file under this name comes with it.
            Some(taken) if !taken.chunks.is_empty() => Some(StoredSource { position: Vec::new(), ..taken }),
            Some(_) => self.state.lock().source(&identity.key)?,
            None => None,
        };
        let followed = FollowedSource::new(identity, source, treatment, active, stored.as_ref(), out)?;
        Ok(self.take_in(followed, active)?)
    }

    /// What was written since a state file that is lost was not read, and nobody knows how much it is.
    pub(super) fn report_lost(&self, source: &str, out: &mut PipelineOutput) {
        if self.past == PriorState::Lost {
            let cause =
                BoundedText::cut("the state file was damaged: what was written since it was last used was not read");
            let source = SourceName::cut(source);
            out.events.push(Event::Gap(Gap {
                source,
                bytes: None,
                records: None,
                after: None,
                cause,
                extras: Extras::default(),
            }));
        }
    }
}

/// The patterns of a configured source.
fn include(source: &SourceConfig) -> &[Pattern] {
    match &source.what {
        SourceKind::Files { include, .. } => include,
        SourceKind::Journal(_)
        | SourceKind::Stdin
        | SourceKind::Syslog(_)
        | SourceKind::Mqtt(_)
        | SourceKind::System(_) => &[],
    }
}

/// What the agent itself writes.
/// Opens the logs of a configuration, and nothing that the agent itself writes.
#[must_use]
pub(crate) fn opener(config: &AgentConfig) -> Opener {
    let files = match &config.destination {
        EventDestination::File(path, _) => vec![path.clone()],
        EventDestination::Broker(..) | EventDestination::Stdout => Vec::new(),
    };
    let outputs = [rustix::io::dup(std::io::stdout()), rustix::io::dup(std::io::stderr())];
    let metas = outputs.into_iter().flatten().filter_map(|output| File::from(output).metadata().ok());
    let ids = metas.filter(std::fs::Metadata::is_file).map(|meta| file_id(&meta)).collect();
    Opener::guarded(OwnFiles { folders: vec![config.state_dir.clone()], files, ids })
}

fn read_patterns(bytes: &[u8]) -> Option<Vec<Pattern>> {
    let texts: Vec<String> = postcard::from_bytes(bytes).ok()?;
    Some(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

pub(super) fn first<P>(begin: StartAt) -> StartPosition<P> {
    match begin {
        StartAt::Start => StartPosition::Start,
        StartAt::End => StartPosition::End,
    }
}
