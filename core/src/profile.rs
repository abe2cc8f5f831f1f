//! What a model file's metadata says about judging: baselines, quantiles, threshold. Checked once, here. Fields that this
//! program does not know are left, unless the profile `requires` them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    budget::BudgetProfile,
    limits::{BASELINES_MAX, PRIORS_MAX, RECORD_FEATURES},
    stream::{FEATURES, REVISION, baseline::Baseline},
    window::WindowView,
};

/// Metadata keys of a model file.
pub mod key {
    /// Format of the file; [`super::FORMAT`].
    pub const FORMAT: &str = "oddline.format";
    /// Version of the model, a u64 in decimal that grows.
    pub const VERSION: &str = "oddline.version";
    /// [`super::ModelProfile`] as JSON.
    pub const PROFILE: &str = "oddline.profile";
    /// Where the model comes from, as JSON ([`super::Provenance`]).
    pub const PROVENANCE: &str = "oddline.provenance";
    /// Inputs with the outputs expected, as JSON ([`super::Golden`]).
    pub const GOLDEN: &str = "oddline.golden";
}

/// The file format this code reads and writes.
pub const FORMAT: &str = "1";

/// What a profile may require: each is something that changes verdicts, named when it came.
pub const UNDERSTOOD: &[&str] = &[BUDGET, WINDOW];
/// Scores are measured in limits that each stream and server has.
pub const BUDGET: &str = "budget";
/// The view every model has: one record.
pub const RECORD: &str = "record";
/// The view of one server's metrics together; as a requirement: what these say together is judged.
pub const WINDOW: &str = "window";

/// Everything beside the weights that judging needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelProfile {
    /// Names of the record vector's features, in order.
    pub features: Vec<String>,
    /// Revision of their definitions.
    pub revision: u32,
    /// How record vectors are scored.
    pub record: RecordView,
    /// Fitted streams, sorted by server and component.
    pub baselines: Vec<StreamBaseline>,
    /// What is usual for a component on any server, sorted by component.
    pub priors: Vec<Prior>,
    /// Where the streams' limits start from; without it the threshold alone says what is odd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetProfile>,
    /// How a server's metrics are judged together; `None`: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowView>,
    /// What a program must know (see [`UNDERSTOOD`]) to judge as meant; it refuses the model where it does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
}

/// Read before everything else: a profile that is otherwise too new still says why it is.
#[derive(Deserialize)]
struct Requirements {
    #[serde(default)]
    requires: Vec<String>,
}

/// Scoring of the record view. Arrays follow [`FEATURES`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordView {
    /// Training mean of each feature.
    pub center: [f32; RECORD_FEATURES],
    /// Training standard deviation with its floor.
    pub scale: [f32; RECORD_FEATURES],
    /// Training quantile of each |residual|, in scales.
    pub residual_quantile: [f32; RECORD_FEATURES],
    /// Training quantile of each |feature - center|, in scales.
    pub value_quantile: [f32; RECORD_FEATURES],
    /// Whether residuals of the autoencoder count (an ablation says no).
    pub autoencoder: bool,
    /// Whether novelty counts (an ablation says no).
    pub novelty: bool,
    /// Where odd begins.
    pub threshold: Threshold,
}

/// A score at and above which a record is odd, and what it was chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The score.
    pub value: f32,
    /// False episodes per server and day asked for; `None` when a quantile was.
    pub alert_budget: Option<f64>,
    /// Quantile of the scores of normal held-out records asked for.
    pub quantile: Option<f64>,
    /// False episodes per server and day to expect.
    pub expected: f64,
    /// 95 % interval of that expectation.
    pub interval: (f64, f64),
}

/// One fitted stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamBaseline {
    /// The server.
    pub server: String,
    /// The component on it.
    pub component: String,
    /// Its baseline.
    pub baseline: Baseline,
}

/// The middle of one component's baselines over the servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// The component.
    pub component: String,
    /// Its middle baseline.
    pub baseline: Baseline,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Tool and version that fitted it.
    pub trainer: String,
    /// SHA-256 of the training records as read.
    pub data_sha256: String,
    /// Seed of all randomness.
    pub seed: u64,
    /// Records fitted on.
    pub rows: u64,
    /// Records found odd while fitting and left out.
    pub rows_trimmed: u64,
    /// Event time of the newest record, RFC 3339.
    pub newest: String,
    /// Loss on held-out data of the best epoch.
    pub validation_loss: f64,
    /// SHA-256 of the model this one was warm-started from.
    pub warm_start: Option<String>,
}

/// Inputs and the outputs a runtime must give, by the name of the view.
pub type Golden = BTreeMap<String, GoldenView>;

