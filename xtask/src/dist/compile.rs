//! Compiling the programs as they are shipped: profile `dist`, one program at a time, so that none carries what another
//! wants of a library; in a folder of its own, so that development's build stays as it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::{
    target::{Program, Target},
    toolchain::{self, Toolchain},
};
use crate::shell;

/// What the packages ask for; `depends` in the crates' package.metadata.deb says the same.
pub(super) const GLIBC_MINOR_MAX: u32 = 35;

/// How a program finds the C library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Linked {
    /// At its start, as distributions want it.
    Dynamically,
    /// It holds it: for images with nothing else in them.
    Statically,
}

/// Cargo's target folder for all of it.
pub(super) fn target_dir() -> Result<PathBuf> {
    Ok(shell::target_dir()?.join("dist-build"))
}

/// Where cargo puts a target's programs.
pub(super) fn folder(target: &Target) -> Result<PathBuf> {
    Ok(target_dir()?.join(target.triple).join("dist"))
}

/// What was compiled the last time.
pub(super) fn found(target: &Target, programs: &[Program]) -> Result<Vec<(Program, PathBuf)>> {
    let found = |program: &Program| {
        let file = folder(target)?.join(program.binary());
        ensure!(file.is_file(), "{} is not there: compile it first, without --no-build", file.display());
        Ok((*program, file))
    };
    programs.iter().map(found).collect()
}

/// Compiles them; each with its file.
pub(super) fn programs(
    target: &Target,
    toolchain: &Toolchain,
    programs: &[Program],
    linked: Linked,
) -> Result<Vec<(Program, PathBuf)>> {
    programs.iter().map(|program| Ok((*program, one(target, toolchain, *program, linked)?))).collect()
}

fn one(target: &Target, toolchain: &Toolchain, program: Program, linked: Linked) -> Result<PathBuf> {
    let name = program.binary();
    let file = folder(target)?.join(&name);
    // Cargo puts both kinds in one place: the packages' one comes back to it.
    let packaged = folder(target)?.join("static").join(format!("{name}.packaged"));
    if linked == Linked::Statically {
        fs::create_dir_all(packaged.parent().context("a file in a folder")?)?;
        if file.is_file() {
            fs::rename(&file, &packaged).with_context(|| format!("moving {}", file.display()))?;
        }
    }
    let mut cargo = toolchain.cargo(target, if linked == Linked::Statically { "rustc" } else { "build" });
    cargo.args(["--profile", "dist", "--package", &name, "--bin", &name]);
    cargo.arg("--target-dir").arg(target_dir()?);
    if linked == Linked::Statically {
        // How the C library is linked is decided when the program is: its libraries are the same.
        cargo.args(["--", "-C", "target-feature=+crt-static"]);
    }
    shell::must(&mut cargo)?;
    let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    for (path, _) in toolchain::remapped()? {
        let is_there = bytes.windows(path.len()).any(|window| window == path.as_bytes());
        ensure!(!is_there, "{} holds the path {path} of this machine", file.display());
    }
    match linked {
        Linked::Dynamically => {
            check_glibc(&file, &bytes)?;
            Ok(file)
        }
        Linked::Statically => {
            ensure!(!has_interpreter(&bytes), "{} is not static", file.display());
            let aside = folder(target)?.join("static").join(&name);
            fs::rename(&file, &aside).with_context(|| format!("moving {}", file.display()))?;
            if packaged.is_file() {
                fs::rename(&packaged, &file).with_context(|| format!("moving {}", packaged.display()))?;
            }
            Ok(aside)
        }
    }
}

fn check_glibc(file: &Path, bytes: &[u8]) -> Result<()> {
    let wants = glibc_minor(bytes).unwrap_or(0);
    ensure!(
        wants <= GLIBC_MINOR_MAX,
        "{} wants glibc 2.{wants}, the packages say 2.{GLIBC_MINOR_MAX}: build on an older system, or raise both",
        file.display()
    );
    Ok(())
}

/// The newest `GLIBC_2.N` among the versions of symbols that a program names.
fn glibc_minor(bytes: &[u8]) -> Option<u32> {
    const MARK: &[u8] = b"GLIBC_2.";
    let ends =
        bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).map(|(at, _)| at + MARK.len());
    ends.filter_map(|at| {
        let digits: String =
            bytes[at..].iter().take(3).take_while(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
        digits.parse().ok()
    })
    .max()
}

/// Whether it names a dynamic loader.
fn has_interpreter(bytes: &[u8]) -> bool {
    // The name stands in the first page, where the program headers point.
    let head = &bytes[..bytes.len().min(4096)];
    head.windows(6).any(|window| window == b"/ld-li")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts() {
        assert_eq!(glibc_minor(b"\0GLIBC_2.4\0GLIBC_2.35\0GLIBC_2.28\0"), Some(35));
        assert_eq!(glibc_minor(b"\0GLIBC_PRIVATE\0"), None);
    }

    #[test]
    fn a_loader_is_seen() {
        assert!(has_interpreter(b"\x7fELF..../lib64/ld-linux-x86-64.so.2\0"));
        assert!(!has_interpreter(b"\x7fELF....\0"));
    }
}
