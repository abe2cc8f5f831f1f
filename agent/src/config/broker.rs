//! A broker as a section names it: `[broker]`, and the `[[source]]` of topics at another broker.

use oddline_config::ConfigSection;
use oddline_core::id::{AgentName, FleetName};
use oddline_link::{
    address::BrokerAddress,
    client_id,
    secrets::SecretFiles,
    settings::{BrokerAccess, LinkSettings},
};

use super::EventDestination;
use crate::{
    clock,
    publish::{delivery::Encoding, session::PublishSettings},
};

/// `[broker]`: where events go.
pub(super) fn destination(
    broker: &ConfigSection<'_>,
    names: Option<(&AgentName, &FleetName)>,
) -> Option<EventDestination> {
    let address: Option<BrokerAddress> = broker.value("address");
    let access = access(broker, "address", address.as_ref());
    let encoding = broker
        .choice("events", &[("postcard", Encoding::Postcard), ("json", Encoding::Json)])
        .unwrap_or(Encoding::Postcard);
    let (agent, fleet) = names?;
    let client_id = client_id::of(fleet, agent);
    let link = LinkSettings { broker: address?, client_id, access, jitter_seed: clock::random() };
    let settings = PublishSettings { fleet: fleet.clone(), agent: agent.clone(), link };
    Some(EventDestination::Broker(Box::new(settings), encoding))
}

/// The files beside an address, whose key is `key`.
pub(super) fn access(section: &ConfigSection<'_>, key: &'static str, address: Option<&BrokerAddress>) -> BrokerAccess {
    let (ca, certificate, private) = (section.path("ca"), section.path("certificate"), section.path("key"));
    let (user, password) = (section.value::<String>("user"), section.path("password_file"));
    let tls = address.is_some_and(|address| address.tls);
    if tls && ca.is_none() {
        section.problem("ca", "is missing: mqtts needs the certificate authority whose broker is trusted");
    }
    if address.is_some() && !tls && (ca.is_some() || certificate.is_some()) {
        section.problem(key, "is mqtt:// with certificates beside it: mqtts:// uses them");
    }
    if certificate.is_some() != private.is_some() {
        section.problem("certificate", "certificate and key come together");
    }
    if user.is_some() != password.is_some() {
        section.problem("user", "user and password_file come together");
    }
    if !section.has(key) && [&ca, &certificate, &private, &password].into_iter().any(Option::is_some) {
        section.problem(key, "is missing: certificates and a password are those of a broker");
    }
    BrokerAccess::Files(SecretFiles { ca, identity: certificate.zip(private), user: user.zip(password) })
}
