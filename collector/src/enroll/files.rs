//! Files that are there whole or not at all. Root touches each as the owner of the folder it is in.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

use super::EnrollError;

pub(super) const SECRET: u32 = 0o600;
pub(super) const OPEN: u32 = 0o644;
const SECRET_FOLDER: u32 = 0o700;

/// Replaces the file, or leaves it as it was.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), EnrollError> {
    there(path, || {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let new = path.with_file_name(format!(".{}.new", name.to_string_lossy()));
        // What is left of an attempt that was cut off may have another mode.
        gone(fs::remove_file(&new))?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(folder_of(path))?.sync_all()
    })
}

/// Writes a file that must not be there.
pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), EnrollError> {
    there(path, || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    })
}

/// Makes a folder for the owner alone, with those above it.
pub(super) fn folder(path: &Path) -> Result<(), EnrollError> {
    there(path, || DirBuilder::new().recursive(true).mode(SECRET_FOLDER).create(path))
}

/// Makes a folder that must not be there.
pub(super) fn new_folder(path: &Path) -> Result<(), EnrollError> {
    there(path, || DirBuilder::new().mode(SECRET_FOLDER).create(path))
}

/// Waits until no other process holds it; let go when it is dropped.
pub(super) fn lock(path: &Path) -> Result<File, EnrollError> {
    there(path, || {
        let file = OpenOptions::new().create(true).append(true).mode(SECRET).open(path)?;
        file.lock()?;
        Ok(file)
    })
}

/// `None` when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<String>, EnrollError> {
    there(path, || match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    })
}

/// `None` when it is not there.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EnrollError> {
    let damaged =
        |error: serde_json::Error| EnrollError::Authority { path: path.to_owned(), reason: error.to_string() };
    read(path)?.map(|text| serde_json::from_str(&text).map_err(damaged)).transpose()
}

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), EnrollError> {
    let text = serde_json::to_string_pretty(value).expect("text and numbers can always be written");
    write(path, text.as_bytes(), SECRET)
}

/// Whether anything is there, a link that leads nowhere too.
pub(super) fn is_there(path: &Path) -> Result<bool, EnrollError> {
    there(path, || match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    })
}

/// Names of what is in a folder.
pub(super) fn names(folder: &Path) -> Result<Vec<OsString>, EnrollError> {
    there(folder, || fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect())
}

/// Takes a file away, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), EnrollError> {
    there(path, || gone(fs::remove_file(path)))
}

/// Takes a folder away with all that is in it, if it is there.
pub(super) fn remove_folder(path: &Path) -> Result<(), EnrollError> {
    there(path, || gone(fs::remove_dir_all(path)))
}

/// Gives it another name beside.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), EnrollError> {
    there(to, || fs::rename(from, to))
}

/// Every act is that of the folder's owner: what root makes for the collector is the collector's, and a link that the
/// collector has put in the way leads root nowhere.
fn there<T: Send>(path: &Path, act: impl FnOnce() -> io::Result<T> + Send) -> Result<T, EnrollError> {
    let done = oddline_owner::of(folder_of(path), act).and_then(|done| done);
    done.map_err(|reason| EnrollError::File { path: path.to_owned(), reason })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(dir.path().join(".key.new"), "left behind, and readable").unwrap();
        for text in ["one", "two"] {
            write(&path, text.as_bytes(), SECRET).unwrap();
            assert_eq!(read(&path).unwrap().as_deref(), Some(text));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SECRET);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_new(&path, b"three", OPEN).is_err());
        assert_eq!(read(&dir.path().join("none")).unwrap(), None);
    }

    #[test]
    fn what_root_makes_belongs_to_the_folders_owner() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        if chown(&state, Some(65_534), Some(65_534)).is_err() {
            // Only root can be somebody else; for others nothing changes.
            folder(&state.join("authority/agents")).unwrap();
            assert_eq!(fs::metadata(state.join("authority")).unwrap().uid(), fs::metadata(&state).unwrap().uid());
            return;
        }
        let authority = state.join("authority");
        folder(&authority.join("agents")).unwrap();
        write(&authority.join("ca.key"), b"secret", SECRET).unwrap();
        drop(lock(&authority.join("lock")).unwrap());
        for name in ["", "agents", "ca.key", "lock"] {
            let found = fs::metadata(authority.join(name)).unwrap();
            assert_eq!((found.uid(), found.gid()), (65_534, 65_534), "{name}");
        }
    }
}
