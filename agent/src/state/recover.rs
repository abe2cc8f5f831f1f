//! What happens to a state file that cannot be believed: it is set aside under a number, never deleted at once and
//! never a reason not to start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::store::sync_folder;

/// Files set aside that are kept, the newest: enough to ask what happened, little enough for a small disk.
const KEPT_MAX: u64 = 2;

/// Renames the file. Returns where it is now, and how many have been set aside so far.
pub(super) fn set_aside(path: &Path) -> io::Result<(PathBuf, u64)> {
    let number = count(path)? + 1;
    let to = numbered(path, number);
    fs::rename(path, &to)?;
    if let Some(old) = number.checked_sub(KEPT_MAX).filter(|n| *n > 0) {
        match fs::remove_file(numbered(path, old)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    sync_folder(path)?;
    Ok((to, number))
}

/// Files set aside so far, as their names tell.
pub(super) fn count(path: &Path) -> io::Result<u64> {
    let folder = path.parent().filter(|f| *f != Path::new("")).unwrap_or(Path::new("."));
    let mut highest = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?.path();
        let number = entry.extension().and_then(|e| e.to_str()).and_then(|e| e.parse().ok());
        if let Some(number) = number.filter(|n| numbered(path, *n).file_name() == entry.file_name()) {
            highest = highest.max(number);
        }
    }
    Ok(highest)
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    path.with_added_extension("set-aside").with_added_extension(number.to_string())
}
