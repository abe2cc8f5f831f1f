//! A disk that can be filled: a small file system in memory, mounted by root. Whoever may not mount cannot have it; a
//! limit on file sizes is no substitute, its signal ends the process.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use oddline_testkit::is_root;

/// Room for a state file and what a test lets it grow by.
const MIB: u32 = 8;
const FILLER: &str = "filler";

/// A small disk; unmounted when dropped.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of 8 MiB on a folder that it makes.
    ///
    /// # Errors
    /// The reason why there cannot be one.
    pub fn mount(folder: &Path) -> Result<Self, String> {
        Self::mount_sized(folder, MIB)
    }

    /// Mounts one of so many MiB.
    ///
    /// # Errors
    /// The reason why there cannot be one.
    pub fn mount_sized(folder: &Path, mib: u32) -> Result<Self, String> {
        if !is_root() {
            return Err("only root may mount a small file system".to_owned());
        }
        fs::create_dir_all(folder).expect("the test's folder can be written");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=0755"), "oddline-e2e"]).arg(folder);
        match mount.output() {
            Ok(output) if output.status.success() => Ok(Self { folder: folder.to_owned() }),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("mount: {error}")),
        }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes until there is no room for another byte.
    pub fn fill(&self) {
        let mut filler = File::create(self.folder.join(FILLER)).expect("an entry in a folder needs no room here");
        for size in [4096, 1] {
            let page = vec![0; size];
            let error = loop {
                if let Err(error) = filler.write_all(&page) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    /// Gives the room back.
    pub fn free(&self) {
        fs::remove_file(self.folder.join(FILLER)).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: an agent that is being killed may still have a file open.
        drop(Command::new("umount").arg("-l").arg(&self.folder).status());
    }
}

#[cfg(test)]
mod tests {
    use oddline_testkit::not_run;

    use super::*;

    #[test]
    fn it_is_full_until_it_is_freed() {
        let folder = tempfile::tempdir().unwrap();
        let disk = match SmallDisk::mount(&folder.path().join("disk")) {
            Ok(disk) => disk,
            Err(why) => return not_run("oddline-e2e it_is_full_until_it_is_freed", &why),
        };
        let file = disk.folder().join("file");
        fs::write(&file, "before").unwrap();
        disk.fill();
        let mut grown = fs::OpenOptions::new().append(true).open(&file).unwrap();
        assert_eq!(grown.write(&[0; 8192]).unwrap_or(0) / 4096, 0, "at most its last page");
        assert!(fs::write(disk.folder().join("another"), "x").is_err());
        disk.free();
        fs::write(disk.folder().join("another"), "x").unwrap();
    }
}
