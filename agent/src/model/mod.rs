//! Which model judges, and how another takes its place: desired -> fetch -> verify -> install -> (probation) -> good.
//!
//! ```text
//!  model/desired --> intake --> subscribe _models/<sha256> --> verify --> store --> the judge takes it over
//!                       |                                        |
//!                       '--- slots say: newer, good or refused --'--> model/state: what runs, or the reason
//! ```
//!
//! [`slots`] and [`intake`] decide (pure); [`verify`] trusts nothing before its signature is checked; [`store`] keeps
//! files. A model that is refused changes nothing but the reason in `model/state`.

pub(crate) mod intake;
pub(crate) mod slots;
pub(crate) mod store;
pub(crate) mod verify;
