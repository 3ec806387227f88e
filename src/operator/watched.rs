//! Tasks that must not die unseen.

use std::time::Duration;

use tracing::error;

/// A task that fails at once must not fill the log.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Runs a task that never ends. Should it panic, that is said, and it is begun anew.
pub(super) async fn always<F>(what: &str, task: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let ended = Aborted(tokio::spawn(task())).await;
        error!(?ended, "{what} has ended and is begun anew");
        tokio::time::sleep(RESTART_AFTER).await;
    }
}

/// A task that ends with whoever waits for it.
struct Aborted(tokio::task::JoinHandle<()>);

impl Future for Aborted {
    type Output = Result<(), tokio::task::JoinError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_begun_anew_and_ends_with_its_owner() {
        let (begun, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
        let owner = tokio::spawn({
            let (begun, alive) = (Arc::clone(&begun), Arc::clone(&alive));
            async move {
                always("a test", || {
                    let (begun, alive) = (Arc::clone(&begun), Arc::clone(&alive));
                    async move {
                        assert!(begun.fetch_add(1, SeqCst) > 0, "the first time");
                        std::future::pending::<()>().await;
                        drop(alive);
                    }
                })
                .await;
            }
        });
        while begun.load(SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        owner.abort();
        let _ = owner.await;
        while Arc::strong_count(&alive) > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
