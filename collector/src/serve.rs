//! `run` as a process: which broker, and until which signal.

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    clock::now_us,
    config::{Broker, Config},
    error::CommandError,
    link::settings::{Access, Settings},
    run::Collector,
};

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What ended it before.
pub async fn run(config: Config, say: fn(&str)) -> Result<(), CommandError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::System)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let (name, broker) = (config.name.clone(), config.broker.clone());
    let collector = Collector::open(config, say).await?;
    match broker {
        Broker::Outside(broker, files) => {
            let link = Settings {
                broker,
                client_id: client_id(&name),
                access: Access::Files(files),
                jitter_seed: now_us().unsigned_abs(),
            };
            Ok(collector.run(link, stop).await?)
        }
        Broker::Embedded(_) => Err(CommandError::Name("the embedded broker is not built in".to_owned())),
    }
}

/// Begins with the user's name, as the embedded broker wants it.
fn client_id(name: &str) -> String {
    if name.starts_with("collector") { name.to_owned() } else { format!("collector-{name}") }
}
