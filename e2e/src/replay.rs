//! The reference of every equality: what `oddline-agent replay` tells of the whole log.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use oddline_core::{event::Event, time::EventTime};
use tempfile::TempDir;

/// Event time from the first episode held back to its summary, in seconds.
const SUMMARY_S: f64 = 3_600.0;

/// Who replays, and with what.
pub struct Replay<'a> {
    /// The agent's own build.
    pub program: &'a Path,
    /// The model it was started with.
    pub model: &'a Path,
    /// Where the agent read the log: the source's name in its events.
    pub live: &'a Path,
}

impl Replay<'_> {
    /// The events of a log as JSON, in order.
    #[must_use]
    pub fn of(&self, log: &[u8]) -> Vec<String> {
        // Elsewhere, because the agent still reads the live path; under the same name, because a name may say something.
        let folder = TempDir::new().expect("a folder can be made");
        let whole: PathBuf = folder.path().join(self.live.file_name().expect("a log has a name"));
        fs::write(&whole, log).expect("the test's folder can be written");
        let output = Command::new(self.program).arg("replay").arg(&whole).arg("--model").arg(self.model).output();
        let output = output.expect("the agent can be started");
        assert!(output.status.success(), "replay: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        let named = |path: &Path| format!("\"source\":{}", serde_json::json!(path));
        let (there, here) = (named(&whole), named(self.live));
        let mut events: Vec<String> = text.lines().map(|line| line.replacen(&there, &here, 1)).collect();
        assert!(events.iter().all(|event| event.contains(&here)), "every event names its source");
        if events.last().is_some_and(|event| is_cut_short(event, log)) {
            events.pop();
        }
        events
    }
}

/// At the end of its file a replay also tells what the flood limit holds back at that moment. A live agent cannot know
/// that it is the end: it tells when an hour of event time is over, which this log does not reach.
fn is_cut_short(event: &str, log: &[u8]) -> bool {
    let event: Event = serde_json::from_str(event).expect("replay prints events");
    let Event::FloodSummary(summary) = event else { return false };
    let last = log.split(|b| *b == b'\n').rev().find(|line| !line.is_empty()).unwrap_or_default();
    let time = String::from_utf8_lossy(last).split(',').next().and_then(EventTime::parse);
    time.expect("the last line has a time").seconds_since(summary.from) < SUMMARY_S
}
