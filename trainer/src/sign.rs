//! Keys and signatures of models. The files are minisign's own: the stock tool makes and checks the same.

use std::{
    fs,
    io::{Cursor, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use oddline_detector::OpenModel;

use crate::{
    error::{DataError, UsageError},
    output, say,
};

const KEY: &str = "keys/oddline.key";

/// Generates a key pair for signing models
#[derive(clap::Args, Clone, Debug)]
pub struct KeygenArgs {
    /// Where the secret key goes; the public one goes beside it, ending in .pub
    #[arg(long, value_name = "FILE", default_value = KEY)]
    pub key: PathBuf,
    /// Protect the secret key with the password in this file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Signs a model for agents that trust the key
#[derive(clap::Args, Clone, Debug)]
pub struct SignArgs {
    /// The model; the signature goes beside it, ending in .minisig
    #[arg(value_name = "FILE", default_value = "models/autoencoder.onnx")]
    pub model: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE", default_value = KEY)]
    pub key: PathBuf,
    /// The file with the password that protects it
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Runs `keygen`.
///
/// # Errors
/// When a key is there already, or the files cannot be written.
pub fn keygen(args: &KeygenArgs) -> Result<()> {
    let public = args.key.with_extension("pub");
    for path in [&args.key, &public] {
        if path.exists() {
            let what =
                "is there already: agents that trust it would no longer take your models; name another with --key";
            return Err(UsageError(format!("{} {what}", path.display())).into());
        }
    }
    let password = args.password_file.as_deref().map(password).transpose()?;
    let pair = match &password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password.clone())),
        None => KeyPair::generate_unencrypted_keypair(),
    };
    let pair = pair.context("cannot make keys")?;
    let comment = Some("oddline: signs models");
    let secret = pair.sk.to_box(comment).context("cannot write the secret key")?.into_string();
    let text = pair.pk.to_box().context("cannot write the public key")?.into_string();
    private(&args.key, secret.as_bytes())?;
    output::write(&public, text.as_bytes())?;
    if password.is_none() {
        say::note("the secret key has no password: whoever reads it can sign models for your agents");
    }
    say::out(&format!(
        "Secret key  {}   do not store it on the collector\nPublic key  {}\nFor the agents' configuration:\n\n\
         [model]\ntrusted_keys = [\"{}\"]\n",
        args.key.display(),
        public.display(),
        pair.pk.to_base64()
    ))
}

/// Runs `sign`.
///
/// # Errors
/// When the model is refused, the key cannot be used, or the signature not be written.
pub fn sign(args: &SignArgs) -> Result<()> {
    let bytes = fs::read(&args.model).with_context(|| format!("cannot read the model {}", args.model.display()))?;
    let model = OpenModel::open(&bytes).with_context(|| format!("the model {} is refused", args.model.display()))?;
    let signer = ModelSigner::open(&args.key, args.password_file.as_deref())?;
    let path = signature_path(&args.model);
    output::write(&path, signer.sign(&bytes, model.version)?.as_bytes())?;
    say::out(&format!(
        "Signed      {}, version {}\nSignature   {}\nPublic key  {}\n",
        args.model.display(),
        model.version,
        path.display(),
        signer.public.to_base64()
    ))
}

/// Where a model's signature goes: beside it.
#[must_use]
pub fn signature_path(model: &Path) -> PathBuf {
    model.with_added_extension("minisig")
}

/// A secret key at hand.
pub struct ModelSigner {
    secret: SecretKey,
    public: PublicKey,
}

impl ModelSigner {
    /// Reads a secret key.
    ///
    /// # Errors
    /// When it cannot be read, is none, or its password is wrong.
    pub fn open(key: &Path, password_file: Option<&Path>) -> Result<Self> {
        let secret = secret(key, password_file)?;
        let public = PublicKey::from_secret_key(&secret).context("the secret key is damaged")?;
        Ok(Self { secret, public })
    }

    /// The text of a model's signature.
    ///
    /// # Errors
    /// When the key is damaged.
    pub fn sign(&self, model: &[u8], version: u64) -> Result<String> {
        let comment = format!("oddline model version {version}");
        let signature = minisign::sign(Some(&self.public), &self.secret, Cursor::new(model), Some(&comment), None);
        let signature = signature.context("cannot sign")?;
        minisign::verify(&self.public, &signature, Cursor::new(model), true, false, false)
            .context("the signature just made is not good: the secret key is damaged")?;
        Ok(signature.into_string())
    }
}

fn secret(path: &Path, password_file: Option<&Path>) -> Result<SecretKey> {
    let named =
        || format!("cannot read the secret key {}: make one with keygen, or name yours with --key", path.display());
    let text = fs::read_to_string(path).with_context(named)?;
    let bad = |why: String| DataError(format!("{} is no secret key: {why}", path.display()));
    let boxed = SecretKeyBox::from_string(&text).map_err(|error| bad(error.to_string()))?;
    match password_file {
        Some(file) => {
            let password = password(file)?;
            let wrong = |error| bad(format!("{error}; is it the password of this key?"));
            Ok(boxed.into_secret_key(Some(password)).map_err(wrong)?)
        }
        None => {
            let hint = |error| bad(format!("{error}; name the file with its password with --password-file"));
            Ok(boxed.into_unencrypted_secret_key().map_err(hint)?)
        }
    }
}

fn password(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the password {}", path.display()))?;
    let password = text.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(UsageError(format!("the password file {} is empty", path.display())).into());
    }
    Ok(password)
}

/// A new file that only its owner can read.
fn private(path: &Path, bytes: &[u8]) -> Result<()> {
    let trouble = || format!("cannot write {}: may this user write there?", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(trouble)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(trouble)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(trouble)
}
