//! The one task that writes what agents send: takes what waits, stores it in one transaction, then acknowledges. A slow
//! database makes the queue full, a full queue makes the broker wait, a waiting broker makes the agents keep their
//! entries: nothing is dropped on the way.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use log::{error, info, warn};
use oddline_core::{
    event::SpoolEntry,
    id::Epoch,
    topic::{Channel, MqttTopic},
    wire::{Ack, encode_ack, encode_batch, encode_json},
};
use oddline_link::session::{SessionHandle, message::MessageReceipt};
use tokio::{
    sync::{broadcast, mpsc},
    time::sleep,
};

pub use crate::figures::CollectorFigures;
use crate::{
    clock::now_us,
    retry_state::RetryState,
    store::{
        AgentKey, AgentReport, AppendOutcome, BatchBody, CommittedProgress, ReceivedBatch, Store, StoreError,
        StoredReport,
    },
    text::line,
};

/// Messages that wait for the writer; the broker sends no more ahead.
pub const QUEUE_MAX: usize = 2 * crate::subscribe::UNSETTLED_MAX as usize;
/// Entries of one transaction: at 20,000 a second it takes a fifth of one.
const GROUP_ENTRIES_MAX: usize = 4_096;
/// Transactions that a slow listener may be behind before it misses some.
const LIVE_MAX: usize = 256;

/// One message on its way to the store.
#[derive(Debug)]
pub struct WriterItem {
    /// What it holds; `None` when there is nothing to store.
    pub content: Option<WriteContent>,
    pub receipt: MessageReceipt,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a queue of few: a box would be an allocation for each message")]
pub enum WriteContent {
    Batches(Vec<ReceivedBatch>),
    Heard(AgentReport),
}

/// Ids of anomalies that one transaction made or changed.
pub type LiveStatus = broadcast::Sender<Arc<[Arc<str>]>>;

/// A channel for [`LiveStatus`].
#[must_use]
pub fn live() -> LiveStatus {
    broadcast::channel(LIVE_MAX).0
}

/// What the writer works with.
#[derive(Debug)]
pub struct BatchWriter {
    pub store: Store,
    pub link: SessionHandle,
    pub figures: Arc<CollectorFigures>,
    pub live: LiveStatus,
    /// Wakes whoever publishes wishes, when a new agent came.
    pub newcomer: Arc<tokio::sync::Notify>,
}

impl BatchWriter {
    /// Stores until the queue is closed and empty.
    ///
    /// # Errors
    /// When the database has failed for five minutes, or refuses what cannot be set aside.
    pub async fn run(self, mut queue: mpsc::Receiver<WriterItem>) -> Result<(), StoreError> {
        let mut waiting = Vec::with_capacity(QUEUE_MAX);
        while queue.recv_many(&mut waiting, QUEUE_MAX).await > 0 {
            for group in groups(std::mem::replace(&mut waiting, Vec::with_capacity(QUEUE_MAX))) {
                self.store_group(group).await?;
            }
        }
        Ok(())
    }

    async fn store_group(&self, group: CommitGroup) -> Result<(), StoreError> {
        let CommitGroup { heard, mut batches, receipts, .. } = group;
        let mut acks: BTreeMap<(AgentKey, Epoch), u64> = BTreeMap::new();
        // Births first: they may say that what seems to be missing never comes.
        if !heard.is_empty() {
            let done = self.record_report(&heard).await?;
            self.heard(&heard, &done, &mut acks);
        }
        if !batches.is_empty() {
            let done = self.append(&mut batches).await?;
            for (batch, appended) in batches.iter().zip(&done.batches) {
                self.count(batch, appended.outcome);
                if appended.outcome == AppendOutcome::NoRoom {
                    continue;
                }
                let acked = acks.entry((batch.who.clone(), batch.epoch)).or_default();
                *acked = appended.acked.max(*acked);
            }
            if !done.anomalies.is_empty() {
                // Nobody has to listen.
                let _: Result<usize, _> = self.live.send(done.anomalies.into());
            }
        }
        // At most once, and before the message is settled: when it is lost with the connection the batch comes again.
        for ((who, epoch), acked) in acks {
            let topic = MqttTopic::Agent(who.fleet, who.agent, Channel::Ack).to_string();
            self.link.answer(topic, encode_ack(Ack { epoch, acked })).await;
        }
        let settled = receipts.len();
        for receipt in receipts {
            self.link.settle(receipt).await;
        }
        self.figures.settle(settled, now_us());
        Ok(())
    }

