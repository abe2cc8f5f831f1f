//! TLS with certificates of the fleet's own authority: who comes in, as whom, and who does not.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use oddline_collector::{
    broker::{BrokerLimits, BrokerSettings, EmbeddedBroker, ServedFleets, Tls},
    enroll::{Authority, Bundle, BundleRenewal, Request, ServerFiles},
};
use oddline_core::topic::Channel;
use rumqttc::{MqttOptions, PubAckReason, SubscribeReasonCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::client::{Client, PATIENCE, Papers, collector, named, options, topic, until, with_tls, with_will};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[expect(clippy::disallowed_methods, reason = "TLS compares with the wall clock, so the certificates must")]
fn now() -> SystemTime {
    SystemTime::now()
}

struct Place {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path().join("authority"), now()).unwrap();
        Self { dir, authority }
    }

    fn enroll(&self, agent: &str, fleet: &str, out: &str, now: SystemTime) -> Bundle {
        let request = Request {
            agent: agent.parse().unwrap(),
            fleet: fleet.parse().unwrap(),
            broker: "mqtts://localhost:8883".to_owned(),
            trusted_keys: Vec::new(),
        };
        self.authority.enroll(&request, &self.dir.path().join(out), now).unwrap()
    }

    fn papers(&self, agent: &str) -> Papers {
        papers(&self.enroll(agent, "home", "out", now()).folder)
    }

    fn server(&self, name: &str) -> ServerFiles {
        self.authority.server(&[name.to_owned()], now()).unwrap()
    }

    async fn broker(&self, limits: BrokerLimits) -> EmbeddedBroker {
        let files = self.server("localhost");
        EmbeddedBroker::start(settings(files, limits)).await.unwrap()
    }
}

fn settings(files: ServerFiles, limits: BrokerLimits) -> BrokerSettings {
    let ServerFiles { certificate, key, ca, revoked, .. } = files;
    let tls = Tls { certificate, key, client_ca: ca, revoked: Some(revoked) };
    // Beyond loopback: with TLS it may.
    BrokerSettings { listen: ([0, 0, 0, 0], 0).into(), tls: Some(tls), fleets: ServedFleets::Every, limits }
}

fn papers(folder: &Path) -> Papers {
    let read = |name: &str| fs::read(folder.join("tls").join(name)).unwrap();
    Papers { ca: read("ca.pem"), own: Some((read("agent.pem"), read("agent.key"))) }
}

fn at(broker: &EmbeddedBroker) -> std::net::SocketAddr {
    ([127, 0, 0, 1], broker.local_addr().port()).into()
}

fn secure(broker: &EmbeddedBroker, id: &str, papers: &Papers) -> MqttOptions {
    with_tls(options(id, at(broker)), papers)
}

async fn come(broker: &EmbeddedBroker, id: &str, papers: &Papers) -> Result<Client, String> {
    Client::connect(secure(broker, id, papers)).await
}

#[tokio::test]
async fn a_certificate_names_its_agent() {
    let place = Place::new();
    let broker = place.broker(BrokerLimits::default()).await;
    let mut ear = collector(broker.login()).await;
    ear.listen(&Channel::Events.of_all()).await;
    let papers = place.papers("pi");
    let mut pi = come(&broker, "oddline_home_pi", &papers).await.unwrap();
    assert_eq!(pi.publish(&topic("pi", "events"), "mine", false).await, PubAckReason::Success);
    assert_eq!(ear.message().await.payload, b"mine");
    for others in [topic("web", "events"), "oddline/v1/shop/pi/events".to_owned()] {
        assert_eq!(pi.publish(&others, "x", false).await, PubAckReason::NotAuthorized, "{others}");
    }
    assert_eq!(pi.subscribe(&topic("web", "ack")).await, SubscribeReasonCode::NotAuthorized);
    let models = |fleet| format!("oddline/v1/{fleet}/_models/{}", "ab".repeat(32));
    pi.listen(&models("home")).await;
    assert_eq!(pi.subscribe(&models("shop")).await, SubscribeReasonCode::NotAuthorized);

    // What it says of itself counts for nothing.
    let mut claims = secure(&broker, "oddline_home_pi", &papers);
    claims.set_credentials("web", "");
    let mut claims = Client::connect(claims).await.unwrap();
    assert_eq!(claims.publish(&topic("web", "events"), "x", false).await, PubAckReason::NotAuthorized);
    assert_eq!(claims.publish(&topic("pi", "events"), "x", false).await, PubAckReason::Success);
    let mut claims = secure(&broker, "collector-1", &papers);
    claims.set_credentials("collector", broker.login().password.clone());
    assert!(Client::connect(claims).await.err().unwrap().contains("NotAuthorized"), "the secret is for loopback");
    assert!(come(&broker, "oddline_home_web", &papers).await.err().unwrap().contains("NotAuthorized"));
    let will = with_will(secure(&broker, "oddline_home_pi", &papers), &topic("web", "status"));
    assert!(Client::connect(will).await.err().unwrap().contains("NotAuthorized"));
}

