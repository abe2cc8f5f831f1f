//! What a program is made of: the libraries that are compiled into it for a target, from cargo's own knowledge, and the
//! bill of materials that says so (CycloneDX, JSON). Asks no network.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::target::{Program, Target};
use crate::shell;

/// A crate in a program.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub name: String,
    pub version: String,
    pub licence: String,
    pub repository: Option<String>,
    /// SHA-256 of what the registry gave; none of our own crates.
    pub checksum: Option<String>,
    /// Its sources.
    pub folder: PathBuf,
}

impl Part {
    pub(super) fn is_own(&self) -> bool {
        self.checksum.is_none()
    }
}

/// The crates in a program, in the order of their names.
///
/// `cargo metadata` knows what could be compiled in, `cargo tree` what is.
pub(super) fn parts(target: &Target, program: Program) -> Result<Vec<Part>> {
    let tree = tree(target, program)?;
    let known = known(target)?;
    let checksums = checksums(&fs::read_to_string(shell::root().join("Cargo.lock")).context("reading Cargo.lock")?);
    let mut parts = BTreeMap::new();
    for line in tree.lines() {
        let Some((name, version)) = named(line) else { continue };
        let key = (name.to_owned(), version.to_owned());
        let package = known.get(&key).with_context(|| format!("cargo metadata does not know {name} {version}"))?;
        let text = |field: &str| package[field].as_str().map(str::to_owned);
        let manifest: PathBuf = text("manifest_path").context("a package has a manifest")?.into();
        let part = Part {
            name: key.0.clone(),
            version: key.1.clone(),
            licence: text("license").unwrap_or_else(|| "NOASSERTION".to_owned()),
            repository: text("repository"),
            checksum: checksums.get(&key).cloned(),
            folder: manifest.parent().unwrap_or(Path::new(".")).to_owned(),
        };
        parts.insert(key, part);
    }
    Ok(parts.into_values().collect())
}

/// `name vVERSION` on every line: nothing of tests and of what only builds.
fn tree(target: &Target, program: Program) -> Result<String> {
    let mut command = shell::cargo();
    command.args(["tree", "--edges", "normal", "--prefix", "none", "--target", target.triple]);
    command.args(["--package", &program.binary()]);
    let output = command.output().context("starting cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("cargo tree's output")
}

fn named(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ');
    Some((words.next()?, words.next()?.strip_prefix('v')?))
}

fn known(target: &Target) -> Result<BTreeMap<(String, String), Value>> {
    let metadata = shell::metadata(&["--filter-platform", target.triple])?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    let key = |package: &Value| {
        let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
        (text("name"), text("version"))
    };
    Ok(packages.iter().map(|package| (key(package), package.clone())).collect())
}

/// From the lock file, which is made of blocks of `key = "value"`.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        line.strip_suffix('"').map(str::to_owned)
    };
    let blocks = lock.split("[[package]]").skip(1);
    blocks.filter_map(|b| Some(((value(b, "name")?, value(b, "version")?), value(b, "checksum")?))).collect()
}

/// The bill of a program's parts.
pub(super) fn bill(target: &Target, program: Program, parts: &[Part]) -> Value {
    let name = program.binary();
    let component = |part: &Part| {
        let mut component = json!({
            "type": "library",
            "bom-ref": reference(part),
            "name": part.name,
            "version": part.version,
            "licenses": [{ "expression": part.licence.replace('/', " OR ") }],
        });
        if let Some(checksum) = &part.checksum {
            component["purl"] = json!(reference(part));
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        if let Some(repository) = &part.repository {
            component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
        }
        component
    };
    let (own, others): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.name == name);
    let version = own.first().map_or("", |part| part.version.as_str());
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": { "type": "application", "bom-ref": name, "name": name, "version": version },
            "properties": [{ "name": "target", "value": target.triple }],
        },
        "components": others.iter().map(|part| component(part)).collect::<Vec<_>>(),
    })
}

fn reference(part: &Part) -> String {
    format!("pkg:cargo/{}@{}", part.name, part.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_says_what_the_registry_gave() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.2.3\"\nsource = \"x\"\nchecksum = \"ff\"\n\n\
                    [[package]]\nname = \"ours\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n]\n";
        let found = checksums(lock);
        assert_eq!(found.len(), 1);
        assert_eq!(found[&("a".to_owned(), "1.2.3".to_owned())], "ff");
    }

    #[test]
    fn lines_of_a_tree() {
        assert_eq!(named("serde v1.0.229"), Some(("serde", "1.0.229")));
        assert_eq!(named("oddline-core v0.1.0 (/somewhere)"), Some(("oddline-core", "0.1.0")));
        assert_eq!(named("[build-dependencies]"), None);
    }

    #[test]
    fn the_agent_is_made_of_tract_and_not_of_burn() {
        let agent = parts(&super::super::target::TARGETS[0], Program::Agent).unwrap();
        let has = |name: &str| agent.iter().any(|part| part.name == name);
        assert!(has("oddline-core") && has("tract-onnx") && !has("burn-tensor") && !has("proptest"));
        assert!(agent.iter().all(|part| part.is_own() == part.name.starts_with("oddline-")));
        let bill = bill(&super::super::target::TARGETS[0], Program::Agent, &agent);
        assert_eq!(bill["components"].as_array().unwrap().len(), agent.len() - 1);
    }
}
