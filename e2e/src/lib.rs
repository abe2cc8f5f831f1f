//! The promises across processes.
