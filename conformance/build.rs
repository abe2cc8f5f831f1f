//! Chooses the model to check and lets burn-onnx write Rust code for it.
//!
//! `ODDLINE_MODEL` (an absolute path) names a model file, `ODDLINE_VIEW` the view in it (`record` if
//! not set); without a path the fixture is taken. Leaves in OUT_DIR: `whole.onnx`, the file as it is,
//! and `model/view.rs`, the code for the one view. burn-onnx gets a file with that view alone, as the
//! generated signature follows the number of views; reading checks that the file's graph is exactly
//! what writing the view again gives, so nothing is hidden by it.

#[path = "../trainer/src/export/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the trainer uses the rest")]
mod export;
#[path = "src/fixture.rs"]
mod fixture;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use burn_onnx::{LoadStrategy, ModelGen};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=ODDLINE_MODEL");
    println!("cargo:rerun-if-env-changed=ODDLINE_VIEW");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/fixture.rs");
    println!("cargo:rerun-if-changed=../trainer/src/export");
    let name = env::var("ODDLINE_VIEW").unwrap_or_else(|_| "record".to_owned());
    let whole = match env::var_os("ODDLINE_MODEL") {
        Some(path) => {
            println!("cargo:rerun-if-changed={}", path.to_string_lossy());
            fs::read(&path).map_err(|e| format!("ODDLINE_MODEL {}: {e}", path.to_string_lossy()))?
        }
        None => fixture::file()?,
    };
    let view = export::decode_weights(&whole, &name)?;

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let alone = out.join("view.onnx");
    fs::write(&alone, export::encode(&[view], &[])?)?;
    fs::write(out.join("whole.onnx"), whole)?;
    println!("cargo:rustc-env=ODDLINE_VIEW_CHECKED={name}");
    ModelGen::new()
        .input(alone.to_str().ok_or("OUT_DIR is not UTF-8")?)
        .out_dir("model/")
        .load_strategy(LoadStrategy::Embedded)
        .run_from_script();
    Ok(())
}
