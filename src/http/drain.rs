//! How the server ends: told by a signal or by a caller, through phases that every connection can see.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::HttpError;

/// The exit code of a process that was told twice: 128 + SIGINT, as shells have it.
const IMPATIENT: i32 = 130;

/// Starts the drain of a server, once. Clones share it.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Shutdown {
    /// Starts it. Further calls change nothing.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// Waits until someone starts it.
    pub async fn started(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|started| *started).await;
    }

    /// Starts it at SIGTERM or SIGINT. A second one ends the process at once, for whoever cannot wait.
    ///
    /// # Errors
    /// [`HttpError::Signals`] where the kernel refuses to deliver them.
    pub fn on_signals(&self) -> Result<(), HttpError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(HttpError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(HttpError::Signals)?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            for told in 1.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if told > 1 {
                    tracing::warn!("told to stop a second time: stopping without waiting for requests in flight");
                    std::process::exit(IMPATIENT);
                }
                tracing::info!("stopping: answering what is in flight (a second signal stops at once)");
                shutdown.start();
            }
        });
        Ok(())
    }
}

/// How far the drain has come. Ordered: it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// Unready, still accepting; HTTP/1.1 clients are told to leave with each response.
    Draining,
    /// Not accepting; HTTP/2 clients are told to leave, connections close when they fall silent.
    Stopping,
    /// Out of time: whatever is left is cut off.
    Aborting,
}

/// What a drain came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the deadline.
    pub cut_off: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shutdown_is_seen_before_and_after_it_starts() {
        let shutdown = Shutdown::default();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.started().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        shutdown.start();
        shutdown.start();
        waiting.await.unwrap();
        shutdown.started().await;
    }

    #[tokio::test]
    async fn sigterm_starts_it() {
        let shutdown = Shutdown::default();
        shutdown.on_signals().unwrap();
        let me = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &me]).status().unwrap().success());
        tokio::time::timeout(std::time::Duration::from_secs(10), shutdown.started()).await.unwrap();
    }

    #[test]
    fn phases_are_in_their_order() {
        assert!([Phase::Serving, Phase::Draining, Phase::Stopping, Phase::Aborting].is_sorted());
    }
}
