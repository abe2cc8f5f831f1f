//! The agent: local logs in, only what is odd out. Being built: what stands here is tested, the daemon around it is not
//! there yet.
//!
//! ```text
//! source -> parse -> features -> score -> verdict -> episode -> spool -> publish
//! '- io -'  '-------------- pipeline (pure) ---------------'  '----- io -----'
//! ```

pub mod error;
pub mod model;
pub mod pipeline;
pub mod publish;
pub mod redact;
pub mod replay;
pub mod source;
pub mod state;
