//! The answers under `/api/v1`. Lists come in pages: `next` is the `cursor` of the following one, with the same other
//! parameters. A page's time bound is in its cursor, so `since=2h` means the same on every page.

use std::collections::HashMap;

use axum::{
    Json,
    body::to_bytes,
    extract::{Path, Request, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    error::ApiProblem,
    json,
    limits::BODY_BYTES_MAX,
    query::{Query, shown},
    web::WebState,
};
use crate::{
    clock::now_us,
    store::{
        AnomalyFilter, AnomalyRow, GroupBy, GroupKey, PersonVerdict, RolloutAgentState, Store, StoreError,
        StoredWord as _, StreamFilter, is_prefix,
    },
};

type ApiResult = Result<Json<Value>, ApiProblem>;

/// Parameters of a plain list.
pub(super) const PAGE: &[&str] = &["limit", "cursor"];
pub(super) const SERVERS: &[&str] = &["fleet", "limit", "cursor"];
pub(super) const ANOMALIES: &[&str] =
    &["server", "component", "kind", "min_score", "agent", "fleet", "since", "until", "limit", "cursor"];
pub(super) const COUNTS: &[&str] =
    &["by", "server", "component", "kind", "min_score", "agent", "fleet", "since", "until", "limit", "cursor"];

/// What is shown when nothing else is asked for.
const DAY_US: i64 = 86_400_000_000;
/// The longest time of hourly counts: a quarter, for which the rows of all servers are read.
const COUNTS_US_MAX: i64 = 92 * DAY_US;
/// Refusals that are shown with a roll-out: enough to see why.
const REFUSALS_MAX: u32 = 100;
/// Characters of a name under a verdict.
const AUTHOR_BYTES_MAX: usize = 64;
/// Bytes of a note, as the store keeps them.
const NOTE_BYTES_MAX: usize = 4_096;

/// `GET /api/v1/servers`.
pub(super) async fn servers(State(app): State<WebState>, request: Request) -> ApiResult {
    let query = Query::read(request.uri(), SERVERS, now_us())?;
    let (fleet, limit) = (query.name("fleet")?, query.number("limit", 1..=1_000, 100)?);
    let after = query.cursor::<2>()?.map(|parts| parts.map(ToOwned::to_owned));
    let since_us = now_us().saturating_sub(DAY_US);
    let (agents, counts) = app
        .ask(move |store| async move {
            let [a, b] = after.unwrap_or_default();
            let agents = store.agents_page(fleet.as_deref(), (&a, &b), limit).await?;
            let counts: HashMap<(String, String), i64> =
                store.anomaly_counts(since_us).await?.into_iter().map(|(f, a, n)| ((f, a), n)).collect();
            Ok((agents, counts))
        })
        .await?;
    let next = full(&agents, limit).map(|last| format!("{}~{}", last.who.fleet, last.who.agent));
    let count = |key: (String, String)| counts.get(&key).copied().unwrap_or_default();
    let shown = |agent: &crate::store::AgentRow| {
        json::agent(agent, count((agent.who.fleet.to_string(), agent.who.agent.to_string())))
    };
    Ok(Json(json!({"servers": agents.iter().map(shown).collect::<Vec<_>>(), "next": next})))
}

/// `GET /api/v1/anomalies`.
pub(super) async fn anomalies(State(app): State<WebState>, request: Request) -> ApiResult {
    let query = Query::read(request.uri(), ANOMALIES, now_us())?;
    let limit = query.number("limit", 1..=1_000, 100)?;
    let cursor = query.cursor::<3>()?;
    let place = cursor
        .map(|[last_us, since_us, id]| {
            let numbers = last_us.parse().ok().zip(since_us.parse::<i64>().ok());
            let (last_us, since_us) = numbers.filter(|_| is_prefix(id)).ok_or_else(Query::bad_cursor)?;
            Ok::<_, ApiProblem>((StreamFilter { last_us, id: id.to_owned() }, since_us))
        })
        .transpose()?;
    let mut filter = filter(&query)?;
    let after = place.map(|(place, since_us)| {
        filter.since_us = since_us;
        place
    });
    let since_us = filter.since_us;
    let page = app.ask(move |store| async move { store.anomalies(&filter, after.as_ref(), limit).await }).await?;
    let next = page.next.map(|next| format!("{}~{since_us}~{}", next.last_us, next.id));
    let anomalies: Vec<Value> = page.anomalies.iter().map(json::anomaly).collect();
    Ok(Json(json!({"anomalies": anomalies, "next": next})))
}

/// `GET /api/v1/anomalies/{id}`.
pub(super) async fn anomaly(State(app): State<WebState>, Path(id): Path<String>, request: Request) -> ApiResult {
    Query::read(request.uri(), &[], now_us())?;
    let anomaly = find(&app, id).await?;
    whole(&app, anomaly).await
}

async fn whole(app: &WebState, anomaly: AnomalyRow) -> ApiResult {
    let id = anomaly.id.clone();
    let said = |store: Store| async move { Ok((store.steps(&id).await?, store.verdicts(&id).await?)) };
    let (steps, verdicts) = app.ask(said).await?;
    Ok(Json(json::whole(&anomaly, &steps, &verdicts)))
}

/// The one whose id begins so.
async fn find(app: &WebState, id: String) -> Result<AnomalyRow, ApiProblem> {
    if !is_prefix(&id) {
        let told = format!("{:?} is no id of an anomaly", shown(&id));
        return Err(ApiProblem::parameter(
            "id",
            told,
            "4 to 16 characters of 0-9 a-z are expected, as a list shows them",
        ));
    }
    let told = format!("no anomaly's id begins with {id}");
    let mut found = app.ask(move |store| async move { store.anomaly(&id).await }).await?;
    match (found.pop(), found.pop()) {
        (Some(anomaly), None) => Ok(anomaly),
        (None, _) => {
            Err(ApiProblem::new(StatusCode::NOT_FOUND, told, "it may be too old to be kept; look at the list"))
        }
        (Some(_), Some(_)) => {
            let told = "more than one anomaly's id begins so";
            Err(ApiProblem::new(StatusCode::CONFLICT, told, "send more of the id"))
        }
    }
}

/// A verdict as it is posted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostedVerdict {
    verdict: String,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    author: Option<String>,
}