/// Fleet and name joined by a dash are one text for both.
#[tokio::test]
async fn no_agent_takes_a_session_that_is_not_its_own() {
    let place = Place::new();
    let broker = place.broker(BrokerLimits::default()).await;
    let mut speaker = collector(broker.login()).await;
    let victim = papers(&place.enroll("x-y", "home", "victim", now()).folder);
    let rival = papers(&place.enroll("y", "home-x", "rival", now()).folder);
    let mut first = come(&broker, "oddline_home_x-y", &victim).await.unwrap();
    let ack = "oddline/v1/home/x-y/ack";
    first.listen(ack).await;
    for id in ["oddline_home_x-y", "oddline-home-x-y", "oddline-home-x_y", "x-y", "y", "oddline_home-x_x-y"] {
        let mut options = secure(&broker, id, &rival);
        for clean in [true, false] {
            options.set_clean_start(clean);
            let why = Client::connect(options.clone()).await.err().unwrap_or_else(|| panic!("{id} came in"));
            assert!(why.contains("NotAuthorized"), "{id}: {why}");
        }
    }
    let _other = come(&broker, "oddline_home-x_y", &rival).await.unwrap();
    assert_eq!(speaker.publish(ack, "for x-y", false).await, PubAckReason::Success);
    assert_eq!(first.message().await.payload, b"for x-y");

    // Nor does a later certificate of the same name: it begins anew.
    let renewal = BundleRenewal { agent: "x-y".parse().unwrap(), fleet: None, broker: None, trusted_keys: Vec::new() };
    let later = papers(&place.authority.renew(&renewal, &place.dir.path().join("later"), now()).unwrap().folder);
    let mut options = secure(&broker, "oddline_home_x-y", &later);
    options.set_clean_start(false);
    assert!(Client::connect(options).await.err().unwrap().contains("NotAuthorized"));
    assert!(first.is_served("oddline/v1/home/x-y/status").await);
    let mut again = come(&broker, "oddline_home_x-y", &later).await.unwrap();
    speaker.publish(ack, "missed", false).await;
    again.listen(ack).await;
    speaker.publish(ack, "heard", false).await;
    assert_eq!(again.message().await.payload, b"heard");
}

#[tokio::test]
async fn without_a_certificate_of_this_authority_nobody_comes_in() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let broker = place.broker(BrokerLimits::default()).await;
    let good = place.papers("pi");
    let refused = async |what: &str, papers: &Papers| {
        let why = come(&broker, "oddline_home_pi", papers).await.err().unwrap_or_else(|| panic!("{what} came in"));
        println!("{what}: {why}");
        why
    };
    let with = |own| Papers { ca: good.ca.clone(), own };
    assert!(refused("no certificate", &with(None)).await.contains("CertificateRequired"));
    let stranger = elsewhere.papers("pi");
    assert!(refused("another authority's", &with(stranger.own.clone())).await.contains("UnknownCA"));
    let expired = papers(&place.enroll("old", "home", "out", now() - DAY * 800).folder);
    assert!(refused("expired", &with(expired.own)).await.contains("CertificateExpired"));
    // A clock that is behind, here or where it was made, is no reason: it counts from 1970 on.
    let early = papers(&place.enroll("early", "home", "out", now() + DAY * 30).folder);
    drop(come(&broker, "oddline_home_early", &early).await.unwrap());
    let server = place.server("localhost");
    let own = (fs::read(&server.certificate).unwrap(), fs::read(&server.key).unwrap());
    assert!(refused("the broker's own", &with(Some(own))).await.contains("UnsupportedCertificate"));
    let (certificate, key) = place.authority.collector(now()).unwrap();
    let why = refused("the collector's, for brokers outside", &with(Some((certificate.into(), key.into())))).await;
    assert!(why.contains("NotAuthorized"), "{why}");
    // And the agent does not take another broker's.
    let fooled = Papers { ca: stranger.ca, own: good.own.clone() };
    assert!(refused("a broker it does not know", &fooled).await.contains("UnknownIssuer"));
    // No TLS at all.
    let why = Client::connect(named(at(&broker), "pi")).await.err().unwrap();
    println!("plain: {why}");

    let mut pi = come(&broker, "oddline_home_pi", &good).await.unwrap();
    assert!(pi.is_served(&topic("pi", "events")).await);
    assert_eq!(broker.figures().connections, 1);
}

