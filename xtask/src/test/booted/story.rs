//! What happens to a machine: from `dpkg -i` to `dpkg --purge`. One method a chapter, in the order of their telling.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::machine::Machine;
use crate::{demo::processes::until, shell};

const AGENT: &str = "oddline-agent.service";
const COLLECTOR: &str = "oddline-collector.service";
const RETRAIN: &str = "oddline-retrain.service";
/// An agent says how it is once a minute.
const PATIENCE: Duration = Duration::from_secs(180);
/// The log that the agent follows.
const LOG: &str = "/var/log/app/app.log";
/// What the trainer learns from.
const WEEK: &str = "/var/log/app/week.csv";
const CURRENT: &str = "/var/lib/oddline/trainer/current.onnx";
/// Two weeks of three servers; the model begins with two of them.
const GENERATE: &str =
    "oddline-trainer generate --servers 3 --days 7 --test-days 7 --period-s 120 --anomaly-rate 0.02 --seed 7011";
/// Words of a broken configuration that its journal must repeat.
const MISSPELT: &str = "listn";

pub(super) struct Story<'a> {
    machine: &'a Machine,
    packages: &'a [PathBuf],
}

impl<'a> Story<'a> {
    /// Puts the packages into the machine.
    pub(super) fn begin(machine: &'a Machine, packages: &'a [PathBuf]) -> Result<Self> {
        fs::create_dir_all(machine.path("/srv/packages"))?;
        for package in packages {
            fs::copy(package, machine.path("/srv/packages").join(name(package)?))?;
        }
        Ok(Self { machine, packages })
    }

    pub(super) fn tell(self) -> Result<()> {
        self.installed().context("installed")?;
        self.configured().context("configured")?;
        self.a_model_is_pushed().context("a model is pushed")?;
        self.a_line_becomes_a_row("server-01", "cpu", "77777").context("a line becomes a row")?;
        self.killed().context("killed")?;
        self.misconfigured().context("misconfigured")?;
        self.retrained().context("retrained")?;
        self.upgraded().context("upgraded")?;
        self.purged().context("purged")
    }

    /// Both services run at once with what the packages bring.
    fn installed(&self) -> Result<()> {
        for package in self.packages {
            self.machine.run(&["dpkg", "--install", &format!("/srv/packages/{}", name(package)?)])?;
        }
        for unit in [AGENT, COLLECTOR] {
            self.machine.comes_to(unit, "active")?;
        }
        ensure!(
            self.machine.succeeds(&["systemctl", "is-enabled", "oddline-retrain.timer"])?,
            "the timer is not enabled"
        );
        // Without a configuration there is nothing to learn from, and that is no failure.
        self.machine.run(&["systemctl", "start", RETRAIN])?;
        ensure!(self.machine.property(RETRAIN, "ConditionResult")? == "no", "it ran without a configuration");
        self.machine.run(&["oddline-agent", "status"])?;
        self.machine.run(&["runuser", "-u", "oddline", "--", "oddline-agent", "validate"])?;
        // `journalctl --follow` looks for entries of this boot, whose identifier is a container's own: the fresh /proc that
        // hardening gives the unit shows the host's instead.
        self.machine.shell("cat /proc/sys/kernel/random/boot_id > /srv/boot_id")?;
        let bind = "[Service]\nBindReadOnlyPaths=/srv/boot_id:/proc/sys/kernel/random/boot_id\n";
        self.machine.write(&format!("/etc/systemd/system/{AGENT}.d/container.conf"), bind)?;
        self.machine.shell(&format!("systemctl daemon-reload && systemctl restart {AGENT}"))?;
        // The default source, under the unit as it is otherwise.
        until("the journal is not read", PATIENCE, || {
            self.machine.answer(&["logger", "-t", "app", "a line for the journal"])?;
            let status: Value = serde_json::from_str(&self.machine.answer(&["oddline-agent", "status", "--json"])?)?;
            let sources = status["reading"]["sources"].as_array();
            let journal = sources.and_then(|all| all.iter().find(|source| source["name"] == "journal"));
            Ok(journal.is_some_and(|journal| journal["lines"].as_u64() > Some(0) && journal["failed"].is_null()))
        })?;
        let groups = self.machine.run(&["id", "-nG", "oddline"])?;
        ensure!(groups.contains("adm") && groups.contains("systemd-journal"), "oddline is in {groups}");
        Ok(())
    }

