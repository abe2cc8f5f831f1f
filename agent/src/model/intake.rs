//! Follows the collector's wish: what to fetch, what to install, what to say about it. Pure; messages come in, actions
//! go out. One wish at a time, the newest counts.

use oddline_core::{
    event::BoundedText,
    id::ModelHash,
    wire::{DesiredModel, ModelId, ModelState, Refused, SignedModel, decode_model},
};

use super::{
    slots::{ModelSlots, SlotDecision, SlotRefusal},
    verify::{TrustedKeys, verify},
};

/// What is to be done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IntakeAction<M> {
    /// Ask for the bytes of this model.
    Fetch(ModelHash),
    FetchEnded,
    /// Store and use this new model, then call [`ModelIntake::installed`] or [`ModelIntake::failed`].
    Install(Box<ModelInstall<M>>),
    /// Publish this as `model/state`.
    Say(ModelState),
}

/// A model that passed every check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ModelInstall<M> {
    pub id: ModelId,
    pub model: M,
    pub file: Vec<u8>,
    /// Text of its signature, for the stock tool.
    pub signature: String,
}

/// The wish under way and how the last one ended.
#[derive(Debug)]
pub(crate) struct ModelIntake {
    keys: TrustedKeys,
    slots: ModelSlots,
    wish: Option<DesiredModel>,
    fetching: bool,
    refused: Option<Refused>,
}

impl ModelIntake {
    /// Starts with what the agent has.
    #[must_use]
    pub(crate) fn new(keys: TrustedKeys, slots: ModelSlots) -> Self {
        Self { keys, slots, wish: None, fetching: false, refused: None }
    }

    /// A message on `model/desired`; empty when nothing is wished for. Hearing the same again does nothing.
    pub(crate) fn desired<M>(&mut self, payload: &[u8]) -> Vec<IntakeAction<M>> {
        let mut actions = Vec::new();
        if payload.is_empty() {
            self.end(&mut actions);
            self.wish = None;
            return actions;
        }
        let desired = match DesiredModel::from_json(payload) {
            Ok(desired) => desired,
            Err(error) => {
                // Nobody knows which model was meant; the one in use is no worse for it.
                let unknown = ModelId { sha256: ModelHash([0; 32]), version: 0 };
                self.refuse(unknown, &format!("model/desired cannot be read: {error}"), &mut actions);
                return actions;
            }
        };
        if self.wish.as_ref() == Some(&desired) {
            return actions;
        }
        self.end(&mut actions);
        match self.slots.answer(&desired) {
            SlotDecision::Already => {
                self.refused = None;
                actions.push(self.say());
            }
            SlotDecision::Fetch => {
                self.fetching = true;
                actions.push(IntakeAction::Fetch(desired.model.sha256));
            }
            SlotDecision::Refuse(refusal) => self.refuse(desired.model, &refusal.to_string(), &mut actions),
        }
        self.wish = Some(desired);
        if self.fetching {
            actions.push(self.say());
        }
        actions
    }

    /// The bytes published under a model's hash. `open` gives the opened model and the version in its file.
    pub(crate) fn fetched<M>(
        &mut self,
        sha256: ModelHash,
        payload: &[u8],
        open: impl FnOnce(&[u8]) -> Result<(u64, M), String>,
    ) -> Vec<IntakeAction<M>> {
        let mut actions = Vec::new();
        let Some(desired) = self.wish.clone().filter(|wish| self.fetching && wish.model.sha256 == sha256) else {
            return actions;
        };
        // The topic was cleared: the bytes may still come.
        if payload.is_empty() {
            return actions;
        }
        self.end(&mut actions);
        let decoded = decode_model(payload).map_err(|e| e.to_string());
        let checked = decoded.and_then(|signed| {
            let model = verify(&desired, signed, &self.keys, &self.slots, open).map_err(|e| e.to_string())?;
            Ok((signed, model))
        });
        match checked {
            Ok((signed, model)) => {
                let signature = self.signature(&desired, signed);
                let install = ModelInstall { id: desired.model, model, file: signed.model.to_vec(), signature };
                actions.push(IntakeAction::Install(Box::new(install)));
            }
            Err(reason) => self.refuse(desired.model, &reason, &mut actions),
        }
        actions
    }

