//! Debian packages, by cargo-deb from `package.metadata.deb` in the crates' Cargo.toml and `packaging/debian`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::{
    compile, copy, epoch, share,
    target::{Program, Target},
};
use crate::shell;

/// The version that cargo-deb gives a package: the project's, and its first revision.
pub(super) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
/// As in the crates' `package.metadata.deb`.
pub(super) const MAINTAINER: &str = "The Oddline developers <oddline@localhost>";

/// Whether packages can be made here.
pub(super) fn check() -> Result<()> {
    let found = shell::cargo().args(["deb", "--version"]).output().is_ok_and(|output| output.status.success());
    ensure!(found, "Debian packages are made by cargo-deb, which is not installed: cargo install cargo-deb --locked");
    Ok(())
}

/// One package for each program, which has been compiled.
pub(super) fn make(target: &Target, programs: &[Program], out: &Path) -> Result<()> {
    for program in programs {
        for old in files(target, *program, out)? {
            fs::remove_file(&old).with_context(|| format!("removing {}", old.display()))?;
        }
        let mut deb = shell::cargo();
        deb.args(["deb", "--no-build", "--no-strip", "--profile", "dist", "--target", target.triple])
            .args(["--package", &program.binary()])
            .arg("--output")
            .arg(out)
            .env("CARGO_TARGET_DIR", compile::target_dir()?)
            .env("SOURCE_DATE_EPOCH", epoch()?);
        shell::must(&mut deb)?;
        copy(&share::bill(target, *program)?, &out.join(format!("{}_{}.cdx.json", program.binary(), target.debian)))?;
    }
    Ok(())
}

/// The package that was made last.
pub(super) fn file(target: &Target, program: Program, out: &Path) -> Result<PathBuf> {
    let found = files(target, program, out)?.pop();
    found.with_context(|| format!("no package of {} in {}", program.binary(), out.display()))
}

fn files(target: &Target, program: Program, out: &Path) -> Result<Vec<PathBuf>> {
    let (start, end) = (format!("{}_", program.binary()), format!("_{}.deb", target.debian));
    let mut found = Vec::new();
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&start) && name.ends_with(&end) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
