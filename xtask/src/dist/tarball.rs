//! For distributions without Debian packages: the packages' files with an installer, so that both bring the same.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{
    empty, epoch,
    target::{Program, Target},
};
use crate::shell;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `oddline-VERSION-MACHINE.tar.gz`: `install.sh`, `files/` and a list of files for each program. With some of the
/// programs only, their names are in its own.
pub(super) fn make(target: &Target, programs: &[Program], out: &Path) -> Result<()> {
    let name = name(target, programs);
    let work = out.join("tarball");
    let folder = work.join(&name);
    empty(&folder.join("files"))?;
    for program in programs {
        let files = unpack(target, *program, out, &folder)?;
        fs::write(folder.join(format!("{}.files", program.name())), files)?;
    }
    fs::write(folder.join("machine"), format!("{}\n", target.machine))?;
    let beside = ["packaging/install.sh", "LICENSE-MIT", "LICENSE-APACHE"].map(|file| shell::root().join(file));
    shell::must(Command::new("cp").args(beside).arg(&folder))?;
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--use-compress-program=gzip -n"])
        .arg(format!("--mtime=@{}", epoch()?))
        .arg("-C")
        .arg(&work)
        .arg("-cf")
        .arg(out.join(format!("{name}.tar.gz")))
        .arg(&name);
    shell::must(&mut tar)?;
    check(&folder, programs, &work.join("image"))?;
    fs::remove_dir_all(&work).context("removing what the tarball was made from")
}

fn name(target: &Target, programs: &[Program]) -> String {
    let some: String = if programs.len() == target.programs.len() {
        String::new()
    } else {
        programs.iter().map(|program| format!("-{}", program.name())).collect()
    };
    format!("oddline{some}-{VERSION}-{}", target.machine)
}

/// Into an empty folder and away again: what is listed is installed, and nothing stays.
fn check(folder: &Path, programs: &[Program], image: &Path) -> Result<()> {
    let installer = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.arg(folder.join("install.sh")).arg("--root").arg(image).args(arguments);
        command.args(programs.iter().map(|program| program.name()));
        shell::must(&mut command)
    };
    installer(&[])?;
    let expected: usize = count(&folder.join("files"))?;
    let found = count(image)?;
    ensure!(found == expected, "install.sh installs {found} of {expected} files");
    installer(&["--uninstall", "--purge"])?;
    let left = count(image)?;
    ensure!(left == 0, "install.sh --uninstall --purge leaves {left} files in {}", image.display());
    let folders = own_folders(image)?;
    ensure!(folders.is_empty(), "install.sh --uninstall --purge leaves {folders:?}");
    Ok(())
}

/// Folders that are called after us.
fn own_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(own_folders(&entry.path())?);
            found.extend(Some(entry.path()).filter(|path| is_ours(path)));
        }
    }
    Ok(found)
}

fn is_ours(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("oddline"))
}

fn count(folder: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(files)
}

/// Unpacks a package's files into `files/`; a line for each.
fn unpack(target: &Target, program: Program, out: &Path, folder: &Path) -> Result<String> {
    let deb = super::package::file(target, program, out)?;
    let data = Command::new("ar").args(["t"]).arg(&deb).output().context("starting ar (Debian package binutils)")?;
    let members = String::from_utf8_lossy(&data.stdout).into_owned();
    let data = members.lines().find(|member| member.starts_with("data.tar")).context("a package has data")?;
    let archive = folder.join(data);
    let content = Command::new("ar").arg("p").arg(&deb).arg(data).output().context("starting ar")?;
    ensure!(content.status.success(), "ar: {}", String::from_utf8_lossy(&content.stderr));
    fs::write(&archive, content.stdout)?;
    let list = Command::new("tar").arg("-tf").arg(&archive).output().context("starting tar")?;
    ensure!(list.status.success(), "tar: {}", String::from_utf8_lossy(&list.stderr));
    shell::must(Command::new("tar").arg("-C").arg(folder.join("files")).arg("-xf").arg(&archive))?;
    fs::remove_file(&archive)?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let files = list.lines().map(|file| file.trim_start_matches("./")).filter(|file| !file.ends_with('/'));
    Ok(files.filter(|file| !file.is_empty()).map(|file| format!("{file}\n")).collect())
}
