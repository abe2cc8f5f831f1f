//! Which model judges, kept on this host: what is used at the start, and what becomes of a wish that arrives while the
//! agent runs. Decisions are [`crate::model`]'s; this drives them.

use std::{path::Path, sync::mpsc::SyncSender};

use anyhow::{Context, Result, bail};
use oddline_core::{
    id::ModelHash,
    topic::Channel,
    wire::{ModelId, ModelState, Refused},
};
use oddline_detector::OpenModel;
use tokio::sync::{mpsc, oneshot};

use crate::{
    config::AgentConfig,
    events::LogEvent,
    model::{
        intake::{IntakeAction, ModelIntake},
        slots::ModelSlots,
        store::ModelStore,
        verify::{TrustedKeys, hash},
    },
    publish::ports::{InboundMessage, OutboundMessage},
    worker::{ActiveModel, StatusHandle, WorkerCommand},
};

/// Records that a model judges before it counts as good.
const GOOD_AFTER_RECORDS: u64 = 5_000;
/// Folder of the models, in the state's.
pub(crate) const FOLDER: &str = "models";

/// The models of this host, and the one to begin with.
pub(crate) struct KeptModels {
    pub store: ModelStore,
    pub slots: ModelSlots,
    pub active: ActiveModel,
}

/// Opens what this host has: the model in use, else the newest good one, else the factory's.
///
/// # Errors
/// When no model can be used at all.
pub(crate) fn begin(config: &AgentConfig) -> Result<KeptModels> {
    let store = ModelStore::open(&config.state_dir.join(FOLDER))?;
    let factory = factory(&config.factory);
    let (known, wrong) = store.slots();
    for error in &wrong {
        LogEvent::ModelStore { why: error.to_string() }.emit();
    }
    let factory_id = factory.as_ref().ok().map(|(active, _)| active.id);
    let mut slots = known.unwrap_or_else(|| from_files(&store, &config.trusted_keys));
    // Whoever runs the package's model goes on with what the package brings now.
    let follows = slots.current().is_none() || slots.current() == slots.factory();
    slots.set_factory(factory_id);
    if let Some(id) = factory_id.filter(|_| follows) {
        slots.take(id);
    }
    let mut failed: Option<String> = None;
    while let Some(id) = slots.current() {
        let opened = match &factory {
            Ok((active, _)) if active.id == id => Ok(active.clone()),
            Ok(_) | Err(_) => open(&store, id),
        };
        match opened {
            Ok(active) => {
                if let Some(why) = failed.take() {
                    LogEvent::ModelUnusable { why, instead: id.version }.emit();
                }
                // Its files are read again at the next start; being unable to note that is no reason to stop.
                if let Err(error) = store.set_slots(&slots) {
                    LogEvent::ModelStore { why: error.to_string() }.emit();
                }
                return Ok(KeptModels { store, slots, active });
            }
            Err(error) => failed = Some(format!("{error:#}")),
        }
        slots.drop_current();
    }
    match (factory, failed) {
        (Err(error), _) => Err(error.context("no model can be used, and without one nothing can be judged")),
        (Ok(_), why) => bail!("no model can be used: {}", why.unwrap_or_default()),
    }
}

/// The slots that the stored models tell of: the highest version among those with a good signature was in use. Without
/// any of them, as at the very first start, there is nothing.
fn from_files(store: &ModelStore, keys: &[String]) -> ModelSlots {
    let mut slots = ModelSlots::default();
    // The configuration has been checked for its keys.
    let Ok(keys) = TrustedKeys::parse(keys) else { return slots };
    let signed = store.found().into_iter().filter(|(bytes, signature)| keys.check(bytes, signature).is_ok());
    let opened = signed.filter_map(|(bytes, _)| {
        let version = OpenModel::open(&bytes).ok()?.version;
        Some(ModelId { sha256: hash(&bytes), version })
    });
    if let Some(newest) = opened.max_by_key(|model| model.version) {
        slots.take(newest);
    }
    slots
}

