//! What a client is told when there is no answer: JSON after RFC 9457 that says what is wrong and what to do about it.
//! Nothing of the database's own words gets out.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::store::StoreError;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiProblem {
    pub status: StatusCode,
    pub error: String,
    pub what_to_do: String,
    pub parameter: Option<&'static str>,
    pub retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    error: &'a str,
    what_to_do: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
}

impl ApiProblem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        let (error, what_to_do) = (error.into(), what_to_do.into());
        Self { status, error, what_to_do, parameter: None, retry_after_s: None }
    }

    /// A parameter that cannot be understood.
    pub(super) fn parameter(name: &'static str, error: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { parameter: Some(name), ..Self::new(StatusCode::BAD_REQUEST, error, expected) }
    }

    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what, "look at /api/v1/openapi.json for what there is")
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    pub(super) fn to_json(&self) -> String {
        let told = ProblemBody {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            error: &self.error,
            what_to_do: &self.what_to_do,
            parameter: self.parameter,
        };
        serde_json::to_string(&told).expect("text and numbers can always be written")
    }

    /// The whole answer as bytes, for a connection that never got as far as a request; it is closed behind it.
    pub(super) fn to_wire(&self) -> Vec<u8> {
        let (status, title) = (self.status.as_u16(), self.status.canonical_reason().unwrap_or("Error"));
        let retry = self.retry_after_s.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
        let body = self.to_json();
        let head = format!(
            "HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\nx-content-type-options: nosniff\r\n{retry}connection: close\r\n\r\n",
            body.len()
        );
        (head + &body).into_bytes()
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for ApiProblem {
    fn from(error: StoreError) -> Self {
        if error.is_passing() {
            let told = "the database does not answer";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, told, "try again; /healthz says more").retry_after(5);
        }
        let told = "the database refused the question or holds what this program did not write";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, told, "look at the collector's log")
    }
}
