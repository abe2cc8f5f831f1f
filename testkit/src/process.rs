//! A process of a test: started, killed, stopped; it never outlives the test.

use std::{
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use crate::waiting::within;

/// One program, running or not; killed when dropped.
#[derive(Debug, Default)]
pub struct TestProcess {
    child: Option<Child>,
}

impl TestProcess {
    /// Starts it; waits for nothing.
    ///
    /// # Panics
    /// When it runs already or cannot be started.
    pub fn start(&mut self, command: &mut Command) {
        assert!(!self.is_alive(), "it runs already: {command:?}");
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        self.child = Some(child);
    }

    /// Its number.
    ///
    /// # Panics
    /// When it was not started.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it was started").id()
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.is_some() && self.ended().is_none()
    }

    /// How it ended by itself; `None` while it runs. It can be started again then.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("a child can be asked")
    }

    /// kill -9; false when it did not run.
    pub fn kill(&mut self) -> bool {
        let was_alive = self.is_alive();
        if let Some(mut child) = self.child.take() {
            // One that has ended cannot be killed.
            drop(child.kill());
            child.wait().expect("a killed child ends");
        }
        was_alive
    }

    /// SIGTERM; how it ended, or `None` when it did not in time and was killed.
    ///
    /// # Panics
    /// When it was not started.
    pub fn terminate(&mut self, patience: Duration) -> Option<ExitStatus> {
        signal(self.id(), "TERM");
        let status = within(patience, || self.ended());
        self.kill();
        status
    }
}

impl Drop for TestProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal, named without `SIG`.
///
/// # Panics
/// When there is no such process.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {process}")).status();
    assert!(sent.is_ok_and(|sent| sent.success()), "{process} is not there for {name}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_killed_stopped_and_started_again() {
        let mut process = TestProcess::default();
        let sleep = || {
            let mut sleep = Command::new("sleep");
            sleep.arg("600");
            sleep
        };
        assert!(!process.is_alive() && !process.kill());
        process.start(&mut sleep());
        assert!(process.is_alive() && process.ended().is_none());
        assert!(process.kill() && !process.is_alive());
        process.start(&mut sleep());
        let status = process.terminate(Duration::from_secs(60)).expect("it ends by the signal");
        assert!(!status.success());
        let mut deaf = Command::new("sh");
        process.start(deaf.args(["-c", "trap '' TERM; while :; do sleep 1; done"]));
        // Perhaps the signal comes before the trap.
        if let Some(status) = process.terminate(Duration::from_millis(100)) {
            assert!(!status.success());
        }
        assert!(!process.is_alive());
    }
}
