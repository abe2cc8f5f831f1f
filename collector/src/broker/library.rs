//! The MQTT library, put together: its listeners, its hooks, its bounds. What is decided is decided in [`super::acl`],
//! [`super::gate`] and [`super::retained`]; here their answers become the library's. With [`super::retain`] and
//! [`super::fit`] the only importer of rmqtt; none of its types leave the folder.
//!
//! What it does not do by itself, and where it is done instead:
//! - a CONNECT that never comes: the gate, and [`super::strangers`] for who does not come through it;
//! - retained messages (its default store keeps nothing): [`super::retain`];
//! - access rules for last wills: checked at CONNECT, where the will is told;
//! - client identifiers, whose owner a second comer throws out: checked at CONNECT.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rmqtt::{
    codec::{
        types::QoS,
        v5::{PublishAckReason, SubscribeAckReason},
    },
    context::ServerContext,
    hook::{Handler, HookResult, Parameter, ReturnType, Type},
    net::{Builder, Listener},
    server::MqttServer,
    types::{
        AuthResult, ConnectInfo, LastWill, ListenerId, Publish, PublishAclResult, PublishResult, SubscribeAclResult,
    },
};

use super::{
    acl::{AccessRules, Principal},
    fit::PacketFit,
    front::{ConnectionTable, Direction, UpstreamLead},
    retain::{RetainStore, RetainedStore},
    settings::{BrokerError, BrokerLimits, Tls},
};
use crate::fleet::COLLECTOR;

/// Plain TCP on loopback: the collector's own way in and, without TLS, what the gate leads to. With TLS nobody else is
/// let in here: a name would be a mere word.
const PLAIN: ListenerId = 1;
/// TLS on loopback: what the gate leads to. Each certificate that is loaded later has the next number.
const TLS: ListenerId = 2;

/// Publishes that one side may send before the other acknowledges: an agent has no more, see its `publish` module.
const INFLIGHT: NonZeroU16 = NonZeroU16::new(64).expect("not zero");
/// The collector's session outlives its connection for so long; an agent's does not, see [`super::fit`].
const SESSION_EXPIRY: Duration = Duration::from_secs(60);
/// Bytes of a client identifier: `oddline_<fleet>_<agent>` with names of 63 bytes, and some.
const CLIENT_ID_BYTES_MAX: usize = 256;
/// Filters of one session: an agent has three, the collector one for each channel and fleet.
const SUBSCRIPTIONS_MAX: usize = 1024;
/// Levels of a topic: ours have at most seven.
const LEVELS_MAX: usize = 8;
/// Seconds between signs of life that a client may promise; an agent promises 30.
const KEEP_ALIVE_S: (u16, u16) = (5, 600);
/// CONNECTs checked at a time.
const HANDSHAKES: usize = 64;
/// A message is sent again in a new connection, not in the same one.
const RETRY: Duration = Duration::from_secs(24 * 3600);

/// The library's part of a broker.
pub(super) struct Library {
    context: ServerContext,
    limits: BrokerLimits,
    next: ListenerId,
}

#[derive(Debug, Default)]
pub(super) struct RefusalCounts {
    pub connects: AtomicU64,
    pub publishes: AtomicU64,
    pub subscribes: AtomicU64,
    pub dropped: AtomicU64,
}

/// A listener that is bound and not yet served.
pub(super) struct BoundListener {
    listener: Listener,
    id: ListenerId,
    pub address: SocketAddr,
}

impl BoundListener {
    pub(super) fn lead(&self) -> UpstreamLead {
        UpstreamLead { listener: self.id, address: self.address }
    }
}

impl Library {
    /// Nothing is bound yet. Must be called within the runtime that will serve.
    pub(super) async fn new(limits: BrokerLimits, shelf: RetainedStore, handler: BrokerHooks) -> Self {
        let sessions = isize::try_from(limits.connections.saturating_add(1)).unwrap_or(isize::MAX);
        let context = ServerContext::new()
            // The load of the machine is no reason to refuse an agent: it would only come back.
            .busy_check_enable(false)
            .mqtt_max_sessions(sessions)
            .task_exec_workers(16)
            .task_exec_queue_max(1024)
            .build()
            .await;
        *context.extends.retain_mut().await = Box::new(RetainStore(shelf));
        *context.extends.fitter_mgr_mut().await = Box::new(PacketFit { limits });
        let register = context.extends.hook_mgr().register();
        for on in [
            Type::ClientAuthenticate,
            Type::MessagePublishCheckAcl,
            Type::ClientSubscribeCheckAcl,
            Type::MessageDropped,
        ] {
            register.add(on, Box::new(handler.clone())).await;
        }
        register.start().await;
        Self { context, limits, next: TLS }
    }

