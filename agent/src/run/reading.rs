//! The reading thread as the daemon sees it: started, and waited for, but not for ever.

use std::{thread, time::Duration};

use anyhow::{Context, Result, anyhow};
use tokio::{sync::oneshot, time::timeout};

use crate::worker::{self, Parts, WorkerError};

/// Starts it; what it ends with.
pub(super) fn spawn(parts: Parts) -> Result<oneshot::Receiver<Result<(), WorkerError>>> {
    let (tell, ended) = oneshot::channel();
    let body = move || {
        // Nobody waits for it when the start failed half-way.
        let _: Result<(), _> = tell.send(worker::run(parts));
    };
    thread::Builder::new().name("reading".to_owned()).spawn(body).context("cannot start the reading thread")?;
    Ok(ended)
}

pub(super) async fn worker_ended(worker: &mut Option<oneshot::Receiver<Result<(), WorkerError>>>) -> Result<()> {
    match worker {
        Some(worker) => Ok(worker.await.map_err(|_| anyhow!("the reading thread died"))??),
        None => std::future::pending().await,
    }
}

/// What comes of waiting for the reading thread, if it comes within `patience`.
pub(super) async fn in_time<T>(patience: Duration, ending: impl Future<Output = T>) -> Result<T> {
    let hangs = || anyhow!("the reading thread does not end: what it read last is read again after the next start");
    timeout(patience, ending).await.map_err(|_| hangs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_thread_that_hangs_is_not_waited_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (tell, ended) = oneshot::channel();
        let mut worker = Some(ended);
        let patience = Duration::from_millis(50);
        let hung = runtime.block_on(async { in_time(patience, worker_ended(&mut worker)).await });
        assert!(hung.unwrap_err().to_string().contains("does not end"));
        tell.send(Ok(())).unwrap();
        runtime.block_on(async { in_time(patience, worker_ended(&mut worker)).await }).unwrap().unwrap();
    }
}