/// `POST /api/v1/anomalies/{id}/verdict`.
pub(super) async fn verdict(State(app): State<WebState>, Path(id): Path<String>, request: Request) -> ApiResult {
    Query::read(request.uri(), &[], now_us())?;
    let posted = posted(&app, request).await?;
    let verdict = PersonVerdict::parse(&posted.verdict).ok_or_else(|| {
        ApiProblem::parameter("verdict", "it is none of ours", "one of normal-here, normal-everywhere, real, unsure")
    })?;
    short("note", posted.note.as_deref(), NOTE_BYTES_MAX)?;
    short("author", posted.author.as_deref(), AUTHOR_BYTES_MAX)?;
    let id = find(&app, id).await?.id;
    let judged = id.clone();
    let there = app
        .ask(move |store| async move {
            let author = posted.author.as_deref().filter(|author| !author.is_empty());
            let note = posted.note.as_deref().filter(|note| !note.is_empty());
            store.judge(&judged, verdict, note, author, now_us()).await
        })
        .await?;
    if !there {
        return Err(ApiProblem::not_found("the anomaly has just become too old"));
    }
    let anomaly = find(&app, id).await?;
    app.hub.tell(&anomaly);
    whole(&app, anomaly).await
}

fn short(name: &'static str, text: Option<&str>, bytes_max: usize) -> Result<(), ApiProblem> {
    match text {
        Some(text) if text.len() > bytes_max => {
            Err(ApiProblem::parameter(name, format!("it has {} bytes", text.len()), format!("at most {bytes_max}")))
        }
        Some(text) if text.contains('\0') => Err(ApiProblem::parameter(name, "it holds a NUL", "leave it out")),
        Some(_) | None => Ok(()),
    }
}

