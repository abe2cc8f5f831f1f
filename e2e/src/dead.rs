//! A file system that does not answer: a FUSE mount whose program never reads a request. Every call to a path below it
//! blocks until the program ends, as with a network file system whose server is gone. Only root may mount one.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use oddline_testkit::is_root;

/// A dead file system; unmounted when dropped.
pub struct DeadDisk {
    folder: PathBuf,
    /// Holds it open. When it ends every call returns with an error.
    holder: Child,
}

impl DeadDisk {
    /// Mounts one over a folder.
    ///
    /// # Errors
    /// The reason why there cannot be one.
    pub fn mount(folder: &Path) -> Result<Self, String> {
        if !is_root() {
            return Err("only root may mount a file system that does not answer".to_owned());
        }
        if !Path::new("/dev/fuse").exists() {
            return Err("there is no /dev/fuse".to_owned());
        }
        let options = "fd=3,rootmode=40000,user_id=0,group_id=0,allow_other";
        let script = format!("mount -i -t fuse -o {options} dead \"$0\" && echo mounted && exec sleep 3600");
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("exec 3<>/dev/fuse; {script}")).arg(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().map_err(|error| format!("sh: {error}"))?;
        let mut line = String::new();
        let said = holder.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        let disk = Self { folder: folder.to_owned(), holder };
        match (said, line.trim()) {
            (Some(Ok(_)), "mounted") => Ok(disk),
            _ => Err("a FUSE file system cannot be mounted here".to_owned()),
        }
    }
}

impl Drop for DeadDisk {
    fn drop(&mut self) {
        // Calls under way return first, then nothing holds the mount.
        drop(self.holder.kill());
        drop(self.holder.wait());
        drop(Command::new("umount").arg("-l").arg(&self.folder).stderr(Stdio::null()).status());
    }
}
