//! Whether this replica is the one that writes.

use tokio::sync::watch;

/// What the election tells: kept by whoever holds the Lease.
#[derive(Debug)]
pub struct Leading(watch::Sender<bool>);

/// What writers ask before each write. A replica that lost the Lease must find out before another has it.
#[derive(Debug, Clone)]
pub struct Leadership(watch::Receiver<bool>);

impl Leading {
    /// Nobody leads yet.
    #[must_use]
    pub fn new() -> (Self, Leadership) {
        let (told, asked) = watch::channel(false);
        (Self(told), Leadership(asked))
    }

    pub fn set(&self, leads: bool) {
        self.0.send_if_modified(|now| std::mem::replace(now, leads) != leads);
    }
}

impl Leadership {
    #[must_use]
    pub fn is_leader(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until this replica leads (`true`) or no longer does (`false`); `None` once the election is over for good.
    pub async fn wait_for(&mut self, leads: bool) -> Option<()> {
        self.0.wait_for(|now| *now == leads).await.ok().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replica_that_loses_the_lease_knows_at_once() {
        let (leading, mut leadership) = Leading::new();
        assert!(!leadership.is_leader());
        leading.set(true);
        leadership.wait_for(true).await.unwrap();
        leading.set(false);
        assert!(!leadership.is_leader());
        drop(leading);
        assert_eq!(leadership.wait_for(true).await, None);
    }
}
