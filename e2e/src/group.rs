//! A control group with a memory limit, version 1 or 2, made by root. Whoever may not make one cannot have it; a limit on
//! addresses is no substitute, it counts what is never touched.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One group; removed when dropped, which wants its processes to have ended.
pub struct Group {
    folder: PathBuf,
    peak: &'static str,
}

impl Group {
    /// Makes one.
    ///
    /// # Errors
    /// The reason why there cannot be one.
    pub fn with_memory(name: &str, bytes: u64) -> Result<Self, String> {
        let name = format!("oddline-e2e-{name}-{}", std::process::id());
        let one = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes");
        let two = ("/sys/fs/cgroup", "memory.max", "memory.peak");
        let (root, limit, peak) = if Path::new(one.0).is_dir() { one } else { two };
        let group = Self { folder: Path::new(root).join(name), peak };
        fs::create_dir(&group.folder).map_err(|error| format!("no control group: {error}"))?;
        // Without the controller in the group above there is no such file.
        fs::write(group.folder.join(limit), bytes.to_string()).map_err(|error| format!("{limit}: {error}"))?;
        Ok(group)
    }

    /// Where a process that is to be in it writes its number.
    #[must_use]
    pub fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// The most bytes it ever held, with what is cached of files; 0 where the kernel does not say.
    #[must_use]
    pub fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join(self.peak)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that still holds a process stays; the next start of the machine forgets it.
        drop(fs::remove_dir(&self.folder));
    }
}
