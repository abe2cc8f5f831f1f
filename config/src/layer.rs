//! Which files, in which order. The only part that reads them.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::DeTable;

use crate::{
    ENVIRONMENT_PREFIX, FILE_BYTES_MAX, FILES_MAX, LOG_VARIABLE,
    problem::{ConfigOrigin, ConfigProblem},
    reader::ConfigReader,
    tree::{self, TreeTable},
};

/// What a configuration is read from.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The main file; `None` where there is none and the defaults count.
    pub file: Option<PathBuf>,
    /// A folder whose `*.toml` are laid over it, in the order of their names; may be missing.
    pub folder: Option<PathBuf>,
    /// Environment variables; only those that begin with `ODDLINE_` count.
    pub environment: Vec<(String, String)>,
}

impl Layers {
    /// A file, the folder beside it (`agent.toml` and `agent.d`), and this process's environment.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        Self { file: Some(file.to_owned()), folder: Some(file.with_extension("d")), ..Self::without_file() }
    }

    /// This process's environment alone.
    #[must_use]
    pub fn without_file() -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file: None, folder: None, environment }
    }

    /// Reads all of it. What cannot be read is a problem of the reader like any other.
    #[must_use]
    pub fn read(&self) -> ConfigReader {
        let mut table = TreeTable::new();
        let mut problems = Vec::new();
        let (folder_files, more) = self.folder.as_deref().map(list).unwrap_or_default();
        problems.extend(more);
        for path in self.file.iter().chain(&folder_files) {
            match read_file(path) {
                Ok(upper) => tree::merge(&mut table, upper),
                Err(found) => problems.extend(found),
            }
        }
        let is_key = |name: &str| name.starts_with(ENVIRONMENT_PREFIX) && name != LOG_VARIABLE;
        let environment: BTreeMap<String, String> =
            self.environment.iter().filter(|(name, _)| is_key(name)).cloned().collect();
        ConfigReader::new(table, environment, problems)
    }
}

fn list(folder: &Path) -> (Vec<PathBuf>, Vec<ConfigProblem>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Default::default(),
        Err(error) => return (Vec::new(), vec![whole(folder, &format!("cannot list the folder: {error}"))]),
    };
    let is_toml = |path: &PathBuf| path.extension().is_some_and(|e| e == "toml");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_toml).collect();
    files.sort();
    if files.len() > FILES_MAX {
        return (Vec::new(), vec![whole(folder, &format!("{} files, at most {FILES_MAX} are read", files.len()))]);
    }
    (files, Vec::new())
}

fn read_file(path: &Path) -> Result<TreeTable, Vec<ConfigProblem>> {
    let cannot = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => ": write one, or name yours with --config",
            io::ErrorKind::PermissionDenied => ": it must be readable for the user this runs as",
            _ => "",
        };
        vec![whole(path, &format!("cannot be read ({error}){hint}"))]
    };
    let bytes = fs::metadata(path).map_err(cannot)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(vec![whole(path, &format!("{bytes} bytes, at most {FILE_BYTES_MAX} are read"))]);
    }
    let text = String::from_utf8(fs::read(path).map_err(cannot)?)
        .map_err(|error| vec![whole(path, &format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))])?;
    let name: Arc<str> = path.display().to_string().into();
    let at = |offset: usize| ConfigOrigin::File {
        path: Arc::clone(&name),
        line: 1 + text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count(),
    };
    // Recovering parsing finds every mistake of the syntax, not only the first.
    let (table, errors) = DeTable::parse_recoverable(&text);
    if errors.is_empty() {
        return Ok(tree::from_toml(table.get_ref(), &at));
    }
    let problem = |error: toml::de::Error| ConfigProblem {
        origin: at(error.span().map_or(0, |span| span.start)),
        key: String::new(),
        what: format!("invalid TOML: {}", error.message()),
    };
    Err(errors.into_iter().map(problem).collect())
}

fn whole(path: &Path, what: &str) -> ConfigProblem {
    ConfigProblem { origin: ConfigOrigin::Missing, key: String::new(), what: format!("{}: {what}", path.display()) }
}