/// The model that came with the package, and its file.
///
/// # Errors
/// When it cannot be read or is refused.
pub(crate) fn factory(path: &Path) -> Result<(ActiveModel, Vec<u8>)> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read the model {}: name one with model.factory", path.display()))?;
    let model = OpenModel::open(&bytes).with_context(|| format!("the model {} is refused", path.display()))?;
    let id = ModelId { sha256: hash(&bytes), version: model.version };
    Ok((ActiveModel { id, model }, bytes))
}

/// A stored model.
///
/// # Errors
/// When its file is not what was stored, or refused.
pub(crate) fn open(store: &ModelStore, id: ModelId) -> Result<ActiveModel> {
    let bytes = store.get(id)?;
    let model = OpenModel::open(&bytes).with_context(|| format!("the stored model {} is refused", id.version))?;
    Ok(ActiveModel { id, model })
}

/// What is asked of the keeper.
pub(crate) enum ModelRequest {
    Show(oneshot::Sender<ModelState>),
    /// Go back to a good model, by its version; the newest good one but the one in use when `None`.
    Rollback(Option<u64>, oneshot::Sender<Result<u64, String>>),
}

/// Follows wishes while the agent runs.
pub(crate) struct ModelManager {
    intake: ModelIntake,
    store: ModelStore,
    factory: std::path::PathBuf,
    orders: SyncSender<WorkerCommand>,
    outbound: Option<mpsc::Sender<OutboundMessage>>,
    board: StatusHandle,
    /// The refusal that an operator was told of last.
    told: Option<Refused>,
    /// The slots could not be written.
    unkept: bool,
}

impl ModelManager {
    /// A keeper of what [`begin`] found.
    ///
    /// # Errors
    /// When a trusted key is none; the configuration has been checked for that.
    pub(crate) fn new(
        config: &AgentConfig,
        store: ModelStore,
        slots: ModelSlots,
        orders: SyncSender<WorkerCommand>,
        outbound: Option<mpsc::Sender<OutboundMessage>>,
        board: StatusHandle,
    ) -> Result<Self> {
        let keys = TrustedKeys::parse(&config.trusted_keys);
        let keys = keys.map_err(|errors| anyhow::anyhow!("{}", errors[0]))?;
        let intake = ModelIntake::new(keys, slots);
        Ok(Self { intake, store, factory: config.factory.clone(), orders, outbound, board, told: None, unkept: false })
    }

    /// Says what runs; once at the start.
    pub(crate) async fn announce(&mut self) {
        let state = self.intake.state();
        self.send(OutboundMessage::Retain(Channel::ModelState, state.to_json())).await;
    }

    pub(crate) async fn heard(&mut self, inbound: InboundMessage) {
        let actions = match inbound {
            InboundMessage::Desired(payload) => self.intake.desired(&payload),
            InboundMessage::Model(sha256, payload) => self.fetched(sha256, &payload),
        };
        self.act(actions).await;
    }

    /// A question from this host.
    pub(crate) async fn asked(&mut self, ask: ModelRequest) {
        match ask {
            // Whoever asked may be gone.
            ModelRequest::Show(answer) => drop(answer.send(self.intake.state())),
            ModelRequest::Rollback(version, answer) => {
                let done = self.roll_back(version).await;
                drop(answer.send(done));
            }
        }
    }

    /// Marks the model in use as good once it has proved itself; to be called now and then.
    pub(crate) async fn tick(&mut self) {
        if self.unkept {
            self.keep_slots();
        }
        let state = self.intake.state();
        let Some(current) = state.current.filter(|id| state.factory != Some(*id)) else { return };
        let reading = self.board.reading();
        let is_proved = reading.model == current.version && reading.judged_by_model >= GOOD_AFTER_RECORDS;
        if !is_proved || state.good.contains(&current) {
            return;
        }
        let said = self.intake.mark_good();
        self.keep_slots();
        LogEvent::ModelGood { version: current.version }.emit();
        self.act(vec![said]).await;
    }

    fn fetched(&mut self, sha256: ModelHash, payload: &[u8]) -> Vec<IntakeAction<OpenModel>> {
        self.intake.fetched(sha256, payload, |bytes| {
            OpenModel::open(bytes).map(|model| (model.version, model)).map_err(|error| error.to_string())
        })
    }

