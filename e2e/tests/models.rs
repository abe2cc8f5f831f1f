//! A model that is pushed: fetched, checked and taken without losing a record; refused with its reason when anything is
//! wrong with it; taken back by hand. What is told on both sides of the change equals a replay that changes there too.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use oddline_core::{
    event::Event,
    id::{AgentName, FleetName},
    wire::{DesiredModel, ModelId, ModelState},
};
use oddline_e2e::{
    agent::{Agent, Link, Setup},
    authority::Validity,
    compare::Difference,
    fixture,
    mosquitto::{AUTHORITY, Mosquitto},
    programs::built,
    pusher::{desire, hash_of, publish_model},
    subscriber::Subscriber,
    writer::Writer,
};
use oddline_testkit::{
    Random,
    waiting::{PATIENCE, until, within},
};
use tempfile::TempDir;

const NAME: &str = "pi-3";

struct Scene {
    folder: TempDir,
    broker: Mosquitto,
    subscriber: Subscriber,
    agent: Agent,
    writer: Writer,
    fleet: FleetName,
    name: AgentName,
}

impl Scene {
    fn begin(test: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let broker = Mosquitto::begin(test, folder.path())?;
        broker.authority().issue(NAME, Validity::Valid, folder.path(), NAME);
        let subscriber = Subscriber::start(&broker);
        trainer(folder.path(), &["keygen"]);
        let logs = folder.path().join(NAME).join("logs");
        fs::create_dir_all(&logs).unwrap();
        let link = Link::Broker {
            port: broker.port(),
            folder: folder.path().to_owned(),
            trusts: AUTHORITY.to_owned(),
            identity: NAME.to_owned(),
            events: "postcard",
        };
        let mut agent = Agent::new(Setup::new(NAME, folder.path().join(NAME), link));
        configure(&folder.path().join(NAME), &folder.path().join("keys/oddline.pub"));
        let writer = Writer::new(&logs.join("app.log"), fixture::log(Some("server-03"), 2), Random::for_test(test));
        agent.start();
        let (fleet, name) = ("home".parse().unwrap(), NAME.parse().unwrap());
        Some(Self { folder, broker, subscriber, agent, writer, fleet, name })
    }

    fn state(&self) -> Option<ModelState> {
        let topic = format!("oddline/v1/home/{NAME}/model/state");
        let stored = self.subscriber.stored();
        stored.said.get(&topic).map(|json| ModelState::from_json(json).unwrap())
    }

    fn says(&self, what: &str, is_it: impl Fn(&ModelState) -> bool) -> ModelState {
        until(|| self.state().filter(&is_it), || format!("{what}: {:?}\n{}", self.state(), self.agent.said()))
    }

    /// Says what is desired, with the bytes of `model` under its hash.
    fn push(&self, model: &Path, version: u64, signature: &str) -> ModelId {
        let id = ModelId { sha256: hash_of(model), version };
        publish_model(&self.broker, &self.fleet, id.sha256, &fs::read(model).unwrap(), signature);
        desire(&self.broker, &self.fleet, &self.name, &DesiredModel { model: id, rollback: false, signature: None });
        id
    }

    fn refuses(&self, id: ModelId, words: &str) {
        let refused = |state: &ModelState| state.refused.as_ref().is_some_and(|refused| refused.model == id);
        let state = self.says("it does not refuse", refused);
        let reason = state.refused.unwrap().reason;
        assert!(reason.contains(words), "{reason}");
        assert_ne!(state.current.map(|current| current.version), Some(id.version));
        println!("e2e: models: refused: {reason}");
    }

    fn oddline(&self, arguments: &[&str]) -> Output {
        let config = self.folder.path().join(NAME).join("agent.toml");
        Command::new(self.agent.program()).args(arguments).arg("--config").arg(config).output().unwrap()
    }
}

