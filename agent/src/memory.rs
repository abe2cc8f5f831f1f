//! One budget for the memory of the process. A source that would need more than is left goes on with what it has: it
//! is read and judged, but a new name takes the place of another, and what learns keeps no more readings. Why so:
//! docs/decisions.
//!
//! ```text
//!  limit   memory_mib, else the control group's, else 128 MiB
//!   - fixed   program, model, connection, one commit
//!   = pool    shared by all sources: places of streams, learners, episodes, lines
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What the process takes before it has read a line, and once more while it commits; measured, see `e2e/tests/memory.rs`.
const FIXED_BYTES: u64 = 40 * MIB;
/// What each source takes whatever is in it: its buffers, its way to run the model.
pub(crate) const SOURCE_BYTES: u64 = 48 * 1024;
/// Without a control group, and as the packaged unit has it.
const LIMIT_MIB: u64 = 128;
/// Of a limit that is hardly more than the fixed part, so much is the pool all the same: an agent of few streams fits.
const POOL_SHARE_MIN: u64 = 4;
/// What one turn of a source may add.
const TURN_BYTES: u64 = 6 * MIB;
const MIB: u64 = 1024 * 1024;

/// Where a limit is from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LimitOrigin {
    Configured,
    Group(PathBuf),
    Default,
}

/// The bytes that the process may take, and who gets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryBudget {
    limit: u64,
    origin: LimitOrigin,
}

impl MemoryBudget {
    /// By the configured number of MiB, if there is one, and the control group that this process is in.
    ///
    /// # Errors
    /// When it is more than the group has.
    pub fn of(configured_mib: Option<u64>) -> Result<Self, String> {
        Self::within(configured_mib, group_limit(Path::new("/")))
    }

    fn within(configured_mib: Option<u64>, group: Option<(u64, PathBuf)>) -> Result<Self, String> {
        let (limit, origin) = match (configured_mib, group) {
            (Some(mib), Some((bytes, file))) if mib * MIB > bytes => {
                let there = bytes / MIB;
                return Err(format!(
                    "{mib} MiB are more than the {there} MiB that this process may take ({})",
                    file.display()
                ));
            }
            (Some(mib), _) => (mib * MIB, LimitOrigin::Configured),
            (None, Some((bytes, file))) => (bytes, LimitOrigin::Group(file)),
            (None, None) => (LIMIT_MIB * MIB, LimitOrigin::Default),
        };
        Ok(Self { limit, origin })
    }

    /// Sources that may be followed: a quarter of the pool is theirs before anything is learnt.
    #[must_use]
    pub fn sources_max(&self) -> usize {
        usize::try_from(self.pool() / 4 / SOURCE_BYTES).unwrap_or(usize::MAX)
    }

    /// Whether a source that takes `own` of the `used` bytes of all `sources` may take more. The last eighth is for those
    /// that have less than half their share, so that a flood of names leaves room to the others.
    #[must_use]
    pub fn has_room(&self, own: u64, used: u64, sources: usize) -> bool {
        let shared = self.pool() / 8 * 7;
        let has_its_share = own > shared / (2 * sources.max(1) as u64);
        let most = if has_its_share { shared } else { self.pool() };
        used + TURN_BYTES.min(self.pool() / 16) <= most
    }

    /// Whether what was learnt in an earlier life still fits, beside the `used` bytes of the others.
    #[must_use]
    pub fn fits(&self, own: u64, used: u64) -> bool {
        own + used <= self.pool()
    }

    /// What all sources share, in bytes.
    #[must_use]
    pub fn pool(&self) -> u64 {
        self.limit.saturating_sub(FIXED_BYTES).max(self.limit / POOL_SHARE_MIN)
    }

    fn origin(&self) -> String {
        match &self.origin {
            LimitOrigin::Configured => "memory_mib".to_owned(),
            LimitOrigin::Group(file) => file.display().to_string(),
            LimitOrigin::Default => "as the packaged unit allows".to_owned(),
        }
    }
}

