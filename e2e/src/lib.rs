//! The promises across processes, kept against the programs as they are: real agents, a real broker, real signals.
//! A harness of small parts; what is promised stands in `tests/`. Nothing depends on this crate.
//!
//! ```text
//!  fixture -> writer -> [log, rotated] -> agent -> [mosquitto] -> subscriber -> ledger -\
//!     '------------------ the whole log -> replay -------------------------------------- compare
//!                                          storm: kills, restarts, full disks, other clocks
//! ```

pub mod agent;
pub mod authority;
pub mod clock;
pub mod collector;
pub mod compare;
pub mod dead;
pub mod disk;
pub mod ears;
pub mod fixture;
pub mod group;
pub mod heard;
pub mod ledger;
pub mod mosquitto;
pub mod poison;
pub mod programs;
pub mod pusher;
pub mod replay;
pub mod storm;
pub mod subscriber;
pub mod writer;
