//! The programs of the fleet as processes: started, asked, stopped. Whatever still runs when the demo ends is stopped.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use oddline_testkit::TestProcess;
use serde_json::Value;

use crate::shell;

/// A program ends within this time of SIGTERM.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running program whose words go to a file.
pub(crate) struct Process {
    name: String,
    said: PathBuf,
    process: TestProcess,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(name: &str, folder: &Path, command: &mut Command) -> Result<Self> {
        let said = folder.join(format!("{name}.log"));
        let file = File::create(&said).with_context(|| format!("making {}", said.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut process = TestProcess::default();
        process.start(command);
        Ok(Self { name: name.to_owned(), said, process })
    }

    /// An error with its last words when it has ended.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        match self.process.ended() {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}): {}", self.name, self.last_words()),
        }
    }

    /// Whether it has ended; an error when it ended badly.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        match self.process.ended() {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => bail!("{} ended ({status}): {}", self.name, self.last_words()),
        }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(mut self) -> Result<()> {
        if self.process.is_alive() {
            let status = self.process.terminate(STOP_PATIENCE);
            ensure!(status.is_some(), "{} does not end: {}", self.name, self.last_words());
        }
        Ok(())
    }

    /// Lets it run on after the demo.
    pub(crate) fn leave(self) -> u32 {
        let id = self.process.id();
        #[expect(clippy::mem_forget, reason = "dropping it would stop it")]
        std::mem::forget(self);
        id
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.said).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// What a program answers on standard output, as JSON; `None` when it fails.
pub(crate) fn ask(command: &mut Command) -> Result<Option<Value>> {
    let output = command.output().with_context(|| format!("starting {}", shell::shown(command)))?;
    Ok(output.status.success().then(|| serde_json::from_slice(&output.stdout).ok()).flatten())
}

/// Waits until something is so.
pub(crate) fn until(what: &str, patience: Duration, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !look()? {
        ensure!(began.elapsed() < patience, "waited {} s: {what}", patience.as_secs());
        wait(LOOK_EVERY);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "between two looks at other programs")]
pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}
