//! Whether the places that a configuration names can be written, by the user who asks. Looks, makes nothing.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use rustix::fs::{Access, AtFlags, CWD, accessat};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AccessProblem {
    Unusable(String),
    /// The user who asks may not; the service's own may.
    Forbidden(String),
}

/// What a folder lacks that is made when it is not there.
pub(super) fn folder_lacks(path: &Path) -> Option<AccessProblem> {
    let there = path.ancestors().map(or_working).find(|folder| fs::symlink_metadata(folder).is_ok());
    folder_itself_lacks(there.unwrap_or(Path::new("/")))
}

/// A folder's path, which is empty above a name like `anomalies.jsonl`.
fn or_working(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// What a file lacks that is made when it is not there, and rotated beside itself.
pub(super) fn file_lacks(path: &Path) -> Option<AccessProblem> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            return Some(AccessProblem::Unusable("is a folder: a file is expected".to_owned()));
        }
        // A device or a FIFO is written as it is.
        Ok(meta) if !meta.is_file() => return may(path, Access::WRITE_OK).err(),
        Ok(_) => {
            if let Err(lack) = may(path, Access::READ_OK | Access::WRITE_OK) {
                return Some(lack);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Some(of(path, &error)),
    }
    // It is rotated where a link leads to.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    folder_itself_lacks(path.parent().map_or(Path::new("/"), or_working))
}

/// Whose a folder is, or will be, when root asks and it is not root's: what root made there its owner could not use.
pub(super) fn owned_by_another(path: &Path) -> Option<u32> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let owner = path.ancestors().map(or_working).find_map(|folder| Some(fs::metadata(folder).ok()?.uid()));
    owner.filter(|owner| *owner != 0)
}

fn folder_itself_lacks(folder: &Path) -> Option<AccessProblem> {
    match fs::metadata(folder) {
        Ok(meta) if meta.is_dir() => may(folder, Access::WRITE_OK | Access::EXEC_OK).err(),
        Ok(_) => Some(AccessProblem::Unusable(format!("{} is no folder", folder.display()))),
        Err(error) => Some(of(folder, &error)),
    }
}

fn may(path: &Path, access: Access) -> Result<(), AccessProblem> {
    accessat(CWD, path, access, AtFlags::EACCESS).map_err(|error| of(path, &error.into()))
}

fn of(path: &Path, error: &io::Error) -> AccessProblem {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            AccessProblem::Forbidden(format!("{} cannot be written by this user ({error})", path.display()))
        }
        _ => AccessProblem::Unusable(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_there_or_can_be_made_lacks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(folder_lacks(dir.path()), None);
        assert_eq!(folder_lacks(&dir.path().join("a/b")), None);
        let file = dir.path().join("anomalies.jsonl");
        assert_eq!(file_lacks(&file), None);
        fs::write(&file, "").unwrap();
        assert_eq!(file_lacks(&file), None);
        assert_eq!(file_lacks(Path::new("/dev/null")), None);
        // Relative to where the program runs.
        assert_eq!(file_lacks(Path::new("anomalies.jsonl")), None);
        assert_eq!(folder_lacks(Path::new("state/of/agent")), None);
    }

    #[test]
    fn what_cannot_be_used_says_which_part() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for (lack, says) in [
            (folder_lacks(&file.join("state")), "file is no folder"),
            (file_lacks(dir.path()), "is a folder"),
            (file_lacks(&dir.path().join("no/where.jsonl")), "no: No such file"),
        ] {
            assert!(matches!(&lack, Some(AccessProblem::Unusable(why)) if why.contains(says)), "{says}: {lack:?}");
        }
    }

    #[test]
    fn root_finds_folders_of_others() {
        let dir = tempfile::tempdir().unwrap();
        if std::os::unix::fs::chown(dir.path(), Some(64_101), None).is_err() {
            assert_eq!(owned_by_another(dir.path()), None);
            return;
        }
        assert_eq!(owned_by_another(&dir.path().join("models/not/there")), Some(64_101));
        assert_eq!(owned_by_another(Path::new("/")), None);
    }

    #[test]
    fn what_this_user_may_not_write_another_may() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let lack = file_lacks(&dir.path().join("a"));
        // Root may.
        assert_eq!(lack.is_some(), !rustix::process::geteuid().is_root(), "{lack:?}");
        assert!(lack.is_none_or(|lack| matches!(lack, AccessProblem::Forbidden(_))));
    }
}