    /// An operator's settings: a key, a log, the collector of this machine.
    fn configured(&self) -> Result<()> {
        self.machine.shell("mkdir -p /var/log/app /etc/credstore && chown oddline: /var/log/app")?;
        self.machine.shell(&format!("mkdir -p /srv/w && cd /srv/w && {GENERATE}"))?;
        self.machine.run(&["oddline-trainer", "keygen", "--key", "/etc/credstore/oddline.key"])?;
        self.machine.shell("install -m 644 /etc/credstore/oddline.pub /etc/oddline/oddline.pub")?;
        self.enrolled()?;
        self.machine
            .write("/etc/oddline/agent.d/10-site.toml", &format!("[[source]]\nfiles = ['{LOG}']\nbegin = 'start'\n"))?;
        self.machine.write(
            "/etc/oddline/trainer.toml",
            &format!("[retrain]\nlogs = ['{WEEK}']\nfolder = '/var/lib/oddline/trainer'\ncurrent = '{CURRENT}'\n"),
        )?;
        self.machine.run(&["runuser", "-u", "oddline", "--", "oddline-agent", "validate"])?;
        self.machine.run(&["systemctl", "restart", AGENT])?;
        self.machine.comes_to(AGENT, "active")?;
        until("the agent is not known", PATIENCE, || Ok(self.ask(&["agents"])?.to_string().contains("booted")))
    }

    /// The collector reachable by name, and a bundle for the agent: as docs/install.md says, and once as root, which must
    /// not lock the service out of its own files.
    fn enrolled(&self) -> Result<()> {
        let broker = "[embedded]\nlisten = '127.0.0.1:8883'\nnames = ['127.0.0.1']\n";
        self.machine.write("/etc/oddline/collector.toml", broker)?;
        self.machine.run(&["systemctl", "restart", COLLECTOR])?;
        self.machine.comes_to(COLLECTOR, "active")?;
        self.machine.run(&["oddline-collector", "enrolled"])?;
        self.machine.shell(
            "runuser -u oddline-collector -- oddline-collector enroll booted --broker mqtts://127.0.0.1 \
             --out /var/lib/oddline/collector --trusted-key \"$(tail -n 1 /etc/oddline/oddline.pub)\" && \
             tar -C /etc -xf /var/lib/oddline/collector/booted.tar && \
             rm -r /var/lib/oddline/collector/booted.tar /var/lib/oddline/collector/booted",
        )?;
        self.machine.run(&[
            "oddline-collector",
            "enroll",
            "other",
            "--broker",
            "mqtts://127.0.0.1",
            "--out",
            "/srv/w",
        ])?;
        self.owned()?;
        self.machine.run(&["runuser", "-u", "oddline-collector", "--", "oddline-collector", "enrolled"]).map(drop)
    }

    /// Whose everything is: an agent that was taken over reads nothing of the collector, and the other way round.
    fn owned(&self) -> Result<()> {
        for (folder, user) in
            [("agent", "oddline"), ("collector", "oddline-collector"), ("trainer", "oddline-collector")]
        {
            let folder = format!("/var/lib/oddline/{folder}");
            let whose = self.machine.run(&["find", &folder, "!", "-user", user])?;
            ensure!(whose.is_empty(), "not the service's: {whose}");
        }
        let above = self.machine.run(&["stat", "--format=%U", "/var/lib/oddline"])?;
        ensure!(above.trim() == "root", "who owns the folder above can exchange those in it: {above}");
        for (user, file) in [
            ("oddline", "/var/lib/oddline/collector/authority/ca.key"),
            ("oddline", "/var/lib/oddline/collector/collector.db"),
            ("oddline-collector", "/var/lib/oddline/agent/state.redb"),
        ] {
            ensure!(self.machine.path(file).exists(), "there is no {file}");
            let reads = self.machine.succeeds(&["runuser", "-u", user, "--", "head", "-c", "1", file])?;
            ensure!(!reads, "{user} reads {file}");
        }
        Ok(())
    }

    /// The first model, by hand: it knows two of the three servers.
    fn a_model_is_pushed(&self) -> Result<()> {
        self.machine.shell(&format!(
            "cd /srv/w && grep -v server-03 logs/server_logs.txt > first.csv && \
             oddline-trainer train --epochs 6 --logs first.csv --model current.onnx && \
             oddline-trainer sign current.onnx --key /etc/credstore/oddline.key && \
             install -o oddline-collector -g oddline-collector current.onnx current.onnx.minisig -t $(dirname {CURRENT}) && \
             runuser -u oddline-collector -- oddline-collector push {CURRENT} --to all"
        ))?;
        self.agent_runs_what_is_current()
    }

