//! Where the broker is: `mqtt://host[:port]` or `mqtts://host[:port]`, parsed once. Credentials in the address are
//! refused: they belong in a file.

use std::{fmt, str::FromStr};

const PORT_PLAIN: u16 = 1883;
const PORT_TLS: u16 = 8883;

/// A broker's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether to speak TLS.
    pub tls: bool,
}

/// Why a text is no broker address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither of the two schemes.
    #[error("broker {0:?}: mqtt://host[:port] or mqtts://host[:port] is expected")]
    Scheme(String),
    /// No host, or something that is none.
    #[error("broker {0:?}: {1:?} is no host name or address")]
    Host(String, String),
    /// No port number.
    #[error("broker {0:?}: {1:?} is no port (1 to 65535)")]
    Port(String, String),
    /// User or password in it. The text is not repeated.
    #[error("the broker's address holds credentials: name the user and a password file instead")]
    Credentials,
}

impl FromStr for BrokerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains('@') {
            return Err(AddressError::Credentials);
        }
        let whole = || text.to_owned();
        let (tls, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            Some(_) | None => return Err(AddressError::Scheme(whole())),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let no_host = || AddressError::Host(whole(), rest.to_owned());
                let (host, after) = bracketed.split_once(']').ok_or_else(no_host)?;
                let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(no_host)?) };
                (host, port)
            }
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(is_host) || (host.contains(':') != rest.starts_with('[')) {
            return Err(AddressError::Host(whole(), host.to_owned()));
        }
        let port = match port {
            None if tls => PORT_TLS,
            None => PORT_PLAIN,
            Some(port) => {
                let number = port.parse().ok().filter(|&n: &u16| n > 0);
                number.ok_or_else(|| AddressError::Port(whole(), port.to_owned()))?
            }
        };
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_and_a_default_port() {
        for (text, printed) in [
            ("mqtt://broker", "mqtt://broker:1883"),
            ("mqtts://broker.example/", "mqtts://broker.example:8883"),
            ("mqtts://10.0.0.1:1", "mqtts://10.0.0.1:1"),
            ("mqtt://[::1]:1884", "mqtt://[::1]:1884"),
            ("mqtts://[fe80::1%eth0]", "mqtts://[fe80::1%eth0]:8883"),
        ] {
            let address: BrokerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), printed);
            assert_eq!(printed.parse(), Ok(address));
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let refusal = |text: &str| text.parse::<BrokerAddress>().unwrap_err();
        for text in ["", "broker", "broker:1883", "http://broker", "MQTT://broker"] {
            assert!(matches!(refusal(text), AddressError::Scheme(_)), "{text}");
        }
        for text in
            ["mqtt://", "mqtt://:1883", "mqtt://a b", "mqtt://[::1", "mqtt://[::1]x", "mqtt://[broker]", "mqtt://::1"]
        {
            assert!(matches!(refusal(text), AddressError::Host(..)), "{text}");
        }
        for text in ["mqtt://b:", "mqtt://b:0", "mqtt://b:65536", "mqtt://b:1883/x"] {
            assert!(matches!(refusal(text), AddressError::Port(..)), "{text}");
        }
        assert!(!refusal("mqtt://me:secret@b").to_string().contains("secret"));
    }
}
