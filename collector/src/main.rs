//! Arguments in, exit code out; nothing else.

use std::{io::Write as _, process::ExitCode};

use clap::{CommandFactory as _, Parser as _};
use oddline_collector::{
    args::{Cli, Command},
    commands,
    error::CommandError,
    pages, process,
    show::table::line,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Two providers are linked in: the broker brings another than the rest.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        say("error: TLS was set up twice");
        return ExitCode::FAILURE;
    }
    match act(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Mistakes in a configuration are told a line each.
            format!("error: {error}").lines().for_each(say);
            error.exit_code().into()
        }
    }
}

fn act(cli: &Cli) -> Result<(), CommandError> {
    if let Command::Pages { dir } = &cli.command {
        return oddline_cli::pages::write(Cli::command(), pages::SECTIONS, dir).map_err(CommandError::Output);
    }
    let config = commands::configured(cli)?;
    match &cli.command {
        Command::Run => commands::at_home(&config.store.clone(), || process::run(config, say)),
        _ => commands::answer(cli, &config, &mut std::io::stdout().lock(), say),
    }
}

/// One line, whatever foreign text is in it. Nobody reads standard error: then nobody misses what it says.
fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{}", line(text)));
}