    /// Whoever is at this host wants to go back to a model: what to do before it is used. Then call
    /// [`ModelIntake::installed`] or [`ModelIntake::failed`].
    ///
    /// # Errors
    /// When there is no way back to it.
    pub(crate) fn back<M>(&mut self, model: ModelId) -> Result<Vec<IntakeAction<M>>, SlotRefusal> {
        self.slots.check_back(model)?;
        let mut actions = Vec::new();
        self.end(&mut actions);
        self.wish = None;
        Ok(actions)
    }

    /// A model is in use from now on.
    pub(crate) fn installed<M>(&mut self, model: ModelId) -> IntakeAction<M> {
        self.slots.take(model);
        self.refused = None;
        self.say()
    }

    /// A model that was to be used cannot be: it could not be stored or opened. The wish may be repeated.
    pub(crate) fn failed<M>(&mut self, model: ModelId, reason: &str) -> IntakeAction<M> {
        self.wish = None;
        self.refused = Some(Refused { model, reason: BoundedText::cut(reason) });
        self.say()
    }

    /// The model in use has proved itself.
    pub(crate) fn mark_good<M>(&mut self) -> IntakeAction<M> {
        self.slots.mark_good();
        self.say()
    }

    #[must_use]
    pub(crate) fn slots(&self) -> &ModelSlots {
        &self.slots
    }

    /// What is said on `model/state`.
    #[must_use]
    pub(crate) fn state(&self) -> ModelState {
        let fetching = self.wish.as_ref().filter(|_| self.fetching).map(|wish| wish.model);
        ModelState { fetching, refused: self.refused.clone(), ..self.slots.state() }
    }

    fn say<M>(&self) -> IntakeAction<M> {
        IntakeAction::Say(self.state())
    }

    fn end<M>(&mut self, actions: &mut Vec<IntakeAction<M>>) {
        if self.fetching {
            self.fetching = false;
            actions.push(IntakeAction::FetchEnded);
        }
    }

    fn refuse<M>(&mut self, model: ModelId, reason: &str, actions: &mut Vec<IntakeAction<M>>) {
        self.refused = Some(Refused { model, reason: BoundedText::cut(reason) });
        actions.push(self.say());
    }