async fn posted(app: &WebState, request: Request) -> Result<PostedVerdict, ApiProblem> {
    let wait = app.settings.limits.body;
    let too_large = || {
        let told = format!("the body has more than {BODY_BYTES_MAX} bytes");
        ApiProblem::new(StatusCode::PAYLOAD_TOO_LARGE, told, "write a shorter note")
    };
    let length = request.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let bytes = match timeout(wait, to_bytes(request.into_body(), BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        // A broken connection ends here, too; nobody reads the answer then.
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            let told = format!("the body was not there within {} s", wait.as_secs_f64());
            return Err(ApiProblem::new(StatusCode::REQUEST_TIMEOUT, told, "send it at once"));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        let told = format!("the body is not what is expected: {}", shown(&error.to_string()));
        ApiProblem::new(StatusCode::BAD_REQUEST, told, r#"send {"verdict": "real", "note": "..."}"#)
    })
}

/// `GET /api/v1/counts`.
pub(super) async fn counts(State(app): State<WebState>, request: Request) -> ApiResult {
    let query = Query::read(request.uri(), COUNTS, now_us())?;
    let by = query.choices("by", &["server", "component", "kind"])?;
    let is = |name| by.contains(&name);
    let apart = GroupBy { server: is("server"), component: is("component"), kind: is("kind") };
    let limit = query.number("limit", 1..=10_000, 1_000)?;
    let after = query.cursor::<4>()?.map(key).transpose()?;
    let mut filter = filter(&query)?;
    if let Some((_, since_us)) = &after {
        filter.since_us = *since_us;
    }
    if query.time("until")?.is_none() {
        filter.until_us = filter.until_us.min(now_us().saturating_add(DAY_US));
    }
    if filter.until_us.saturating_sub(filter.since_us) > COUNTS_US_MAX + DAY_US {
        return Err(ApiProblem::parameter(
            "since",
            "the time is too long",
            "at most 92 days before `until` are expected",
        ));
    }
    let since_us = filter.since_us;
    let after = after.map(|(key, _)| key);
    let counts = app.ask(move |store| async move { store.hourly(&filter, apart, after.as_ref(), limit).await }).await?;
    let next = full(&counts, limit).map(|last| cursor(&last.key, since_us));
    let counts: Vec<Value> = counts.iter().map(|count| json::count(count, apart)).collect();
    Ok(Json(json!({"counts": counts, "next": next})))
}

/// Names may hold anything: their lengths stand before them.
fn cursor(key: &GroupKey, since_us: i64) -> String {
    let GroupKey { hour, server, component, kind } = key;
    format!("{hour}~{since_us}~{}.{}~{server}{component}{kind}", server.len(), component.len())
}

fn key([hour, since_us, lengths, names]: [&str; 4]) -> Result<(GroupKey, i64), ApiProblem> {
    let read = || {
        let (server, component) = lengths.split_once('.')?;
        let (server, rest) = names.split_at_checked(server.parse().ok()?)?;
        let (component, kind) = rest.split_at_checked(component.parse().ok()?)?;
        let [server, component, kind] = [server, component, kind].map(ToOwned::to_owned);
        Some((GroupKey { hour: hour.parse().ok()?, server, component, kind }, since_us.parse().ok()?))
    };
    read().ok_or_else(Query::bad_cursor)
}

/// `GET /api/v1/models`.
pub(super) async fn models(State(app): State<WebState>, request: Request) -> ApiResult {
    let query = Query::read(request.uri(), PAGE, now_us())?;
    let limit = query.number("limit", 1..=100, 20)?;
    let after = query.cursor::<2>()?;
    let after = after.map(|[version, sha256]| Some((version.parse().ok()?, sha256.parse().ok()?)));
    let after = after.map(|after| after.ok_or_else(Query::bad_cursor)).transpose()?;
    let models = app.ask(move |store| async move { store.models(after, limit).await }).await?;
    let next = full(&models, limit).map(|last| format!("{}~{}", last.version, last.sha256));
    Ok(Json(json!({"models": models.iter().map(json::model).collect::<Vec<_>>(), "next": next})))
}

/// `GET /api/v1/rollouts`.
pub(super) async fn rollouts(State(app): State<WebState>, request: Request) -> ApiResult {
    let query = Query::read(request.uri(), PAGE, now_us())?;
    let limit = query.number("limit", 1..=100, 20)?;
    let before = query.cursor::<1>()?.map(|[id]| id.parse().map_err(|_| Query::bad_cursor())).transpose()?;
    let rollouts = app
        .ask(move |store| async move {
            let mut rollouts = Vec::new();
            for rollout in store.rollouts(before.unwrap_or(i64::MAX), limit).await? {
                let refused = Some(RolloutAgentState::Refused);
                let refusals = store.rollout_agents(rollout.id, refused, REFUSALS_MAX).await?;
                rollouts.push((rollout, refusals));
            }
            Ok::<_, StoreError>(rollouts)
        })
        .await?;
    let next = full(&rollouts, limit).map(|(last, _)| last.id.to_string());
    let rollouts: Vec<Value> = rollouts.iter().map(|(rollout, refusals)| json::rollout(rollout, refusals)).collect();
    Ok(Json(json!({"rollouts": rollouts, "next": next})))
}

/// Of the last day until the end of time, unless something else is asked for: clocks of servers may be ahead.
fn filter(query: &Query) -> Result<AnomalyFilter, ApiProblem> {
    let until_us = query.time("until")?;
    let since_us = query.time("since")?.unwrap_or_else(|| until_us.unwrap_or_else(now_us).saturating_sub(DAY_US));
    let until_us = until_us.unwrap_or(i64::MAX);
    if since_us >= until_us {
        return Err(ApiProblem::parameter("since", "it is not before `until`", "an earlier time is expected"));
    }
    Ok(AnomalyFilter {
        since_us,
        until_us,
        server: query.name("server")?,
        component: query.name("component")?,
        kind: query.word("kind")?,
        min_score: query.score("min_score")?,
        agent: query.name("agent")?,
        fleet: query.name("fleet")?,
    })
}

/// The last row of a full page: there may be another.
fn full<T>(rows: &[T], limit: u32) -> Option<&T> {
    rows.last().filter(|_| rows.len() == limit as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_among_counts_comes_back_whatever_the_names_are() {
        for (server, component) in [("", ""), ("web-1", "a~b"), ("~", "3.4~"), ("ä", "🦀")] {
            let key_in =
                GroupKey { hour: -5, server: server.into(), component: component.into(), kind: "not-finite".into() };
            let text = cursor(&key_in, 77);
            let parts: Vec<&str> = text.splitn(4, '~').collect();
            assert_eq!(key(parts.try_into().unwrap()).unwrap(), (key_in, 77), "{text}");
        }
        for bad in [["x", "1", "0.0", ""], ["1", "1", "00", ""], ["1", "1", "9.0", "ab"], ["1", "1", "1.0", "ä"]] {
            assert!(key(bad).is_err(), "{bad:?}");
        }
    }
}
