//! A session against a broker of a few bytes: what happens on the connection, and when it is made again.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use oddline_link::{
    client_id,
    secrets::SecretFiles,
    session::{
        MqttSession,
        message::{ConnectionEvent, OutgoingMessage},
        profile::{SessionKind, SessionProfile},
    },
    settings::{BrokerAccess, LinkSettings},
};
use tokio::time::timeout;

/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];
/// Session taken over.
const DISCONNECT: [u8; 4] = [0xe0, 2, 0x8e, 0];

/// The next packet's bytes after its length, which is less than 128.
fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut rest = vec![0; head[1].into()];
    stream.read_exact(&mut rest).unwrap();
    rest
}

/// Takes one connection and its subscription, then says that another client has taken the session over.
fn broker() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        packet(&mut stream);
        stream.write_all(&CONNACK).unwrap();
        let subscribe = packet(&mut stream);
        stream.write_all(&[0x90, 4, subscribe[0], subscribe[1], 0, 1]).unwrap();
        stream.write_all(&DISCONNECT).unwrap();
        // Closed when the client has read it.
        while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
    });
    port
}

#[tokio::test]
async fn a_session_that_was_taken_over_says_so_and_comes_back_late() {
    let port = broker();
    let settings = LinkSettings {
        broker: format!("mqtt://127.0.0.1:{port}").parse().unwrap(),
        client_id: client_id::of(&"home".parse().unwrap(), &"pi".parse().unwrap()),
        access: BrokerAccess::Files(SecretFiles::default()),
        jitter_seed: 1,
    };
    let will = OutgoingMessage { topic: "down".to_owned(), payload: Vec::new(), retain: true };
    let kind = SessionKind::Clean { will };
    let profile = SessionProfile { kind, inflight_max: 8, commands_max: 8, wait_max: Duration::from_secs(1) };
    let mut session = MqttSession::start(settings, profile, vec!["ack".to_owned()]);
    assert!(matches!(timeout(PATIENCE, session.next()).await.unwrap(), ConnectionEvent::Up));
    let ConnectionEvent::Down { reason, retry_in } = timeout(PATIENCE, session.next()).await.unwrap() else { panic!() };
    assert_eq!(
        reason,
        format!(
            "broker mqtt://127.0.0.1:{port}: another client uses the name home/pi (session taken over): give one of the \
             two another name"
        )
    );
    assert!(retry_in >= Duration::from_secs(15), "{retry_in:?}");
}
