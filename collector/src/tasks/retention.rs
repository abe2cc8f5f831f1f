//! Rows that are too old go, bite by bite beside the writer.

use std::time::Duration;

use log::{info, warn};
use tokio::time::sleep;

use crate::{
    clock::now_us,
    store::{RetentionPolicy, Store},
    text::counted,
};

/// Between two looks for what is too old.
const TICK: Duration = Duration::from_secs(60);
/// Between two bites, so that ingest comes first.
const PAUSE: Duration = Duration::from_millis(100);

/// Removes rows older than `keep_s` seconds, and the oldest beyond `bytes_max`, for ever.
pub(crate) async fn run(store: Store, keep_s: u64, bytes_max: Option<u64>) {
    let keep_us = i64::try_from(keep_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    loop {
        let keep = RetentionPolicy { since_us: now_us().saturating_sub(keep_us), bytes_max };
        let (mut events, mut anomalies, mut verdicts, mut agents) = (0, 0, 0, 0);
        loop {
            match store.trim(keep).await {
                Ok(trimmed) => {
                    events += trimmed.events;
                    anomalies += trimmed.episodes;
                    verdicts += trimmed.verdicts;
                    agents += trimmed.agents;
                    if !trimmed.more {
                        break;
                    }
                }
                Err(error) => {
                    warn!("old rows stay for now: {error}");
                    break;
                }
            }
            sleep(PAUSE).await;
        }
        if events + anomalies > 0 {
            let anomalies =
                if anomalies == 1 { "1 old anomaly".to_owned() } else { format!("{anomalies} old anomalies") };
            info!("{} and {anomalies} removed", counted(events, "old event"));
        }
        if verdicts > 0 {
            warn!("{} removed: their share of the size is full", counted(verdicts, "old verdict"));
        }
        if agents > 0 {
            info!("{} forgotten, not heard for long", counted(agents, "agent"));
        }
        sleep(TICK).await;
    }
}
