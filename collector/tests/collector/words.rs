//! What agents say of themselves, what is pushed to them and what they answer, on both databases.

use oddline_collector::{
    ingest::{self, IncomingMessage},
    store::{
        AgentReport, AgentState, AppendOutcome, ModelFile, OpenMode, ReportBody, RolloutAgentState, RolloutTarget,
        SEQUENCE_MAX, Store,
    },
};
use oddline_core::wire::{ModelId, ModelState, Refused};

use crate::entries::{batch, epoch, stores, who};

fn heard(topic: &str, json: &str, retained: bool) -> AgentReport {
    match ingest::read(topic, json.as_bytes(), retained).unwrap() {
        IncomingMessage::Heard(heard) => heard,
        other => panic!("{other:?}"),
    }
}

fn birth(oldest: u64) -> AgentReport {
    let json = format!(r#"{{"fleet":"home","agent":"pi","version":"0.1.0","epoch":"1","oldest":{oldest},"more":[1]}}"#);
    heard("oddline/v1/home/pi/birth", &json, true)
}

#[tokio::test]
async fn a_word_that_does_not_change_leaves_no_history_and_silence_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("words: history", folder.path()).await {
        let status = |state: &str, retained| {
            heard("oddline/v1/home/pi/status", &format!(r#"{{"state":"{state}","figures":{{"model":7}}}}"#), retained)
        };
        let first = store.record_report(&[birth(1), status("up", true)], 1_000).await.unwrap();
        assert!(first[0].is_new && !first[1].is_new && !first[1].turned, "what a broker kept is no sign of life");
        assert!(store.agents().await.unwrap()[0].state == AgentState::Unknown);
        for at in 2..10 {
            let again = store.record_report(&[birth(1), status("up", false)], at * 1_000).await.unwrap();
            assert!(!again[0].is_new && !again[1].is_new && again[1].turned == (at == 2));
        }
        let pi = who("home", "pi");
        assert_eq!(store.history(&pi, 0, 100).await.unwrap().len(), 2);
        let agent = store.agents().await.unwrap().remove(0);
        assert_eq!((agent.state.as_str(), agent.since_us, agent.last_seen_us), ("up", 2_000, 9_000));
        assert_eq!((agent.model, agent.version.as_deref()), (Some(7), Some("0.1.0")));

        assert!(store.mark_quiet(9_000, 20_000).await.unwrap().is_empty(), "it was heard then");
        assert_eq!(store.mark_quiet(10_000, 20_000).await.unwrap(), std::slice::from_ref(&pi));
        assert!(store.mark_quiet(10_000, 21_000).await.unwrap().is_empty(), "said once");
        assert!(store.agents().await.unwrap()[0].state == AgentState::Quiet);
        // Events are a sign of life too.
        store.append(&[batch(&pi, epoch(1), 1, 3)], 30_000).await.unwrap();
        assert!(store.mark_quiet(25_000, 31_000).await.unwrap().is_empty());
        assert!(store.agents().await.unwrap()[0].state == AgentState::Up);
        let done = store.record_report(&[status("down", false)], 40_000).await.unwrap();
        assert!(done[0].turned);
        assert!(store.mark_quiet(90_000, 91_000).await.unwrap().is_empty(), "who said goodbye is not quiet");
    }
}

#[tokio::test]
async fn two_agents_under_one_name_are_noticed_and_one_that_starts_anew_is_not() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("words: two under one name", folder.path()).await {
        let life = |epoch: u64, boot: &str| {
            let json = format!(
                r#"{{"fleet":"home","agent":"pi","version":"0.1.0","epoch":"{epoch}","oldest":1,"boot":"{boot}"}}"#
            );
            heard("oddline/v1/home/pi/birth", &json, false)
        };
        let contested = async |births: &[(u64, &str)], at_us: i64| {
            let words: Vec<AgentReport> = births.iter().map(|(epoch, boot)| life(*epoch, boot)).collect();
            store.record_report(&words, at_us).await.unwrap().iter().map(|done| done.is_contested).collect::<Vec<_>>()
        };
        // Reconnects, a reboot, a new state file: each follows the one before.
        assert!(!contested(&[(1, "a"), (1, "a"), (1, "b"), (1, "b"), (2, "b"), (2, "c")], 1_000).await.contains(&true));
        let agent = store.agents().await.unwrap().remove(0);
        assert!(!agent.is_contested(1_000) && agent.contested_us.is_none());
        // One that was over is there again.
        assert_eq!(contested(&[(3, "x"), (2, "c"), (3, "x")], 2_000).await, [false, true, true]);
        let agent = store.agents().await.unwrap().remove(0);
        assert!(agent.is_contested(3_000) && !agent.is_contested(2_000 + 3_600_000_000));
        // So is a copy of a whole machine.
        assert_eq!(contested(&[(3, "y"), (3, "x")], 4_000).await, [false, true]);
        // And more than two, whose births take no turns.
        let copies: Vec<String> = (0..8).map(|boot| format!("copy-{boot}")).collect();
        let births: Vec<(u64, &str)> = copies.iter().chain(&copies).map(|boot| (4, boot.as_str())).collect();
        let told = contested(&births, 5_000).await;
        assert_eq!(told, [[false; 8], [true; 8]].concat());
        // It is news once, and once more when it was over.
        let life = [life(4, "copy-0"), life(4, "copy-1"), life(4, "copy-0")];
        let news = async |at_us: i64| {
            let done = store.record_report(&life, at_us).await.unwrap();
            done.iter().filter(|done| done.is_newly_contested).count()
        };
        assert_eq!((news(6_000).await, news(7_000 + 3_600_000_000).await), (0, 1));
    }
}

#[tokio::test]
async fn whether_an_agent_is_there_is_unknown_after_nobody_listened() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("words: doubt", folder.path()).await {
        let said = |fleet: &str, state: &str, retained| {
            let json = format!(r#"{{"state":"{state}","figures":null}}"#);
            heard(&format!("oddline/v1/{fleet}/pi/status"), &json, retained)
        };
        let status = |fleet: &str, state: &str| said(fleet, state, false);
        store
            .record_report(&[status("home", "up"), status("shop", "up"), status("work", "down")], 1_000)
            .await
            .unwrap();
        let states = async || {
            let agents = store.agents().await.unwrap();
            agents.into_iter().map(|agent| (agent.state.to_string(), agent.since_us)).collect::<Vec<_>>()
        };
        let is = |states: [(&str, i64); 3]| states.map(|(state, since)| (state.to_owned(), since)).to_vec();
        store.doubt(Some(&["shop".parse().unwrap()]), 2_000).await.unwrap();
        assert_eq!(states().await, is([("up", 1_000), ("unknown", 2_000), ("down", 1_000)]));
        store.doubt(None, 3_000).await.unwrap();
        assert_eq!(states().await, is([("unknown", 3_000), ("unknown", 2_000), ("down", 1_000)]));
        // The broker still has what they said before they were killed.
        let kept = [said("home", "up", true), said("shop", "up", true), said("work", "up", true)];
        store.record_report(&kept, 3_500).await.unwrap();
        assert_eq!(states().await, is([("unknown", 3_000), ("unknown", 2_000), ("unknown", 3_500)]));
        assert!(store.record_report(&[status("home", "up")], 4_000).await.unwrap()[0].turned);
        assert_eq!(states().await[0], ("up".to_owned(), 4_000));
        // Of one that is heard a kept word says nothing new; a goodbye is one, whenever it was said.
        store.record_report(&[said("home", "up", true), said("shop", "down", true)], 5_000).await.unwrap();
        assert_eq!(states().await, is([("up", 4_000), ("down", 5_000), ("unknown", 3_500)]));
    }
}

#[tokio::test]
async fn a_gap_waits_until_a_birth_says_that_it_never_comes() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("words: births", folder.path()).await {
        let pi = who("home", "pi");
        store.append(&[batch(&pi, epoch(1), 1, 10)], 1_000).await.unwrap();
        let beyond = batch(&pi, epoch(1), 51, 10);
        let done = store.append(std::slice::from_ref(&beyond), 2_000).await.unwrap();
        assert_eq!((done.batches[0].outcome, done.batches[0].acked), (AppendOutcome::Gap, 10));
        let done = store.record_report(&[birth(51)], 3_000).await.unwrap();
        assert_eq!((done[0].missing, done[0].acked), (40, Some((epoch(1), 50))));
        let done = store.append(&[beyond], 4_000).await.unwrap();
        assert_eq!((done.batches[0].outcome, done.batches[0].acked), (AppendOutcome::Stored(10), 60));
        // Said again it changes nothing; an older word neither.
        for oldest in [51, 1] {
            assert_eq!(store.record_report(&[birth(oldest)], 5_000).await.unwrap()[0].missing, 0);
        }
        let agent = store.agents().await.unwrap().remove(0);
        assert_eq!((agent.stored, agent.missing), (20, 40));
    }
}

