//! With what a target's programs are compiled: rustup's toolchain where it has the target, else Debian's newer compiler,
//! which brings other machines' standard libraries as packages or their sources. Says what is missing and how to get it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::target::Target;
use crate::shell;

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const SOURCES: &str = "lib/rustlib/src/rust/library/Cargo.toml";

/// A compiler that can make a target's programs.
pub(super) struct Toolchain {
    means: Means,
    /// C compiler and linker; `None` on the machine itself.
    cross: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    /// The toolchain that runs this.
    Own,
    /// Debian's compiler with the target's standard library.
    Debian,
    /// Debian's compiler, which compiles the standard library too.
    DebianFromSource,
}

/// Chooses.
///
/// # Errors
/// When nothing can make the target's programs: what to install.
pub(super) fn find(target: &Target) -> Result<Toolchain> {
    let means = means(target)?;
    let (compiler, package) = target.compiler;
    let cross = if target.is_host() {
        None
    } else {
        let found = shell::find_program(compiler);
        Some(found.with_context(|| {
            format!("{}: no C compiler and linker {compiler}: apt-get install {package}", target.triple)
        })?)
    };
    Ok(Toolchain { means, cross })
}

fn means(target: &Target) -> Result<Means> {
    if has_library(Path::new("rustc"), target.triple) {
        return Ok(Means::Own);
    }
    let rustc = Path::new(DEBIAN_RUSTC);
    let is_usable = is_new_enough(rustc) && Path::new(DEBIAN_CARGO).is_file();
    if is_usable && has_library(rustc, target.triple) {
        return Ok(Means::Debian);
    }
    if is_usable && asked(rustc, &["--print", "sysroot"]).is_some_and(|root| Path::new(&root).join(SOURCES).is_file()) {
        return Ok(Means::DebianFromSource);
    }
    let Target { triple, debian, .. } = target;
    bail!(
        "{triple}: its standard library is not installed. With rustup: rustup target add {triple}. Without a network to \
         fetch that from, Debian's own compiler does: dpkg --add-architecture {debian}, apt-get update, apt-get install \
         rustc-web cargo-web libstd-rust-web-dev:{debian} (where there is no such package, rust-web-src instead)"
    )
}

fn has_library(rustc: &Path, triple: &str) -> bool {
    let Some(folder) = asked(rustc, &["--print", "target-libdir", "--target", triple]) else { return false };
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.file_name()).any(|name| name.to_string_lossy().starts_with("libstd-"))
}

fn is_new_enough(rustc: &Path) -> bool {
    let wanted = minor(env!("CARGO_PKG_RUST_VERSION"));
    let said = asked(rustc, &["--version"]);
    said.and_then(|said| minor(said.split(' ').nth(1)?)).is_some_and(|found| Some(found) >= wanted)
}

/// 95 of "1.95" and of "1.95.0".
fn minor(version: &str) -> Option<u32> {
    version.split('.').nth(1)?.parse().ok()
}

fn asked(rustc: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new(rustc).args(args).current_dir(shell::root()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Toolchain {
    pub(super) fn shown(&self) -> &'static str {
        match self.means {
            Means::Own => "this toolchain",
            Means::Debian => "Debian's compiler",
            Means::DebianFromSource => "Debian's compiler, the standard library from its source",
        }
    }

    /// `cargo COMMAND` for the target, in the environment that this takes.
    pub(super) fn cargo(&self, target: &Target, command: &str) -> Command {
        let mut cargo = match self.means {
            Means::Own => shell::cargo(),
            Means::Debian | Means::DebianFromSource => shell::cargo_at(Path::new(DEBIAN_CARGO)),
        };
        cargo.args([command, "--target", target.triple]);
        // Messages of a panic name source files: the same ones wherever this is built, and nobody's home.
        let remapped = remapped().unwrap_or_default();
        let flags: Vec<String> = remapped.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")).collect();
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        if self.means != Means::Own {
            cargo.env("RUSTC", DEBIAN_RUSTC);
        }
        if self.means == Means::DebianFromSource {
            cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
        }
        if let Some(compiler) = &self.cross {
            let snake = target.triple.replace('-', "_");
            cargo.env(format!("CARGO_TARGET_{}_LINKER", snake.to_uppercase()), compiler);
            cargo.env(format!("CC_{snake}"), compiler);
        }
        cargo
    }
}

/// Folders of this machine that programs must not name, and what they say instead.
pub(super) fn remapped() -> Result<Vec<(String, &'static str)>> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => std::env::home_dir().context("neither CARGO_HOME nor HOME is set")?.join(".cargo"),
    };
    Ok(vec![(home.display().to_string(), "/cargo"), (shell::root().display().to_string(), "/oddline")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(minor("1.95"), Some(95));
        assert!(minor("1.100.0") > minor("1.95.0"));
        assert_eq!(minor("nightly"), None);
    }
}
