//! An explanation as JSON, an object a finding.

use std::io::Write;

use anyhow::Result;
use oddline_core::{
    budget::BudgetUse,
    event::words::reason_with_value,
    record::{Fault, Level},
    verdict::{Verdict, VerdictReason},
};
use oddline_detector::OpenModel;
use oddline_pipeline::{FoundItem, JudgedTrace, LineFinding, RecordTrace};
use serde_json::{Value, json};

use super::PlainLine;

/// A line that is no record of its own.
pub(super) fn plain(line: &PlainLine, out: &mut impl Write) -> Result<()> {
    Ok(writeln!(out, "{}", json!({ "line": line.number, "record": line.of }))?)
}

/// All findings; a record only where nothing was found in it.
pub(super) fn findings(found: &[LineFinding], model: &OpenModel, out: &mut impl Write) -> Result<()> {
    for record in found.chunk_by(|a, b| a.lines == b.lines) {
        for finding in record {
            let answer = match &finding.what {
                FoundItem::Record(_) if record.len() > 1 => continue,
                FoundItem::Record(record) => of_record(finding, record),
                FoundItem::Judged(judged) => of_verdict(finding, judged, model),
                FoundItem::Noticed(_) | FoundItem::Crowd => json!({ "line": finding.lines.first,
                    "told_at": finding.found_at.last, "told": finding.words(), "event": finding.events.first() }),
            };
            writeln!(out, "{answer}")?;
        }
    }
    Ok(())
}

fn of_record(finding: &LineFinding, record: &RecordTrace) -> Value {
    let pause = record.pace.zip(record.time).map(|(pace, time)| time.seconds_since(pace.last));
    json!({
        "line": finding.lines.first,
        "time": record.time.map(|time| time.to_string()),
        "server": record.stream.server,
        "component": record.stream.component,
        "level": record.level.map(Level::name),
        "fault": record.fault.map(Fault::describe),
        "pause_s": pause,
        "usual_pause_s": record.pace.and_then(|pace| pace.usual_s),
        "silent_after_s": record.pace.and_then(|pace| pace.too_long_s),
    })
}

fn of_verdict(finding: &LineFinding, judged: &JudgedTrace, model: &OpenModel) -> Value {
    let verdict = &judged.row.verdict;
    let reason = |reason: &VerdictReason| {
        json!({ "feature": reason.feature, "observed": reason.observed, "expected": reason.expected,
            "share": reason.share })
    };
    let reasons: Vec<Value> = verdict.reasons(&model.profile.record).iter().map(reason).collect();
    json!({
        "line": finding.lines.first,
        "time": verdict.time.to_string(),
        "server": verdict.stream.server,
        "component": verdict.stream.component,
        "value": verdict.value,
        "expected": verdict.expected,
        "score": verdict.score.value,
        "threshold": verdict.threshold,
        "anomalous": verdict.anomalous,
        "learning": verdict.learning,
        "main_reason": verdict.main_reason(),
        "told": told(verdict),
        "character": verdict.figures.as_ref().map(|figures| figures.character.name()),
        "reasons": reasons,
        "limit": judged.limit,
        "budget": budget(judged.budget),
        "episode": judged.episode.map(|first| first.to_string()),
        "event": finding.events.first(),
    })
}

fn budget(used: BudgetUse) -> Option<Value> {
    let asked = used.asked?;
    Some(json!({ "asked": asked, "used": used.used, "server_days": used.server_days }))
}

fn told(verdict: &Verdict) -> String {
    reason_with_value(&verdict.told_reason(), verdict.value, verdict.expected)
}
