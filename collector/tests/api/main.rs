//! The API from outside, over sockets: what it answers, whom it refuses, what it holds out. Every answer that a test gets
//! is compared with the OpenAPI document.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

mod answers;
mod client;
#[allow(dead_code, reason = "shared with the other tests of the store")]
#[path = "../collector/entries.rs"]
mod entries;
mod guard;
mod limits;
mod live;
mod openapi;
mod pages;
mod web;
