//! What is said about models on `model/desired` and `model/state`: JSON, retained, read by people too. Who decides what
//! on it is the agent's and the collector's.

use serde::{Deserialize, Serialize};

use super::model::SIGNATURE_BYTES_MAX;
use crate::{
    event::{BoundedText, FAULT_BYTES_MAX, List},
    id::ModelHash,
};

/// Models an agent keeps as good.
pub const GOOD_MODELS_MAX: usize = 3;
/// Bytes of either message: a signature and a reason, escaped.
pub const ROLLOUT_BYTES_MAX: usize = 16 * 1024;

/// A model file: its content and the version in its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelId {
    /// Hash of the file.
    pub sha256: ModelHash,
    /// Version, growing.
    pub version: u64,
}

/// `model/desired`: which model an agent should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredModel {
    /// The model.
    #[serde(flatten)]
    pub model: ModelId,
    /// Go back to a model that this agent has marked good. No agent does so on an unsigned word of the network.
    #[serde(default)]
    pub rollback: bool,
    /// Text of its detached signature: counts when the one that comes with the bytes is not good.
    #[serde(default)]
    pub signature: Option<BoundedText<SIGNATURE_BYTES_MAX>>,
}

/// `model/state`: what an agent runs and could go back to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelState {
    /// In use.
    pub current: Option<ModelId>,
    /// Marked good, newest first.
    pub good: List<ModelId, GOOD_MODELS_MAX>,
    /// Came with the package.
    pub factory: Option<ModelId>,
    /// Its bytes are awaited.
    pub fetching: Option<ModelId>,
    /// Refused last.
    pub refused: Option<Refused>,
}

/// A model that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which one.
    #[serde(flatten)]
    pub model: ModelId,
    /// Why.
    pub reason: BoundedText<FAULT_BYTES_MAX>,
}

/// Why a message about models cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// Longer than [`ROLLOUT_BYTES_MAX`].
    #[error("{0} bytes, at most {ROLLOUT_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// No JSON of this shape.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl DesiredModel {
    /// Reads `model/desired`.
    ///
    /// # Errors
    /// When it is no JSON of this shape.
    pub fn from_json(bytes: &[u8]) -> Result<Self, RolloutError> {
        bounded(bytes)
    }

    /// Writes it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers can always be written")
    }
}

impl ModelState {
    /// Reads `model/state`.
    ///
    /// # Errors
    /// When it is no JSON of this shape.
    pub fn from_json(bytes: &[u8]) -> Result<Self, RolloutError> {
        bounded(bytes)
    }

    /// Writes it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers can always be written")
    }
}

fn bounded<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, RolloutError> {
    if bytes.len() > ROLLOUT_BYTES_MAX {
        return Err(RolloutError::TooLarge(bytes.len()));
    }
    Ok(serde_json::from_slice(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_flat_and_short_forms_do() {
        let hash = "ab".repeat(32);
        let text = format!(r#"{{"sha256":"{hash}","version":7}}"#);
        let desired = DesiredModel::from_json(text.as_bytes()).unwrap();
        assert_eq!(desired.model, ModelId { sha256: ModelHash([0xab; 32]), version: 7 });
        assert!(!desired.rollback && desired.signature.is_none());
        assert_eq!(DesiredModel::from_json(&desired.to_json()).unwrap(), desired);
        for bad in ["", "{}", r#"{"sha256":"ab","version":7}"#, r#"{"sha256":1,"version":-7}"#] {
            assert!(DesiredModel::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(matches!(DesiredModel::from_json(&vec![b' '; ROLLOUT_BYTES_MAX + 1]), Err(RolloutError::TooLarge(_))));
    }

    #[test]
    fn the_largest_state_fits() {
        let model = ModelId { sha256: ModelHash([255; 32]), version: u64::MAX };
        let reason = BoundedText::cut(&"\u{1}".repeat(FAULT_BYTES_MAX));
        let state = ModelState {
            current: Some(model),
            good: [model; GOOD_MODELS_MAX].into_iter().collect(),
            factory: Some(model),
            fetching: Some(model),
            refused: Some(Refused { model, reason }),
        };
        assert_eq!(ModelState::from_json(&state.to_json()).unwrap(), state);
        let desired = DesiredModel {
            model,
            rollback: true,
            signature: Some(BoundedText::cut(&"\n".repeat(SIGNATURE_BYTES_MAX))),
        };
        assert_eq!(DesiredModel::from_json(&desired.to_json()).unwrap(), desired);
    }
}