    /// A record far from everything, in a log of which the agent has read a week.
    fn a_line_becomes_a_row(&self, server: &str, component: &str, value: &str) -> Result<()> {
        if !self.machine.path(LOG).exists() {
            self.machine.shell(&format!("cp /srv/w/first.csv {LOG}.new && mv {LOG}.new {LOG}"))?;
        }
        let last = self.machine.shell(&format!("tail -n 1 {LOG} | cut -d, -f1"))?;
        self.machine.shell(&format!("echo '{},{server},{component},{value},0' >> {LOG}", last.trim()))?;
        until("the line is no row", PATIENCE, || {
            let rows = self.ask(&["anomalies", "--since", "3650d", "--limit", "10000"])?;
            let found = rows.as_array().into_iter().flatten().any(|row| {
                row["server"] == server && row["component"] == component && row["value"].as_f64() == value.parse().ok()
            });
            Ok(found)
        })
    }

    /// kill -9: systemd starts it again, and nothing that was found is lost or there twice.
    fn killed(&self) -> Result<()> {
        let before = self.rows()?;
        for unit in [AGENT, COLLECTOR] {
            self.machine.run(&["systemctl", "kill", "--signal=KILL", "--kill-who=main", unit])?;
            let again = || Ok(self.machine.property(unit, "NRestarts")? == "1");
            until("it is not started again", PATIENCE, again).with_context(|| unit.to_owned())?;
            self.machine.comes_to(unit, "active")?;
        }
        self.a_line_becomes_a_row("server-02", "memory", "88888")?;
        ensure!(self.rows()? == before + 1, "{} anomalies before, {} now", before, self.rows()?);
        Ok(())
    }

    /// A mistake in the configuration: exit 78, no further attempt, and words to mend it by.
    fn misconfigured(&self) -> Result<()> {
        let file = "/etc/oddline/agent.d/99-broken.toml";
        self.machine.write(file, &format!("[metrics]\n{MISSPELT} = '127.0.0.1:9464'\n"))?;
        ensure!(!self.machine.succeeds(&["systemctl", "restart", AGENT])?, "it started with a broken configuration");
        self.machine.comes_to(AGENT, "failed")?;
        ensure!(self.machine.property(AGENT, "ExecMainStatus")? == "78", "another exit code");
        let said = self.machine.said_by(AGENT);
        ensure!(said.contains(MISSPELT) && said.contains("99-broken.toml"), "the journal does not say what: {said}");
        fs::remove_file(self.machine.path(file))?;
        self.machine.run(&["systemctl", "start", AGENT])?;
        self.machine.comes_to(AGENT, "active")
    }

    /// The timer's unit: on changed behaviour it promotes, pushes and the agent takes it; on poisoned logs it holds.
    fn retrained(&self) -> Result<()> {
        let noise =
            "n[\"cpu\"]=4;n[\"disk_io\"]=15;n[\"error_rate\"]=.5;n[\"latency\"]=8;n[\"memory\"]=2;n[\"network\"]=30";
        let week = |change: &str| {
            let awk = format!("BEGIN{{FS=OFS=\",\";srand(7);{noise}}} NR>1{{{change}}} {{print}}");
            let script = format!("awk '{awk}' /srv/w/logs/unseen_logs.txt > {WEEK}.new && mv {WEEK}.new {WEEK}");
            self.machine.shell(&script)
        };
        let before = self.current()?;
        week("if ($2==\"server-01\") $4+=6*n[$3]")?;
        ensure!(self.retrain()?.starts_with("promote: "), "{}", self.machine.said_by(RETRAIN));
        let promoted = self.current()?;
        ensure!(promoted != before, "the model in use is still the old one");
        self.agent_runs_what_is_current()?;
        week("if (rand()<.2) $4+=(6+6*rand())*n[$3]")?;
        ensure!(self.retrain()?.starts_with("hold: "), "{}", self.machine.said_by(RETRAIN));
        ensure!(self.current()? == promoted, "what was held is in use");
        Ok(())
    }

    /// A newer package over the old one, while the services run.
    fn upgraded(&self) -> Result<()> {
        let rows = self.rows()?;
        let model = self.agent_model()?;
        // As it was when all were one user.
        self.machine.shell(
            "systemctl stop oddline-agent oddline-collector && chown -R oddline: /var/lib/oddline && \
             systemctl start oddline-agent",
        )?;
        for package in self.packages {
            let newer = repacked(package, &self.machine.path("/srv/packages"))?;
            self.machine.run(&["dpkg", "--install", &format!("/srv/packages/{}", name(&newer)?)])?;
        }
        for unit in [AGENT, COLLECTOR] {
            self.machine.comes_to(unit, "active")?;
        }
        self.owned()?;
        until("the agent has forgotten its model", PATIENCE, || Ok(self.agent_model()? == model))?;
        self.a_line_becomes_a_row("server-01", "latency", "99999")?;
        ensure!(self.rows()? == rows + 1, "{rows} anomalies before the upgrade, {} after one more line", self.rows()?);
        Ok(())
    }

