//! The units in `systemd/`: what they leave exposed, and whether systemd finds anything to say about them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::summary::{NotRun, Outcome};
use crate::shell;

const ANALYZE: &str = "systemd-analyze";
/// Largest exposure that systemd may find, of the agent and of the others.
const EXPOSURE_MAX: [(&str, f64); 1] = [("oddline-agent.service", 1.5)];
const EXPOSURE_OTHERS_MAX: f64 = 2.0;
/// Where a package puts the programs.
const PROGRAMS: &str = "/usr/bin/";

/// Every unit: verified without a word, and not more exposed than it may be.
pub(super) fn units(_: &mut NotRun) -> Result<Outcome> {
    if shell::find_program(ANALYZE).is_none() {
        return Ok(Outcome::NotRun("systemd-analyze is not installed (Debian package systemd)".to_owned()));
    }
    let folder = shell::target_dir()?.join("xtask/units");
    let copies = copies(&folder)?;
    // Together: a timer names its service.
    let verify = Command::new(ANALYZE).args(["verify", "--man=no"]).args(&copies).output().context(ANALYZE)?;
    let said = String::from_utf8_lossy(&verify.stderr);
    // It warns with exit code 0.
    ensure!(verify.status.success() && said.trim().is_empty(), "systemd-analyze verify says:\n{said}");
    for unit in copies.iter().filter(|unit| unit.extension().is_some_and(|e| e == "service")) {
        let name = unit.file_name().context("a unit has a name")?.to_string_lossy().into_owned();
        let max = EXPOSURE_MAX.iter().find(|(unit, _)| *unit == name).map_or(EXPOSURE_OTHERS_MAX, |(_, max)| *max);
        let exposure = exposure(unit)?;
        println!("{name}: exposure {exposure} of at most {max}");
        ensure!(exposure <= max, "{name}: its exposure is {exposure}, at most {max} is allowed");
    }
    Ok(Outcome::Passed)
}

/// The units with programs that exist here: systemd looks for them.
fn copies(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let program = std::env::current_exe()?;
    let mut copies = Vec::new();
    for entry in fs::read_dir(shell::root().join("systemd"))? {
        let path = entry?.path();
        if !path.extension().is_some_and(|e| e == "service" || e == "timer") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let text: String = text.lines().map(|line| with_program(line, &program) + "\n").collect();
        let copy = folder.join(path.file_name().context("a unit has a name")?);
        fs::write(&copy, text)?;
        copies.push(copy);
    }
    if copies.is_empty() {
        bail!("there is no unit in systemd/");
    }
    copies.sort();
    Ok(copies)
}

fn with_program(line: &str, program: &Path) -> String {
    let Some((setting, command)) = line.split_once('=').filter(|(setting, _)| setting.starts_with("Exec")) else {
        return line.to_owned();
    };
    let (name, arguments) = command.split_once(' ').unwrap_or((command, ""));
    if name.starts_with(PROGRAMS) { format!("{setting}={} {arguments}", program.display()) } else { line.to_owned() }
}

fn exposure(unit: &Path) -> Result<f64> {
    let run = Command::new(ANALYZE).args(["security", "--offline=true"]).arg(unit).output().context(ANALYZE)?;
    let text = String::from_utf8_lossy(&run.stdout);
    let last = text.lines().rev().find_map(|line| line.split_once("Overall exposure level for"));
    let (_, rest) = last.with_context(|| format!("systemd-analyze security says no exposure:\n{text}"))?;
    let number = rest.split_once(": ").and_then(|(_, rest)| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).with_context(|| format!("no number in {rest:?}"))
}
