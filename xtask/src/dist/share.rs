//! What comes with the programs and is the same on every machine, made by the programs themselves on this one: man pages,
//! completions, the factory model; and what each is made of.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{
    compile, copy, empty, epoch, licences, materials,
    package::{MAINTAINER, VERSION},
    target::{self, Program, Target},
};
use crate::shell;

/// The log that the factory model learns from: enough servers and days that what is learnt is none's own.
const FACTORY_LOG: &[&str] =
    &["--scenario", "full", "--servers", "4", "--days", "14", "--test-days", "1", "--seed", "7"];
/// Any model that somebody trains is newer.
const FACTORY_VERSION: &str = "1";

/// The programs of this machine that make the rest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Programs {
    /// Compiled when they are wanted.
    Compiled,
    /// As they are.
    Found,
}

impl Programs {
    fn get(self, program: Program) -> Result<PathBuf> {
        let host = target::host()?;
        match self {
            Self::Compiled => super::program(host, program),
            Self::Found => Ok(compile::found(host, &[program])?.remove(0).1),
        }
    }
}

/// Fills the folder `share` beside a target's programs, where the packages find it.
pub(super) fn make(target: &Target, programs: &[Program], here: Programs) -> Result<()> {
    let share = compile::folder(target)?.join("share");
    // What was compiled a moment ago is not compiled again because somebody edits a file meanwhile.
    let own = if target.is_host() { Programs::Found } else { here };
    empty(&share)?;
    for program in programs {
        shell::must(Command::new(own.get(*program)?).arg("pages").arg(&share))?;
        let parts = materials::parts(target, *program)?;
        let bill = serde_json::to_string_pretty(&materials::bill(target, *program, &parts))?;
        write(&share.join(format!("{}.cdx.json", program.binary())), &bill)?;
        write(&share.join(format!("{}.licences", program.binary())), &licences::texts(&program.binary(), &parts))?;
        write(&share.join(format!("{}.changelog", program.binary())), &changelog(*program)?)?;
    }
    // As Debian wants them; `-n` leaves the time out.
    let pages = fs::read_dir(share.join("man"))?.map(|page| Ok(page?.path())).collect::<Result<Vec<_>>>()?;
    let changelogs = programs.iter().map(|program| share.join(format!("{}.changelog", program.binary())));
    shell::must(Command::new("gzip").args(["-9", "-n"]).args(pages).args(changelogs))?;
    if programs.contains(&Program::Agent) {
        copy(&factory(if programs.contains(&Program::Trainer) { own } else { here })?, &share.join("factory.onnx"))?;
    }
    Ok(())
}

/// The bill of a program's materials, which is handed out beside its package too.
pub(super) fn bill(target: &Target, program: Program) -> Result<PathBuf> {
    Ok(compile::folder(target)?.join("share").join(format!("{}.cdx.json", program.binary())))
}

/// The factory model: the same bytes from the same trainer.
pub(super) fn factory(here: Programs) -> Result<PathBuf> {
    let folder = compile::target_dir()?.join("factory");
    let model = folder.join("factory.onnx");
    let trainer = here.get(Program::Trainer)?;
    if is_newer(&model, &trainer) {
        return Ok(model);
    }
    empty(&folder)?;
    let command = |name: &str| {
        let mut command = Command::new(&trainer);
        command.arg(name).current_dir(&folder);
        command
    };
    shell::must(command("generate").args(FACTORY_LOG))?;
    shell::must(command("train").arg("--model").arg(&model).args(["--model-version", FACTORY_VERSION]))?;
    for made in ["logs", "charts"] {
        fs::remove_dir_all(folder.join(made)).with_context(|| format!("removing the factory model's {made}"))?;
    }
    Ok(model)
}

/// The package's own changelog, which Debian wants beside the project's.
fn changelog(program: Program) -> Result<String> {
    let mut date = Command::new("date");
    date.env("LC_ALL", "C").args(["--utc", "--rfc-email", "--date"]).arg(format!("@{}", epoch()?));
    let date = date.output().context("running date")?;
    ensure!(date.status.success(), "date ({}): {}", date.status, String::from_utf8_lossy(&date.stderr));
    Ok(format!(
        "{} ({VERSION}) stable; urgency=medium\n\n  * What changed is in the project's CHANGELOG.md.\n\n -- {MAINTAINER}  {}\n",
        program.binary(),
        String::from_utf8_lossy(&date.stdout).trim()
    ))
}

fn is_newer(file: &Path, than: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    time(file).is_some_and(|file| time(than).is_some_and(|than| file > than))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}