    pub(super) fn bind_plain(&self) -> Result<BoundListener, BrokerError> {
        let listener = self.settings("plain").bind().and_then(Listener::tcp);
        bound(listener.map_err(|error| system("a port on loopback", &error))?, PLAIN)
    }

    /// With the certificates as they are on disk now.
    pub(super) fn bind_tls(&mut self, tls: &Tls) -> Result<BoundListener, BrokerError> {
        let text = |path: &std::path::Path| path.to_str().map(str::to_owned);
        let builder = self
            .settings("tls")
            .tls_cross_certificate(true)
            .tls_cert(text(&tls.certificate))
            .tls_key(text(&tls.key))
            .tls_client_ca_certs(text(&tls.client_ca))
            .collect_cert_info(true);
        let listener = builder.bind().map_err(|error| system("a port on loopback", &error))?;
        let refused =
            |error: rmqtt::Error| BrokerError::Tls { certificate: tls.certificate.clone(), reason: chain(&error) };
        let bound = bound(listener.tls().map_err(refused)?, self.next);
        self.next = self.next.saturating_add(1);
        bound
    }

    pub(super) async fn serve(context: ServerContext, bound: BoundListener) {
        let server = MqttServer::new(context).listener_by_id(bound.listener, bound.id).build();
        // It only ends with its task, and cannot fail: it answers no error it meets.
        server.run().await.unwrap_or(());
    }

    pub(super) fn context(&self) -> ServerContext {
        self.context.clone()
    }

    fn settings(&self, name: &str) -> Builder {
        Builder::new()
            .name(name)
            .laddr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .nodelay(true)
            .allow_anonymous(false)
            .max_connections(self.limits.connections.saturating_add(1))
            .max_handshaking_limit(HANDSHAKES)
            .handshake_timeout(self.limits.admit_within)
            .max_packet_size(self.limits.packet_bytes)
            .allow_zero_keepalive(false)
            .min_keepalive(KEEP_ALIVE_S.0)
            .max_keepalive(KEEP_ALIVE_S.1)
            .max_inflight(INFLIGHT)
            .max_mqueue_len(self.limits.agent_queue)
            .max_clientid_len(CLIENT_ID_BYTES_MAX)
            .max_topic_levels(LEVELS_MAX)
            .max_subscriptions(SUBSCRIPTIONS_MAX)
            .session_expiry_interval(SESSION_EXPIRY)
            .max_session_expiry_interval(SESSION_EXPIRY)
            .message_retry_interval(RETRY)
            // Zero is "never": what is retained is true until it is replaced.
            .message_expiry_interval(Duration::ZERO)
    }
}

fn bound(listener: Listener, id: ListenerId) -> Result<BoundListener, BrokerError> {
    let address = listener.local_addr().map_err(|error| system("the port's number", &error))?;
    Ok(BoundListener { listener, id, address })
}

fn system(what: &'static str, error: &rmqtt::Error) -> BrokerError {
    BrokerError::System { what, reason: chain(error) }
}

