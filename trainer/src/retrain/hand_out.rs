//! A promoted model on its way to the fleet: the collector's own program pushes it, and only then it is the model in use.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow};

use super::settings::{PushCommand, RetrainSettings};
use crate::output;

/// Pushes the model and, where the model in use is kept, keeps it as that. What the program said.
///
/// # Errors
/// When the program cannot be run or fails; the model in use is then the old one, and the next run tries again.
pub(super) fn hand_out(push: &PushCommand, settings: &RetrainSettings, model: &[u8]) -> Result<String> {
    let PushCommand { program, to } = push;
    let mut command = Command::new(program);
    command.arg("push").arg(&settings.out).arg("--report").arg(settings.report_json()).arg("--to").args(to);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().with_context(|| {
        format!("cannot run {}: is the collector installed here? With push = false it is not run", program.display())
    })?;
    if !output.status.success() {
        return Err(anyhow!(
            "the model {} is promoted and signed, but was not pushed: {} ended with {}, its reason is above. The next \
             run tries again",
            settings.out.display(),
            program.display(),
            output.status
        ));
    }
    if let Some(current) = settings.current.path() {
        output::write(current, model)?;
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What an operator may type to hand a model out.
#[must_use]
pub(super) fn by_hand(settings: &RetrainSettings, is_signed: bool) -> Vec<String> {
    let out = settings.out.display();
    let mut commands = Vec::new();
    if !is_signed {
        let key = settings.key.as_deref().unwrap_or(Path::new("KEY"));
        commands.push(format!("oddline-trainer sign {out} --key {}", key.display()));
    }
    commands.push(format!("oddline-collector push {out} --report {} --to all", settings.report_json().display()));
    if let Some(current) = settings.current.path() {
        // With its owner and mode: root's copy would be closed to the service that reads it tomorrow.
        commands.push(format!("cp -p {out} {}", current.display()));
    }
    commands
}
