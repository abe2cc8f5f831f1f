//! What a configured pattern means: an absolute path whose parts may hold `*`, `?`, `[...]`; the part `**` means any number
//! of folders. Looks at no file.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
    str::FromStr,
};

const OPTIONS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A pattern that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with `/`.
    #[error("{pattern:?} is not an absolute path")]
    NotAbsolute { pattern: String },
    /// A part of it is no pattern.
    #[error("{pattern:?} is no pattern: {why}")]
    Malformed { pattern: String, why: &'static str },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub(super) Vec<GlobSegment>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GlobSegment {
    Name(String),
    Like(glob::Pattern),
    AnyFolders,
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let path = Path::new(text);
        if !path.is_absolute() {
            return Err(PatternError::NotAbsolute { pattern: text.to_owned() });
        }
        let malformed = |why| PatternError::Malformed { pattern: text.to_owned(), why };
        let mut parts = Vec::new();
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
                Component::ParentDir => return Err(malformed("'..' is not resolved")),
                Component::Normal(name) => parts.push(match name.to_str().unwrap_or_default() {
                    "**" => GlobSegment::AnyFolders,
                    name if name.contains(['*', '?', '[']) => {
                        GlobSegment::Like(glob::Pattern::new(name).map_err(|error| malformed(error.msg))?)
                    }
                    name => GlobSegment::Name(name.to_owned()),
                }),
            }
        }
        if parts.last() == Some(&GlobSegment::AnyFolders) {
            parts.push(GlobSegment::Like(glob::Pattern::new("*").map_err(|error| malformed(error.msg))?));
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            GlobSegment::Name(name) => write!(f, "/{name}"),
            GlobSegment::Like(pattern) => write!(f, "/{pattern}"),
            GlobSegment::AnyFolders => f.write_str("/**"),
        })
    }
}

impl Pattern {
    /// Whether it means this path.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let names: Option<Vec<&str>> = path.iter().skip(1).map(|name| name.to_str()).collect();
        names.is_some_and(|names| matches(&self.0, &names))
    }

    /// The path up to its first part that is more than a name.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let names = self.0.iter().map_while(|part| match part {
            GlobSegment::Name(name) => Some(name),
            GlobSegment::Like(_) | GlobSegment::AnyFolders => None,
        });
        Path::new("/").join(names.collect::<PathBuf>())
    }

    /// Whether a scan for it finds this path: as a file, or directly in a folder.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        self.matches(path) || path.parent().is_some_and(|folder| self.matches(folder))
    }
}

fn matches(parts: &[GlobSegment], names: &[&str]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((GlobSegment::AnyFolders, rest)), first) => {
            matches(rest, names) || first.is_some_and(|(name, names)| !name.starts_with('.') && matches(parts, names))
        }
        (Some((part, parts)), Some((name, names))) => part.means(name) && matches(parts, names),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

impl GlobSegment {
    pub(super) fn means(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Like(pattern) => pattern.matches_with(name, OPTIONS),
            Self::AnyFolders => true,
        }
    }
}