#[tokio::test]
async fn births_that_say_too_much_stop_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("words: large births", folder.path()).await {
        let mad = |epoch: u64| {
            let json = format!(r#"{{"fleet":"home","agent":"pi","epoch":"{epoch}","oldest":9223372036854775806}}"#);
            heard("oddline/v1/home/pi/birth", &json, true)
        };
        store.record_report(&[mad(1), mad(2)], 1_000).await.unwrap();
        let agent = store.agents().await.unwrap().remove(0);
        assert_eq!((agent.stored, agent.missing), (0, i64::MAX));
        assert_eq!(store.agents_page(Some("home"), ("", ""), 10).await.unwrap(), [agent]);
        assert_eq!(store.fleets_heard(9).await.unwrap(), [("home".parse().unwrap(), 1_000)]);
        let last = [batch(&who("home", "pi"), epoch(1), SEQUENCE_MAX, 1)];
        assert_eq!(store.append(&last, 2_000).await.unwrap().batches[0].acked, SEQUENCE_MAX);
    }
}

pub(crate) fn model(version: u64) -> ModelFile {
    ModelFile {
        sha256: format!("{version:064x}").parse().unwrap(),
        version,
        file: "m.onnx".to_owned(),
        bytes: vec![0, 255, 0],
        signature: "untrusted comment: x\n".to_owned(),
        provenance: None,
        report: None,
    }
}

