//! The trainer's commands as the chores use them: every flag they give it stands in this file and nowhere else.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

/// Where the three commands put their files when no option says otherwise, relative to where they run.
pub(crate) const SERVER_LOGS: &str = "logs/server_logs.txt";
pub(crate) const UNSEEN_LOGS: &str = "logs/unseen_logs.txt";
pub(crate) const MODEL: &str = "models/autoencoder.onnx";
/// The public key that `keygen` makes.
pub(crate) const PUBLIC_KEY: &str = "keys/oddline.pub";
pub(crate) const ANOMALIES: &str = "logs/anomalies.csv";

/// Everything that generate, train and test leave behind, with what it is.
pub(crate) const FILES: &[(&str, &str)] = &[
    (SERVER_LOGS, "generated logs to learn from"),
    (UNSEEN_LOGS, "generated logs to be judged"),
    (MODEL, "the model: one file with everything the detector needs"),
    ("charts/loss_curves.png", "loss of training and validation"),
    ("charts/error_distribution.png", "scores of the training data with the threshold"),
    (ANOMALIES, "every anomaly found"),
    ("logs/debug_logs.txt", "every record where verdict and truth differ"),
    ("charts/unseen_data_errors.png", "scores of the unseen data with the threshold"),
    ("charts/unseen_data_streams.png", "the streams with the most anomalies over time"),
];

/// How the trainer is compiled.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// As the tests are, so that nothing heavy is compiled twice.
    Dev,
    /// For measuring time and memory.
    Release,
}

impl Profile {
    /// Features are unified over the whole workspace, as in `cargo test`. With `--examples` (there are none) cargo counts
    /// the features of the tests' libraries in as well; without it Burn would be compiled once more for the tests.
    fn build_args(self) -> &'static [&'static str] {
        match self {
            Self::Dev => &["--workspace", "--bin", "oddline-trainer", "--examples"],
            Self::Release => &["--workspace", "--bin", "oddline-trainer", "--release"],
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// What `generate` is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub name: &'static str,
    pub servers: u32,
    /// Days of the log to learn from.
    pub days: u32,
    /// Days of the log to judge.
    pub test_days: u32,
    /// Share of anomalous records in the log to learn from.
    pub contamination: f64,
    /// Share of anomalous records in the log to judge; the scenario's own when not given.
    pub anomaly_rate: Option<f64>,
    pub seed: u64,
}

impl Scenario {
    /// The size that the generator has without options.
    pub(crate) const WEEK: Self =
        Self { name: "full", servers: 3, days: 7, test_days: 7, contamination: 0.02, anomaly_rate: None, seed: 1 };
}

/// One server's log as time passes.
pub(crate) struct Live<'a> {
    /// What is simulated.
    pub scenario: &'a Scenario,
    /// Whose records are written.
    pub server: &'a str,
    /// The log.
    pub file: &'a Path,
    /// First time.
    pub start: &'a str,
    /// Simulated seconds per second.
    pub speed: u32,
    /// Seconds it goes on.
    pub seconds: u32,
}

/// Where `train` puts the threshold.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// The trainer's default budget.
    Default,
    /// False episodes per server and day.
    Budget(f64),
    /// Quantile of normal scores.
    Quantile(f64),
}

/// What a model is trained without, to see what that part is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    Nothing,
    Autoencoder,
    Novelty,
    Trimming,
}

impl Without {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "-",
            Self::Autoencoder => "autoencoder",
            Self::Novelty => "novelty",
            Self::Trimming => "trimming",
        }
    }
}

/// The trainer's program and the folder its commands run in.
pub(crate) struct Trainer {
    program: PathBuf,
    dir: PathBuf,
}

