//! Clients that mean no good, or know no better: the well-behaved one beside them goes on.

use std::{
    io::{ErrorKind, Write as _},
    net::SocketAddr,
    time::{Duration, Instant},
};

use oddline_collector::broker::{BrokerLimits, EmbeddedBroker};
use oddline_core::topic::Channel;
use oddline_testkit::{Random, waiting::pass_async};
use rumqttc::{LastWill, PubAckReason, QoS};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::client::{Client, PATIENCE, agent, broker, collector, named, settings, topic, until};

/// Waits until the broker has closed it; what it said before.
async fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    match timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is left open") {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    rest
}

async fn say(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// A CONNECT of MQTT 5 for a client `oddline_home_NAME`.
fn connect(name: &str) -> Vec<u8> {
    let id = format!("oddline_home_{name}");
    let mut body = b"\x00\x04MQTT\x05\x02\x00\x1e\x00".to_vec();
    body.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
    body.extend(id.as_bytes());
    let mut packet = vec![0x10, u8::try_from(body.len()).unwrap()];
    packet.extend(body);
    packet
}

#[tokio::test]
async fn thousands_of_half_open_connections_leave_it_working() {
    let half_open = 5_000_u64;
    let limits = BrokerLimits { admit_within: Duration::from_secs(5), half_open: 500, ..BrokerLimits::default() };
    let broker = EmbeddedBroker::start(settings(limits)).await.unwrap();
    let mut ear = collector(broker.login()).await;
    ear.listen(&Channel::Events.of_all()).await;
    let mut pi = agent(&broker, "pi").await;
    let address = broker.local_addr();
    let mut lurking = Vec::new();
    let (mut slowest, mut came) = (Duration::ZERO, 0);
    for i in 0..half_open {
        // Silent, half a CONNECT, a byte of nothing in particular.
        let half_said = connect("lurker");
        let bytes = [b"".as_slice(), &half_said[..9], b"\x10"][i as usize % 3];
        // Not through the runtime, whose turns would be the longest part of it.
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(bytes).unwrap();
        lurking.push(stream);
        if i % 500 == 499 {
            let began = Instant::now();
            assert!(pi.is_served(&topic("pi", "events")).await);
            assert_eq!(ear.message().await.payload, b"still here");
            // And one that comes new.
            let name = format!("new-{i}");
            let mut new = agent(&broker, &name).await;
            assert!(new.is_served(&topic(&name, "events")).await);
            assert_eq!(ear.message().await.topic, topic(&name, "events"));
            slowest = slowest.max(began.elapsed());
            came += 1;
        }
    }
    let figures = broker.figures();
    println!("{half_open} half-open connections; slowest of {came} round trips: {slowest:?}; {figures:?}");
    assert!(figures.half_open <= 500 && figures.turned_away > 0, "{figures:?}");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    // Each of them made room or ran out of time; none of the others did.
    let all = || {
        let figures = broker.figures();
        figures.half_open == 0 && figures.turned_away + figures.timed_out == half_open
    };
    until("the last of them are timed out", all).await;
    assert!(broker.figures().timed_out > 0);
    for stream in lurking {
        stream.set_nonblocking(true).unwrap();
        closed(&mut TcpStream::from_std(stream).unwrap()).await;
    }
    assert!(pi.is_served(&topic("pi", "events")).await);
}

/// Whoever is on this machine can reach what is behind the gate.
#[tokio::test]
async fn silent_strangers_past_the_gate_are_bounded_in_number_and_time() {
    let limits = BrokerLimits { admit_within: Duration::from_secs(6), ..BrokerLimits::default() };
    let broker = EmbeddedBroker::start(settings(limits)).await.unwrap();
    let inner = broker.login().address;
    let mut ear = collector(broker.login()).await;
    ear.listen(&Channel::Events.of_all()).await;
    let mut pi = agent(&broker, "pi").await;
    let began = Instant::now();
    let mut lurking = Vec::new();
    for at in 0..300 {
        let half_said = connect("lurker");
        let bytes = [b"".as_slice(), &half_said[..9], b"\x10"][at % 3];
        lurking.push(say(inner, bytes).await);
    }
    // All but a few make room at once.
    until("most of them are ended", || broker.figures().strangers >= 236).await;
    assert!(began.elapsed() < limits.admit_within, "for their number: {:?}", began.elapsed());
    for stream in &mut lurking {
        closed(stream).await;
    }
    assert!(began.elapsed() >= limits.admit_within, "the last ones for their time: {:?}", began.elapsed());
    println!("the last stranger was ended after {:?}; {:?}", began.elapsed(), broker.figures());
    // Who belongs here was not touched, and comes again.
    assert!(pi.is_served(&topic("pi", "events")).await);
    assert_eq!(ear.message().await.payload, b"still here");
    assert!(agent(&broker, "web").await.is_served(&topic("web", "events")).await);
}

#[tokio::test]
async fn malformed_packets_cost_their_sender_the_connection_and_nobody_else() {
    let broker = broker().await;
    let mut ear = collector(broker.login()).await;
    ear.listen(&Channel::Events.of_all()).await;
    let mut pi = agent(&broker, "pi").await;
    let address = broker.local_addr();
    let nonsense: Vec<u8> = (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let after_connect: [&[u8]; 7] = [
        b"\x10\x00",                                      // a second CONNECT, empty
        b"\xff\xff\xff\xff\xff\xff",                      // a length that never ends
        b"\x30\x02\x00\x09",                              // a topic longer than its packet
        b"\x32\x05\x00\x01x\x00\x00",                     // QoS 1 with packet identifier 0
        b"\x82\x02\x00\x01",                              // a SUBSCRIBE of nothing
        b"\x36\x07\x00\x01x\x00\x01\x00y",                // QoS 3
        b"\x32\x0a\x00\x04\xff\xfe\xfd\xfc\x00\x01\x00y", // a topic that is no UTF-8
    ];
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &nonsense,
        b"\x10\xff\xff\xff\x7f",
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    ] {
        closed(&mut say(address, bytes).await).await;
        assert!(pi.is_served(&topic("pi", "events")).await);
    }
    for (i, bytes) in after_connect.into_iter().enumerate() {
        let mut stream = say(address, &connect(&format!("bad-{i}"))).await;
        let mut ack = [0; 5];
        timeout(PATIENCE, stream.read_exact(&mut ack)).await.unwrap().unwrap();
        assert_eq!((ack[0], ack[3]), (0x20, 0), "CONNACK, success");
        stream.write_all(bytes).await.unwrap();
        timeout(PATIENCE, closed(&mut stream)).await.unwrap_or_else(|_| panic!("case {i}"));
        assert!(pi.is_served(&topic("pi", "events")).await);
    }
    for _ in 0..11 {
        assert_eq!(ear.message().await.payload, b"still here");
    }
}

/// Bytes that are almost right: each valid packet with some of its bytes turned into others, from a fixed seed.
#[tokio::test]
async fn packets_with_turned_bytes_hurt_nobody_else() {
    let broker = broker().await;
    let mut pi = agent(&broker, "pi").await;
    let own = topic("bad", "events");
    let length = u8::try_from(own.len()).unwrap();
    let publish = [&[0x32, length + 8, 0, length][..], own.as_bytes(), &[0, 1, 0, 1, 2, 3]].concat();
    let with_properties =
        [&[0x33, length + 13, 0, length][..], own.as_bytes(), &[0, 2, 5, 2, 0, 0, 0, 9, 1, 2, 3]].concat();
    let subscribe = [&[0x82, length + 6, 0, 3, 0, 0, length][..], own.as_bytes(), &[1]].concat();
    let unsubscribe = [&[0xa2, length + 5, 0, 4, 0, 0, length][..], own.as_bytes()].concat();
    let packets: [&[u8]; 8] = [
        &publish,
        &with_properties,
        &subscribe,
        &unsubscribe,
        b"\x40\x04\x00\x07\x10\x00",             // PUBACK
        b"\x62\x03\x00\x07\x92",                 // PUBREL
        b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00", // DISCONNECT with a session expiry
        b"\xc0\x00",                             // PINGREQ
    ];
    let mut random = Random::new(1);
    let address = broker.local_addr();
    let (mut came_in, mut answered) = (0, 0);
    for round in 0..600 {
        let mut bytes = connect("bad");
        let in_connect = round % 4 == 0;
        let start = if in_connect { 0 } else { bytes.len() };
        for _ in 0..3 {
            bytes.extend(packets[random.size_below(packets.len())]);
        }
        for _ in 0..=random.below(4) {
            let at = start + random.size_below(bytes.len() - start);
            bytes[at] = random.byte();
        }
        let mut stream = say(address, &bytes).await;
        stream.shutdown().await.unwrap();
        let heard = closed(&mut stream).await;
        came_in += u32::from(heard.starts_with(b"\x20") && heard.get(3) == Some(&0));
        answered += u32::from(heard.len() > 2 && heard.len() > 2 + usize::from(heard[1]));
        if round % 50 == 0 {
            assert!(pi.is_served(&topic("pi", "events")).await);
        }
    }
    assert!(pi.is_served(&topic("pi", "events")).await);
    println!("{came_in} of 600 came in, {answered} heard more than that");
    assert!(came_in > 300 && answered > 150);
    until("only the good one is left", || broker.figures().connections == 1).await;
}

#[tokio::test]
async fn oversize_packets_are_refused() {
    let broker = broker().await;
    let mut ear = collector(broker.login()).await;
    ear.listen(&Channel::Events.of_all()).await;
    let mut pi = agent(&broker, "pi").await;
    for (channel, max) in [("events", 256 * 1024), ("status", 64 * 1024), ("model/state", 16 * 1024)] {
        let own = topic("pi", channel);
        assert_eq!(pi.publish(&own, vec![7; max + 1], false).await, PubAckReason::QuotaExceeded, "{channel}");
        assert_eq!(pi.publish(&own, vec![7; max], false).await, PubAckReason::Success, "{channel}");
    }
    assert_eq!(ear.message().await.payload.len(), 256 * 1024);

    // The header alone tells; the broker does not wait for the rest.
    let address = broker.local_addr();
    let mut stream = say(address, &connect("big")).await;
    let mut ack = [0; 5];
    timeout(PATIENCE, stream.read_exact(&mut ack)).await.unwrap().unwrap();
    stream.write_all(b"\x32\xff\xff\xff\x7f\x00\x01x").await.unwrap();
    closed(&mut stream).await;
    assert!(pi.is_served(&topic("pi", "events")).await);
}

#[tokio::test]
async fn no_more_agents_come_in_than_may() {
    let broker =
        EmbeddedBroker::start(settings(BrokerLimits { connections: 5, ..BrokerLimits::default() })).await.unwrap();
    let mut inside = Vec::new();
    for i in 0..5 {
        inside.push(agent(&broker, &format!("pi-{i}")).await);
    }
    let why = Client::connect(named(broker.local_addr(), "late")).await.err().unwrap();
    println!("the sixth: {why}");
    assert_eq!(broker.figures().connections, 5);
    // The collector always finds room.
    collector(broker.login()).await.goodbye().await;
    inside.pop().unwrap().goodbye().await;
    until("one has left", || broker.figures().connections == 4).await;
    let mut late = agent(&broker, "late").await;
    assert!(late.is_served(&topic("late", "events")).await);
}

/// Whoever sends as fast as it can is slowed down; the one beside it does not notice.
#[tokio::test]
async fn one_loud_agent_does_not_drown_the_others() {
    let limits = BrokerLimits { agent_bytes_per_s: 2 * 1024 * 1024, ..BrokerLimits::default() };
    let broker = EmbeddedBroker::start(settings(limits)).await.unwrap();
    let mut pi = agent(&broker, "pi").await;
    let mut loud = agent(&broker, "loud").await;
    let began = Instant::now();
    let shouting = tokio::spawn(async move {
        for _ in 0..24 {
            loud.publish(&topic("loud", "events"), vec![7; 256 * 1024], false).await;
        }
        began.elapsed()
    });
    let (mut slowest, mut asked) = (Duration::ZERO, 0);
    while !shouting.is_finished() {
        let began = Instant::now();
        assert!(pi.is_served(&topic("pi", "events")).await);
        slowest = slowest.max(began.elapsed());
        asked += 1;
    }
    let took = shouting.await.unwrap();
    println!("6 MiB in {took:?}; beside it {asked} messages, the slowest in {slowest:?}");
    // Two megabytes at once, the other four in two seconds.
    assert!(took > Duration::from_millis(1_500), "{took:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

/// What is said at most once is under nobody's receive maximum: a collector would get more than it takes.
#[tokio::test]
async fn what_agents_say_at_most_once_goes_nowhere() {
    let broker = broker().await;
    let mut ear = collector(broker.login()).await;
    ear.listen(&Channel::Events.of_all()).await;
    let mut pi = agent(&broker, "pi").await;
    for _ in 0..1_000 {
        pi.shout(&topic("pi", "events"), "x").await;
    }
    assert!(pi.is_served(&topic("pi", "events")).await, "it costs no connection");
    assert_eq!(ear.message().await.payload, b"still here");
    assert_eq!(broker.figures().publishes_refused, 1_000);
    let will = LastWill::new(topic("pi", "status"), "down", QoS::AtMostOnce, true, None);
    let mut wills = named(broker.local_addr(), "pi");
    wills.set_last_will(will);
    assert!(Client::connect(wills).await.err().unwrap().contains("NotAuthorized"));
    // The collector's own answers are such.
    pi.listen(&topic("pi", "ack")).await;
    ear.shout(&topic("pi", "ack"), "acked").await;
    assert_eq!(pi.message().await.payload, b"acked");
}

/// Whoever takes nothing is cut when its part of the memory is full.
#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let broker = broker().await;
    let mut deaf = say(broker.local_addr(), &connect("deaf")).await;
    let mut ack = [0; 5];
    timeout(PATIENCE, deaf.read_exact(&mut ack)).await.unwrap().unwrap();
    let filter = topic("deaf", "ack");
    let mut subscribe = vec![0x82, u8::try_from(filter.len() + 6).unwrap(), 0, 1, 0, 0];
    subscribe.push(u8::try_from(filter.len()).unwrap());
    subscribe.extend(filter.as_bytes());
    subscribe.push(1);
    deaf.write_all(&subscribe).await.unwrap();
    let mut ear = collector(broker.login()).await;
    let mut said = 0;
    until("it is connected", || broker.figures().connections == 1).await;
    let began = Instant::now();
    while broker.figures().connections == 1 {
        assert!(began.elapsed() < PATIENCE, "it is still there");
        if said < 40 {
            ear.publish(&topic("deaf", "ack"), vec![7; 1_000_000], false).await;
            said += 1;
        }
        pass_async(Duration::from_millis(20)).await;
    }
    println!("cut after {:?} and {said} MB", began.elapsed());
    assert!(agent(&broker, "pi").await.is_served(&topic("pi", "events")).await);
}

/// A collector that hears nobody for a while loses what no longer fits in its queue, is told by the figures, and goes
/// on; the agents' spools send it again.
#[tokio::test]
async fn a_collector_that_does_not_take_anything_costs_bounded_memory() {
    let limits = BrokerLimits { collector_queue: 100, ..BrokerLimits::default() };
    let broker = EmbeddedBroker::start(settings(limits)).await.unwrap();
    let mut options = super::client::options("collector-slow", broker.login().address);
    options
        .set_credentials(broker.login().user.clone(), broker.login().password.clone())
        .set_receive_maximum(Some(10))
        .set_ack_mode(rumqttc::AckMode::Manual);
    let mut ear = Client::connect(options).await.unwrap();
    ear.listen(&Channel::Events.of_all()).await;
    let mut pi = agent(&broker, "pi").await;
    for i in 0..500_u32 {
        assert_eq!(pi.publish(&topic("pi", "events"), i.to_string(), false).await, PubAckReason::Success);
    }
    until("the rest is dropped", || broker.figures().dropped >= 390).await;
    assert_eq!(broker.figures().dropped, 390, "10 on their way, 100 waiting");
    for i in 0..10_u32 {
        assert_eq!(ear.message().await.payload, i.to_string().as_bytes());
    }
    assert!(pi.is_served(&topic("pi", "events")).await);
}
