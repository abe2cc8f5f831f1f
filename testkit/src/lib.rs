//! What the tests of several crates share: programs that are not ours, processes that are killed with the test, waits with a
//! bound, repeatable randomness, and the report of what could not be run. A dev-dependency only: nothing that is shipped
//! is built with it.

pub mod mosquitto;
pub mod not_run;
pub mod port;
pub mod postgres;
pub mod process;
pub mod random;
pub mod user;
pub mod waiting;

pub use self::{
    mosquitto::MosquittoServer, not_run::not_run, port::free_port, postgres::PostgresServer, process::TestProcess,
    random::Random, user::is_root,
};