    /// Appends; a batch that the database refuses for its content is found and set aside as a dead letter.
    async fn append(&self, batches: &mut [ReceivedBatch]) -> Result<CommittedProgress, StoreError> {
        match self.append_surely(batches).await {
            Err(StoreError::Refused(_)) => {}
            done => return done,
        }
        let mut all = CommittedProgress::default();
        for batch in batches {
            let one = std::slice::from_ref(batch);
            let done = match self.append_surely(one).await {
                Err(StoreError::Refused(reason)) => {
                    set_aside(batch, line(&format!("the database refused it: {reason}")));
                    let one = std::slice::from_ref(batch);
                    self.append_surely(one).await?
                }
                done => done?,
            };
            all.batches.extend(done.batches);
            all.anomalies.extend(done.anomalies);
        }
        Ok(all)
    }

    /// Hears; a word that the database refuses for its content is left out, as if it had not been said.
    async fn record_report(&self, heard: &[AgentReport]) -> Result<Vec<StoredReport>, StoreError> {
        match self.record_report_surely(heard).await {
            Err(StoreError::Refused(_)) => {}
            done => return done,
        }
        let mut all = Vec::with_capacity(heard.len());
        for word in heard {
            match self.record_report_surely(std::slice::from_ref(word)).await {
                Err(StoreError::Refused(reason)) => {
                    self.figures.refused.fetch_add(1, Relaxed);
                    warn!("the database refused what {} says of itself: {reason}", word.who);
                    all.push(StoredReport::default());
                }
                done => all.extend(done?),
            }
        }
        Ok(all)
    }

    async fn append_surely(&self, batches: &[ReceivedBatch]) -> Result<CommittedProgress, StoreError> {
        let mut patience = RetryState::default();
        loop {
            let at = Instant::now();
            let done = self.store.append(batches, now_us()).await;
            let Some(done) = self.done_or_wait(done, at, &mut patience).await else { continue };
            return done;
        }
    }

    async fn record_report_surely(&self, heard: &[AgentReport]) -> Result<Vec<StoredReport>, StoreError> {
        let mut patience = RetryState::default();
        loop {
            let at = Instant::now();
            let done = self.store.record_report(heard, now_us()).await;
            let Some(done) = self.done_or_wait(done, at, &mut patience).await else { continue };
            return done;
        }
    }

    /// `None` after a wait, when the same may succeed now.
    async fn done_or_wait<T>(
        &self,
        done: Result<T, StoreError>,
        at: Instant,
        patience: &mut RetryState,
    ) -> Option<Result<T, StoreError>> {
        match done {
            Err(error) if patience.lasts(&error) => {
                self.figures.failures.fetch_add(1, Relaxed);
                self.figures.failing.store(1, Relaxed);
                let wait = patience.next_wait();
                if patience.is_reported() {
                    warn!("{error}; nothing is acknowledged meanwhile, next attempt in {:.1} s", wait.as_secs_f64());
                }
                sleep(wait).await;
                None
            }
            done => {
                self.figures.transactions.fetch_add(1, Relaxed);
                if done.is_ok() {
                    self.figures.stored_us.store(now_us(), Relaxed);
                    self.figures.failing.store(0, Relaxed);
                    if let Some(took) = patience.took() {
                        info!("the database takes entries again after {} s", took.as_secs());
                    }
                }
                let us = u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.figures.commit_us.fetch_add(us, Relaxed);
                Some(done)
            }
        }
    }

