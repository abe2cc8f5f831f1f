//! A model file on its way into the store: size, checksum, signature beside it, version from its metadata. Whether the
//! signature is good and the model runs is checked by every agent; what is refused here would be refused there.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use oddline_core::{
    amounts::size, id::ModelHash, limits::MODEL_BYTES_MAX, profile::key, seal, wire::SIGNATURE_BYTES_MAX,
};
use sha2::{Digest as _, Sha256};

use crate::store::{AgentKey, ModelFile, RolloutTarget, TargetError};

/// Bytes of a report that is kept with a model.
const REPORT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// First words of a minisign signature.
const SIGNATURE_LEAD: &str = "untrusted comment:";

/// Why a model is not pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// A file cannot be read.
    #[error("{}: {reason}", path.display())]
    Read { path: PathBuf, reason: io::Error },
    #[error("{}: {} where 1 B to {} are allowed", path.display(), size(*bytes), size(*max))]
    Size {
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
        max: u64,
    },
    /// The model is not as its writer left it.
    #[error("{}: its checksum is wrong: it was cut, edited or is no Oddline model", .0.display())]
    Damaged(PathBuf),
    #[error("{}: {what}", path.display())]
    Metadata { path: PathBuf, what: String },
    #[error("{}: there is no signature {}; agents take only signed models: make one with `oddline-trainer sign`", model.display(), signature.display())]
    Unsigned {
        model: PathBuf,
        /// Where the signature should be.
        signature: PathBuf,
    },
    #[error("{}: this is no minisign signature", .0.display())]
    Signature(PathBuf),
    /// A report that is no JSON.
    #[error("{}: the report is no JSON: {reason}", path.display())]
    Report { path: PathBuf, reason: serde_json::Error },
}

/// Reads and checks a model with its signature and report.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn read(model: &Path, report: Option<&Path>) -> Result<ModelFile, PushError> {
    let bytes = bounded(model, MODEL_BYTES_MAX as u64)?;
    if !seal::is_intact(&bytes) {
        return Err(PushError::Damaged(model.to_owned()));
    }
    let wrong = |what: String| PushError::Metadata { path: model.to_owned(), what };
    let mut metadata = metadata(&bytes).map_err(|what| wrong(what.to_owned()))?;
    let version = metadata.get(key::VERSION).ok_or_else(|| wrong(format!("no {} in its metadata", key::VERSION)))?;
    let version = version.parse().map_err(|_| wrong(format!("{} is {version:?}, no number", key::VERSION)))?;
    if i64::try_from(version).is_err() {
        return Err(wrong(format!("version {version} is larger than a store holds")));
    }
    let signature = signature(model)?;
    let report = report.map(|path| {
        let bytes = bounded(path, REPORT_BYTES_MAX)?;
        let failed = |reason| PushError::Report { path: path.to_owned(), reason };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(failed)?;
        Ok(value.to_string())
    });
    Ok(ModelFile {
        sha256: ModelHash(Sha256::digest(&bytes).into()),
        version,
        file: model.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        bytes,
        signature,
        provenance: metadata.remove(key::PROVENANCE),
        report: report.transpose()?,
    })
}

/// The agents that names mean: `agent` where it is in one fleet, `fleet/agent` anywhere.
///
/// # Errors
/// The first name that means none, or several.
pub(crate) fn agents(names: &[String], known: &[AgentKey]) -> Result<RolloutTarget, TargetError> {
    let full: Vec<String> = known.iter().map(AgentKey::to_string).collect();
    let mut found: Vec<AgentKey> = Vec::new();
    for name in names {
        let matches: Vec<&AgentKey> =
            known.iter().filter(|who| who.agent.as_str() == name || who.to_string() == *name).collect();
        match matches.as_slice() {
            [] => {
                let short = known.iter().map(|who| who.agent.as_str());
                let suggestion = oddline_config::closest(name, short.chain(full.iter().map(String::as_str)));
                return Err(TargetError::Unknown { name: name.clone(), suggestion: suggestion.map(str::to_owned) });
            }
            [one] if !found.contains(one) => found.push((*one).clone()),
            [_] => {}
            several => {
                let choices = several.iter().map(ToString::to_string).collect();
                return Err(TargetError::Several { name: name.clone(), choices });
            }
        }
    }
    Ok(RolloutTarget::Agents(found))
}

fn signature(model: &Path) -> Result<String, PushError> {
    let mut path = model.as_os_str().to_owned();
    path.push(".minisig");
    let path = PathBuf::from(path);
    if !path.exists() {
        return Err(PushError::Unsigned { model: model.to_owned(), signature: path });
    }
    let bytes = bounded(&path, SIGNATURE_BYTES_MAX as u64)?;
    let text = String::from_utf8(bytes).ok().filter(|text| text.starts_with(SIGNATURE_LEAD));
    text.ok_or(PushError::Signature(path))
}

