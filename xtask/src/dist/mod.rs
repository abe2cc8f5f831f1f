//! `cargo xtask dist`: from a built tree to what is installed somewhere else. For each target: the programs, what comes
//! with them (man pages, completions, the factory model, bills of materials), Debian packages, a tarball with an
//! installer, the files of the container images, checksums.
//!
//! ```text
//! toolchain ─► compile ─► programs ─┬─► package ─► *.deb
//!                          share ───┼─► tarball ─► oddline-VERSION-ARCH.tar.gz
//!                                   └─► containers/
//! ```

mod compile;
mod licences;
mod materials;
mod package;
mod share;
mod tarball;
pub(crate) mod target;
mod toolchain;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};

use crate::shell;
use target::{PROGRAMS, Program, Target};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What it is for; several may be named [default: this machine]
    #[arg(long, value_name = "TRIPLE")]
    target: Vec<String>,
    /// Only this program: agent, collector or trainer; several may be named
    #[arg(long, value_name = "PROGRAM")]
    only: Vec<String>,
    /// Only what is installed, or only what goes into container images
    #[arg(long, value_enum)]
    what: Option<What>,
    /// Compile nothing: take the programs of the last time
    #[arg(long)]
    no_build: bool,
}

/// A part of the work.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Debian packages and the tarball
    Packages,
    /// Statically linked programs, for images that hold nothing else
    Containers,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let targets = targets(&args.target)?;
    let only: Vec<Program> = if args.only.is_empty() {
        PROGRAMS.to_vec()
    } else {
        args.only.iter().map(|name| Program::named(name)).collect::<Result<_>>()?
    };
    ensure!(
        !(args.no_build && args.what == Some(What::Containers)),
        "images hold static programs, which are always linked anew: leave out --no-build"
    );
    let wants = |what| args.what.is_none_or(|only| only == what) && !(args.no_build && what == What::Containers);
    // Whatever is missing is said before anything is compiled for a quarter of an hour.
    if wants(What::Packages) {
        package::check()?;
    }
    let toolchains: Vec<_> = targets.iter().map(|target| toolchain::find(target)).collect::<Result<_>>()?;
    for (target, toolchain) in targets.iter().zip(&toolchains) {
        let programs: Vec<Program> = only.iter().copied().filter(|program| target.has(*program)).collect();
        ensure!(!programs.is_empty(), "nothing of what --only names is made for {}", target.triple);
        println!("\n== {} with {}", target.triple, toolchain.shown());
        let out = folder(target)?;
        if wants(What::Packages) {
            let here = if args.no_build {
                compile::found(target, &programs)?;
                share::Programs::Found
            } else {
                compile::programs(target, toolchain, &programs, compile::Linked::Dynamically)?;
                share::Programs::Compiled
            };
            share::make(target, &programs, here)?;
            package::make(target, &programs, &out)?;
            tarball::make(target, &programs, &out)?;
        }
        if wants(What::Containers) {
            containers(target, toolchain, &programs, &out)?;
        }
        sums(&out)?;
        println!("\n{}", listing(&out)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn targets(named: &[String]) -> Result<Vec<&'static Target>> {
    if named.is_empty() {
        return Ok(vec![target::host()?]);
    }
    named.iter().map(|triple| target::named(triple)).collect()
}

/// Where everything for a target goes.
pub(crate) fn folder(target: &Target) -> Result<PathBuf> {
    let folder = shell::target_dir()?.join("dist-out").join(target.debian);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

/// Whether a target's programs can be compiled here; an error says what is missing.
pub(crate) fn can_build(target: &Target) -> Result<()> {
    toolchain::find(target).map(drop)
}

/// A program as it is shipped, compiled now if it was not.
pub(crate) fn program(target: &Target, program: Program) -> Result<PathBuf> {
    let toolchain = toolchain::find(target)?;
    let mut built = compile::programs(target, &toolchain, &[program], compile::Linked::Dynamically)?;
    Ok(built.pop().context("one program was asked for")?.1)
}

/// The Debian packages for this machine, made now, in a folder of their own: what `dist` made last stays whole.
pub(crate) fn packages_of_host() -> Result<Vec<PathBuf>> {
    package::check()?;
    let host = target::host()?;
    let out = shell::target_dir()?.join("xtask/packages");
    empty(&out)?;
    compile::programs(host, &toolchain::find(host)?, host.programs, compile::Linked::Dynamically)?;
    share::make(host, host.programs, share::Programs::Compiled)?;
    package::make(host, host.programs, &out)?;
    host.programs.iter().map(|program| package::file(host, *program, &out)).collect()
}

/// What container images for this machine are made from.
pub(crate) fn containers_of_host() -> Result<()> {
    let host = target::host()?;
    containers(host, &toolchain::find(host)?, host.programs, &folder(host)?)
}

/// The context from which `docker/Dockerfile` makes images.
fn containers(target: &Target, toolchain: &toolchain::Toolchain, programs: &[Program], out: &Path) -> Result<()> {
    if !target.links_statically {
        println!("no files for containers: a static program of {} does not start", target.triple);
        return Ok(());
    }
    let built = compile::programs(target, toolchain, programs, compile::Linked::Statically)?;
    let folder = out.join("containers");
    empty(&folder)?;
    for (program, file) in built {
        copy(&file, &folder.join(program.binary()))?;
    }
    let factory = share::factory(share::Programs::Compiled)?;
    copy(&factory, &folder.join("factory.onnx"))?;
    for part in ["Dockerfile", "etc/agent.toml"] {
        copy(&shell::root().join("docker").join(part), &folder.join(part))?;
    }
    // Where volumes are mounted: docker takes over whose they are.
    for mount in ["agent", "collector", "logs"] {
        empty(&folder.join("state").join(mount))?;
    }
    Ok(())
}

/// Empties a folder, or makes it.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// `SHA256SUMS` of the files that are handed out, as `sha256sum --check` reads it.
fn sums(out: &Path) -> Result<()> {
    let names = handed_out(out)?;
    if names.is_empty() {
        return Ok(());
    }
    let output = Command::new("sha256sum").args(&names).current_dir(out).output().context("starting sha256sum")?;
    ensure!(output.status.success(), "sha256sum: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(out.join("SHA256SUMS"), output.stdout).context("writing SHA256SUMS")
}

fn handed_out(out: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && name != "SHA256SUMS" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn listing(out: &Path) -> Result<String> {
    let shown = out.strip_prefix(shell::root()).unwrap_or(out);
    let mut lines = vec![format!("in {}:", shown.display())];
    for name in handed_out(out)? {
        let bytes = fs::metadata(out.join(&name))?.len();
        lines.push(format!("{:>9.1} MiB  {name}", bytes as f64 / 1_048_576.0));
    }
    if out.join("containers").is_dir() {
        lines.push("               containers/  (docker/Dockerfile)".to_owned());
    }
    Ok(lines.join("\n"))
}

/// Seconds since 1970 of the last commit: what is made of the same tree carries the same times.
fn epoch() -> Result<String> {
    let output = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(shell::root()).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    // Not a clone: a tree from an archive has no better time than none.
    Ok(text.map_or_else(|| "0".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned()))
}
