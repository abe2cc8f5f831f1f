//! `/metrics` in Prometheus' text format, and `/healthz`.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use oddline_cli::metrics::{CONTENT_TYPE, MetricsPage};
use serde_json::json;
use tokio::time::timeout;

use super::{
    error::ApiProblem,
    query::Query,
    web::{TrustedProxies, WebState},
};
use crate::{
    clock::now_us,
    store::{AgentState, OrNewer},
};

/// How long a figure that costs a query is told again.
const SLOW_FOR: Duration = Duration::from_secs(15);
/// A full queue out of which nothing is stored for so long is a fault; a transaction takes a fifth of a second.
const STANDSTILL: Duration = Duration::from_secs(10);
/// For the database to answer that it is there, and that it takes a row.
const PING_WAIT: Duration = Duration::from_secs(2);
/// A row that was written says so long that the next one can be, too: each costs a write to the disk.
const WRITTEN_FOR: Duration = Duration::from_secs(30);
/// Between two attempts while none can be.
const UNWRITTEN_FOR: Duration = Duration::from_secs(5);

/// Figures that cost a query.
#[derive(Debug, Clone)]
pub(super) struct SlowFigures {
    at: Instant,
    agents: Vec<(OrNewer<AgentState>, i64)>,
    store_bytes: u64,
}

/// Whether a row could be written when it was last tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct WrittenFigures {
    at: Instant,
    done: bool,
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<WebState>, request: Request) -> Result<Response, ApiProblem> {
    Query::read(request.uri(), &[], now_us())?;
    let slow = slow(&app).await?;
    let mut text = MetricsPage::default();
    ingest(&mut text, &app);
    for (state, count) in &slow.agents {
        text.add("oddline_agents", "gauge", "Agents by state.", &[("state", state.as_str())], *count);
    }
    text.one("oddline_store_bytes", "gauge", "Bytes of the database's rows and indexes.", slow.store_bytes);
    for (path, class, count) in app.requests.figures() {
        let labels = [("path", path), ("status", class)];
        text.add("oddline_http_requests_total", "counter", "HTTP requests by path and status class.", &labels, count);
    }
    let inside = &app.inside;
    text.one("oddline_http_connections", "gauge", "Open HTTP connections.", inside.open.load(Relaxed));
    let turned_away = inside.turned_away.load(Relaxed);
    text.one("oddline_http_turned_away_total", "counter", "HTTP connections rejected at the limit.", turned_away);
    let too_slow = inside.too_slow.load(Relaxed);
    text.one("oddline_http_too_slow_total", "counter", "HTTP connections closed for being too slow.", too_slow);
    text.one("oddline_http_listeners", "gauge", "Clients of the live stream.", app.hub.count());
    let mut response = text.into_text().into_response();
    let kind = HeaderValue::from_static(CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn ingest(text: &mut MetricsPage, app: &WebState) {
    let figures = &app.sources.figures;
    let counters = [
        ("oddline_messages_total", "Messages taken from the broker.", &figures.messages),
        ("oddline_message_bytes_total", "Bytes of them.", &figures.bytes),
        ("oddline_messages_refused_total", "Messages that were not recognised.", &figures.refused),
        ("oddline_entries_total", "Entries stored.", &figures.entries),
        ("oddline_batches_repeated_total", "Batches that were there already.", &figures.repeated),
        ("oddline_batches_ahead_total", "Batches before which something was missing.", &figures.gaps),
        ("oddline_dead_letters_total", "Batches kept as dead letters.", &figures.dead_letters),
        ("oddline_entries_missing_total", "Entries acknowledged before that are not here.", &figures.missing),
        ("oddline_transactions_total", "Transactions of the writer.", &figures.transactions),
        ("oddline_transaction_microseconds_total", "Time in them.", &figures.commit_us),
        ("oddline_transactions_failed_total", "Transactions that were tried again.", &figures.failures),
        ("oddline_broker_connections_total", "Connections made to the broker.", &figures.connections),
    ];
    for (name, help, counter) in counters {
        text.one(name, "counter", help, counter.load(Relaxed));
    }
    let pulse = (app.sources.pulse)();
    let failing = figures.failing.load(Relaxed);
    text.one("oddline_store_failing", "gauge", "1 while the newest transaction has failed.", failing);
    text.one("oddline_queue_messages", "gauge", "Messages queued for storing.", pulse.queued);
    text.one("oddline_queue_messages_max", "gauge", "Messages that may be queued for storing.", pulse.queue_max);
    text.one("oddline_broker_connected", "gauge", "1 while the broker is connected.", u8::from(pulse.connected));
}

async fn slow(app: &WebState) -> Result<SlowFigures, ApiProblem> {
    let mut kept = app.slow.lock().await;
    if let Some(slow) = kept.as_ref().filter(|slow| slow.at.elapsed() < SLOW_FOR) {
        return Ok(slow.clone());
    }
    let asked = app.ask(|store| async move { Ok((store.agent_states().await?, store.bytes_used().await?)) }).await?;
    let slow = SlowFigures { at: Instant::now(), agents: asked.0, store_bytes: asked.1 };
    Ok(kept.insert(slow).clone())
}

/// `GET /healthz`: 200 or 503; what is wrong only for who may know.
pub(super) async fn healthz(State(app): State<WebState>, request: Request) -> Result<Response, ApiProblem> {
    Query::read(request.uri(), &[], now_us())?;
    let wrong = wrong(&app).await;
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if wrong.is_empty() { "ok" } else { "failing" };
    let trusted = request.extensions().get::<TrustedProxies>().is_some();
    let body = if trusted { json!({"status": word, "wrong": wrong}) } else { json!({"status": word}) };
    Ok((status, axum::Json(body)).into_response())
}

async fn wrong(app: &WebState) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    let store = app.sources.store.clone();
    match timeout(PING_WAIT, store.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => wrong.push("the database does not answer"),
    }
    if !is_writable(app).await {
        wrong.push("nothing can be written to the database: the collector's log says why");
    }
    let pulse = (app.sources.pulse)();
    if !pulse.connected {
        wrong.push("there is no connection to the broker");
    }
    // A full queue that moves is an outage being caught up with.
    if pulse.queued >= pulse.queue_max && pulse.stands_for >= STANDSTILL {
        wrong.push("the queue before the writer is full and stands still: the database is too slow or failing");
    }
    wrong
}

/// Whether the database takes rows: the writer has just stored some, or else one is written here.
async fn is_writable(app: &WebState) -> bool {
    let figures = &app.sources.figures;
    if figures.failing.load(Relaxed) == 1 {
        return false;
    }
    let since_us = now_us().saturating_sub(figures.stored_us.load(Relaxed));
    if u64::try_from(since_us).is_ok_and(|since_us| Duration::from_micros(since_us) < WRITTEN_FOR) {
        return true;
    }
    // One at a time, and the others take its answer.
    let mut kept = app.written.lock().await;
    let is_new = |kept: &WrittenFigures| kept.at.elapsed() < if kept.done { WRITTEN_FOR } else { UNWRITTEN_FOR };
    if let Some(kept) = kept.filter(is_new) {
        return kept.done;
    }
    let done = matches!(timeout(PING_WAIT, app.sources.store.try_write(now_us())).await, Ok(Ok(())));
    *kept = Some(WrittenFigures { at: Instant::now(), done });
    done
}
