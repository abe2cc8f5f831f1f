//! Several collectors on one PostgreSQL: fleets spread over them, and those of a dead one move.

use std::{fs, time::Duration};

use tokio::time::{Instant, timeout};

use oddline_core::topic::Channel;

use crate::{
    entries::{epoch, who},
    fleet::Agent,
    mosquitto::Mosquitto,
    program::{Program, check, config, until},
};

const FLEETS: [&str; 4] = ["home", "work", "lab", "shop"];

#[tokio::test(flavor = "multi_thread")]
async fn the_fleets_of_a_dead_collector_move_and_nothing_is_lost() {
    let test = "fleets: two collectors";
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(test, folder.path()) else { return };
    let Some(address) = crate::postgres::database(test) else { return };
    let collector = |name: &str| {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let text = format!("name = '{name}'\n");
        let broker = format!("[broker]\nurl = 'mqtt://127.0.0.1:{}'", broker.port);
        let mut program = Program::new(&folder, &(text + &config(&address, &broker)));
        program.up();
        program
    };
    let mut first = collector("collector-a");
    let mut agents: Vec<Agent> =
        FLEETS.iter().map(|fleet| Agent::connect(who(fleet, "pi"), epoch(1), broker.port, false)).collect();
    for agent in &mut agents {
        agent.connected().await;
        let birth = r#"{"fleet":"FLEET","agent":"pi","epoch":"1","oldest":1}"#;
        agent.say(Channel::Birth, birth.replace("FLEET", agent.who.fleet.as_str())).await;
    }
    let ours =
        |program: &Program| FLEETS.iter().filter(|f| program.log().contains(&format!("fleet {f} is ours"))).count();
    until("one has all", || first.log(), async || ours(&first) == 4).await;
    let mut second = collector("collector-b");
    until("they share", || first.log() + &second.log(), async || ours(&second) == 2).await;
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
    until("the share moves back", || logs(&first, &second), share).await;
    assert!(deliver(&mut agents, 600).await, "{}", logs(&first, &second));
    assert_eq!((first.terminate().await, second.terminate().await), (0, 0));
    check(&address, &agents, 600).await;
}
