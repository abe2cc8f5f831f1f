//! The compose file as a user gives it, offline: images of the programs of `dist`, the three steps with their files on
//! this side, and the small fleet until what it finds is stored. With a docker that is there, or a daemon of its own.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::summary::{NotRun, Outcome};
use crate::{
    demo::processes::{Process, ask, until, wait},
    dist,
    pipeline::FILES,
    shell,
};

const COMPOSE: &str = "docker-compose";
const DAEMON: &str = "dockerd";
const PATIENCE: Duration = Duration::from_secs(180);
const AGENTS: usize = 3;

pub(super) fn containers(_: &mut NotRun) -> Result<Outcome> {
    if shell::find_program(COMPOSE).is_none() {
        return Ok(Outcome::NotRun(
            "docker-compose is not installed (Debian packages docker.io, docker-compose)".into(),
        ));
    }
    let folder = shell::target_dir()?.join("xtask/containers");
    fs::create_dir_all(&folder)?;
    let (docker, daemon) = match Docker::reach(&folder)? {
        Ok(found) => found,
        Err(why) => return Ok(Outcome::NotRun(why)),
    };
    dist::containers_of_host()?;
    let done = docker.steps().and_then(|()| docker.fleet());
    // Whatever happened, nothing goes on running.
    let down = docker.compose(&["down", "--volumes", "--remove-orphans"]).status();
    if let Some(daemon) = daemon {
        daemon.stop()?;
        // Its own network namespace stays mounted; it may not be there either.
        drop(Command::new("umount").arg(folder.join("exec/netns/default")).output());
    }
    done?;
    ensure!(down?.success(), "docker-compose down failed");
    Ok(Outcome::Passed)
}

/// Where it is, and the project as docker-compose sees it.
struct Docker {
    /// Socket of a daemon of our own.
    host: Option<String>,
    project: PathBuf,
}

impl Docker {
    /// A daemon that answers; one of our own when there is none and this is root. Otherwise why not.
    fn reach(folder: &Path) -> Result<Result<(Self, Option<Process>), String>> {
        let project = folder.join("project");
        if project.exists() {
            fs::remove_dir_all(&project).with_context(|| format!("emptying {}", project.display()))?;
        }
        fs::create_dir_all(&project)?;
        // Paths in the compose file are relative to the project: its own logs, the images' files of this tree.
        symlink(shell::target_dir()?, project.join("target"))?;
        // docker-compose looks for an image's folder before it asks docker anything.
        fs::create_dir_all(dist::folder(dist::target::host()?)?.join("containers"))?;
        let docker = Self { host: None, project };
        if docker.answers()? {
            return Ok(Ok((docker, None)));
        }
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        if shell::find_program(DAEMON).is_none() || !is_root {
            return Ok(Err(
                "no docker answers, and only root with dockerd (Debian package docker.io) starts one".into()
            ));
        }
        let socket = format!("unix://{}", folder.join("d.sock").display());
        let mut daemon = Command::new(DAEMON);
        daemon
            .arg("--data-root")
            .arg(folder.join("data"))
            .arg("--exec-root")
            .arg(folder.join("exec"))
            .arg("--pidfile")
            .arg(folder.join("d.pid"))
            .args(["--host", &socket, "--bridge=none", "--iptables=false", "--ip6tables=false"]);
        let mut daemon = Process::start("dockerd", folder, &mut daemon)?;
        let docker = Self { host: Some(socket), ..docker };
        let came = until("dockerd does not answer", Duration::from_secs(60), || {
            daemon.must_run()?;
            docker.answers()
        });
        match came {
            Ok(()) => Ok(Ok((docker, Some(daemon)))),
            Err(error) => Ok(Err(format!("{error:#}"))),
        }
    }

    fn answers(&self) -> Result<bool> {
        Ok(self.compose(&["ps"]).output().context("starting docker-compose")?.status.success())
    }

    fn compose(&self, arguments: &[&str]) -> Command {
        let root = shell::root();
        let mut command = Command::new(COMPOSE);
        command
            .args(["--project-name", "oddline-test", "--project-directory"])
            .arg(&self.project)
            .arg("-f")
            .arg(root.join("docker-compose.yml"))
            .arg("-f")
            .arg(root.join("docker/prebuilt.yml"))
            .args(arguments)
            .env("ODDLINE_ARCH", dist::target::host().map_or("amd64", |host| host.debian));
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    /// Generate, train, test: their files are on this side.
    fn steps(&self) -> Result<()> {
        shell::must(&mut self.compose(&["build"]))?;
        for service in ["generator", "train_model", "test_model"] {
            let mut run = self.compose(&["run", "--rm", service]);
            run.env("DEBUG_WITH_ANOMALY_FLAG", "true");
            shell::must(&mut run)?;
        }
        for (file, what) in FILES {
            let size = fs::metadata(self.project.join(file)).map_or(0, |file| file.len());
            ensure!(size > 0, "{file} ({what}) is not on the host");
        }
        Ok(())
    }

    /// Until every agent has delivered something and says that it is well.
    fn fleet(&self) -> Result<()> {
        shell::must(&mut self.compose(&["up", "--detach"]))?;
        let question = |arguments: &[&str]| {
            let mut command = self.compose(&["exec", "-T", "collector", "oddline-collector"]);
            command.args(arguments).arg("--json");
            ask(&mut command)
        };
        let came = until("not every agent has an anomaly stored", PATIENCE, || {
            wait(Duration::from_secs(2));
            let answer = question(&["anomalies", "--limit", "10000"])?;
            Ok(answer.as_ref().is_some_and(|answer| servers(answer) == AGENTS))
        });
        if came.is_err() {
            shell::succeeds(&mut self.compose(&["logs", "--tail", "20"]))?;
        }
        came?;
        for agent in ["agent-01", "agent-02", "agent-03"] {
            shell::must(&mut self.compose(&["exec", "-T", agent, "oddline-agent", "status"]))?;
        }
        let agents = question(&["agents"])?.and_then(|answer| answer.as_array().map(Vec::len));
        ensure!(agents == Some(AGENTS), "the collector knows {agents:?} agents");
        shell::must(&mut self.compose(&["ps"]))
    }
}

/// How many servers have anomalies.
fn servers(anomalies: &Value) -> usize {
    let names = anomalies.as_array().into_iter().flatten().filter_map(|anomaly| anomaly["server"].as_str());
    names.collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried here are the images of programs that are there; those that are compiled inside are the same.
    #[test]
    fn both_ways_make_the_same_images() {
        let images = |file: &str| {
            let text = fs::read_to_string(shell::root().join("docker").join(file)).unwrap();
            text.split_once("# The images\n").unwrap().1.replace("--from=build ", "").replace("/out/", "")
        };
        assert_eq!(images("Dockerfile.build"), images("Dockerfile"));
    }
}
