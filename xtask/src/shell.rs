//! Starting programs: where they run, what is shown of them, what is read from their output.
//! Decides nothing about what a result means.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

/// The repository's root: xtask lives one folder below it.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask's folder is inside the repository")
}

/// `cargo` at the root, in the environment of a person's own shell.
///
/// What `cargo run` adds to xtask's environment would be seen as a change by build scripts that watch it, and crates
/// would be compiled again at every switch between `cargo xtask` and plain `cargo`.
pub(crate) fn cargo() -> Command {
    cargo_at(Path::new(&std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}

/// The same with another cargo than the one that runs this.
pub(crate) fn cargo_at(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.current_dir(root());
    command
}

/// Where cargo puts what it builds, whatever the environment says.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let metadata = metadata(&["--no-deps"])?;
    let dir = metadata["target_directory"].as_str();
    Ok(dir.context("cargo metadata names no target directory")?.into())
}

/// `cargo metadata` as JSON.
pub(crate) fn metadata(extra: &[&str]) -> Result<serde_json::Value> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1"]).args(extra);
    let output = command.output().context("starting cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("reading cargo metadata")
}

/// Runs a program with its output on the terminal; true when it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    println!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("starting {}", shown(command)))?;
    Ok(status.success())
}

/// Runs a program with its output on the terminal; an error when it did not succeed.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    if succeeds(command)? { Ok(()) } else { bail!("failed: {}", shown(command)) }
}

/// Runs a program, passes its output on and shows every line, without colours, to `read`; true when it succeeded.
pub(crate) fn read_lines(command: &mut Command, read: impl FnMut(&str) + Send) -> Result<bool> {
    println!("$ {}", shown(command));
    if io::stderr().is_terminal() {
        // Behind a pipe cargo and nextest would drop the colours that a person at a terminal expects.
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", shown(command)))?;
    let out = child.stdout.take().expect("stdout was piped");
    let err = child.stderr.take().expect("stderr was piped");
    let read = Mutex::new(read);
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| pass_on(err, io::stderr(), &read));
        pass_on(out, io::stdout(), &read)?;
        beside.join().expect("passing lines on does not panic")
    })?;
    Ok(child.wait()?.success())
}

fn pass_on(from: impl Read, mut to: impl Write, read: &Mutex<impl FnMut(&str)>) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        if !line.ends_with(b"\n") {
            writeln!(to)?;
        }
        let text = plain(&String::from_utf8_lossy(&line));
        let mut read = read.lock().expect("a reader of lines does not panic");
        (*read)(text.trim_end());
        line.clear();
    }
    Ok(())
}

/// A line without its terminal escapes (`ESC [ ... letter`).
fn plain(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        text.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    text
}

/// The command as a person would type it at the root.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = if program.ends_with("cargo") {
        "cargo".into()
    } else {
        program.strip_prefix(root()).unwrap_or(program).to_string_lossy()
    };
    let mut text = name.into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

/// The first folder of PATH (or of the folders Debian keeps off a user's PATH) that holds the program.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let postgres = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .chain(postgres)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_not_text() {
        assert_eq!(plain("\u{1b}[32;1m PASS\u{1b}[0m x"), " PASS x");
        assert_eq!(plain("no colours"), "no colours");
        assert_eq!(plain("cut off \u{1b}[3"), "cut off ");
    }

    #[test]
    fn every_line_of_both_streams_is_read() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; printf last; exit 3"]);
        let ok = read_lines(&mut command, |line| lines.push(line.to_owned())).unwrap();
        lines.sort();
        assert!(!ok);
        assert_eq!(lines, ["err", "last", "out"]);
    }
}
