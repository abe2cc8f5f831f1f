//! The packages in a systemd that really booted: installed, at work, killed, misconfigured, retrained on a timer, upgraded,
//! purged. A small Debian is made once and kept beside cargo's own cache; each run boots a copy of it.

mod machine;
mod story;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use self::{machine::Machine, story::Story};
use super::summary::{NotRun, Outcome};
use crate::{dist, shell};

const DEBIAN: &str = "bookworm";
/// A folder with packages that were made before; otherwise they are made now.
const PACKAGES: &str = "ODDLINE_PACKAGES";
const NEEDED: [&str; 4] = ["debootstrap", "systemd-nspawn", "nsenter", "dpkg-deb"];

pub(super) fn booted(_: &mut NotRun) -> Result<Outcome> {
    if !fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        return Ok(Outcome::NotRun("only root can boot a system in a container".to_owned()));
    }
    if let Some(missing) = NEEDED.iter().find(|program| shell::find_program(program).is_none()) {
        return Ok(Outcome::NotRun(format!(
            "no {missing} (Debian packages debootstrap, systemd-container, util-linux, dpkg)"
        )));
    }
    let debian = match debian()? {
        Ok(debian) => debian,
        Err(why) => return Ok(Outcome::NotRun(why)),
    };
    let packages = match std::env::var_os(PACKAGES) {
        Some(folder) => packages_in(Path::new(&folder))?,
        None => dist::packages_of_host()?,
    };
    let root = shell::target_dir()?.join("xtask/booted");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("emptying {}", root.display()))?;
    }
    fs::create_dir_all(&root)?;
    shell::must(Command::new("cp").args(["--archive", "--no-target-directory"]).arg(&debian).arg(root.join("system")))?;
    let machine = Machine::boot(&root.join("system"))?;
    let told = Story::begin(&machine, &packages).and_then(Story::tell);
    if told.is_err() {
        println!("{}", machine.journal());
    }
    machine.power_off()?;
    told?;
    fs::remove_dir_all(&root).with_context(|| format!("emptying {}", root.display()))?;
    Ok(Outcome::Passed)
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{PACKAGES}: {}", folder.display()))?;
    let files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let packages: Vec<PathBuf> =
        files.into_iter().filter(|file| file.extension().is_some_and(|e| e == "deb")).collect();
    ensure!(!packages.is_empty(), "{PACKAGES}: no packages in {}", folder.display());
    Ok(packages)
}

/// A bare Debian with systemd; made when there is none yet, which needs the network.
fn debian() -> Result<std::result::Result<PathBuf, String>> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?.join("oddline");
    let debian = cache.join(DEBIAN);
    if debian.join("usr/lib/systemd/systemd").exists() {
        return Ok(Ok(debian));
    }
    fs::create_dir_all(&cache).with_context(|| format!("making {}", cache.display()))?;
    let half = cache.join(format!("{DEBIAN}.half"));
    if half.exists() {
        fs::remove_dir_all(&half)?;
    }
    let mut command = Command::new("debootstrap");
    command.args(["--variant=minbase", "--include=systemd,systemd-sysv,dbus", DEBIAN]).arg(&half);
    if !shell::succeeds(&mut command)? {
        return Ok(Err("debootstrap could not fetch a Debian".to_owned()));
    }
    fs::rename(&half, &debian)?;
    ensure!(debian.join("usr/lib/systemd/systemd").exists(), "{} has no systemd", debian.display());
    Ok(Ok(debian))
}
