//! Root working in a folder of a service. A service that was taken over owns its folder: it can put links, devices and other
//! people's files in the way of whatever root does there. So root does nothing there as root: [`of`] hands the work to a
//! thread that has become the folder's owner, and to which the kernel allows what it allows the service, whatever the
//! service has prepared. What is made belongs to the service at once; nothing is given away afterwards.
//!
//! Not here: which folder, and what is done in it.

use std::{
    fs,
    io::{self, Error},
    os::unix::fs::MetadataExt as _,
    panic::resume_unwind,
    path::Path,
    thread,
};

use rustix::{
    process::{Gid, Uid, geteuid},
    thread::{set_thread_gid, set_thread_groups, set_thread_uid},
};

/// The group of somebody whose folder is in root's group: that would open too much.
const NOBODY: u32 = 65_534;

/// Does the work as the one who owns `folder`, when the caller is root and the folder is somebody else's; else as the
/// caller. The owner is whoever owns the first folder or link on the way that is not root's: from there on the way itself
/// is in his hand. A folder that is not there yet belongs to whoever owns the one it will be in.
///
/// Threads that the work starts are the owner's too.
///
/// # Errors
/// When the way cannot be looked at, or the system does not let root become the owner.
pub fn of<T: Send>(folder: &Path, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let owner = if geteuid().is_root() { owner(folder)? } else { None };
    let Some((user, group)) = owner else { return Ok(work()) };
    // Who somebody is is a thread's matter on Linux: the others stay root.
    let done = thread::scope(|scope| scope.spawn(|| become_and(user, group, work)).join());
    let done = done.unwrap_or_else(|panic| resume_unwind(panic));
    let named = |error: Error| {
        Error::new(error.kind(), format!("root cannot become user {user}, who owns {}: {error}", folder.display()))
    };
    done.map_err(named)
}

fn become_and<T>(user: u32, group: u32, work: impl FnOnce() -> T) -> io::Result<T> {
    // Groups first: afterwards it is nobody who may.
    set_thread_groups(&[])?;
    set_thread_gid(Gid::from_raw(group))?;
    set_thread_uid(Uid::from_raw(user))?;
    Ok(work())
}

/// User and group of the first on the way who is not root, of the way as written and of the one that root's links make of
/// it; `None` when all of it is root's.
fn owner(folder: &Path) -> io::Result<Option<(u32, u32)>> {
    let written = std::path::absolute(folder)?;
    if let Some(owner) = first_not_root(&written)? {
        return Ok(Some(owner));
    }
    // Nobody but root can change where it leads.
    let there = written.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    first_not_root(&there.canonicalize()?)
}

fn first_not_root(path: &Path) -> io::Result<Option<(u32, u32)>> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    for part in way {
        match fs::symlink_metadata(part) {
            Ok(found) if found.uid() != 0 => {
                return Ok(Some((found.uid(), if found.gid() == 0 { NOBODY } else { found.gid() })));
            }
            Ok(_) => {}
            // The work meets it too, and says so in its own words.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => break,
            Err(error) => return Err(Error::new(error.kind(), format!("{}: {error}", part.display()))),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{PermissionsExt as _, chown, symlink},
        path::PathBuf,
    };

    use super::*;

    const SERVICE: u32 = 64_103;

    /// A service's folder below one of root's, and a file that only root may read.
    fn service(name: &str) -> Option<(tempfile::TempDir, PathBuf, PathBuf)> {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (folder, secret) = (dir.path().join("service"), dir.path().join("secret"));
        fs::create_dir(&folder).unwrap();
        fs::write(&secret, "root's").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        if geteuid().is_root() && chown(&folder, Some(SERVICE), Some(SERVICE)).is_ok() {
            return Some((dir, folder, secret));
        }
        oddline_testkit::not_run(&format!("oddline-owner {name}"), "only root can become somebody else");
        None
    }

    #[test]
    fn root_is_the_owner_there_and_root_again_afterwards() {
        let Some((_dir, folder, secret)) = service("root_is_the_owner_there_and_root_again_afterwards") else { return };
        let made = folder.join("made");
        let read = of(&folder, || {
            fs::write(&made, "x").unwrap();
            symlink(&secret, folder.join("link")).unwrap();
            // Not even a thread of its own gets past the link.
            thread::scope(|scope| scope.spawn(|| fs::read(folder.join("link"))).join().unwrap())
        });
        assert_eq!(read.unwrap().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let found = fs::metadata(&made).unwrap();
        assert_eq!((found.uid(), found.gid()), (SERVICE, SERVICE));
        assert_eq!(fs::read_to_string(&secret).unwrap(), "root's");
    }

    #[test]
    fn whoever_can_turn_the_way_elsewhere_is_the_owner() {
        let Some((dir, folder, secret)) = service("whoever_can_turn_the_way_elsewhere_is_the_owner") else { return };
        // Root's own folder, but it is the service that says where the way leads.
        let inner = folder.join("inner");
        fs::create_dir(&inner).unwrap();
        assert_eq!(owner(&inner).unwrap(), Some((SERVICE, SERVICE)));
        assert_eq!(owner(&folder.join("not/there")).unwrap(), Some((SERVICE, SERVICE)));
        symlink("/etc", folder.join("etc")).unwrap();
        assert_eq!(owner(&folder.join("etc")).unwrap(), Some((SERVICE, SERVICE)));
        // Root's link to the service's folder, and root's to root's.
        symlink(&folder, dir.path().join("link")).unwrap();
        assert_eq!(owner(&dir.path().join("link")).unwrap(), Some((SERVICE, SERVICE)));
        symlink("/etc", dir.path().join("own")).unwrap();
        assert_eq!(owner(&dir.path().join("own")).unwrap(), None);
        assert_eq!(owner(Path::new("/not/there")).unwrap(), None);
        assert_eq!(owner(&secret.join("in/a/file")).unwrap(), None);
        // Root's group is no gift.
        chown(&folder, Some(SERVICE), Some(0)).unwrap();
        assert_eq!(owner(&folder).unwrap(), Some((SERVICE, NOBODY)));
    }

    #[test]
    fn a_panic_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let caught = std::panic::catch_unwind(|| of(dir.path(), || panic!("inside")));
        assert!(caught.is_err());
    }
}