    async fn act(&mut self, actions: Vec<IntakeAction<OpenModel>>) {
        for action in actions {
            match action {
                IntakeAction::Fetch(sha256) => self.send(OutboundMessage::Fetch(sha256)).await,
                IntakeAction::FetchEnded => self.send(OutboundMessage::FetchEnded).await,
                IntakeAction::Say(state) => {
                    if let Some(refused) = state.refused.as_ref().filter(|refused| self.told.as_ref() != Some(refused))
                    {
                        let why = refused.reason.to_string();
                        LogEvent::ModelRefused { version: refused.model.version, why }.emit();
                    }
                    self.told.clone_from(&state.refused);
                    self.send(OutboundMessage::Retain(Channel::ModelState, state.to_json())).await;
                }
                IntakeAction::Install(install) => {
                    let stored = self.store.put(install.id, &install.file, &install.signature);
                    let active = ActiveModel { id: install.id, model: install.model };
                    match stored {
                        Ok(()) => drop(self.take(active).await),
                        Err(error) => self.fail(install.id, &error.to_string()).await,
                    }
                }
            }
        }
    }

    async fn roll_back(&mut self, version: Option<u64>) -> Result<u64, String> {
        let state = self.intake.state();
        let mut others = state.good.iter().chain(&state.factory).filter(|id| Some(**id) != state.current);
        let id = match version {
            None => others.next().ok_or("there is no other good model to go back to")?,
            Some(version) => others.find(|id| id.version == version).ok_or_else(|| {
                format!("model {version} was not marked good here, or too long ago: there is no way back to it")
            })?,
        };
        let id = *id;
        let ended = self.intake.back(id).map_err(|refusal| refusal.to_string())?;
        self.act(ended).await;
        self.revive(id).await.map(|()| id.version)
    }

    async fn revive(&mut self, id: ModelId) -> Result<(), String> {
        let is_factory = self.intake.slots().factory() == Some(id);
        let opened = if is_factory { factory(&self.factory).map(|(active, _)| active) } else { open(&self.store, id) };
        match opened {
            Ok(active) if active.id == id => self.take(active).await,
            Ok(_) => self.fail_with(id, "its file holds another model by now").await,
            Err(error) => self.fail_with(id, &format!("{error:#}")).await,
        }
    }

    /// Hands a model to the reading thread and notes that it is in use.
    async fn take(&mut self, active: ActiveModel) -> Result<(), String> {
        let id = active.id;
        let (answer, answered) = oneshot::channel();
        if self.orders.send(WorkerCommand::Judge(Box::new(active), answer)).is_err() {
            return self.fail_with(id, "the agent is stopping").await;
        }
        match answered.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return self.fail_with(id, &why).await,
            Err(_) => return self.fail_with(id, "the agent is stopping").await,
        }
        let said: IntakeAction<OpenModel> = self.intake.installed(id);
        self.keep_slots();
        if let IntakeAction::Say(state) = said {
            self.send(OutboundMessage::Retain(Channel::ModelState, state.to_json())).await;
        }
        Ok(())
    }

    async fn fail(&mut self, id: ModelId, why: &str) {
        drop(self.fail_with(id, why).await);
    }

    async fn fail_with(&mut self, id: ModelId, why: &str) -> Result<(), String> {
        if let IntakeAction::<OpenModel>::Say(state) = self.intake.failed(id, why) {
            LogEvent::ModelRefused { version: id.version, why: why.to_owned() }.emit();
            self.told.clone_from(&state.refused);
            self.send(OutboundMessage::Retain(Channel::ModelState, state.to_json())).await;
        }
        Err(why.to_owned())
    }

    /// Notes what is in use; what a full disk does not take is tried again.
    fn keep_slots(&mut self) {
        match self.store.set_slots(self.intake.slots()) {
            Ok(()) => self.unkept = false,
            Err(error) => {
                if !std::mem::replace(&mut self.unkept, true) {
                    LogEvent::ModelStore { why: error.to_string() }.emit();
                }
            }
        }
    }

    async fn send(&self, outbound: OutboundMessage) {
        if let Some(to) = &self.outbound {
            // A delivery that has ended says nothing any more.
            let _: Result<(), _> = to.send(outbound).await;
        }
    }
}
