//! Several collectors on one PostgreSQL: fleets spread over them, and those of a dead one move.

use std::{fs, time::Duration};

use tokio::time::{Instant, timeout};

use oddline_collector::store::{DatabaseAddress, OpenMode, Store};
use oddline_core::topic::Channel;
use oddline_testkit::waiting::until_async;

use crate::{
    entries::{epoch, postgres, who},
    fleet::Agent,
    program::{Program, check, config, open_broker},
};

const FLEETS: [&str; 4] = ["home", "work", "lab", "shop"];

#[tokio::test(flavor = "multi_thread")]
async fn the_fleets_of_a_dead_collector_move_and_nothing_is_lost() {
    let test = "fleets: two collectors";
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = open_broker(test, folder.path()) else { return };
    let Some(address) = postgres(test) else { return };
    let collector = |name: &str| {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let text = format!("name = '{name}'\n");
        let broker = format!("[broker]\nurl = 'mqtt://127.0.0.1:{}'", broker.port());
        let mut program = Program::new(&folder, &(text + &config(&address, &broker)));
        program.up();
        program
    };
    let mut first = collector("collector-a");
    let mut agents: Vec<Agent> =
        FLEETS.iter().map(|fleet| Agent::connect(who(fleet, "pi"), epoch(1), broker.port(), false)).collect();
    for agent in &mut agents {
        agent.connected().await;
        let birth = r#"{"fleet":"FLEET","agent":"pi","epoch":"1","oldest":1}"#;
        agent.say(Channel::Birth, birth.replace("FLEET", agent.who.fleet.as_str())).await;
    }
    let ours =
        |program: &Program| FLEETS.iter().filter(|f| program.log().contains(&format!("fleet {f} is ours"))).count();
    until_async("one has all", || first.log(), async || ours(&first) == 4).await;
    let mut second = collector("collector-b");
    until_async("they share", || first.log() + &second.log(), async || ours(&second) == 2).await;
    let logs = |first: &Program, second: &Program| format!("{}\n--\n{}", first.log(), second.log());

    let deliver = async |agents: &mut Vec<Agent>, last: u64| {
        let all = futures_util::future::join_all(agents.iter_mut().map(|agent| agent.deliver(last)));
        timeout(Duration::from_secs(60), all).await.is_ok()
    };
    assert!(deliver(&mut agents, 200).await, "{}", logs(&first, &second));
    first.kill();
    let began = Instant::now();
    assert!(deliver(&mut agents, 400).await, "{}", logs(&first, &second));
    println!("the fleets of a killed collector were stored again after {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(ours(&second), 4, "{}", second.log());

    // It comes back and gets its share.
    first.up();
    let share = async || second.log().matches("no longer ours").count() == 2;
    until_async("the share moves back", || logs(&first, &second), share).await;
    assert!(deliver(&mut agents, 600).await, "{}", logs(&first, &second));
    assert_eq!((first.terminate().await, second.terminate().await), (0, 0));
    check(&address, &agents, 600).await;
}

fn birth(fleet: &str) -> String {
    format!(r#"{{"fleet":"{fleet}","agent":"pi","epoch":"1","oldest":1}}"#)
}

/// A broker elsewhere may let anybody say anything.
#[tokio::test(flavor = "multi_thread")]
async fn fleets_that_are_not_served_are_not_stored() {
    let test = "fleets: served";
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = open_broker(test, folder.path()) else { return };
    let address = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
    let outside = format!("fleets = ['home']\n[broker]\nurl = 'mqtt://127.0.0.1:{}'", broker.port());
    let mut program = Program::new(folder.path(), &config(&address, &outside));
    program.up();
    let mut home = Agent::connect(who("home", "pi"), epoch(1), broker.port(), false);
    home.connected().await;
    home.say_as(&who("shop", "pi"), Channel::Birth, birth("shop")).await;
    until_async("it is told", || program.log(), async || program.log().contains("does not serve the fleet")).await;
    let delivered = timeout(Duration::from_secs(60), home.deliver(100)).await;
    assert!(delivered.is_ok(), "{}", program.log());
    assert!(!program.ask(&["agents"]).contains("shop"));
    assert_eq!(program.terminate().await, 0, "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_invents_fleets_without_end() {
    let test = "fleets: invented";
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = open_broker(test, folder.path()) else { return };
    let address = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
    let outside = format!("[broker]\nurl = 'mqtt://127.0.0.1:{}'", broker.port());
    let mut program = Program::new(folder.path(), &config(&address, &outside));
    program.up();
    let mut home = Agent::connect(who("home", "pi"), epoch(1), broker.port(), false);
    assert!(timeout(Duration::from_secs(60), home.deliver(100)).await.is_ok(), "{}", program.log());
    for n in 0..600 {
        let fleet = format!("fleet-{n}");
        home.say_as(&who(&fleet, "pi"), Channel::Birth, birth(&fleet)).await;
    }
    until_async("it is told", || program.log(), async || program.log().contains("512 fleets are known")).await;
    assert!(timeout(Duration::from_secs(60), home.deliver(200)).await.is_ok(), "{}", program.log());
    assert_eq!(program.log().matches("512 fleets are known").count(), 1);
    assert_eq!(program.terminate().await, 0, "{}", program.log());
    let store = Store::open(&address, OpenMode::Use).await.unwrap();
    assert_eq!(store.agents().await.unwrap().len(), 512);
    store.close().await;
    // All of them are listened to from the start.
    program.up();
    assert!(timeout(Duration::from_secs(60), home.deliver(300)).await.is_ok(), "{}", program.log());
    assert_eq!(program.terminate().await, 0, "{}", program.log());
}