fn chain(error: &rmqtt::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The library's questions, answered.
#[derive(Clone)]
pub(super) struct BrokerHooks {
    pub rules: Arc<AccessRules>,
    pub door: Arc<ConnectionTable>,
    pub shelf: RetainedStore,
    pub refusals: Arc<RefusalCounts>,
    pub secret: Arc<str>,
    /// Whether agents have to show a certificate.
    pub is_tls: bool,
}

/// Why a CONNECT is refused, in the two ways that MQTT knows.
enum RefusedHook {
    Secret,
    Right,
}

impl BrokerHooks {
    fn authenticate(&self, connect: &ConnectInfo) -> Result<(), RefusedHook> {
        let who = self.who(connect)?;
        let id = connect.id();
        who.may_be_client(&id.client_id, &self.rules.fleets).map_err(|_| RefusedHook::Right)?;
        // A certificate that was renewed is another one: it ends the session of the one before, and gets nothing of it.
        if connect.cert().is_some() && !connect.clean_start() {
            return Err(RefusedHook::Right);
        }
        if let Some(will) = connect.last_will() {
            let (topic, qos, bytes) = match will {
                LastWill::V3(will) => (&will.topic, will.qos, will.message.len()),
                LastWill::V5(will) => (&will.topic, will.qos, will.message.len()),
            };
            self.rules.publish(&who, topic, will.retain()).map_err(|_| RefusedHook::Right)?;
            bounds(&who, topic, qos, bytes).map_err(|_| RefusedHook::Right)?;
        }
        let way = Direction { listener: id.lid, port: id.remote_addr.ok_or(RefusedHook::Right)? };
        if who == Principal::Collector {
            self.door.is_collector(way);
            return Ok(());
        }
        let serial = match connect.cert().and_then(|cert| cert.serial.as_deref()) {
            Some(serial) => Some(serial.parse().map_err(|_| RefusedHook::Right)?),
            None => None,
        };
        self.door.admit(way, serial).map_err(|_| RefusedHook::Right)
    }

    /// From what the library has kept of the CONNECT; the same at every question.
    fn who(&self, connect: &ConnectInfo) -> Result<Principal, RefusedHook> {
        let user = connect.username().map(AsRef::as_ref);
        if connect.id().lid == PLAIN {
            if user == Some(COLLECTOR) {
                let told = connect.password().map(AsRef::as_ref).unwrap_or_default();
                return if same(told, self.secret.as_bytes()) {
                    Ok(Principal::Collector)
                } else {
                    Err(RefusedHook::Secret)
                };
            }
            if self.is_tls {
                return Err(RefusedHook::Right);
            }
            return Principal::by_word(user, connect.client_id()).map_err(|_| RefusedHook::Right);
        }
        // Without one the handshake would have failed.
        let cert = connect.cert().ok_or(RefusedHook::Right)?;
        let name = cert.common_name.as_deref().ok_or(RefusedHook::Right)?;
        Principal::by_certificate(name, cert.organization.as_deref()).map_err(|_| RefusedHook::Right)
    }

    fn publish(&self, connect: &ConnectInfo, publish: &Publish) -> PublishAclResult {
        let denied = |reason: PublishAckReason, why: String| {
            self.refusals.publishes.fetch_add(1, Ordering::Relaxed);
            PublishAclResult(PublishResult::reason_code(reason, Some(why.into()), false))
        };
        let Ok(who) = self.who(connect) else {
            return denied(PublishAckReason::NotAuthorized, "unknown".to_owned());
        };
        if let Err(why) = self.rules.publish(&who, &publish.topic, publish.retain) {
            return denied(PublishAckReason::NotAuthorized, why.to_string());
        }
        if let Err(why) = bounds(&who, &publish.topic, publish.qos, publish.payload.len()) {
            return denied(PublishAckReason::QuotaExceeded, why);
        }
        if publish.retain
            && let Err(why) = self.shelf.check_room(&publish.topic, publish.payload.len())
        {
            return denied(PublishAckReason::QuotaExceeded, why.to_string());
        }
        PublishAclResult::allow()
    }

    async fn answer(&self, parameter: &Parameter<'_>, so_far: Option<HookResult>) -> ReturnType {
        match parameter {
            Parameter::ClientAuthenticate(connect) => {
                let result = match self.authenticate(connect) {
                    Ok(()) => AuthResult::Allow(false, None),
                    Err(no) => {
                        self.refusals.connects.fetch_add(1, Ordering::Relaxed);
                        match no {
                            RefusedHook::Secret => AuthResult::BadUsernameOrPassword,
                            RefusedHook::Right => AuthResult::NotAuthorized,
                        }
                    }
                };
                (false, Some(HookResult::AuthResult(result)))
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let result = match session.connect_info().await {
                    Ok(connect) => self.publish(&connect, publish),
                    Err(_) => PublishAclResult::rejected(false, None),
                };
                (false, Some(HookResult::PublishAclResult(result)))
            }
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let who = session.connect_info().await.ok().and_then(|connect| self.who(&connect).ok());
                let granted = who.is_some_and(|who| self.rules.subscribe(&who, &subscribe.topic_filter).is_ok());
                let result = if granted {
                    SubscribeAclResult::new_success(subscribe.opts.qos(), None)
                } else {
                    self.refusals.subscribes.fetch_add(1, Ordering::Relaxed);
                    SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
                };
                (false, Some(HookResult::SubscribeAclResult(result)))
            }
            Parameter::MessageDropped(Some(_), ..) => {
                self.refusals.dropped.fetch_add(1, Ordering::Relaxed);
                (true, so_far)
            }
            _ => (true, so_far),
        }
    }
}

/// What an agent says at most once is not under the collector's receive maximum: it would come faster than it is taken.
/// Agents of ours say everything at least once.
fn bounds(who: &Principal, topic: &str, qos: QoS, bytes: usize) -> Result<(), String> {
    if *who == Principal::Collector {
        return Ok(());
    }
    if qos == QoS::AtMostOnce {
        return Err("at most once is not taken".to_owned());
    }
    AccessRules::size(topic, bytes).map_err(|why| why.to_string())
}

/// What `async_trait` would write: the trait is declared with it.
impl Handler for BrokerHooks {
    fn hook<'s, 'p, 'f>(
        &'s self,
        parameter: &'p Parameter<'_>,
        so_far: Option<HookResult>,
    ) -> Pin<Box<dyn Future<Output = ReturnType> + Send + 'f>>
    where
        's: 'f,
        'p: 'f,
        Self: 'f,
    {
        Box::pin(self.answer(parameter, so_far))
    }
}

/// In a time that does not depend on where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
