//! Who may ask. On loopback everyone on this machine, as long as no token is configured; anywhere else only who has the
//! token. Against pages that a browser has open: the Host must be ours (DNS rebinding), and what changes something must
//! be JSON from no other origin. There are no CORS headers, so no other page reads an answer.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use axum::http::{HeaderMap, Method, StatusCode, header, uri::Authority};
use sha2::{Digest as _, Sha256};

use super::{error::ApiProblem, settings::ApiSettings};

/// Characters of the shortest token: with fewer it can be guessed.
const TOKEN_CHARS_MIN: usize = 16;
const TOKEN_CHARS_MAX: usize = 512;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the API's token_file {} cannot be read: {reason}", path.display())]
    Read { path: PathBuf, reason: io::Error },
    #[error(
        "the API's token_file {} must hold one line of 16 to 512 visible ASCII characters: \
         `openssl rand -hex 32` makes one", .0.display()
    )]
    Shape(PathBuf),
    #[error(
        "the API would listen on {0}, which other machines reach: name a token_file in [api], or listen on 127.0.0.1"
    )]
    Needed(SocketAddr),
    /// It is needed on loopback too.
    #[error(
        "`hosts` or `trusted_proxies` in [api] say that a proxy passes on what other machines ask: name a token_file"
    )]
    Proxied,
}

/// A token's hash: comparing hashes tells nothing of the token by its time.
#[derive(Clone)]
pub(super) struct Token([u8; 32]);

impl Token {
    fn read(path: &Path) -> Result<Self, TokenError> {
        let text = fs::read_to_string(path).map_err(|reason| TokenError::Read { path: path.to_owned(), reason })?;
        let token = text.trim();
        let fits = (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&token.len());
        if fits && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self::of(token.as_bytes()))
        } else {
            Err(TokenError::Shape(path.to_owned()))
        }
    }

    fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    fn is(&self, offered: &[u8]) -> bool {
        let offered = Self::of(offered);
        // Every byte is looked at, whatever the first ones say.
        let differ = self.0.iter().zip(offered.0).fold(0_u8, |differ, (a, b)| differ | (a ^ b));
        std::hint::black_box(differ) == 0
    }
}

/// The token, when there is or must be one.
pub(super) fn token(settings: &ApiSettings) -> Result<Option<Token>, TokenError> {
    match &settings.token_file {
        Some(file) => Token::read(file).map(Some),
        None if !settings.listen.ip().to_canonical().is_loopback() => Err(TokenError::Needed(settings.listen)),
        None if settings.has_strangers() => Err(TokenError::Proxied),
        None => Ok(None),
    }
}

/// What a request's `Authorization` is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Right,
    Nothing,
    Wrong,
}

pub(super) fn offer(token: Option<&Token>, headers: &HeaderMap) -> Offer {
    let Some(token) = token else { return Offer::Right };
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Offer::Nothing };
    let bearer = value.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
    if bearer.is_some_and(|(_, offered)| offered.len() <= TOKEN_CHARS_MAX && token.is(offered)) {
        Offer::Right
    } else {
        Offer::Wrong
    }
}

/// Whether a request was meant for this server: on loopback only names and addresses of this machine, and what `hosts`
/// adds. Elsewhere a rebound page has no token, so any name will do unless `hosts` says which.
pub(super) fn host(loopback: bool, hosts: &[String], headers: &HeaderMap) -> Result<(), ApiProblem> {
    if !loopback && hosts.is_empty() {
        return Ok(());
    }
    let mut given = headers.get_all(header::HOST).iter();
    let (first, second) = (given.next(), given.next());
    let host = first.and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
    // A Host has no user; a name behind one is somebody's trick.
    let host = host.filter(|host| !host.as_str().contains('@'));
    let known = host.is_some_and(|host| {
        let name = host.host();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let here = bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        (loopback && here) || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    });
    if known && second.is_none() {
        return Ok(());
    }
    let told = "the Host header names another server than this one";
    Err(ApiProblem::new(StatusCode::MISDIRECTED_REQUEST, told, "ask localhost, or add the name to `hosts` in [api]"))
}

/// Whether a request that changes something comes from here: JSON, and from no other origin.
pub(super) fn origin(method: &Method, headers: &HeaderMap) -> Result<(), ApiProblem> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(origin) = text(header::ORIGIN) {
        let ours = origin.split_once("://").is_some_and(|(_, from)| Some(from) == text(header::HOST));
        if !ours {
            let told = "the request comes from a page of another origin";
            return Err(ApiProblem::new(
                StatusCode::FORBIDDEN,
                told,
                "send it from this server's own pages or a program",
            ));
        }
    }
    let kind = text(header::CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    // Another kind could be sent by a foreign page's form without asking.
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let told = "the body is not marked as JSON";
    Err(ApiProblem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, told, "send content-type: application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_whole_token_is_right() {
        let token = Token::of(b"0123456789abcdef");
        let offered = |value: &'static str| offer(Some(&token), &headers(&[("authorization", value)]));
        assert_eq!(offered("Bearer 0123456789abcdef"), Offer::Right);
        assert_eq!(offered("bearer 0123456789abcdef"), Offer::Right);
        for wrong in
            ["Bearer 0123456789abcde", "Bearer 0123456789abcdef0", "0123456789abcdef", "Basic x", "", "Bearer "]
        {
            assert_eq!(offered(wrong), Offer::Wrong, "{wrong}");
        }
        assert_eq!(offer(Some(&token), &headers(&[])), Offer::Nothing);
        assert_eq!(offer(None, &headers(&[])), Offer::Right);
    }

    #[test]
    fn only_names_of_this_machine_are_ours() {
        let known = ["logs.example".to_owned()];
        let ours = |name: &'static str| host(true, &known, &headers(&[("host", name)])).is_ok();
        for good in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.8.9.1", "[::1]:80", "logs.example:443"] {
            assert!(ours(good), "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "a@localhost:x"]
        {
            assert!(!ours(bad), "{bad}");
        }
        assert!(host(true, &[], &headers(&[])).is_err());
        assert!(host(true, &[], &headers(&[("host", "localhost"), ("host", "evil")])).is_err());
        assert!(host(false, &[], &headers(&[("host", "any.example")])).is_ok());
        assert!(host(false, &known, &headers(&[("host", "any.example")])).is_err());
    }

    #[test]
    fn a_foreign_page_changes_nothing() {
        let json = ("content-type", "application/json; charset=utf-8");
        let post =
            |pairs: &[(&'static str, &'static str)]| origin(&Method::POST, &headers(pairs)).map_err(|p| p.status);
        assert_eq!(post(&[json]), Ok(()));
        assert_eq!(post(&[json, ("host", "localhost:1"), ("origin", "http://localhost:1")]), Ok(()));
        assert_eq!(post(&[json, ("host", "localhost:1"), ("origin", "http://evil")]), Err(StatusCode::FORBIDDEN));
        assert_eq!(post(&[json, ("host", "localhost:1"), ("origin", "null")]), Err(StatusCode::FORBIDDEN));
        assert_eq!(post(&[("content-type", "text/plain")]), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(post(&[]), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(origin(&Method::GET, &headers(&[("origin", "http://evil")])), Ok(()));
    }
}
