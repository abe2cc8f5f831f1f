//! What is compared: each detector says of every record of every stream whether it is an alert.

pub(crate) mod budget;
pub(crate) mod gaussian;
pub(crate) mod oddline;
pub(crate) mod plain;
pub(crate) mod windows;

/// What a detector says of the judged part of one stream, an entry a record.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamJudgement {
    pub scores: Vec<f64>,
    pub odd: Vec<bool>,
    /// An episode begins here.
    pub opened: Vec<bool>,
}
