//! Files that are there whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown},
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
        give_to_owner_of(folder, &new)?;
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
    let failed = |reason| EnrollError::File { path: path.to_owned(), reason };
    let missing: Vec<&Path> = path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    DirBuilder::new().recursive(true).mode(SECRET_FOLDER).create(path).map_err(failed)?;
    for made in missing.into_iter().rev() {
        if let Some(above) = made.parent().filter(|above| !above.as_os_str().is_empty()) {
            give_to_owner_of(above, made).map_err(failed)?;
        }
    }
    Ok(())
}

/// What root makes for the collector belongs to the collector: run as root once, a command must not lock the service out
/// of its own files. Anybody else's stays his own.
fn give_to_owner_of(folder: &Path, made: &Path) -> io::Result<()> {
    let (owner, own) = (fs::metadata(folder)?, fs::metadata(made)?);
    if own.uid() != 0 || owner.uid() == 0 {
        return Ok(());
    }
    chown(made, Some(owner.uid()), Some(owner.gid()))
}

/// Waits until no other process holds it; let go when it is dropped.
pub(super) fn lock(path: &Path) -> Result<File, EnrollError> {
    let open = OpenOptions::new().create(true).append(true).mode(SECRET).open(path);
    let held = open.and_then(|file| {
        path.parent().map_or(Ok(()), |folder| give_to_owner_of(folder, path))?;
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
