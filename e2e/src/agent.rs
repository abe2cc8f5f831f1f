//! The agent as a process: its configuration, its signals, what it says on standard error.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use oddline_testkit::{TestProcess, waiting::until};
use serde_json::Value;

use crate::{group::Group, programs::copied};

/// The agent promises to end within 10 s of SIGTERM; a busy machine may add to it.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Where it tells.
#[derive(Debug, Clone)]
pub enum Link {
    /// To a broker, with certificates of this folder.
    Broker {
        /// Where it listens on this host.
        port: u16,
        /// Where the certificates lie.
        folder: PathBuf,
        /// File name of what to trust, without `.pem`.
        trusts: String,
        /// File name of its own certificate and key, without `.pem` and `.key`.
        identity: String,
        /// `postcard` or `json`.
        events: &'static str,
    },
    /// To a broker on this host, without certificates.
    Plain {
        /// Where it listens.
        port: u16,
    },
    /// To a JSON-lines file.
    File(PathBuf),
}

/// What it is told to do.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its name.
    pub name: String,
    /// Its own folder: configuration, state, what it says.
    pub folder: PathBuf,
    /// Where its state lies, if not in its folder.
    pub state_dir: Option<PathBuf>,
    /// The model it starts with.
    pub model: PathBuf,
    /// Where it tells.
    pub link: Link,
    /// Pattern of the logs.
    pub files: PathBuf,
    /// Its environment beside ours.
    pub env: Vec<(String, String)>,
}

impl Setup {
    /// An agent in a folder of its own, with the tests' model and the logs in its `logs/`.
    #[must_use]
    pub fn new(name: &str, folder: PathBuf, link: Link) -> Self {
        let files = folder.join("logs/*.log");
        let (model, env) = (crate::fixture::model(), Vec::new());
        Self { name: name.to_owned(), folder, state_dir: None, model, link, files, env }
    }
}

/// One agent; killed when dropped.
pub struct Agent {
    setup: Setup,
    program: PathBuf,
    group: Option<PathBuf>,
    process: TestProcess,
}

impl Agent {
    /// Writes its configuration; does not start it.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        fs::create_dir_all(&setup.folder).expect("the test's folder can be written");
        fs::write(setup.folder.join("agent.toml"), configuration(&setup)).expect("the test's folder can be written");
        let program = copied("oddline-agent", &setup.folder);
        Self { setup, program, group: None, process: TestProcess::default() }
    }

    /// Its program, for a replay by the very same build.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts it; waits for nothing.
    pub fn start(&mut self) {
        let open = |name: &str| {
            let path = self.setup.folder.join(name);
            OpenOptions::new().create(true).append(true).open(path).expect("the test's folder can be written")
        };
        let mut command = match &self.group {
            Some(processes) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(processes).arg(&self.program);
                shell
            }
            None => Command::new(&self.program),
        };
        command.arg("run").arg("--config").arg(self.setup.folder.join("agent.toml"));
        command.envs(self.setup.env.iter().cloned()).stdin(Stdio::null());
        command.stdout(open("stdout")).stderr(open("stderr"));
        self.process.start(&mut command);
    }

    /// In this control group, from the next start on.
    pub fn join(&mut self, group: &Group) {
        self.group = Some(group.processes());
    }

    /// More for its environment, from the next start on.
    pub fn add_env(&mut self, env: impl IntoIterator<Item = (String, String)>) {
        self.setup.env.extend(env);
    }

    /// Its process.
    ///
    /// # Panics
    /// When it was not started.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// kill -9; false when it had already ended.
    pub fn kill(&mut self) -> bool {
        self.process.kill()
    }

    /// SIGTERM; it ends well and in time.
    pub fn stop(&mut self) {
        assert!(self.is_alive(), "it is to be stopped, but: {}", self.said());
        let status = self.process.terminate(STOP_PATIENCE);
        let ended_well = status.is_some_and(|status| status.success());
        assert!(ended_well, "{} after SIGTERM: {status:?}; it said: {}", self.setup.name, self.said());
    }

    /// What it answers to `status --json`; nothing while it does not run.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        let mut command = Command::new(&self.program);
        command.args(["status", "--json", "--config"]).arg(self.setup.folder.join("agent.toml"));
        let output = command.output().expect("the agent can be started");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("status prints JSON"))
    }

    /// All that it said on standard error, in all its lives.
    #[must_use]
    pub fn said(&self) -> String {
        let bytes = fs::read(self.setup.folder.join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until it has said something; all it said after `mark` bytes.
    pub fn says(&self, mark: usize, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let after = || self.said().get(mark..).unwrap_or_default().to_owned();
        let said = || Some(after()).filter(|text| is_it(text));
        until(said, || format!("{} does not say {what}, but: {}", self.setup.name, after()))
    }
}

fn configuration(setup: &Setup) -> String {
    let Setup { name, folder, state_dir, model, link, files, .. } = setup;
    let state = state_dir.clone().unwrap_or_else(|| folder.join("state"));
    let control = folder.join("control.sock");
    let link = match link {
        Link::Broker { port, folder, trusts, identity, events } => {
            let path = |file: String| folder.join(file);
            format!(
                "[broker]\naddress = \"mqtts://localhost:{port}\"\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n\
                 events = {events:?}\n",
                path(format!("{trusts}.pem")),
                path(format!("{identity}.pem")),
                path(format!("{identity}.key")),
            )
        }
        Link::Plain { port } => format!("[broker]\naddress = \"mqtt://127.0.0.1:{port}\"\n"),
        Link::File(path) => format!("[output]\nfile = {path:?}\n"),
    };
    format!(
        "name = {name:?}\nfleet = \"home\"\nstate_dir = {state:?}\ncontrol = {control:?}\n\n[model]\nfactory = {model:?}\n\n\
         {link}\n[[source]]\nfiles = [{files:?}]\nformat = \"auto\"\nbegin = \"start\"\n"
    )
}