/// With a trusted key and a local socket.
fn configure(folder: &Path, key: &Path) {
    let path = folder.join("agent.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text
        .replace("control = \"\"", &format!("control = {:?}", folder.join("control.sock")))
        .replace("[model]\n", &format!("[model]\ntrusted_key_files = [{key:?}]\n"));
    fs::write(path, text).unwrap();
}

fn trainer(folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(built("oddline-trainer")).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn version(folder: &Path, model: &Path) -> u64 {
    let output = trainer(folder, &["inspect", "--json", model.to_str().unwrap()]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    json["version"].as_u64().unwrap()
}

/// A model of the same logs with a version `above` that of the first.
fn another(folder: &Path, name: &str, above: u64) -> (PathBuf, u64) {
    let first = fixture::model();
    let logs = first.parent().unwrap().parent().unwrap().join("logs/server_logs.txt");
    let (model, version) = (folder.join(name), version(folder, &first) + above);
    let (said, path) = (version.to_string(), model.to_str().unwrap());
    let charts = folder.join("charts");
    let arguments = [
        "train",
        "--epochs",
        "2",
        "--seed",
        "5",
        "--model-version",
        &said,
        "--model",
        path,
        "--charts",
        charts.to_str().unwrap(),
    ];
    trainer(folder, &[&arguments[..], &["--logs", logs.to_str().unwrap()]].concat());
    trainer(folder, &["sign", path]);
    (model, version)
}

fn signature(model: &Path) -> String {
    fs::read_to_string(model.with_added_extension("minisig")).unwrap()
}

#[test]
fn a_signed_model_is_taken_between_two_records_and_outlives_a_kill() {
    let Some(mut scene) = Scene::begin("e2e: models") else { return };
    let first = scene.says("it does not say what it runs", |state| state.current.is_some()).current.unwrap();
    let (model, version) = another(scene.folder.path(), "second.onnx", 1);
    // Half of the log before the change, half after it.
    let half = scene.writer.log().iter().filter(|byte| **byte == b'\n').count() / 2;
    scene.writer.write_lines(half);
    let told = || (scene.subscriber.stored().ledger.count(&scene.name) > 20).then_some(());
    until(told, || format!("it tells nothing of the first half: {}", scene.agent.said()));
    let second = scene.push(&model, version, &signature(&model));
    scene.says("it does not take the model", |state| state.current == Some(second));
    scene.writer.act_to_the_end();
    let swap = || {
        let heard = scene.subscriber.stored().ledger.of(&scene.name);
        heard
            .iter()
            .find_map(|heard| if let Event::ModelSwap(swap) = &heard.entry.event { Some(swap.clone()) } else { None })
    };
    let swap = until(swap, || "the change is not told".to_owned());
    assert_eq!((swap.from, swap.to), (Some(first.version), second.version));
    assert!(swap.position > 0, "some records were judged before it");
    let whole = scene.folder.path().join("whole.log");
    fs::write(&whole, scene.writer.log()).unwrap();
    let expected = replayed(&scene, &whole, &model, swap.position);
    let difference = || Difference::between(&expected, &scene.subscriber.stored().ledger.of(&scene.name));
    let found = within(PATIENCE, || Some(difference()).filter(Difference::is_none)).unwrap_or_else(difference);
    println!("e2e: models: {} events, change at record {}: {found}", expected.len(), swap.position);
    assert!(found.is_none(), "{found}\n{}", scene.agent.said());

    scene.agent.kill();
    scene.agent.start();
    let said = scene.agent.says(0, "that it is ready again", |said| said.matches("INFO ready").count() == 2);
    assert!(said.contains(&format!("ready; model {version} is active")), "{said}");
    let back = scene.oddline(&["model", "rollback", &first.version.to_string()]);
    assert!(back.status.success(), "{}", String::from_utf8_lossy(&back.stderr));
    scene.says("it does not go back", |state| state.current == Some(first));
    let none = scene.oddline(&["model", "rollback", "7"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("no way back"), "{none:?}");
    let shown = scene.oddline(&["model", "show"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("in use, factory"), "{shown:?}");
    scene.agent.stop();
}

/// The events of a replay that changes the model where the agent did, with the live log's name.
fn replayed(scene: &Scene, whole: &Path, model: &Path, position: u64) -> Vec<String> {
    let run = Command::new(scene.agent.program())
        .arg("replay")
        .arg(whole)
        .arg("--model")
        .arg(fixture::model())
        .arg("--then")
        .arg(format!("{position}={}", model.display()))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let live = scene.writer.live().display().to_string();
    let text = String::from_utf8(run.stdout).unwrap().replace(&whole.display().to_string(), &live);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn whatever_is_wrong_with_a_model_is_said_and_the_old_one_stays() {
    let Some(mut scene) = Scene::begin("e2e: refused models") else { return };
    let first = scene.says("it does not say what it runs", |state| state.current.is_some()).current.unwrap();
    let (model, version) = another(scene.folder.path(), "second.onnx", 5);
    let good = signature(&model);
    scene.refuses(scene.push(&model, version, ""), "not signed");
    // Another key's signature.
    trainer(scene.folder.path(), &["keygen", "--key", "other.key"]);
    trainer(scene.folder.path(), &["sign", "second.onnx", "--key", "other.key"]);
    scene.refuses(scene.push(&model, version + 1, &signature(&model)), "key that is not trusted");
    // Said to be of another version than it is.
    scene.refuses(scene.push(&model, version + 2, &good), "the push was made with another file");
    // Bytes that were changed on the way.
    let id = ModelId { sha256: hash_of(&model), version: version + 3 };
    publish_model(&scene.broker, &scene.fleet, id.sha256, b"other bytes", &good);
    desire(&scene.broker, &scene.fleet, &scene.name, &DesiredModel { model: id, rollback: false, signature: None });
    scene.refuses(id, "they are not the model that is desired");
    // An older one, however good its signature.
    let old = ModelId { sha256: id.sha256, version: 1 };
    desire(&scene.broker, &scene.fleet, &scene.name, &DesiredModel { model: old, rollback: false, signature: None });
    scene.refuses(old, "not higher than");
    // Back to the package's model, which whoever has the broker can ask for.
    scene.push(&model, version, &good);
    scene.says("it does not take the model", |state| state.current.is_some_and(|id| id.version == version));
    desire(&scene.broker, &scene.fleet, &scene.name, &DesiredModel { model: first, rollback: true, signature: None });
    scene.refuses(first, "by hand on the host");
    let good = scene.state().unwrap().current;
    assert!(good.is_some_and(|id| id.version == version), "{good:?}");
    scene.writer.act_to_the_end();
    let told = || (scene.subscriber.stored().ledger.count(&scene.name) > 20).then_some(());
    until(told, || format!("it does not go on: {}", scene.agent.said()));
    assert_eq!(scene.state().unwrap().current, good);
    assert!(scene.agent.said().contains("is refused: the model is not signed"), "{}", scene.agent.said());
    scene.agent.stop();
}
