//! What a retraining is to do: typed, or written in `trainer.toml` for the timer, the typed laid over the written.

use std::path::{Path, PathBuf};

use anyhow::Result;
use oddline_config::{ConfigProblems, ConfigReader, Layers};

use super::Args;
use crate::{dataset::ReadOptions, error::UsageError, sign};

/// Where everything is kept unless another folder is named.
const FOLDER: &str = "/var/lib/oddline/trainer";
/// Where packages put the program that pushes.
const COLLECTOR: &str = "/usr/bin/oddline-collector";
/// Names of the key and of its password among a service's credentials; both may be missing.
const CREDENTIAL: &str = "oddline.key";
const CREDENTIAL_PASSWORD: &str = "oddline.key.password";
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
const OUT: &str = "models/next.onnx";

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RetrainSettings {
    /// Paths and patterns of the logs.
    pub logs: Vec<String>,
    pub read: ReadOptions,
    pub current: CurrentModel,
    /// A model that a person stands for: what grew since counts, in however many steps.
    pub anchor: CurrentModel,
    /// Where the new model goes.
    pub out: PathBuf,
    /// Where the report goes; as JSON beside it.
    pub report: PathBuf,
    /// The key that signs, where there is one.
    pub key: Option<PathBuf>,
    /// The file with its password.
    pub password_file: Option<PathBuf>,
    /// What hands a promoted model out, where it is to be handed out.
    pub push: Option<PushCommand>,
}

/// A model that is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CurrentModel {
    None,
    /// This one; it must be there.
    File(PathBuf),
    /// This one, once there is one: it is kept here.
    Kept(PathBuf),
}

/// The collector's program, and whom it shall tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PushCommand {
    pub program: PathBuf,
    /// `all`, or agents.
    pub to: Vec<String>,
}

/// What `trainer.toml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenModel {
    logs: Vec<String>,
    read: ReadOptions,
    folder: PathBuf,
    current: PathBuf,
    anchor: PathBuf,
    key: Option<PathBuf>,
    password_file: Option<PathBuf>,
    push: Option<PushCommand>,
}

impl RetrainSettings {
    /// Puts together what was typed and what is written.
    ///
    /// # Errors
    /// All mistakes of the configuration, or options that do not fit together.
    pub(super) fn of(args: &Args) -> Result<Self> {
        let written = args.config.as_deref().map(read).transpose()?;
        let logs = if args.logs.is_empty() {
            written.as_ref().map(|written| written.logs.clone()).unwrap_or_default()
        } else {
            args.logs.clone()
        };
        let read = args.read.over(written.as_ref().map(|written| written.read.clone()).unwrap_or_default())?;
        if logs.is_empty() && read.journal.is_none() {
            let what = "name the logs to learn from, or a configuration that does: retrain LOGS... or --config FILE";
            return Err(UsageError(what.to_owned()).into());
        }
        if logs.iter().any(|log| log == "-") {
            return Err(UsageError("retrain needs files: standard input cannot be read twice".to_owned()).into());
        }
        let out = args.out.clone();
        let out = out.or_else(|| written.as_ref().map(|w| w.folder.join("next.onnx"))).unwrap_or_else(|| OUT.into());
        let model = |typed: &Option<PathBuf>, kept: Option<&PathBuf>| match (typed, kept) {
            (Some(file), _) => CurrentModel::File(file.clone()),
            (None, Some(kept)) => CurrentModel::Kept(kept.clone()),
            (None, None) => CurrentModel::None,
        };
        let current = model(&args.current, written.as_ref().map(|w| &w.current));
        let anchor = model(&args.anchor, written.as_ref().map(|w| &w.anchor));
        let written_key = written.as_ref().and_then(|w| Some((w.key.clone()?, w.password_file.clone())));
        let (key, password_file) = match (&args.key, written_key) {
            (Some(key), _) => (Some(key.clone()), args.password_file.clone()),
            (None, Some((key, password))) => (Some(key), args.password_file.clone().or(password)),
            (None, None) => (credential(CREDENTIAL), credential(CREDENTIAL_PASSWORD)),
        };
        let typed_push = args.push_with.clone().map(|program| PushCommand { program, to: everyone() });
        let report = args.report.clone().unwrap_or_else(|| out.with_extension("md"));
        if report.extension().is_some_and(|e| e == "json") {
            let what = "--report names the report for people; the JSON goes beside it: choose another ending, e.g. .md";
            return Err(UsageError(what.to_owned()).into());
        }
        let push = typed_push.or_else(|| written.and_then(|written| written.push));
        let settings = Self { logs, read, current, anchor, out, report, key, password_file, push };
        settings.check_files()?;
        Ok(settings)
    }