    fn heard(&self, heard: &[AgentReport], done: &[StoredReport], acks: &mut BTreeMap<(AgentKey, Epoch), u64>) {
        for (word, done) in heard.iter().zip(done) {
            if done.no_room {
                self.no_room(&word.who);
                continue;
            }
            if done.is_newly_contested {
                warn!(
                    "two agents use the name {}: each ends the connection of the other; give one of them another name",
                    word.who
                );
            }
            if done.is_new {
                info!("new agent {}", word.who);
                self.newcomer.notify_one();
            } else if done.turned && !word.retained {
                let state =
                    if matches!(word.said, crate::store::ReportBody::Status { up: true, .. }) { "up" } else { "down" };
                info!("agent {} is {state}", word.who);
            }
            if done.missing > 0 {
                self.figures.missing.fetch_add(done.missing, Relaxed);
                error!(
                    "{} entries of {} were acknowledged by a collector before and are not in this store: it was \
                     set back to a backup, or is new",
                    done.missing, word.who
                );
            }
            if let Some((epoch, acked)) = done.acked.filter(|(_, acked)| *acked > 0) {
                acks.insert((word.who.clone(), epoch), acked);
            }
        }
    }

    fn no_room(&self, who: &AgentKey) {
        self.figures.refused.fetch_add(1, Relaxed);
        error!("there are too many agents to know one more, {who}: it is not heard until silent ones are gone");
    }

    fn count(&self, batch: &ReceivedBatch, outcome: AppendOutcome) {
        let figures = &self.figures;
        match outcome {
            AppendOutcome::Stored(entries) => figures.entries.fetch_add(entries, Relaxed),
            AppendOutcome::Repeated => figures.repeated.fetch_add(1, Relaxed),
            AppendOutcome::Gap => figures.gaps.fetch_add(1, Relaxed),
            AppendOutcome::NoRoom => {
                self.no_room(&batch.who);
                0
            }
            AppendOutcome::DeadLetter(entries) => {
                let reason = match &batch.body {
                    BatchBody::Unreadable { reason, .. } => reason.as_str(),
                    BatchBody::Entries(_) => "",
                };
                warn!(
                    "{entries} entries of {} from {} on cannot be read and are kept: {reason}; try \
                     `oddline-collector dead-letters retry` after an upgrade",
                    batch.who, batch.first
                );
                figures.dead_letters.fetch_add(1, Relaxed)
            }
        };
    }
}

/// What goes into one transaction.
#[derive(Default)]
struct CommitGroup {
    heard: Vec<AgentReport>,
    batches: Vec<ReceivedBatch>,
    receipts: Vec<MessageReceipt>,
    entries: usize,
}

/// Cut where the bound is passed: a message more, rather than none.
fn groups(items: Vec<WriterItem>) -> Vec<CommitGroup> {
    let mut groups = vec![CommitGroup::default()];
    for item in items {
        if groups.last().is_none_or(|group| group.entries >= GROUP_ENTRIES_MAX) {
            groups.push(CommitGroup::default());
        }
        groups.last_mut().expect("there is one").add(item);
    }
    groups
}

impl CommitGroup {
    fn add(&mut self, item: WriterItem) {
        self.receipts.push(item.receipt);
        match item.content {
            Some(WriteContent::Batches(batches)) => {
                let entries = |batch: &ReceivedBatch| match &batch.body {
                    BatchBody::Entries(entries) => entries.len(),
                    BatchBody::Unreadable { .. } => 1,
                };
                self.entries += batches.iter().map(entries).sum::<usize>();
                self.batches.extend(batches);
            }
            Some(WriteContent::Heard(heard)) => {
                self.entries += 1;
                self.heard.push(heard);
            }
            None => {}
        }
    }
}

/// Makes a dead letter of a batch: its entries as they were, packed again.
fn set_aside(batch: &mut ReceivedBatch, reason: String) {
    let BatchBody::Entries(entries) = &batch.body else { return };
    let payload = pack(batch.epoch, batch.first, entries);
    batch.body = BatchBody::Unreadable { count: entries.len() as u64, payload, reason };
}

fn pack(epoch: Epoch, first: u64, entries: &[SpoolEntry]) -> Vec<u8> {
    let bytes: Result<Vec<Vec<u8>>, _> = entries.iter().map(postcard::to_stdvec).collect();
    let packed = bytes.ok().and_then(|bytes| encode_batch(epoch, first, &bytes).ok());
    // What came as JSON may be too long for the other.
    packed.unwrap_or_else(|| encode_json(epoch, first, entries))
}
