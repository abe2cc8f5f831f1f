//! Commands that root types in the folder of a service that somebody else has taken over: no link in it leads root
//! anywhere, and nothing of root's stays in it.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
};

use oddline_collector::store::{DatabaseAddress, OpenMode, Store};

use crate::{cli::model, program::command};

/// The service's user.
const SERVICE: u32 = 64_104;

/// A collector's configuration and state, the state of another user, and below the same folder what is root's alone.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(test: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let this = Self { dir };
        fs::set_permissions(this.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(this.path("state")).unwrap();
        if this.give("state").is_err() {
            oddline_testkit::not_run(test, "only root has something that a service must not have");
            return None;
        }
        fs::create_dir(this.path("root")).unwrap();
        fs::write(this.path("root/secret"), "root's").unwrap();
        for path in ["root", "root/secret"] {
            fs::set_permissions(this.path(path), fs::Permissions::from_mode(0o700)).unwrap();
        }
        let config = format!("state = '{}'\n[api]\nenabled = false\n", this.path("state").display());
        fs::write(this.path("collector.toml"), config).unwrap();
        Some(this)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn give(&self, name: &str) -> std::io::Result<()> {
        chown(self.path(name), Some(SERVICE), Some(SERVICE))
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = command().arg("--config").arg(self.path("collector.toml")).args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn enroll(&self, agent: &str, out: &str) -> (i32, String) {
        let out = self.path(out);
        self.run(&["enroll", agent, "--broker", "mqtts://collector.example", "--out", out.to_str().unwrap()])
    }

    /// What is root's is root's and as it was.
    fn untouched(&self) {
        assert_eq!(fs::read_to_string(self.path("root/secret")).unwrap(), "root's");
        let names: Vec<_> = fs::read_dir(self.path("root")).unwrap().map(|found| found.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "something was made in root's folder");
        for path in ["root", "root/secret"] {
            let found = fs::metadata(self.path(path)).unwrap();
            assert_eq!((found.uid(), found.mode() & 0o777), (0, 0o700), "{path}");
        }
    }

    /// Everything in it is the service's.
    fn is_the_services(&self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            assert_eq!((found.uid(), found.gid()), (SERVICE, SERVICE), "{}", path.display());
            if found.is_dir() {
                self.is_the_services(&path);
            }
        }
    }
}

#[test]
fn enrolling_as_root_follows_no_link_of_the_services() {
    let Some(machine) = Machine::new("root::enrolling_as_root_follows_no_link_of_the_services") else { return };
    fs::create_dir(machine.path("bundles")).unwrap();
    fs::create_dir(machine.path("state/authority")).unwrap();
    machine.give("state/authority").unwrap();
    for (planted, target) in [
        ("authority/lock", "root/secret"),
        ("authority/agents", "root"),
        ("authority/crl.pem", "root/secret"),
        ("authority/revoked", "root/secret"),
    ] {
        let link = machine.path("state").join(planted);
        // An attempt that failed has made some of it.
        drop(fs::remove_dir_all(&link).or_else(|_| fs::remove_file(&link)));
        symlink(machine.path(target), &link).unwrap();
        let (code, said) = machine.enroll("pi", "bundles");
        machine.untouched();
        assert!(code != 0 && said.contains("Permission denied"), "{planted}: {said}");
        fs::remove_file(&link).unwrap();
    }
    // And where the bundle goes.
    fs::create_dir(machine.path("state/out")).unwrap();
    machine.give("state/out").unwrap();
    for (agent, planted) in [("a", "out/.a.new"), ("b", "out/b"), ("c", "out/c.tar")] {
        symlink(machine.path("root"), machine.path("state").join(planted)).unwrap();
        machine.enroll(agent, "state/out");
        machine.untouched();
    }
}

#[test]
fn what_root_makes_for_the_service_is_the_services_and_the_bundle_is_roots() {
    let name = "root::what_root_makes_for_the_service_is_the_services_and_the_bundle_is_roots";
    let Some(machine) = Machine::new(name) else { return };
    fs::create_dir(machine.path("bundles")).unwrap();
    let (code, said) = machine.enroll("pi", "bundles");
    assert_eq!(code, 0, "{said}");
    for arguments in [
        &["enroll", "pi", "--renew", "--out", "b2"][..],
        &["enrolled"],
        &["revoke", "pi"],
        &["enroll-broker", "b.example", "--out", "b3"],
    ] {
        let arguments: Vec<String> = arguments
            .iter()
            .map(|a| {
                if a.starts_with("b2") || *a == "b3" { machine.path(a).display().to_string() } else { (*a).to_owned() }
            })
            .collect();
        let (code, said) = machine.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(code, 0, "{arguments:?}: {said}");
    }
    machine.is_the_services(&machine.path("state"));
    assert!(machine.path("state/authority/ca.key").exists());
    for path in ["bundles/pi", "bundles/pi.tar", "bundles/pi/tls/agent.key", "b3/collector.key"] {
        assert_eq!(fs::metadata(machine.path(path)).unwrap().uid(), 0, "{path}");
    }
}

#[tokio::test]
async fn the_database_is_the_services_whatever_root_asks() {
    let Some(machine) = Machine::new("root::the_database_is_the_services_whatever_root_asks") else { return };
    let database = machine.path("state/collector.db");
    // Somebody else's database in its place, with a journal that would be played back into it.
    Store::open(&DatabaseAddress::Sqlite(machine.path("root/secret.db")), OpenMode::Serve).await.unwrap().close().await;
    symlink(machine.path("root/secret.db"), &database).unwrap();
    let pushed = model(&machine.path("root"), 3);
    for arguments in [&["agents"][..], &["push", pushed.to_str().unwrap(), "--to", "all", "--fleet", "home"]] {
        let (code, said) = machine.run(arguments);
        assert_ne!(code, 0, "{arguments:?}: {said}");
    }
    fs::remove_file(&database).unwrap();

    Store::open(&DatabaseAddress::Sqlite(database.clone()), OpenMode::Serve).await.unwrap().close().await;
    machine.give("state/collector.db").unwrap();
    let backup = machine.path("state/backup.db");
    for arguments in [
        &["agents"][..],
        &["push", pushed.to_str().unwrap(), "--to", "all", "--fleet", "home"],
        &["rollouts"],
        &["backup", backup.to_str().unwrap()],
    ] {
        let (code, said) = machine.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
    }
    machine.is_the_services(&machine.path("state"));
}

#[test]
fn questions_about_the_enrolled_make_no_authority() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let ask = |arguments: &[&str]| {
        let config = dir.path().join("collector.toml");
        fs::write(&config, format!("state = '{}'\n", state.display())).unwrap();
        let output = command().arg("--config").arg(&config).args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    };
    for arguments in [&["enrolled"][..], &["revoke", "pi"]] {
        let (code, said) = ask(arguments);
        assert!(code == 2 && said.contains("there is no folder"), "{said}");
        assert!(!state.exists(), "{arguments:?} made {}", state.display());
    }
    fs::create_dir(&state).unwrap();
    assert_eq!(ask(&["enrolled"]), (0, "no agents enrolled\n".to_owned()));
    let (code, said) = ask(&["revoke", "pi"]);
    assert!(code == 1 && said.contains("agent pi is not enrolled"), "{said}");
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}
