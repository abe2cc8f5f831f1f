//! Files that are there whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use super::EnrollError;

/// Only the owner.
pub(super) const SECRET: u32 = 0o600;
/// Anybody may read.
pub(super) const OPEN: u32 = 0o644;
const SECRET_FOLDER: u32 = 0o700;

/// Replaces the file, or leaves it as it was.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), EnrollError> {
    let failed = |reason| EnrollError::File { path: path.to_owned(), reason };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let new = folder.join(format!(".{}.new", name.to_string_lossy()));
    let written = create(&new, mode).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(folder)?.sync_all()
    });
    written.map_err(failed)
}

/// Writes a file that must not be there.
pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), EnrollError> {
    let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = open.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|reason| EnrollError::File { path: path.to_owned(), reason })
}

/// With what is left of an attempt that was cut off out of the way: its mode may be another.
fn create(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Makes a folder for the owner alone, with those above it.
pub(super) fn folder(path: &Path) -> Result<(), EnrollError> {
    let made = DirBuilder::new().recursive(true).mode(SECRET_FOLDER).create(path);
    made.map_err(|reason| EnrollError::File { path: path.to_owned(), reason })
}

/// Waits until no other process holds it; let go when it is dropped.
pub(super) fn lock(path: &Path) -> Result<File, EnrollError> {
    let open = OpenOptions::new().create(true).append(true).mode(SECRET).open(path);
    let held = open.and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    held.map_err(|reason| EnrollError::File { path: path.to_owned(), reason })
}

/// `None` when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<String>, EnrollError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(EnrollError::File { path: path.to_owned(), reason }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

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
}
