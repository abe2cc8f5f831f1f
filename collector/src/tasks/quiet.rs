//! Agents that have said nothing for too long are marked.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use log::warn;
use tokio::time::{MissedTickBehavior, interval};

use crate::{clock::now_us, figures::CollectorFigures, store::Store, time::TimeSpan};

/// How often they are looked for.
const TICK: Duration = Duration::from_secs(30);

/// Looks for quiet agents, for ever.
pub(crate) async fn run(store: Store, figures: Arc<CollectorFigures>, quiet_after_s: u64) {
    let quiet_after_us = i64::try_from(quiet_after_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let began_us = now_us();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now_us = now_us();
        // Nobody could be heard while this collector was away.
        if figures.connected.load(Relaxed) == 0 || now_us - began_us < quiet_after_us {
            continue;
        }
        match store.mark_quiet(now_us - quiet_after_us, now_us).await {
            Ok(quiet) => {
                for who in quiet {
                    warn!("agent {who} has said nothing for {}", TimeSpan(quiet_after_us));
                }
            }
            Err(error) => warn!("{error}"),
        }
    }
}
