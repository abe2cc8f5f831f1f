//! `model show | verify | rollback`: the models of this host.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Subcommand;
use oddline_core::{amounts::size, limits::MODEL_BYTES_MAX};
use oddline_detector::OpenModel;

use oddline_cli::table::table;

use super::status::ask;
use crate::{
    config,
    control::RollbackAnswer,
    model::{
        slots::ModelSlots,
        store::ModelStore,
        verify::{TrustedKeys, hash},
    },
    model_manager,
};

/// What is to be done.
#[derive(Debug, Clone, Subcommand)]
pub enum ModelAction {
    /// Prints which models this host has
    Show,
    /// Checks a model file as the agent would: size, signature, content
    Verify(VerifyArgs),
    /// Rolls back to a known-good model
    Rollback {
        /// Its version; the newest good one but the one in use when left out
        version: Option<u64>,
    },
}

/// A file and what it is checked against.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// The model
    #[arg(value_name = "FILE")]
    pub model: PathBuf,
    /// Its detached signature
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// A minisign public key to check it with, instead of the configured ones
    #[arg(long, value_name = "KEY or FILE")]
    pub key: Option<String>,
}

/// Runs one of them.
///
/// # Errors
/// When a file cannot be read, a check fails, or there is no way back.
pub fn run(file: &Path, what: &ModelAction, as_json: bool, out: &mut impl Write) -> Result<()> {
    match what {
        ModelAction::Show => show(file, as_json, out),
        ModelAction::Verify(args) => verify(file, args, as_json, out),
        ModelAction::Rollback { version } => rollback(file, *version, as_json, out),
    }
}

fn show(file: &Path, as_json: bool, out: &mut impl Write) -> Result<()> {
    let config = config::load(file)?.config;
    let store = ModelStore::to_read(&config.state_dir.join(model_manager::FOLDER));
    // What root sees there is what the service could have shown it.
    let (known, wrong) = oddline_owner::of(&config.state_dir, || store.slots())?;
    if let (None, Some(error)) = (&known, wrong.into_iter().next()) {
        return Err(error.into());
    }
    let slots = known.unwrap_or_else(|| ModelSlots::new(model_manager::factory(&config.factory).ok().map(|f| f.0.id)));
    let state = slots.state();
    if as_json {
        return Ok(writeln!(out, "{}", oddline_core::terminal::json(&serde_json::to_string_pretty(&state)?))?);
    }
    let mut rows = Vec::new();
    let mut row = |id: &oddline_core::wire::ModelId| {
        let mut is: Vec<&str> = Vec::new();
        is.extend((state.current == Some(*id)).then_some("in use"));
        is.extend(state.good.iter().any(|good| good == id).then_some("good"));
        is.extend((state.factory == Some(*id)).then_some("factory"));
        let cells = vec![id.version.to_string(), is.join(", "), id.sha256.to_string()];
        if !rows.contains(&cells) {
            rows.push(cells);
        }
    };
    state.current.iter().chain(state.good.iter()).chain(&state.factory).for_each(&mut row);
    if rows.is_empty() {
        bail!("this host has no model: name one with model.factory");
    }
    Ok(write!(out, "{}", table(&["version", "is", "sha256"], &rows))?)
}

fn verify(file: &Path, args: &VerifyArgs, as_json: bool, out: &mut impl Write) -> Result<()> {
    let bytes = fs::read(&args.model).with_context(|| format!("cannot read {}", args.model.display()))?;
    if bytes.len() > MODEL_BYTES_MAX {
        let (found, most) = (size(bytes.len() as u64), size(MODEL_BYTES_MAX as u64));
        bail!("{}: {found}, at most {most} are allowed", args.model.display());
    }
    let signature = signature(args)?;
    let keys = match &args.key {
        Some(key) => vec![fs::read_to_string(key).unwrap_or_else(|_| key.clone())],
        None => config::load(file).map(|loaded| loaded.config.trusted_keys).unwrap_or_default(),
    };
    let signed = match (&signature, keys.is_empty()) {
        (Some(signature), false) => {
            let keys = TrustedKeys::parse(&keys).map_err(|errors| anyhow!("{}", errors[0]))?;
            keys.check(&bytes, signature).with_context(|| args.model.display().to_string())?;
            "good"
        }
        (Some(_), true) => "not checked: no key is trusted here, name one with --key",
        (None, _) => "none: only a model from this host's disk is used without one",
    };
    let model = OpenModel::open(&bytes).with_context(|| format!("the model {} is refused", args.model.display()))?;
    let (version, sha256) = (model.version, hash(&bytes));
    if as_json {
        let answer = serde_json::json!({"version": version, "sha256": sha256, "signature": signed});
        return Ok(writeln!(out, "{answer}")?);
    }
    writeln!(out, "model      {version}, {}, acceptable", size(bytes.len() as u64))?;
    writeln!(out, "sha256     {sha256}")?;
    Ok(writeln!(out, "signature  {signed}")?)
}

/// The signature that was named, or the one beside the model.
fn signature(args: &VerifyArgs) -> Result<Option<String>> {
    let path = args.signature.clone().unwrap_or_else(|| args.model.with_added_extension("minisig"));
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if args.signature.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the signature {}", path.display())),
    }
}

fn rollback(file: &Path, version: Option<u64>, as_json: bool, out: &mut impl Write) -> Result<()> {
    let question = version.map_or_else(|| "rollback".to_owned(), |version| format!("rollback {version}"));
    let text = ask(file, &question)?;
    if as_json {
        write!(out, "{text}")?;
    }
    match serde_json::from_str(&text).context("the agent's answer is of another version")? {
        RollbackAnswer::Ok(_) if as_json => Ok(()),
        RollbackAnswer::Ok(version) => Ok(writeln!(out, "model {version} is active")?),
        RollbackAnswer::Error(why) => bail!("{why}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    const SERVICE: u32 = 64_104;

    #[test]
    fn root_makes_nothing_in_the_services_folder_and_looks_with_its_eyes() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (state, secret) = (dir.path().join("state"), dir.path().join("secret"));
        for folder in [&state, &secret] {
            fs::create_dir(folder).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::write(secret.join("slots.json"), "none of the service's business").unwrap();
        let file = dir.path().join("agent.toml");
        fs::write(&file, format!("name = 'a'\nstate_dir = {state:?}\n[[source]]\njournal = true\n")).unwrap();
        let show = || show(&file, true, &mut Vec::new());
        show().unwrap();
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
        if chown(&state, Some(SERVICE), Some(SERVICE)).is_err() {
            return oddline_testkit::not_run("oddline-agent model show", "only root can become somebody else");
        }
        symlink(&secret, state.join("models")).unwrap();
        let error = format!("{:#}", show().unwrap_err());
        assert!(error.contains("Permission denied"), "{error}");
    }
}
