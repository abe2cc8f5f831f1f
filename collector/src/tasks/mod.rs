//! What a collector does beside taking in messages, each with its own tick: it keeps its leases, looks for quiet agents,
//! says which models are desired, removes what is too old. The ticks of `lease` and `desired` are waited for in the loop that takes in
//! messages, as they share its connection; the others are tasks of their own.

pub(crate) mod desired;
pub(crate) mod lease;
pub(crate) mod quiet;
pub(crate) mod retention;
