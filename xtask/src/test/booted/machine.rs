//! A system that runs in a container with its own systemd and no network: commands are given to it, its journal is read.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::demo::processes::{Process, until};

const BOOT_PATIENCE: Duration = Duration::from_secs(120);
/// Lines of the journal that are shown when something is wrong.
const JOURNAL_LINES: &str = "60";

pub(super) struct Machine {
    root: PathBuf,
    container: Process,
    /// Its first process, as this system numbers it.
    leader: u32,
}

impl Machine {
    pub(super) fn boot(root: &Path) -> Result<Self> {
        let mut nspawn = Command::new("systemd-nspawn");
        nspawn
            .args(["--boot", "--register=no", "--keep-unit", "--private-network", "--machine=oddline-booted", "-D"])
            .arg(root)
            // Where this system has both hierarchies of control groups, a systemd of Debian 12 wants the older.
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "0");
        let beside = root.parent().context("a folder in a folder")?;
        let mut container = Process::start("systemd-nspawn", beside, &mut nspawn)?;
        let mut leader = None;
        until("the container has no first process", BOOT_PATIENCE, || {
            container.must_run()?;
            leader = first_child(container.id());
            Ok(leader.is_some())
        })?;
        let machine = Self { root: root.to_owned(), container, leader: leader.context("just found")? };
        until("the system does not boot", BOOT_PATIENCE, || {
            let state = machine.output(&["systemctl", "is-system-running"])?;
            let state = String::from_utf8_lossy(&state.stdout).into_owned();
            // Degraded: a container has not all that a machine has.
            Ok(matches!(state.trim(), "running" | "degraded"))
        })?;
        Ok(machine)
    }

    /// What a file of it is called here.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.root.join(file.trim_start_matches('/'))
    }

    /// Writes a file in it, with the folders on the way.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// Runs a command in it, with a word about it; what it answers. It must succeed.
    pub(super) fn run(&self, command: &[&str]) -> Result<String> {
        println!("booted$ {}", command.join(" "));
        self.answer(command)
    }

    /// What a command in it answers; it must succeed.
    pub(super) fn answer(&self, command: &[&str]) -> Result<String> {
        let output = self.output(command)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = command.join(" ");
        if !output.status.success() {
            bail!("{words}: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(said)
    }

    /// The same, as a shell reads it.
    pub(super) fn shell(&self, script: &str) -> Result<String> {
        self.run(&["sh", "-euc", script])
    }

    /// Whether a command in it succeeds.
    pub(super) fn succeeds(&self, command: &[&str]) -> Result<bool> {
        Ok(self.output(command)?.status.success())
    }

    /// A property of a unit.
    pub(super) fn property(&self, unit: &str, name: &str) -> Result<String> {
        let output = self.output(&["systemctl", "show", "--value", "--property", name, unit])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Waits until a unit is in this state.
    pub(super) fn comes_to(&self, unit: &str, state: &str) -> Result<()> {
        let what = format!("{unit} does not become {state}");
        until(&what, Duration::from_secs(60), || Ok(self.property(unit, "ActiveState")? == state))
            .with_context(|| self.said_by(unit))
    }

    /// What a unit has said last.
    pub(super) fn said_by(&self, unit: &str) -> String {
        self.text_of(&["journalctl", "--output=cat", "--lines", JOURNAL_LINES, "--unit", unit])
    }

    /// What everybody has said last.
    pub(super) fn journal(&self) -> String {
        self.text_of(&["journalctl", "--lines", JOURNAL_LINES])
    }

    /// The end.
    pub(super) fn power_off(mut self) -> Result<()> {
        self.run(&["systemctl", "--no-block", "poweroff"])?;
        until("it does not power off", BOOT_PATIENCE, || Ok(self.container.has_ended().unwrap_or(true)))?;
        ensure!(self.container.has_ended().unwrap_or(true), "the container runs on");
        Ok(())
    }

    fn text_of(&self, command: &[&str]) -> String {
        let output = self.output(command);
        output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn output(&self, command: &[&str]) -> Result<Output> {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.leader.to_string(), "--all", "--wdns=/srv", "--"]).args(command);
        nsenter.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/srv").env("LC_ALL", "C.UTF-8");
        nsenter.output().with_context(|| format!("starting nsenter for {}", command.join(" ")))
    }
}

fn first_child(id: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
