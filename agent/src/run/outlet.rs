//! Where events go from the spool, and the ends of the delivery that the daemon holds.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use oddline_core::id::Epoch;
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use super::QUEUE_MAX;
use crate::{
    config::{AgentConfig, EventDestination},
    events::LogEvent,
    publish::{
        delivery::Delivery,
        drive::{DriveError, drive},
        ports::{DeliveryPorts, InboundMessage, LinkFigures, OutboundMessage},
        session::PublishSettings,
        sink::{EventOutput, FileSink, LineMarks},
    },
    spool::SharedState,
    state::StateError,
    worker::EventSink,
};

pub(super) struct DeliveryEnd {
    /// What came for other parts.
    inbound: mpsc::Receiver<InboundMessage>,
    pub outbound: mpsc::Sender<OutboundMessage>,
    pub figures: watch::Receiver<LinkFigures>,
    stop: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<Result<(), DriveError<StateError>>>,
}

impl DeliveryEnd {
    /// Delivers what is in the spool up to `last` for at most `patience`, then says goodbye. What was not delivered
    /// waits for the next start.
    pub(super) async fn finish(mut self, last: u64, patience: Duration) {
        let figures = &mut self.figures;
        let _: Result<_, _> = timeout(patience, figures.wait_for(|f| f.acked >= last || !f.connected)).await;
        if let Some(stop) = self.stop.take() {
            // A delivery that has ended needs no word.
            let _: Result<(), ()> = stop.send(());
        }
        let _: Result<_, _> = self.ended.await;
    }
}

/// The sink, where events do not go to a broker.
///
/// # Errors
/// When its file cannot be opened.
pub(super) fn sink(config: &AgentConfig) -> Result<Option<EventOutput>> {
    Ok(Some(match &config.destination {
        EventDestination::Broker(..) => return Ok(None),
        EventDestination::File(path, rotation) => {
            let opened = FileSink::open(path, *rotation);
            EventOutput::File(opened.context("cannot open the file of events: name another with output.file")?)
        }
        EventDestination::Stdout if std::env::var_os("JOURNAL_STREAM").is_some() => {
            EventOutput::Stdout(LineMarks::Journal)
        }
        EventDestination::Stdout => EventOutput::Stdout(LineMarks::Plain),
    }))
}

/// Where events go: a delivery in a task of its own, or a sink that the reading thread fills.
pub(super) fn outlet(
    config: &AgentConfig,
    sink: Option<EventOutput>,
    state: &SharedState,
    wake: &Arc<Notify>,
) -> (EventSink, Option<DeliveryEnd>, JoinSet<()>) {
    let mut tasks = JoinSet::new();
    let EventDestination::Broker(settings, encoding) = &config.destination else {
        return (EventSink::Sink(Box::new(sink.expect("only a broker needs no sink"))), None, tasks);
    };
    let (epoch, first) = {
        let state = state.lock();
        (Epoch::from_random(state.epoch()), state.first())
    };
    let delivery = Delivery::new(epoch, *encoding, first - 1);
    let delivery = deliver((**settings).clone(), delivery, state.clone(), Arc::clone(wake), &mut tasks);
    (EventSink::Delivery(Arc::clone(wake)), Some(delivery), tasks)
}

fn deliver(
    settings: PublishSettings,
    delivery: Delivery,
    mut spool: SharedState,
    wake: Arc<Notify>,
    tasks: &mut JoinSet<()>,
) -> DeliveryEnd {
    let (outbound, said) = mpsc::channel(QUEUE_MAX);
    let (tell, inbound) = mpsc::channel(1);
    let (shown, figures) = watch::channel(LinkFigures::default());
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let ports = DeliveryPorts { wake, outbound: said, inbound: tell, figures: shown, stop: stopped };
    tasks.spawn(async move {
        let done = drive(settings, delivery, &mut spool, ports, |report| LogEvent::Link(report).emit()).await;
        let _: Result<(), _> = end.send(done);
    });
    DeliveryEnd { inbound, outbound, figures, stop: Some(stop), ended }
}

/// What comes from the delivery.
pub(super) enum DeliveryNews {
    /// A message for another part.
    Heard(InboundMessage),
    Ended(Result<(), DriveError<StateError>>),
}

/// The next of it; never, without a delivery. Dropping the future loses nothing.
pub(super) async fn news(delivery: &mut Option<DeliveryEnd>) -> DeliveryNews {
    let Some(delivery) = delivery else { return std::future::pending().await };
    tokio::select! {
        Some(inbound) = delivery.inbound.recv() => DeliveryNews::Heard(inbound),
        // The task ends with an answer; without one it died.
        ended = &mut delivery.ended => DeliveryNews::Ended(ended.unwrap_or(Ok(()))),
    }
}
