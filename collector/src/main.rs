//! Arguments in, exit code out; nothing else.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use oddline_collector::{
    args::{CollectorCli, CollectorCommand},
    commands::{self, remark},
    daemon,
    error::CommandError,
    pages,
};

fn main() -> ExitCode {
    let cli = CollectorCli::parse();
    oddline_logging::start(cli.log_level.clone());
    // Two providers are linked in: the broker brings another than the rest.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        remark("error: TLS was set up twice");
        return ExitCode::FAILURE;
    }
    match act(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Mistakes in a configuration are told a line each.
            format!("error: {error}").lines().for_each(remark);
            error.exit_code().into()
        }
    }
}

fn act(cli: &CollectorCli) -> Result<(), CommandError> {
    if let CollectorCommand::Pages { dir } = &cli.command {
        return oddline_cli::pages::write(CollectorCli::command(), pages::SECTIONS, dir).map_err(CommandError::Output);
    }
    let config = commands::configured(cli)?;
    match &cli.command {
        CollectorCommand::Run => commands::at_home(&config.store.clone(), || daemon::run(config)),
        _ => commands::answer(cli, &config, &mut std::io::stdout().lock()),
    }
}