/// For people: the worst case of whatever is read.
impl std::fmt::Display for MemoryBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (limit, pool) = (self.limit / MIB, self.pool() / MIB);
        let (origin, sources) = (self.origin(), self.sources_max());
        write!(
            f,
            "at most {limit} MiB ({origin}): {} for the program, {pool} for at most {sources} sources",
            limit - pool
        )
    }
}

/// The smallest limit of the control groups that this process is in, and its file. `root` is where `/proc` and `/sys` are.
fn group_limit(root: &Path) -> Option<(u64, PathBuf)> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let groups = text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let (folder, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let top = root.join(folder);
        // In a namespace of its own a group is the top one.
        let own = top.join(path.trim_start_matches('/'));
        let folders: Vec<PathBuf> =
            own.ancestors().take_while(|folder| folder.starts_with(&top)).map(Into::into).collect();
        folders.into_iter().filter_map(|folder| limit_in(&folder.join(file)).ok().flatten()).min()
    });
    groups.min()
}

/// `None` where nothing is limited: version 2 says so in a word, version 1 with a number beyond any machine.
fn limit_in(file: &Path) -> io::Result<Option<(u64, PathBuf)>> {
    let text = fs::read_to_string(file)?;
    let bytes = text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60);
    Ok(bytes.map(|bytes| (bytes, file.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_both_versions_are_found_with_those_above() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(group_limit(root.path()), None);
        write("proc/self/cgroup", "0::/system.slice/agent.service\n");
        assert_eq!(group_limit(root.path()), None);
        write("sys/fs/cgroup/system.slice/agent.service/memory.max", "max\n");
        assert_eq!(group_limit(root.path()), None);
        write("sys/fs/cgroup/system.slice/memory.max", "300000000\n");
        assert_eq!(group_limit(root.path()).unwrap().0, 300_000_000);
        write("sys/fs/cgroup/system.slice/agent.service/memory.max", "134217728\n");
        assert_eq!(group_limit(root.path()).unwrap().0, 134_217_728);
        write("proc/self/cgroup", "3:cpu,cpuacct:/a\n2:memory:/b\n0::/\n");
        write("sys/fs/cgroup/memory/b/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(group_limit(root.path()), None);
        write("sys/fs/cgroup/memory/b/memory.limit_in_bytes", "67108864\n");
        let (bytes, file) = group_limit(root.path()).unwrap();
        assert!(bytes == 67_108_864 && file.ends_with("memory/b/memory.limit_in_bytes"), "{file:?}");
    }

    #[test]
    fn a_limit_is_configured_within_the_groups_or_refused() {
        let group = |mib: u64| Some((mib * MIB, PathBuf::from("memory.max")));
        let limit = |mib, group| MemoryBudget::within(mib, group).map(|budget| budget.limit / MIB);
        assert_eq!(limit(None, None), Ok(128));
        assert_eq!(limit(None, group(96)), Ok(96));
        assert_eq!(limit(Some(96), group(128)), Ok(96));
        assert_eq!(limit(Some(512), None), Ok(512));
        let refused = limit(Some(512), group(128)).unwrap_err();
        assert!(refused.contains("512 MiB are more than the 128 MiB"), "{refused}");
        // Of less than the fixed part a quarter is left.
        assert_eq!(MemoryBudget::within(None, group(40)).unwrap().pool(), 10 * MIB);
    }

    #[test]
    fn the_last_eighth_is_for_those_with_less_than_half_their_share() {
        let budget = MemoryBudget::within(Some(128), None).unwrap();
        let pool = budget.pool();
        assert!(budget.has_room(0, 0, 1));
        let nearly = pool / 8 * 7;
        assert!(budget.has_room(pool / 2, nearly - TURN_BYTES, 4));
        assert!(!budget.has_room(pool / 2, nearly, 4));
        assert!(budget.has_room(pool / 16, nearly, 4));
        assert!(!budget.has_room(pool / 16, pool, 4));
    }
}