#[tokio::test]
async fn a_revoked_agent_is_cut_stays_out_and_can_be_enrolled_again() {
    let place = Place::new();
    let broker = place.broker(BrokerLimits::default()).await;
    let (lost, kept) = (place.papers("pi"), place.papers("web"));
    let mut pi = come(&broker, "oddline_home_pi", &lost).await.unwrap();
    let mut web = come(&broker, "oddline_home_web", &kept).await.unwrap();
    assert!(pi.is_served(&topic("pi", "events")).await);
    place.authority.revoke(&"pi".parse().unwrap(), now()).unwrap();
    // Nobody tells the broker: it looks at the list.
    println!("cut: {}", pi.end().await);
    let why = come(&broker, "oddline_home_pi", &lost).await.err().unwrap();
    assert!(why.contains("NotAuthorized"), "{why}");
    assert!(web.is_served(&topic("web", "events")).await);

    let again = papers(&place.enroll("pi", "home", "again", now()).folder);
    let mut pi = come(&broker, "oddline_home_pi", &again).await.unwrap();
    assert!(pi.is_served(&topic("pi", "events")).await);
    assert!(come(&broker, "oddline_home_pi", &lost).await.is_err());
    assert!(pi.is_served(&topic("pi", "events")).await, "the old certificate did not end the new one's session");

    // A broker that starts later knows it from the start.
    broker.stop().await;
    let broker = place.broker(BrokerLimits::default()).await;
    assert!(come(&broker, "oddline_home_pi", &lost).await.is_err());
    assert!(come(&broker, "oddline_home_pi", &again).await.is_ok());
}