    /// What is written must not be what is read: a model that is held would replace the one in use.
    fn check_files(&self) -> Result<(), UsageError> {
        let (signature, json) = (sign::signature_path(&self.out), self.report_json());
        let written: [(&str, &Path); 4] = [
            ("the new model", &self.out),
            ("its signature", &signature),
            ("the report", &self.report),
            ("the report as JSON", &json),
        ];
        let read = [
            ("the model in use", self.current.path()),
            ("the anchor", self.anchor.path()),
            ("the key", self.key.as_deref()),
            ("the key's password", self.password_file.as_deref()),
        ];
        for (what, path) in written {
            for (which, other) in read.iter().filter_map(|(which, path)| Some((which, (*path)?))) {
                if place(path) == place(other) {
                    let path = path.display();
                    return Err(UsageError(format!("{what} would replace {which}, {path}: name another file")));
                }
            }
        }
        match (self.current.path(), self.anchor.path()) {
            (Some(current), Some(anchor)) if place(current) == place(anchor) => {
                let what = "the model in use and the anchor are one file: the anchor stays when the other goes on";
                Err(UsageError(format!("{what}: {}", current.display())))
            }
            _ => Ok(()),
        }
    }

    #[must_use]
    pub(super) fn report_json(&self) -> PathBuf {
        self.report.with_extension("json")
    }
}

impl CurrentModel {
    /// Its file, whether it is there or not.
    #[must_use]
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::None => None,
            Self::File(path) | Self::Kept(path) => Some(path),
        }
    }
}

/// Where a path leads, as far as it is there.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let in_folder = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

/// Reads `trainer.toml`, the folder beside it and the environment.
pub fn read(file: &Path) -> Result<WrittenModel, ConfigProblems> {
    let reader = Layers::of(file).read();
    let written = all(&reader);
    reader.finish()?;
    Ok(written)
}

fn all(reader: &ConfigReader) -> WrittenModel {
    let top = reader.top();
    let section = top.section("retrain");
    let logs: Vec<String> = section.list("logs").unwrap_or_default();
    let read = ReadOptions::written(&section);
    if logs.is_empty() && read.journal.is_none() {
        section.problem("logs", "there is none: say what to learn from, such as logs = [\"/var/log/app/*.csv\"]");
    }
    let folder = section.path("folder").unwrap_or_else(|| FOLDER.into());
    let current = section.path("current").unwrap_or_else(|| folder.join("current.onnx"));
    let anchor = section.path("anchor").unwrap_or_else(|| folder.join("anchor.onnx"));
    let (key, password_file) = (section.path("key"), section.path("password_file"));
    if section.has("password_file") && !section.has("key") {
        section.problem("password_file", "a password_file belongs to a key: name that too");
    }
    let program = section.path("collector").unwrap_or_else(|| COLLECTOR.into());
    let to = section.list("to").unwrap_or_else(everyone);
    let push = section.flag("push").unwrap_or(true).then_some(PushCommand { program, to });
    section.finish();
    top.finish();
    WrittenModel { logs, read, folder, current, anchor, key, password_file, push }
}

fn everyone() -> Vec<String> {
    vec!["all".to_owned()]
}

/// A credential that a service may have been given.
fn credential(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(CREDENTIALS)?).join(name);
    path.exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_known_to_the_family() {
        let reader = Layers::default().read();
        drop(all(&reader));
        let unknown: Vec<String> = reader
            .variables()
            .into_iter()
            .filter(|name| !oddline_config::family::VARIABLES.contains(&name.as_str()))
            .collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
    }
}