    /// The signature that was found good: the one to keep beside the file.
    fn signature(&self, desired: &DesiredModel, signed: SignedModel<'_>) -> String {
        match &desired.signature {
            Some(newer) if self.keys.check(signed.model, signed.signature).is_err() => newer.to_string(),
            Some(_) | None => signed.signature.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use oddline_core::wire::encode_model;

    use super::{
        super::verify::tests::{TestSigner, open, wish},
        *,
    };

    const NEW: &[u8] = b"\x05new";

    struct Bench {
        signer: TestSigner,
        intake: ModelIntake,
    }

    impl Bench {
        fn new() -> Self {
            let signer = TestSigner::new();
            let keys = TrustedKeys::parse(&[signer.public()]).unwrap();
            Self { signer, intake: ModelIntake::new(keys, ModelSlots::new(Some(wish(b"\x01old").model))) }
        }

        fn wish(&mut self, desired: &DesiredModel) -> Vec<IntakeAction<Vec<u8>>> {
            self.intake.desired(&desired.to_json())
        }

        fn bytes(&mut self, file: &[u8], payload: &[u8]) -> Vec<IntakeAction<Vec<u8>>> {
            self.intake.fetched(wish(file).model.sha256, payload, open)
        }

        fn packed(&self, file: &[u8]) -> Vec<u8> {
            encode_model(SignedModel { signature: &self.signer.sign(file), model: file }).unwrap()
        }
    }

    fn refusal(actions: &[IntakeAction<Vec<u8>>]) -> &str {
        let Some(IntakeAction::Say(ModelState { refused: Some(refused), .. })) = actions.last() else {
            panic!("{actions:?}");
        };
        &refused.reason
    }

    #[test]
    fn a_wish_is_fetched_checked_and_installed() {
        let mut bench = Bench::new();
        let id = wish(NEW).model;
        let actions = bench.wish(&wish(NEW));
        assert_eq!(actions[0], IntakeAction::Fetch(id.sha256));
        assert!(matches!(&actions[1], IntakeAction::Say(state) if state.fetching == Some(id)));
        assert_eq!(bench.wish(&wish(NEW)), [], "the same wish again");
        assert_eq!(bench.bytes(NEW, b""), [], "the bytes may still come");
        let payload = bench.packed(NEW);
        let actions = bench.bytes(NEW, &payload);
        assert_eq!(actions[0], IntakeAction::FetchEnded);
        let IntakeAction::Install(install) = &actions[1] else { panic!() };
        assert_eq!((install.id, install.file.as_slice()), (id, NEW));
        assert!(bench.intake.keys.check(NEW, &install.signature).is_ok());
        let IntakeAction::Say(state) = bench.intake.installed::<()>(id) else { panic!() };
        assert_eq!((state.current, state.fetching, state.refused), (Some(id), None, None));
        assert_eq!(bench.bytes(NEW, &payload), [], "bytes nobody waits for");
    }

    #[test]
    fn a_refusal_leaves_its_reason_and_the_old_model() {
        let mut bench = Bench::new();
        let _: Vec<_> = bench.wish(&wish(NEW));
        let stranger = encode_model(SignedModel { signature: &TestSigner::new().sign(NEW), model: NEW }).unwrap();
        let actions = bench.bytes(NEW, &stranger);
        assert!(refusal(&actions).contains("not trusted"));
        assert_eq!(bench.intake.state().current, Some(wish(b"\x01old").model));
        assert_eq!(bench.wish(&wish(NEW)), [], "a refused wish is not tried again and again");
        assert!(refusal(&bench.intake.desired(b"{nonsense")).contains("cannot be read"));
    }

    #[test]
    fn a_corrected_signature_is_another_wish() {
        let mut bench = Bench::new();
        let _: Vec<_> = bench.wish(&wish(NEW));
        let stranger = encode_model(SignedModel { signature: &TestSigner::new().sign(NEW), model: NEW }).unwrap();
        assert!(refusal(&bench.bytes(NEW, &stranger)).contains("not trusted"));
        let corrected = DesiredModel { signature: Some(BoundedText::cut(&bench.signer.sign(NEW))), ..wish(NEW) };
        assert_eq!(bench.wish(&corrected)[0], IntakeAction::Fetch(corrected.model.sha256));
        // The bytes of the first push may come once more before those of the second.
        let actions = bench.bytes(NEW, &stranger);
        let IntakeAction::Install(install) = &actions[1] else { panic!("{actions:?}") };
        assert!(bench.intake.keys.check(NEW, &install.signature).is_ok());
    }

    #[test]
    fn a_newer_wish_ends_the_older() {
        let mut bench = Bench::new();
        let _: Vec<_> = bench.wish(&wish(NEW));
        let other = wish(b"\x06other");
        let actions = bench.wish(&other);
        assert_eq!(actions[..2], [IntakeAction::FetchEnded, IntakeAction::Fetch(other.model.sha256)]);
        let payload = bench.packed(NEW);
        assert_eq!(bench.bytes(NEW, &payload), []);
        assert_eq!(bench.intake.desired::<Vec<u8>>(b""), [IntakeAction::FetchEnded]);
    }

    #[test]
    fn no_wish_leads_back() {
        let mut bench = Bench::new();
        let _: IntakeAction<()> = bench.intake.installed(wish(NEW).model);
        for signature in [None, Some(BoundedText::cut(&bench.signer.sign(b"\x01old")))] {
            let actions = bench.wish(&DesiredModel { rollback: true, signature, ..wish(b"\x01old") });
            assert!(refusal(&actions).contains("by hand on the host"), "{actions:?}");
        }
        assert_eq!(bench.intake.state().current, Some(wish(NEW).model));
    }

    #[test]
    fn going_back_by_hand_ends_what_is_fetched() {
        let mut bench = Bench::new();
        let old = wish(b"\x01old").model;
        let _: Vec<_> = bench.wish(&wish(NEW));
        assert_eq!(bench.intake.back::<()>(old), Ok(vec![IntakeAction::FetchEnded]));
        let stranger = wish(b"\x03other").model;
        assert_eq!(bench.intake.back::<()>(stranger), Err(SlotRefusal::NotGood { version: 3 }));
    }

    #[test]
    fn the_way_back_needs_no_bytes() {
        let mut bench = Bench::new();
        let old = wish(b"\x01old").model;
        let _: IntakeAction<()> = bench.intake.installed(wish(NEW).model);
        assert_eq!(bench.intake.back::<()>(old), Ok(vec![]));
        let IntakeAction::Say(state) = bench.intake.installed::<()>(old) else { panic!() };
        assert_eq!(state.current, Some(old));
        // A failure in storing may be repaired: the same wish counts again.
        let IntakeAction::Say(state) = bench.intake.failed::<()>(old, "no space left on device") else { panic!() };
        assert_eq!(&*state.refused.unwrap().reason, "no space left on device");
    }
}