    /// Nothing of it stays that was not an operator's own.
    fn purged(&self) -> Result<()> {
        self.machine.run(&["dpkg", "--purge", "oddline-agent", "oddline-collector", "oddline-trainer"])?;
        let left = [
            "/var/lib/oddline/agent",
            "/var/lib/oddline/collector",
            "/var/lib/oddline/trainer",
            "/etc/oddline/agent.toml",
            "/etc/oddline/collector.toml",
            "/usr/share/doc/oddline-collector",
            "/usr/bin/oddline-agent",
            "/usr/lib/systemd/system/oddline-agent.service",
        ]
        .into_iter()
        .filter(|path| self.machine.path(path).exists())
        .collect::<Vec<_>>();
        ensure!(left.is_empty(), "left behind: {left:?}");
        ensure!(self.machine.path("/etc/oddline/oddline.pub").exists(), "an operator's own file is gone");
        ensure!(self.machine.property(AGENT, "ActiveState")? == "inactive", "the agent runs on");
        Ok(())
    }

    /// What the collector answers, as JSON.
    fn ask(&self, question: &[&str]) -> Result<Value> {
        let mut command = vec!["runuser", "-u", "oddline-collector", "--", "oddline-collector"];
        command.extend(question);
        command.push("--json");
        let answer = self.machine.answer(&command)?;
        serde_json::from_str(&answer).with_context(|| format!("{question:?}: {answer}"))
    }

    /// Anomalies of the log that are stored; silences come by themselves, as nobody writes it. The journal has its own.
    fn rows(&self) -> Result<usize> {
        let rows = self.ask(&["anomalies", "--since", "3650d", "--limit", "10000"])?;
        let told = rows.as_array().into_iter().flatten().filter(|row| row["source"] == LOG && row["kind"] != "silence");
        Ok(told.count())
    }

    /// Runs the timer's unit; what it decided, with the reason.
    fn retrain(&self) -> Result<String> {
        self.machine.run(&["systemctl", "start", RETRAIN]).with_context(|| self.machine.said_by(RETRAIN))?;
        let invocation = self.machine.property(RETRAIN, "InvocationID")?;
        let said =
            self.machine.run(&["journalctl", "--output=cat", &format!("_SYSTEMD_INVOCATION_ID={invocation}")])?;
        let decided =
            said.lines().find(|line| ["promote: ", "hold: ", "ask: "].iter().any(|word| line.starts_with(word)));
        let decided = decided.with_context(|| format!("no decision: {said}"))?.to_owned();
        println!("booted: {decided}");
        Ok(decided)
    }

    /// Version of the trainer's model in use.
    fn current(&self) -> Result<u64> {
        let told = self.machine.run(&["oddline-trainer", "inspect", CURRENT, "--json"])?;
        let told: Value = serde_json::from_str(&told)?;
        told["version"].as_u64().context("a model has a version")
    }

    /// Version of the agent's.
    fn agent_model(&self) -> Result<Option<u64>> {
        let agents = self.ask(&["agents"])?;
        let agent = agents.as_array().and_then(|agents| agents.iter().find(|agent| agent["agent"] == "booted"));
        Ok(agent.and_then(|agent| agent["model"].as_u64()))
    }

    fn agent_runs_what_is_current(&self) -> Result<()> {
        let current = self.current()?;
        until("the agent does not take the model", PATIENCE, || Ok(self.agent_model()? == Some(current)))
            .with_context(|| format!("{}\n{}", self.machine.said_by(AGENT), self.machine.said_by(COLLECTOR)))
    }
}

fn name(package: &Path) -> Result<String> {
    let name = package.file_name().context("a package has a name")?;
    Ok(name.to_string_lossy().into_owned())
}

/// The same package with a higher version.
fn repacked(package: &Path, folder: &Path) -> Result<PathBuf> {
    let (open, newer) = (folder.join("open"), folder.join(format!("newer-{}", name(package)?)));
    shell::must(Command::new("dpkg-deb").arg("--raw-extract").arg(package).arg(&open))?;
    let control = open.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    let version = text.lines().find(|line| line.starts_with("Version: ")).context("a package has a version")?;
    fs::write(&control, text.replace(version, &format!("{version}+newer")))?;
    shell::must(Command::new("dpkg-deb").args(["--build", "--root-owner-group"]).arg(&open).arg(&newer))?;
    fs::remove_dir_all(&open)?;
    Ok(newer)
}
