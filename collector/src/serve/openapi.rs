//! The API's description of itself: a document written by hand, which tests compare with the routes, their parameters and
//! every answer they get.

use axum::{
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};

use super::{error::ApiProblem, query::Query};
use crate::clock::now_us;

/// OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

#[must_use]
pub fn document() -> &'static str {
    DOCUMENT
}

/// `GET /api/v1/openapi.json`.
pub(super) async fn answer(request: Request) -> Result<Response, ApiProblem> {
    Query::read(request.uri(), &[], now_us())?;
    let mut response = DOCUMENT.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
