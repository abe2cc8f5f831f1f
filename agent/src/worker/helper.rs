//! Calls to a file system that may never answer, on a thread that can be given up: the reading thread waits for a while
//! and goes on without it. The kernel offers no way to end such a call, so the thread stays until it returns.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// A call that takes longer hangs: longer than a disk needs that has to spin up or to retry a bad sector.
pub(super) const HANGS_AFTER: Duration = Duration::from_secs(10);
/// The same while the agent stops; it has to end in time.
const HANGS_AFTER_STOP: Duration = Duration::from_secs(2);
/// Between two looks at whether the agent stops.
const SLICE: Duration = Duration::from_millis(100);
/// Threads at once, the lives before a reload included: half of what the unit allows.
const THREADS_MAX: usize = 32;
/// File systems that depend on another machine or on a program, where all files hang when one does.
const REMOTE: [&str; 16] = [
    "9p", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse", "gfs2", "gluster", "lustre", "nfs",
    "ocfs2", "smb", "virtiofs",
];

static THREADS: AtomicUsize = AtomicUsize::new(0);

type HelperJob = Box<dyn FnOnce() + Send>;

/// What became of a call.
pub(super) enum HelperOutcome<T> {
    Done(T),
    /// It has not yet; what it returns comes here.
    Hangs(Receiver<T>),
}

/// Makes one call at a time.
pub(super) struct Helper {
    jobs: Option<Sender<HelperJob>>,
    stopping: Arc<AtomicBool>,
}

impl Helper {
    /// One that waits less once `stopping` is set.
    #[must_use]
    pub(super) fn new(stopping: Arc<AtomicBool>) -> Self {
        Self { jobs: None, stopping }
    }

    /// Whether a call can be made; not when too many hang already.
    pub(super) fn is_ready(&mut self) -> bool {
        self.jobs = self.jobs.take().or_else(thread);
        self.jobs.is_some()
    }

    /// Makes a call and waits for it; only when [`Helper::is_ready`].
    ///
    /// # Panics
    /// When the call panics, or no thread is ready.
    pub(super) fn run<T: Send + 'static>(&mut self, call: impl FnOnce() -> T + Send + 'static) -> HelperOutcome<T> {
        let (tell, told) = channel();
        let job: HelperJob = Box::new(move || {
            // Whoever asked may have ended.
            let _: Result<(), _> = tell.send(call());
        });
        let jobs = self.jobs.take().expect("it is ready");
        assert!(jobs.send(job).is_ok(), "the thread ends with its last sender");
        let began = Instant::now();
        loop {
            match told.recv_timeout(SLICE) {
                Ok(returned) => {
                    self.jobs = Some(jobs);
                    return HelperOutcome::Done(returned);
                }
                Err(RecvTimeoutError::Timeout) if began.elapsed() < self.patience() => {}
                Err(RecvTimeoutError::Timeout) => return HelperOutcome::Hangs(told),
                Err(RecvTimeoutError::Disconnected) => panic!("the thread of a call died"),
            }
        }
    }

    fn patience(&self) -> Duration {
        if self.stopping.load(Ordering::Relaxed) { HANGS_AFTER_STOP } else { HANGS_AFTER }
    }
}

/// Another thread, if there may be one.
fn thread() -> Option<Sender<HelperJob>> {
    let is_free = |threads: usize| (threads < THREADS_MAX).then_some(threads + 1);
    THREADS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_free).ok()?;
    let counted = CountedThread;
    let (jobs, taken) = channel::<HelperJob>();
    let body = move || {
        let _counted = counted;
        taken.into_iter().for_each(|job| job());
    };
    thread::Builder::new().name("files".to_owned()).spawn(body).ok().map(|_| jobs)
}

/// Counts a thread off at its end, however it ends.
struct CountedThread;

impl Drop for CountedThread {
    fn drop(&mut self) {
        THREADS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The remote file system that one of these paths lies in, by its name alone: looking at it might hang.
#[must_use]
pub(super) fn remote<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    paths.into_iter().find_map(|path| remote_in(&mounts, path))
}

fn remote_in(mounts: &str, path: &Path) -> Option<PathBuf> {
    let mount = |line: &str| {
        // 36 35 98:0 /root /mount options optional... - type source options
        let (place, kind) = line.split_once(" - ")?;
        Some((PathBuf::from(unescaped(place.split(' ').nth(4)?)), kind.split(' ').next()?.to_owned()))
    };
    let covering = mounts.lines().filter_map(mount).filter(|(place, _)| path.starts_with(place));
    // Of two at one place the later hides the earlier.
    let (place, kind) = covering.max_by_key(|(place, _)| place.components().count())?;
    REMOTE.iter().any(|remote| kind.starts_with(remote)).then_some(place)
}

/// Blanks and backslashes of a path are octal there.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (octal, plain)| text.replace(octal, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_hangs_is_given_up_and_the_next_is_made() {
        let stopping = Arc::new(AtomicBool::new(true));
        let mut helper = Helper::new(stopping);
        let (release, held) = channel::<()>();
        assert!(helper.is_ready());
        let HelperOutcome::Hangs(told) = helper.run(move || held.recv().is_ok()) else { panic!("it waits for us") };
        assert!(helper.is_ready());
        assert!(matches!(helper.run(|| 7), HelperOutcome::Done(7)));
        release.send(()).unwrap();
        assert!(told.recv().unwrap());
        assert!(matches!(helper.run(|| 8), HelperOutcome::Done(8)));
    }

    #[test]
    fn remote_file_systems_are_known_by_their_mounts() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      30 22 0:40 / /mnt/a\\040b rw shared:1 - nfs4 host:/x rw\n\
                      31 22 0:41 / /mnt/fuse rw - fuse.sshfs host: rw\n\
                      32 31 8:2 / /mnt/fuse/disk rw - ext4 /dev/sdb1 rw\n";
        let of = |path: &str| remote_in(mounts, Path::new(path));
        assert_eq!(of("/mnt/a b/app.log"), Some("/mnt/a b".into()));
        assert_eq!(of("/mnt/fuse/app.log"), Some("/mnt/fuse".into()));
        assert_eq!(
            (of("/mnt/fuse/disk/app.log"), of("/mnt/fuses/app.log"), of("/var/log/app.log")),
            (None, None, None)
        );
    }
}
