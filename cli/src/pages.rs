//! Man pages and shell completions of a program, drawn from the arguments it really takes, so that they cannot say
//! anything else. What clap does not know (files, environment, exit codes) the program adds as [`ManSection`]s.
//! Knows no program and no option; writes only into the folder it is given.
//!
//! ```text
//! DIR/man/PROGRAM.1, PROGRAM-COMMAND.1, ...
//! DIR/completions/PROGRAM.bash, _PROGRAM (zsh), PROGRAM.fish
//! ```

use std::{fs, io, path::Path};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

/// One part of the program's own page.
#[derive(Debug, Clone, Copy)]
pub struct ManSection {
    /// Its heading, in capitals.
    pub title: &'static str,
    /// What is explained, and how.
    pub entries: &'static [(&'static str, &'static str)],
}

/// Writes the pages of a program and of each of its commands, and completions for bash, zsh and fish.
///
/// # Errors
/// When a file or folder cannot be written.
pub fn write(command: Command, sections: &[ManSection], dir: &Path) -> io::Result<()> {
    let man = dir.join("man");
    let completions = dir.join("completions");
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    let mut command = shown(&command).disable_help_subcommand(true);
    command.build();
    let name = command.get_name().to_owned();
    pages_of(&command, &ExtraSection::Sections(sections), &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, &name, &completions)?;
    }
    Ok(())
}

/// A program without the commands it hides: completions would name them.
fn shown(command: &Command) -> Command {
    let mut shown = Command::new(command.get_name().to_owned());
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(about) = command.get_long_about() {
        shown = shown.long_about(about.clone());
    }
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.args(command.get_arguments()).subcommands(commands)
}

/// What follows clap's part of a page.
enum ExtraSection<'a> {
    /// On the program's own page.
    Sections(&'a [ManSection]),
    /// On a command's page: the program.
    SeeAlso(&'a Command),
}

fn pages_of(command: &Command, further: &ExtraSection<'_>, dir: &Path) -> io::Result<()> {
    let program = match further {
        ExtraSection::Sections(_) => command,
        ExtraSection::SeeAlso(program) => program,
    };
    let source = format!("{} {}", program.get_name(), program.get_version().unwrap_or_default());
    let page = Man::new(command.clone()).manual("Oddline").source(source);
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        page.render_options_section(&mut text)?;
    }
    let commands: Vec<&Command> = command.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    if !commands.is_empty() {
        page.render_subcommands_section(&mut text)?;
    }
    match further {
        ExtraSection::Sections(sections) => {
            sections.iter().try_for_each(|section| section.draw().to_writer(&mut text))?;
        }
        ExtraSection::SeeAlso(program) => {
            let mut roff = Roff::new();
            roff.control("SH", ["SEE ALSO"]).text([bold(program.get_name()), roman("(1)")]);
            roff.to_writer(&mut text)?;
        }
    }
    fs::write(dir.join(page.get_filename()), text)?;
    commands.into_iter().try_for_each(|command| pages_of(command, &ExtraSection::SeeAlso(program), dir))
}

impl ManSection {
    fn draw(&self) -> Roff {
        let mut roff = Roff::new();
        roff.control("SH", [self.title]);
        for (what, how) in self.entries {
            roff.control("TP", []).text([bold(*what)]).text([roman(*how)]);
        }
        roff
    }
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    const EXIT: ManSection =
        ManSection { title: "EXIT STATUS", entries: &[("0", "done"), ("78", "bad configuration")] };

    fn program() -> Command {
        let look = Command::new("look").about("Looks").arg(Arg::new("file").help("What to look at"));
        let secret = Command::new("secret").hide(true);
        Command::new("spy").version("1.2").about("Looks around").subcommands([look, secret])
    }

    #[test]
    fn every_shown_command_has_a_page_and_every_shell_its_completions() {
        let dir = tempfile::tempdir().unwrap();
        write(program(), &[EXIT], dir.path()).unwrap();
        let list = |folder: &str| {
            let files = fs::read_dir(dir.path().join(folder)).unwrap();
            let mut names: Vec<String> = files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(list("man"), ["spy-look.1", "spy.1"]);
        assert_eq!(list("completions"), ["_spy", "spy.bash", "spy.fish"]);
        let page = fs::read_to_string(dir.path().join("man/spy.1")).unwrap();
        assert!(page.contains(".SH \"EXIT STATUS\"") && page.contains("bad configuration"), "{page}");
        assert!(!page.contains("secret"), "{page}");
        for file in list("completions") {
            let text = fs::read_to_string(dir.path().join("completions").join(&file)).unwrap();
            assert!(text.contains("look") && !text.contains("secret"), "{file}: {text}");
        }
        let page = fs::read_to_string(dir.path().join("man/spy-look.1")).unwrap();
        assert!(
            page.contains("What to look at") && page.contains("spy 1.2") && page.contains(r"\fBspy\fR(1)"),
            "{page}"
        );
    }
}