/// Rows of one view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoldenView {
    /// Feature vectors.
    pub inputs: Vec<Vec<f32>>,
    /// Their residuals.
    pub outputs: Vec<Vec<f32>>,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No valid JSON of this shape.
    #[error("oddline.profile is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// Made for a newer program.
    #[error("the model requires {0:?}, which this program does not know: install a newer version")]
    Requires(String),
    /// Made for another record vector.
    #[error(
        "the model was made for features {found} (revision {revision}), this program computes {expected} \
             (revision {REVISION}): train a model with this version"
    )]
    Features {
        /// Names in the file.
        found: String,
        /// Revision in the file.
        revision: u32,
        /// Names here.
        expected: String,
    },
    /// A number that cannot be.
    #[error("oddline.profile: {0} is out of range")]
    Number(String),
    /// More entries than a model may have.
    #[error("oddline.profile: {what} has {found} entries, at most {limit} are allowed")]
    TooMany {
        /// Which list.
        what: &'static str,
        /// Its entries.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Not sorted or named twice.
    #[error("oddline.profile: {0} is not sorted or names something twice")]
    Order(&'static str),
}

impl ModelProfile {
    /// Reads and checks a profile.
    ///
    /// # Errors
    /// When the JSON is unreadable, made for other features, or holds a number that cannot be.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        let Requirements { requires } = serde_json::from_str(text)?;
        if let Some(unknown) = requires.into_iter().find(|word| !UNDERSTOOD.contains(&word.as_str())) {
            return Err(ProfileError::Requires(unknown));
        }
        let profile: Self = serde_json::from_str(text)?;
        profile.check()?;
        Ok(profile)
    }

    /// The baseline fitted for a stream.
    #[must_use]
    pub fn baseline(&self, server: &str, component: &str) -> Option<&Baseline> {
        let found =
            self.baselines.binary_search_by(|b| (b.server.as_str(), b.component.as_str()).cmp(&(server, component)));
        found.ok().map(|i| &self.baselines[i].baseline)
    }

    /// What is usual for a component on any server.
    #[must_use]
    pub fn prior(&self, component: &str) -> Option<&Baseline> {
        let found = self.priors.binary_search_by(|p| p.component.as_str().cmp(component));
        found.ok().map(|i| &self.priors[i].baseline)
    }

    fn check(&self) -> Result<(), ProfileError> {
        if self.features != FEATURES || self.revision != REVISION {
            return Err(ProfileError::Features {
                found: self.features.join(","),
                revision: self.revision,
                expected: FEATURES.join(","),
            });
        }
        at_most("baselines", self.baselines.len(), BASELINES_MAX)?;
        at_most("priors", self.priors.len(), PRIORS_MAX)?;
        if !self.baselines.is_sorted_by(|a, b| (&a.server, &a.component) < (&b.server, &b.component)) {
            return Err(ProfileError::Order("baselines"));
        }
        if !self.priors.is_sorted_by(|a, b| a.component < b.component) {
            return Err(ProfileError::Order("priors"));
        }
        self.record.check()?;
        if let Some(bad) = self.baselines.iter().find(|b| !b.baseline.is_sound()) {
            return Err(ProfileError::Number(format!("the baseline of {}/{}", bad.server, bad.component)));
        }
        if let Some(bad) = self.priors.iter().find(|p| !p.baseline.is_sound()) {
            return Err(ProfileError::Number(format!("the prior of {}", bad.component)));
        }
        if self.budget.as_ref().is_some_and(|budget| !budget.is_sound()) {
            return Err(ProfileError::Number("budget".to_owned()));
        }
        if self.window.as_ref().is_some_and(|window| !window.is_sound()) {
            return Err(ProfileError::Number("window".to_owned()));
        }
        Ok(())
    }
}

impl RecordView {
    fn check(&self) -> Result<(), ProfileError> {
        let positive = [
            ("scale", &self.scale),
            ("residual_quantile", &self.residual_quantile),
            ("value_quantile", &self.value_quantile),
        ];
        for (name, numbers) in positive {
            if !numbers.iter().all(|n| n.is_finite() && *n > 0.0) {
                return Err(ProfileError::Number(format!("record.{name}")));
            }
        }
        if !self.center.iter().all(|n| n.is_finite()) {
            return Err(ProfileError::Number("record.center".to_owned()));
        }
        if !(self.threshold.value.is_finite() && self.threshold.value > 0.0) {
            return Err(ProfileError::Number("record.threshold".to_owned()));
        }
        Ok(())
    }
}

fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), ProfileError> {
    if found > limit { Err(ProfileError::TooMany { what, found, limit }) } else { Ok(()) }
}