#[tokio::test]
async fn a_list_that_cannot_be_read_lets_nobody_in_by_guess() {
    let place = Place::new();
    let broker = place.broker(BrokerLimits::default()).await;
    let bundle = place.enroll("pi", "home", "out", now());
    let papers = papers(&bundle.folder);
    place.authority.revoke(&"pi".parse().unwrap(), now()).unwrap();
    let list = place.server("localhost").revoked;
    broker.revoke(&list).unwrap();
    fs::write(&list, "spoilt by hand\n").unwrap();
    assert!(broker.revoke(&list).is_err());
    until("it is said", || broker.figures().is_revoked_list_bad).await;
    assert!(come(&broker, "oddline_home_pi", &papers).await.err().unwrap().contains("NotAuthorized"));
    let error = EmbeddedBroker::start(settings(place.server("localhost"), BrokerLimits::default())).await.unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");

    // Mended, and then lost.
    fs::write(&list, "# nobody at all\n").unwrap();
    until("it is taken up", || !broker.figures().is_revoked_list_bad).await;
    let mut pi = come(&broker, "oddline_home_pi", &papers).await.unwrap();
    fs::write(&list, format!("{} pi\n", bundle.serial)).unwrap();
    pi.end().await;
    fs::remove_file(&list).unwrap();
    until("it is said", || broker.figures().is_revoked_list_bad).await;
    assert!(come(&broker, "oddline_home_pi", &papers).await.err().unwrap().contains("NotAuthorized"));
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_nobody_is_cut() {
    let place = Place::new();
    let papers = place.papers("pi");
    let web = place.papers("web");
    let files = place.server("old.example");
    let broker = EmbeddedBroker::start(settings(files, BrokerLimits::default())).await.unwrap();
    // The client checks the name: only the certificate that comes is for "localhost".
    let why = come(&broker, "oddline_home_pi", &papers).await.err().unwrap();
    assert!(why.contains("NotValidForName"), "{why}");
    place.server("localhost");
    broker.renew().await.unwrap();
    let mut pi = come(&broker, "oddline_home_pi", &papers).await.unwrap();
    place.server("third.example");
    broker.renew().await.unwrap();
    assert!(pi.is_served(&topic("pi", "events")).await);
    assert!(come(&broker, "oddline_home_pi", &papers).await.is_err());

    // Files that are no good leave the old ones.
    let files = place.server("localhost");
    broker.renew().await.unwrap();
    fs::write(&files.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    println!("{}", broker.renew().await.unwrap_err());
    assert!(broker.figures().is_certificate_bad);
    assert!(come(&broker, "oddline_home_web", &web).await.is_ok());

    // Nobody tells the broker: it looks.
    place.server("fourth.example");
    until("it is taken up", || !broker.figures().is_certificate_bad).await;
    assert!(come(&broker, "oddline_home_pi", &papers).await.err().unwrap().contains("NotValidForName"));
    assert!(pi.is_served(&topic("pi", "events")).await);
}

#[tokio::test]
async fn silent_and_half_spoken_tls_costs_nobody_else_anything() {
    let place = Place::new();
    let limits = BrokerLimits { admit_within: Duration::from_secs(3), half_open: 200, ..BrokerLimits::default() };
    let broker = place.broker(limits).await;
    let papers = place.papers("pi");
    let mut lurking = Vec::new();
    for i in 0..600 {
        let mut stream = TcpStream::connect(at(&broker)).await.unwrap();
        if i % 2 == 0 {
            // The start of a ClientHello.
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        }
        lurking.push(stream);
    }
    let mut pi = come(&broker, "oddline_home_pi", &papers).await.unwrap();
    assert!(pi.is_served(&topic("pi", "events")).await);
    until("the silent ones are gone", || broker.figures().half_open == 0).await;
    for mut stream in lurking {
        let mut rest = Vec::new();
        let _closed = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is left open");
    }
    assert!(pi.is_served(&topic("pi", "events")).await);
}

/// The authority's certificate is made again for its key, and is the same to everybody who knew it.
#[tokio::test]
async fn a_lost_certificate_of_the_authority_locks_nobody_out() {
    let place = Place::new();
    let before = place.papers("pi");
    let folder = place.dir.path().join("authority");
    let lost = fs::read(folder.join("ca.pem")).unwrap();
    fs::remove_file(folder.join("ca.pem")).unwrap();
    let authority = Authority::open(&folder, now()).unwrap();
    assert_ne!(fs::read(folder.join("ca.pem")).unwrap(), lost);
    let place = Place { authority, ..place };
    // Its own certificate is new, too.
    let broker = place.broker(BrokerLimits::default()).await;
    let mut pi = come(&broker, "oddline_home_pi", &before).await.unwrap();
    assert!(pi.is_served(&topic("pi", "events")).await);
    let after = place.papers("web");
    let mut web = come(&broker, "oddline_home_web", &after).await.unwrap();
    assert!(web.is_served(&topic("web", "events")).await);
    // What was made before and after goes together.
    let mixed = Papers { ca: before.ca, own: after.own };
    assert!(come(&broker, "oddline_home_web", &mixed).await.is_ok());
}

/// The library's plain listener is the collector's alone. The system hands one local port to several connections that
/// lead to different listeners, so among hundreds of half-open connections through the gate a direct one soon has the
/// port of one of them; by then it must take more than that to come in.
#[tokio::test]
async fn no_name_is_believed_on_the_inner_listener() {
    let place = Place::new();
    let broker = place.broker(BrokerLimits::default()).await;
    let mut half_open = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(at(&broker)).await.unwrap();
        stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        half_open.push(stream);
    }
    until("they wait", || broker.figures().half_open == 200).await;
    // A CONNECT of MQTT 5 as oddline_home_pi.
    let id = b"oddline_home_pi";
    let mut connect = b"\x10\x1c\x00\x04MQTT\x05\x02\x00\x1e\x00\x00\x0f".to_vec();
    connect.extend(id);
    for attempt in 0..600 {
        let mut stream = TcpStream::connect(broker.login().address).await.unwrap();
        stream.write_all(&connect).await.unwrap();
        let mut ack = [0; 4];
        timeout(PATIENCE, stream.read_exact(&mut ack)).await.unwrap().unwrap();
        assert_eq!(ack[0], 0x20, "CONNACK");
        assert_ne!(ack[3], 0, "attempt {attempt} came in without a certificate");
    }
    let mut named = named(broker.login().address, "pi");
    named.set_credentials("pi", "");
    assert!(Client::connect(named).await.err().unwrap().contains("NotAuthorized"));
    collector(broker.login()).await.goodbye().await;
}