#[tokio::test]
async fn wishes_follow_pushes_and_answers_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("words: wishes", folder.path()).await {
        let (pi, web) = (who("home", "pi"), who("home", "web-1"));
        store.record_report(&[birth(1)], 1_000).await.unwrap();
        let changes = store.changes().await.unwrap();
        store.push(&model(5), &RolloutTarget::Everyone(vec![pi.fleet.clone()]), 2_000).await.unwrap();
        assert_eq!(store.changes().await.unwrap(), changes + 1);
        // Who comes later follows.
        store.append(&[batch(&web, epoch(9), 1, 1)], 3_000).await.unwrap();
        let wishes = async || {
            let all = store.desired_models().await.unwrap();
            all.into_iter().map(|wish| (wish.who.agent.to_string(), wish.version)).collect::<Vec<_>>()
        };
        assert_eq!(wishes().await, [("pi".to_owned(), 5), ("web-1".to_owned(), 5)]);
        // One agent goes ahead; then everyone again.
        store.push(&model(6), &RolloutTarget::Agents(vec![web.clone()]), 4_000).await.unwrap();
        assert_eq!(wishes().await, [("pi".to_owned(), 5), ("web-1".to_owned(), 6)]);
        let id = ModelId { sha256: model(6).sha256, version: 6 };
        let said = |state: ModelState| ReportBody::Model(state.clone(), String::from_utf8(state.to_json()).unwrap());
        let answer = |state: ModelState| AgentReport { who: web.clone(), said: said(state), retained: false };
        let state = async || {
            let rollout = store.rollouts(i64::MAX, 1).await.unwrap().remove(0);
            let agents = store.rollout_agents(rollout.id, None, 10).await.unwrap();
            let web = agents.into_iter().find(|agent| agent.agent == "web-1").unwrap();
            (web.state, web.reason)
        };
        assert!(state().await.0 == RolloutAgentState::Waiting);
        store
            .record_report(&[answer(ModelState { fetching: Some(id), ..ModelState::default() })], 5_000)
            .await
            .unwrap();
        assert!(state().await.0 == RolloutAgentState::Fetching);
        let refused =
            Some(Refused { model: id, reason: oddline_core::event::BoundedText::cut("the model is not signed") });
        store.record_report(&[answer(ModelState { refused, ..ModelState::default() })], 6_000).await.unwrap();
        assert_eq!(state().await, (RolloutAgentState::Refused.into(), Some("the model is not signed".to_owned())));
        store.record_report(&[answer(ModelState { current: Some(id), ..ModelState::default() })], 7_000).await.unwrap();
        assert_eq!(state().await, (RolloutAgentState::Taken.into(), None));
        store.push(&model(7), &RolloutTarget::Everyone(vec![pi.fleet.clone()]), 8_000).await.unwrap();
        assert_eq!(wishes().await, [("pi".to_owned(), 7), ("web-1".to_owned(), 7)]);
        assert_eq!(store.model_bytes(model(7).sha256).await.unwrap().unwrap().0, [0, 255, 0]);
        assert_eq!(store.models(None, 10).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn another_signature_is_another_wish() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("words: signatures", folder.path()).await {
        store.record_report(&[birth(1)], 1_000).await.unwrap();
        for signature in ["untrusted comment: wrong\n", "untrusted comment: right\n"] {
            let model = ModelFile { signature: signature.to_owned(), ..model(5) };
            store.push(&model, &RolloutTarget::Agents(vec![who("home", "pi")]), 2_000).await.unwrap();
            let wishes = store.desired_models().await.unwrap();
            assert_eq!(wishes.iter().map(|wish| wish.signature.as_str()).collect::<Vec<_>>(), [signature]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_met_during_a_push_gets_the_model() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("words: joining", folder.path()).await {
        let other = Store::open(&address, OpenMode::Use).await.unwrap();
        for number in 1..=40 {
            let (newcomer, model) = (who("home", &format!("web-{number}")), model(number));
            let everyone = RolloutTarget::Everyone(vec![newcomer.fleet.clone()]);
            let batch = [batch(&newcomer, epoch(1), 1, 1)];
            let (pushed, met) = tokio::join!(other.push(&model, &everyone, 2_000), store.append(&batch, 2_000));
            assert!(pushed.is_ok() && met.is_ok(), "{pushed:?} {met:?}");
            let wishes = store.desired_models().await.unwrap();
            let all = wishes.len() as u64 == number && wishes.iter().all(|wish| wish.version == number);
            assert!(all, "round {number} on {address}: {wishes:?}");
        }
    }
}
