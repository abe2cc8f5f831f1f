//! Who the services run as: the agent is another user than the collector, so that whoever takes an agent does not come to
//! the authority of the fleet's certificates. The units say so, and an upgrade from one user to two hands over what is there.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::Path,
    process::Command,
};

use crate::shell;

/// Numbers of the two accounts in the test's own `/etc/passwd`.
const AGENT: u32 = 64_101;
const COLLECTOR: u32 = 64_102;
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\noddline:x:64101:64101::/:/bin/false\n\
                      oddline-collector:x:64102:64102::/:/bin/false\n";
const GROUP: &str = "root:x:0:\noddline:x:64101:\noddline-collector:x:64102:\n";

fn unit(name: &str) -> Vec<String> {
    let text = fs::read_to_string(shell::root().join("systemd").join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn setting(unit: &[String], name: &str) -> Vec<String> {
    let values = unit.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    values.flat_map(str::split_whitespace).map(|value| value.trim_start_matches('-').to_owned()).collect()
}

#[test]
fn agent_and_collector_are_two_users_whose_folders_are_closed_to_each_other() {
    let [agent, collector, retrain] =
        ["oddline-agent.service", "oddline-collector.service", "oddline-retrain.service"].map(unit);
    assert_eq!(setting(&agent, "User"), ["oddline"]);
    for other in [&collector, &retrain] {
        assert_eq!(setting(other, "User"), ["oddline-collector"]);
        assert_eq!(setting(other, "Group"), ["oddline-collector"]);
        assert!(setting(other, "InaccessiblePaths").contains(&"/var/lib/oddline/agent".to_owned()));
    }
    assert!(setting(&agent, "InaccessiblePaths").contains(&"/var/lib/oddline/collector".to_owned()));
    for unit in [&agent, &collector, &retrain] {
        assert_eq!(setting(unit, "StateDirectoryMode"), ["0750"]);
    }
    // Logs are the agent's business and, while it runs, the retraining's: not the collector's, which listens to the network.
    assert!(setting(&collector, "SupplementaryGroups").is_empty());
    for program in ["collector", "trainer"] {
        let users = unit(&format!("oddline-{program}.sysusers")).join("\n");
        assert!(users.contains("u oddline-collector -") && !users.contains("\nm "), "{users}");
    }
    for program in ["agent", "collector", "trainer"] {
        let folders = unit(&format!("oddline-{program}.tmpfiles"));
        // Whoever owns the folder above can put another one in the place of each.
        assert!(folders.contains(&"d /var/lib/oddline 0755 root root -".to_owned()), "{folders:?}");
    }
}

#[test]
fn an_upgrade_from_one_user_hands_over_what_was_the_agents_and_follows_no_link() {
    let dir = shell::target_dir().unwrap().join("xtask/users");
    drop(fs::remove_dir_all(&dir));
    let Some(root) = one_user(&dir) else { return };
    for program in ["collector", "trainer"] {
        let script = shell::root().join("packaging/debian").join(program).join("postinst");
        let text =
            "mount --bind $0/passwd /etc/passwd && mount --bind $0/group /etc/group && exec sh $1 configure 0.1.0-1";
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-euc", text]).arg(&dir).arg(&script).env("DPKG_ROOT", &root);
        let path = std::env::var("PATH").unwrap();
        unshare.env("PATH", format!("{}:{path}", dir.join("bin").display()));
        let output = unshare.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program}: {said}");
        if program == "collector" {
            assert!(said.contains("/etc/oddline/both.key is named by agent and collector"), "{said}");
        }
    }
    let owner = |path: &str| {
        let found = fs::symlink_metadata(root.join(path)).unwrap();
        (found.uid(), found.gid())
    };
    for path in ["collector", "collector/authority/ca.key", "collector/planted", "trainer/current.onnx"] {
        assert_eq!(owner(&format!("var/lib/oddline/{path}")), (COLLECTOR, COLLECTOR), "{path}");
    }
    assert_eq!(owner("etc/oddline/token"), (COLLECTOR, COLLECTOR), "named by collector.toml");
    assert_eq!(owner("etc/oddline/group.key"), (0, COLLECTOR), "readable through its group");
    for path in ["var/lib/oddline/agent", "var/lib/oddline/agent/state.redb", "etc/oddline/both.key"] {
        assert_eq!(owner(path), (AGENT, AGENT), "{path}");
    }
    for path in ["var/lib/oddline", "var/lib/oddline/collector/roots", "etc/shadow"] {
        assert_eq!(owner(path), (0, 0), "{path}");
    }
}

/// A system as the packages left it when all were one user, with what a taken agent might have planted; `None` where that
/// cannot be made.
fn one_user(dir: &Path) -> Option<std::path::PathBuf> {
    let root = dir.join("system");
    let of = |path: &str, owner: u32| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        chown(&path, Some(owner), Some(owner)).is_ok()
    };
    let name = "test::users::an_upgrade_from_one_user_hands_over_what_was_the_agents_and_follows_no_link";
    let mounts = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|run| run.status.success());
    if !of("var/lib/oddline/agent/state.redb", AGENT) || !mounts {
        oddline_testkit::not_run(name, "only root can give files away and mount");
        return None;
    }
    for path in ["collector/authority/ca.key", "collector/collector.db", "trainer/current.onnx"] {
        of(&format!("var/lib/oddline/{path}"), AGENT);
    }
    for (path, owner) in [
        ("var/lib/oddline/collector/roots", 0),
        ("etc/oddline/token", AGENT),
        ("etc/oddline/both.key", AGENT),
        ("etc/oddline/group.key", 0),
        ("etc/shadow", 0),
    ] {
        of(path, owner);
    }
    chown(root.join("etc/oddline/group.key"), Some(0), Some(AGENT)).unwrap();
    fs::write(
        root.join("etc/oddline/collector.toml"),
        "[api]\ntoken_file = \"/etc/oddline/token\"\n[broker]\nkey = '/etc/oddline/both.key'\npassword_file = '/etc/oddline/group.key'\n",
    )
    .unwrap();
    fs::write(root.join("etc/oddline/agent.toml"), "[broker]\nkey = '/etc/oddline/both.key'\n").unwrap();
    symlink(root.join("etc/shadow"), root.join("var/lib/oddline/collector/planted")).unwrap();
    for path in ["", "/agent", "/collector", "/collector/authority", "/collector/planted", "/trainer"] {
        let path = root.join(format!("var/lib/oddline{path}"));
        std::os::unix::fs::lchown(&path, Some(AGENT), Some(AGENT)).unwrap();
    }
    fs::create_dir(dir.join("bin")).unwrap();
    for name in ["systemd-sysusers", "deb-systemd-helper", "deb-systemd-invoke", "systemd-tmpfiles", "systemctl"] {
        let stub = dir.join("bin").join(name);
        fs::write(&stub, "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(dir.join("passwd"), PASSWD).unwrap();
    fs::write(dir.join("group"), GROUP).unwrap();
    Some(root)
}
