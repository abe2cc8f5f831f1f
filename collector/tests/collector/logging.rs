//! What libraries warn of reaches the log of the program, with where it comes from; a filter chooses.

use std::{io::Write as _, net::TcpStream};

use oddline_collector::store::DatabaseAddress;
use oddline_core::topic::Channel;
use oddline_testkit::{free_port, waiting::until_async};

use crate::{
    entries::{epoch, who},
    fleet::Agent,
    program::{Program, config},
};

/// A broker's warning (rmqtt, with the words of rustls in it) and the database's.
#[tokio::test(flavor = "multi_thread")]
async fn warnings_of_broker_tls_and_sql_are_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("collector.db");
    let (tls, plain) = (free_port(), free_port());
    let text = |port: u16, more: &str| {
        config(&DatabaseAddress::Sqlite(file.clone()), &format!("[embedded]\nlisten = '127.0.0.1:{port}'\n{more}"))
    };
    let state = folder.path().join("state");
    let mut program =
        Program::new(folder.path(), &format!("state = '{}'\n{}", state.display(), text(tls, "names = ['localhost']")));
    program.up();
    until_async("it is at work", || program.log(), async || program.log().contains("connected to the broker")).await;
    let told = async || {
        // No TLS at all.
        let mut stranger = TcpStream::connect(("127.0.0.1", tls)).unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let told = |line: &str| line.starts_with("WARN rmqtt") && line.contains("TLS accept error");
        program.log().lines().any(told)
    };
    until_async("the broker's warning is told", || program.log(), told).await;
    assert_eq!(program.terminate().await, 0, "{}", program.log());

    let mut program = Program::new(folder.path(), &text(plain, ""));
    program.up();
    let mut pi = Agent::connect(who("home", "pi"), epoch(1), plain, false);
    pi.connected().await;
    // A statement that takes its time by itself: sqlx does not look at waits for a lock.
    let other = rusqlite::Connection::open(&file).unwrap();
    let slow = "CREATE TABLE many (x INTEGER);
        WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 9000) INSERT INTO many SELECT x FROM n;
        CREATE TRIGGER slow AFTER UPDATE ON agents
        BEGIN SELECT count(*) FROM many a, many b WHERE a.x + b.x > 0; END;";
    other.execute_batch(slow).unwrap();
    pi.say(Channel::Status, r#"{"state":"down"}"#.to_owned()).await;
    let slow = async || program.log().lines().any(|line| line.starts_with("WARN sqlx::query: slow statement"));
    until_async("the slow statement is told", || program.log(), slow).await;
    assert_eq!(program.terminate().await, 0, "{}", program.log());
}