impl Trainer {
    /// Compiles the trainer and makes an empty folder of this name under cargo's target folder.
    pub(crate) fn build(profile: Profile, folder: &str) -> Result<Self> {
        let target = shell::target_dir()?;
        let mut build = shell::cargo();
        build.arg("build").args(profile.build_args());
        shell::must(&mut build)?;
        let dir = target.join(folder);
        empty(&dir)?;
        Ok(Self { program: target.join(profile.folder()).join("oddline-trainer"), dir })
    }

    /// The same trainer in a new, empty folder below this one.
    pub(crate) fn in_folder(&self, name: &str) -> Result<Self> {
        let dir = self.dir.join(name);
        empty(&dir)?;
        Ok(Self { program: self.program.clone(), dir })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(name).current_dir(&self.dir);
        command
    }

    pub(crate) fn generate(&self, scenario: &Scenario) -> Command {
        let mut command = self.command("generate");
        command
            .args(["--scenario", scenario.name])
            .args(["--servers", &scenario.servers.to_string()])
            .args(["--days", &scenario.days.to_string()])
            .args(["--test-days", &scenario.test_days.to_string()])
            .args(["--contamination", &scenario.contamination.to_string()])
            .args(["--seed", &scenario.seed.to_string()]);
        if let Some(rate) = scenario.anomaly_rate {
            command.args(["--anomaly-rate", &rate.to_string()]);
        }
        command
    }

    pub(crate) fn train(&self, aim: Aim, without: Without) -> Command {
        let mut command = self.command("train");
        match aim {
            Aim::Default => {}
            Aim::Budget(budget) => drop(command.args(["--alert-budget", &budget.to_string()])),
            Aim::Quantile(quantile) => drop(command.args(["--quantile", &quantile.to_string()])),
        }
        if without != Without::Nothing {
            command.args(["--without", without.name()]);
        }
        command
    }

    /// Appends records of one server to a log as their (faster) time comes.
    pub(crate) fn live(&self, live: &Live<'_>) -> Command {
        let Live { scenario, server, file, start, speed, seconds } = live;
        let mut command = self.generate(scenario);
        command
            .args(["--live", "--only-server", server, "--start", start])
            .args(["--speed", &speed.to_string(), "--for-s", &seconds.to_string()])
            .arg("--live-file")
            .arg(file);
        command
    }

    /// Another model from a log, beginning with the one there is.
    pub(crate) fn train_again(&self, logs: &Path, model: &Path) -> Command {
        let mut command = self.command("train");
        command.arg("--logs").arg(logs).args(["--warm-start", MODEL]).arg("--model").arg(model);
        command.args(["--charts", "charts/again"]);
        command
    }

    /// Makes a pair of keys.
    pub(crate) fn keygen(&self) -> Command {
        self.command("keygen")
    }

    /// Signs a model with the key of [`Self::keygen`].
    pub(crate) fn sign(&self, model: &Path) -> Command {
        let mut command = self.command("sign");
        command.arg(model);
        command
    }

    /// Judges the unseen logs as a user does, who has no truth to compare with.
    pub(crate) fn test(&self) -> Command {
        self.command("test")
    }

    /// Judges the unseen logs and compares with the truth.
    pub(crate) fn test_with_truth(&self) -> Command {
        let mut command = self.test();
        command.arg("--debug-with-anomaly-flag");
        command
    }

    /// Judges the unseen logs, compares with the truth and writes the figures as JSON.
    pub(crate) fn test_to_report(&self, report: &Path) -> Command {
        let mut command = self.test_with_truth();
        command.arg("--report").arg(report);
        command
    }

    /// Judges a file, or standard input when it is `-`.
    pub(crate) fn test_logs(&self, logs: &Path) -> Command {
        let mut command = self.test();
        command.arg("--logs").arg(logs);
        command
    }
}

/// Runs a command whose output is of interest only when it fails.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("starting {}", shell::shown(command)))?;
    anyhow::ensure!(
        output.status.success(),
        "{} ({}): {}",
        shell::shown(command),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn empty(dir: &Path) -> Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("emptying {}", dir.display()))?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))
}
