//! What a watch brings, without its failures.

use std::time::Instant;

use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::{self, Event};

use super::outage::Outage;

/// The next event of a watch, after as many attempts as it takes; `None` where it is over. `complain` hears of the first
/// failure of an outage.
pub(crate) async fn next_event<K>(
    events: &mut (impl Stream<Item = watcher::Result<Event<K>>> + Unpin),
    outage: &mut Outage,
    complain: impl Fn(&watcher::Error),
) -> Option<Event<K>> {
    loop {
        match events.next().await? {
            Ok(event) => {
                // A list that begins says nothing yet: it may fail.
                if !matches!(event, Event::Init) {
                    outage.recovered();
                }
                return Some(event);
            }
            Err(error) => {
                let pause = outage.watch_failed(&error, Instant::now());
                if outage.is_new() {
                    complain(&error);
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}
