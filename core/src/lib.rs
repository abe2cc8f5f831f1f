//! What all parts of Oddline agree on, as values and pure functions: no files, no network, no clock, no model runtime.
//!
//! ```text
//!  line -> format -> Record -> stream -> Vector -> (detector) -> score -> Verdict -> episode
//!                                ^                    ^
//!                             baseline             profile      what a model file says
//! ```
//!
//! The modules stand in the order of the pipeline. Whoever judges (trainer, replay, agent) goes through
//! `oddline-detector`'s judge, which is these functions around one inference.

pub mod amounts;
pub mod backoff;
pub mod limits;
mod room;
pub mod rotation;
pub mod series;

pub mod record;
pub mod time;

pub mod encoding;
pub mod format;
pub mod growth;
pub mod readings;

pub mod robust;
pub mod stream;

pub mod activity;
pub mod novelty;
pub mod score;
pub mod verdict;

pub mod budget;
pub mod episode;
pub mod incident;
pub mod window;

pub mod profile;
pub mod seal;
pub mod sections;

pub mod event;
pub mod id;
pub mod terminal;
pub mod topic;
pub mod wire;

pub mod weight;