fn bounded(path: &Path, max: u64) -> Result<Vec<u8>, PushError> {
    let failed = |reason| PushError::Read { path: path.to_owned(), reason };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What root is told to push from somebody's folder is what that one may read.
    let read = oddline_owner::of(folder, || {
        let bytes = fs::metadata(path).map_err(failed)?.len();
        if bytes == 0 || bytes > max {
            return Err(PushError::Size { path: path.to_owned(), bytes, max });
        }
        fs::read(path).map_err(failed)
    });
    read.map_err(failed)?
}

/// `metadata_props` of an ONNX file: field 14 of the model, each a message of key (1) and value (2). The rest of the
/// file is stepped over; see protobuf's encoding guide for the tags.
fn metadata(bytes: &[u8]) -> Result<BTreeMap<String, String>, &'static str> {
    const METADATA_PROPS: u64 = 14;
    let mut found = BTreeMap::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (field, content) = field(&mut rest)?;
        if field != METADATA_PROPS {
            continue;
        }
        let (mut key, mut value) = (String::new(), String::new());
        let mut entry = content;
        while !entry.is_empty() {
            let (part, text) = self::field(&mut entry)?;
            let text = std::str::from_utf8(text).map_err(|_| "its metadata is no text")?.to_owned();
            match part {
                1 => key = text,
                2 => value = text,
                _ => {}
            }
        }
        found.insert(key, value);
    }
    Ok(found)
}

/// Takes one field; its content is empty unless it has a length.
fn field<'a>(rest: &mut &'a [u8]) -> Result<(u64, &'a [u8]), &'static str> {
    const CUT: &str = "it is no ONNX file, or was cut";
    let tag = varint(rest).ok_or(CUT)?;
    let length = match tag & 7 {
        0 => {
            varint(rest).ok_or(CUT)?;
            return Ok((tag >> 3, &[]));
        }
        1 => 8,
        2 => usize::try_from(varint(rest).ok_or(CUT)?).map_err(|_| CUT)?,
        5 => 4,
        _ => return Err(CUT),
    };
    let (content, after) = rest.split_at_checked(length).ok_or(CUT)?;
    *rest = after;
    Ok((tag >> 3, if tag & 7 == 2 { content } else { &[] }))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str) -> Vec<u8> {
        let mut inner = Vec::new();
        for (tag, text) in [(0x0a, key), (0x12, value)] {
            inner.extend([tag, u8::try_from(text.len()).unwrap()]);
            inner.extend(text.as_bytes());
        }
        let mut out = vec![0x72, u8::try_from(inner.len()).unwrap()];
        out.extend(inner);
        out
    }

    /// The start of a model (ir_version 8), its version, and a seal.
    fn model(version: &str) -> Vec<u8> {
        let mut bytes = vec![0x08, 0x08];
        bytes.extend(entry(key::VERSION, version));
        seal::seal(&mut bytes);
        bytes
    }

    #[test]
    fn a_signed_model_is_read_and_what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        let signature = folder.path().join("m.onnx.minisig");
        let refusal = || read(&path, None).unwrap_err().to_string();
        assert!(matches!(read(&path, None), Err(PushError::Read { .. })));
        fs::write(&path, model("7")).unwrap();
        assert!(refusal().contains("oddline-trainer sign"), "{}", refusal());
        fs::write(&signature, "x").unwrap();
        assert!(matches!(read(&path, None), Err(PushError::Signature(_))));
        fs::write(&signature, "untrusted comment: x\nabc\n").unwrap();
        let read_model = read(&path, None).unwrap();
        assert_eq!((read_model.version, read_model.file.as_str(), read_model.sha256.0.len()), (7, "m.onnx", 32));
        let mut cut = model("7");
        cut.pop();
        fs::write(&path, cut).unwrap();
        assert!(matches!(read(&path, None), Err(PushError::Damaged(_))));
        fs::write(&path, model("seven")).unwrap();
        assert!(refusal().contains("\"seven\", no number"), "{}", refusal());
        fs::write(&path, vec![0; MODEL_BYTES_MAX + 1]).unwrap();
        assert!(matches!(read(&path, None), Err(PushError::Size { .. })));
    }

    #[test]
    fn a_file_that_is_no_protobuf_is_refused() {
        for bytes in [&b"\x72\xff"[..], b"\x72\x05ab", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x0f"] {
            assert!(metadata(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn names_mean_agents() {
        let who = |fleet: &str, agent: &str| AgentKey { fleet: fleet.parse().unwrap(), agent: agent.parse().unwrap() };
        let known = [who("home", "pi"), who("work", "pi"), who("home", "web-1")];
        let names = |names: &[&str]| agents(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), &known);
        assert_eq!(
            names(&["web-1", "work/pi", "web-1"]).unwrap(),
            RolloutTarget::Agents(vec![who("home", "web-1"), who("work", "pi")])
        );
        assert_eq!(names(&["web1"]).unwrap_err().to_string(), "no agent is called \"web1\": did you mean \"web-1\"?");
        assert_eq!(names(&["pi"]).unwrap_err().to_string(), "\"pi\" is in several fleets: say one of home/pi, work/pi");
    }
}
