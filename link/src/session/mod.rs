//! An MQTT 5 session over TCP or TLS that keeps itself up: the connection is made again whenever it breaks. What is said
//! on it is each program's own.
//!
//! ```text
//!  commands -> queue ---> connection -> broker
//!  events   <- queue <---'    ^
//!                             '--- back-off: made again
//! ```
//!
//! Each connection has a client of its own: rumqttc's queue is lost when the broker forgets the session, so nothing may
//! depend on it. What must arrive is sent again by whoever has it.

mod connection;
pub mod message;
pub mod profile;
mod rival;

use std::{collections::BTreeSet, future::pending, sync::Mutex, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use self::{
    connection::{ConnectionLoop, StoodFor},
    message::{ConnectionEvent, MessageReceipt, OutgoingMessage, QueueFull, SessionCommand},
    profile::SessionProfile,
    rival::EndedConnection,
};
use crate::{backoff::ReconnectBackoff, client::ConnectionEnd, settings::LinkSettings};

const GOODBYE_WAIT: Duration = Duration::from_secs(3);

/// Hands commands to a session; clones hand to the same.
#[derive(Debug, Clone)]
pub struct SessionHandle(mpsc::Sender<SessionCommand>);

impl SessionHandle {
    /// Publishes at least once while a connection stands; dropped otherwise: it is said again at the next.
    pub async fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) {
        self.hand_over(SessionCommand::Publish(OutgoingMessage { topic, payload, retain })).await;
    }

    /// Publishes at most once: for answers whose question is asked again.
    pub async fn answer(&self, topic: String, payload: Vec<u8>) {
        self.hand_over(SessionCommand::Answer { topic, payload }).await;
    }

    pub async fn settle(&self, receipt: MessageReceipt) {
        self.hand_over(SessionCommand::Settle(receipt)).await;
    }

    pub async fn subscribe(&self, filters: Vec<String>) {
        self.hand_over(SessionCommand::Subscribe(filters)).await;
    }

    pub async fn unsubscribe(&self, filters: Vec<String>) {
        self.hand_over(SessionCommand::Unsubscribe(filters)).await;
    }

    async fn hand_over(&self, command: SessionCommand) {
        // A session that has ended for good needs no commands.
        let _: Result<(), _> = self.0.send(command).await;
    }

    fn try_hand_over(&self, command: SessionCommand) -> Result<(), QueueFull> {
        self.0.try_send(command).map_err(|_| QueueFull)
    }
}

/// A session that keeps itself up. Ends when it is dropped or stopped.
#[derive(Debug)]
pub struct MqttSession {
    handle: SessionHandle,
    events: mpsc::Receiver<ConnectionEvent>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl MqttSession {
    /// Starts connecting, in a task of its own; must be called within a tokio runtime with I/O and time. `filters` are
    /// subscribed to before [`ConnectionEvent::Up`] is reported.
    #[must_use]
    pub fn start(settings: LinkSettings, profile: SessionProfile, filters: Vec<String>) -> Self {
        // Whoever builds this crate with others may bring a second one: then the choice is ours to make. Made before,
        // it stays.
        let _: Result<(), _> = rustls::crypto::ring::default_provider().install_default();
        let (commands, taken) = mpsc::channel(profile.commands_max);
        let (report, events) = mpsc::channel(profile.events_max());
        let (stop, stopped) = oneshot::channel();
        let filters = Mutex::new(filters.into_iter().collect::<BTreeSet<_>>());
        let connections = ConnectionLoop { settings, profile, filters, report };
        let task = tokio::spawn(keep_up(connections, taken, stopped));
        Self { handle: SessionHandle(commands), events, stop: Some(stop), task }
    }

    /// What hands commands to it.
    #[must_use]
    pub fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }

    /// Does not wait: what finds no room may be handed over again later.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn try_hand_over(&self, command: SessionCommand) -> Result<(), QueueFull> {
        self.handle.try_hand_over(command)
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> ConnectionEvent {
        match self.events.recv().await {
            Some(event) => event,
            // The task ended though nobody stopped it; it only does by a panic.
            None => pending().await,
        }
    }

    /// Sends what was handed over, publishes the will and says goodbye. Takes a few seconds at most.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // A task that has already ended needs no goodbye.
            let _: Result<(), ()> = stop.send(());
        }
        // Nobody reads any more: the task must not wait for room.
        self.events.close();
        if timeout(2 * GOODBYE_WAIT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for MqttSession {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes one connection after the other until the session is stopped.
async fn keep_up(
    connections: ConnectionLoop,
    mut commands: mpsc::Receiver<SessionCommand>,
    mut stopped: oneshot::Receiver<()>,
) {
    let LinkSettings { broker, client_id, jitter_seed, .. } = &connections.settings;
    let mut backoff = ReconnectBackoff::new(*jitter_seed).at_most(connections.profile.wait_max);
    let mut ended = EndedConnection::default();
    for number in 0.. {
        let stood = StoodFor::default();
        let Err(end) = connections.one(number, &stood, &mut commands, &mut stopped).await else { return };
        let held = stood.held();
        let hint = ended.another(held, client_id).unwrap_or_default();
        let (why, retry_in) = match end {
            ConnectionEnd::TakenOver => (rival::taken_over(client_id), backoff.next_wait_taken_over(held)),
            ConnectionEnd::Broken(why) => (why + &hint, backoff.next_wait(held)),
        };
        let down = ConnectionEvent::Down { reason: format!("broker {broker}: {why}"), retry_in };
        if connections.report.send(down).await.is_err() {
            return;
        }
        let wait = sleep(retry_in);
        tokio::pin!(wait);
        loop {
            // What is handed over between two connections is dropped, but for filters that outlive them.
            tokio::select! {
                () = &mut wait => break,
                _ = &mut stopped => return,
                command = commands.recv() => match command {
                    Some(command) => connections.note(&command),
                    None => return,
                },
            }
        }
    }
}
