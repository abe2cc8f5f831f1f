//! Writes the file under test (the fixture, if none was named) where `check.py` can read it.

use std::{env, fs, process::ExitCode};

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1) else {
        eprintln!("usage: fixture FILE.onnx");
        return ExitCode::from(2);
    };
    match fs::write(&path, oddline_conformance::FILE) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{}: {e}", path.to_string_lossy());
            ExitCode::FAILURE
        }
    }
}
