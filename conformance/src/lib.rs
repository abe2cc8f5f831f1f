//! Does everyone who reads the model file compute the same?
//!
//! ```text
//! model file --burn-onnx--> Rust code ----.
//!     |------tract------------------------+-- the same residuals to 1e-5 (tests/agree.rs)
//!     |------read weights, plain Burn ----'
//!     `------onnx, onnxruntime, numpy, golden vectors (check.py), and the detector's own vectors and
//!            residuals of a log (examples/residuals.rs)
//! ```
//!
//! Not part of the product and not built with it: see `build.rs` for how a file is chosen.

pub mod direct;
#[path = "../../trainer/src/export/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the trainer uses the rest")]
pub mod export;
pub mod fixture;

/// What burn-onnx made of the view.
pub mod generated {
    #![allow(clippy::all, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/model/view.rs"));
}

/// The file under test, as it is.
pub const FILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/whole.onnx"));
/// The view under test.
pub const VIEW: &str = env!("ODDLINE_VIEW_CHECKED");
