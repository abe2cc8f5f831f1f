//! The conformance crate: our model file read by other people's programs. It is a workspace of its own, so that what it
//! compares with is never compiled for anyone else. Here: how it is started, not what it checks.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::shell;

const FOLDER: &str = "conformance";
const PYTHON_PACKAGES: &[&str] = &["onnx", "onnxruntime", "numpy"];
/// Names the model file to the crate's tests.
const MODEL_VARIABLE: &str = "ODDLINE_MODEL";

/// The crate's own tests; the model file's path is absolute.
pub(crate) fn cargo_test(model: &Path) -> Result<Command> {
    let mut command = cargo("test", model)?;
    command.arg("--tests");
    Ok(command)
}

/// Judges a log with the detector and writes what went into the model and what came out of it, as CSV.
pub(crate) fn write_residuals(model: &Path, log: &Path, inputs: &Path, residuals: &Path) -> Result<Command> {
    let mut command = cargo("run", model)?;
    command.args(["--quiet", "--example", "residuals", "--"]).args([model, log, inputs, residuals]);
    Ok(command)
}

fn cargo(what: &str, model: &Path) -> Result<Command> {
    let mut command = shell::cargo();
    command
        .args([what, "--manifest-path"])
        .arg(Path::new(FOLDER).join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", shell::target_dir()?.join(FOLDER))
        .env(MODEL_VARIABLE, model);
    Ok(command)
}

/// onnx.checker and onnxruntime on the model file.
pub(crate) fn python_check(python: &Path, model: &Path) -> Command {
    let mut command = Command::new(python);
    command.current_dir(shell::root()).arg("conformance/check.py").arg(model);
    command
}

/// Python with the packages in an environment of its own, made when it is not there; or why it cannot be had.
pub(crate) fn python() -> Result<Result<PathBuf, String>> {
    let dir = shell::target_dir()?.join("conformance-venv");
    let python = dir.join("bin/python");
    if imports(&python) {
        return Ok(Ok(python));
    }
    let Some(system) = shell::find_program("python3") else {
        return Ok(Err("no python3".into()));
    };
    let mut venv = Command::new(system);
    if !shell::succeeds(venv.args(["-m", "venv"]).arg(&dir))? {
        return Ok(Err("python3 -m venv failed (Debian: python3-venv)".into()));
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--retries", "1", "--timeout", "30"])
        .args(PYTHON_PACKAGES);
    if shell::succeeds(&mut pip)? && imports(&python) {
        Ok(Ok(python))
    } else {
        Ok(Err(format!("pip could not install {}", PYTHON_PACKAGES.join(", "))))
    }
}

fn imports(python: &Path) -> bool {
    let code = format!("import {}", PYTHON_PACKAGES.join(", "));
    let output = Command::new(python).args(["-c", &code]).output();
    output.is_ok_and(|output| output.status.success())
}
