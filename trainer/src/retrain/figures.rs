//! What is known of a candidate beside the model in use: plain figures, judged by `decide`, shown by `report`.

use serde::Serialize;

use super::drift::{FeatureMoved, StreamMoved};
use crate::evaluate::poisson::PoissonRate;

/// Everything a decision may look at, and the rest of the report.
#[derive(Debug, Clone, Serialize)]
pub struct RetrainFigures {
    pub data: DataFigures,
    /// The model in use, on the held-out records; `None` when there is none.
    pub current: Option<ModelSide>,
    /// The new model on the same records.
    pub candidate: ModelSide,
    /// Injected anomalies found, by where they were put.
    pub injected: StreamPlaces,
    pub streams: StreamFigures,
    /// New over old, for the middle one of the known streams: how far a value has to be from its curve to be odd.
    pub reach: Option<f64>,
    /// The same since the anchor, over as many retrainings as there were.
    pub anchor_reach: Option<f64>,
    /// How the features' standardisation moved.
    pub features: Vec<FeatureMoved>,
    /// Injected anomalies found, by kind.
    pub kinds: Vec<KindFound>,
    /// Each stream of the held-out records, at most as many as a model has baselines.
    pub rows: Vec<StreamFigureRow>,
}

/// The records and how they were cut.
#[derive(Debug, Clone, Serialize)]
pub struct DataFigures {
    /// Records of all streams that were long enough.
    pub records: usize,
    /// SHA-256 of the bytes read.
    pub sha256: String,
    /// The middle stream's days, learnt from and held out together.
    pub days: f64,
    /// From here on records are held out.
    pub held_out_from: String,
    pub held_out_records: usize,
    /// Days of the held-out records, of all servers together.
    pub held_out_server_days: f64,
    /// Streams with enough records to learn from.
    pub learnt_streams: usize,
    /// Lines that could not be used.
    pub faulty_lines: u64,
}

/// One model on the held-out records.
#[derive(Debug, Clone, Serialize)]
pub struct ModelSide {
    pub version: u64,
    /// SHA-256 of its file.
    pub sha256: String,
    pub threshold: f32,
    /// Upper end of the incidents per server and day that its calibration showed.
    pub expected_high: f64,
    /// Incidents per server and day. The records are taken for normal: most are.
    pub incidents: PoissonRate,
    /// Share of the records that it calls odd.
    pub odd_share: f64,
    /// Compared with the truth, where the log has it. Shown, never decided by.
    pub truth: Option<TruthFigures>,
}

/// What a model found of what the log itself calls anomalous.
#[derive(Debug, Clone, Copy, Serialize)]
#[allow(missing_docs, reason = "as in the report of `test`")]
pub struct TruthFigures {
    pub events: u64,
    pub found: u64,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub false_incidents: PoissonRate,
}

/// Injected anomalies and which model found them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PairFigures {
    pub events: u64,
    pub both: u64,
    /// Found by the model in use only.
    pub current_only: u64,
    /// Found by the new model only.
    pub candidate_only: u64,
}

/// Injected anomalies by where they were put.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StreamPlaces {
    /// Streams that are as the model in use knows them.
    pub home: PairFigures,
    /// Streams that the model in use knows and finds odd over and over.
    pub away: PairFigures,
    /// Streams that the model in use does not know. Sized by the new model's own baseline.
    pub new: PairFigures,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StreamFigures {
    pub held_out: usize,
    /// Of these, known to the model in use.
    pub known: usize,
    /// Of these, unknown to it and known to the new one.
    pub new: usize,
    /// Known to the model in use and not in the logs; the new one keeps what is known of them.
    pub absent: usize,
    /// Of the known ones, those with another level, scale or pace.
    pub moved: usize,
    /// Of the known ones, those that the model in use finds odd over and over.
    pub away: usize,
    /// Of these, those that are usual to the new model.
    pub learnt: usize,
    /// Of the ones away, those whose noise the new model takes for usual: its reach grew far.
    pub swallowed: usize,
    /// Of these, those that are as quiet as ever on another level by now: they went there within the logs.
    pub settled: usize,
}

/// Injected anomalies of one kind.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "a row of a table")]
pub struct KindFound {
    pub kind: &'static str,
    pub events: u64,
    pub current: u64,
    pub candidate: u64,
}

/// One stream of the held-out records.
#[derive(Debug, Clone, Serialize)]
pub struct StreamFigureRow {
    pub server: String,
    pub component: String,
    /// What the model in use thinks of it.
    pub place: StreamPlace,
    pub records: usize,
    /// Share that the model in use calls odd.
    pub current_odd: Option<f64>,
    /// Share that the new model calls odd.
    pub candidate_odd: f64,
    /// How far its baseline moved.
    pub moved: Option<StreamMoved>,
    pub injected: PairFigures,
}

/// What the model in use thinks of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamPlace {
    Home,
    /// Known, and odd over and over.
    Away,
    New,
    /// Too short to be learnt: judged, not injected into.
    Short,
}

impl PairFigures {
    pub fn add(&mut self, by_current: bool, by_candidate: bool) {
        self.events += 1;
        self.both += u64::from(by_current && by_candidate);
        self.current_only += u64::from(by_current && !by_candidate);
        self.candidate_only += u64::from(!by_current && by_candidate);
    }

    /// Adds another place's.
    pub fn merge(&mut self, other: Self) {
        self.events += other.events;
        self.both += other.both;
        self.current_only += other.current_only;
        self.candidate_only += other.candidate_only;
    }

    /// Found by the model in use.
    #[must_use]
    pub fn current(&self) -> u64 {
        self.both + self.current_only
    }

    /// Found by the new model.
    #[must_use]
    pub fn candidate(&self) -> u64 {
        self.both + self.candidate_only
    }
}

impl StreamPlaces {
    pub fn at(&mut self, place: StreamPlace) -> Option<&mut PairFigures> {
        match place {
            StreamPlace::Home => Some(&mut self.home),
            StreamPlace::Away => Some(&mut self.away),
            StreamPlace::New => Some(&mut self.new),
            StreamPlace::Short => None,
        }
    }
}

/// A share; 0 of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
