//! Whether this replica is the one that writes, and the fence around each write.
//!
//! Leadership is a time, not a fact: it holds until an instant on the local monotonic clock that lies before any other
//! replica may take the Lease. So a process that was stopped and goes on, or an election that hangs, leads no longer,
//! whoever has or has not had time to say so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// What the election tells: kept by whoever holds the Lease. Dropping it ends the leadership.
#[derive(Debug)]
pub struct Leading {
    term: watch::Sender<Term>,
    /// Each write under way holds a receiver.
    writes: watch::Sender<()>,
}

/// What writers ask before each write. A replica that lost the Lease must find out before another has it.
#[derive(Debug, Clone)]
pub struct Leadership {
    term: watch::Receiver<Term>,
    writes: Arc<watch::Receiver<()>>,
}

/// A write was refused, or cut short, because this replica does not lead. Whether a write that was cut short came
/// about is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not lead any more")]
pub struct NotLeading;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    None,
    Until(Instant),
    /// Writes that are under way may end, new ones do not begin.
    Ending(Instant),
}

impl Term {
    /// The end of a term in which writes may begin.
    const fn end(self) -> Option<Instant> {
        match self {
            Self::Until(end) => Some(end),
            Self::None | Self::Ending(_) => None,
        }
    }

    fn leads(self) -> bool {
        self.end().is_some_and(|end| Instant::now() < end)
    }
}

/// For a leadership that only ends when it is said to. Far enough, and no overflow of the clock.
const FOR_GOOD: Duration = Duration::from_hours(24 * 365);

impl Leading {
    /// Nobody leads yet.
    #[must_use]
    pub fn new() -> (Self, Leadership) {
        let (term, asked) = watch::channel(Term::None);
        let (writes, write) = watch::channel(());
        (Self { term, writes }, Leadership { term: asked, writes: Arc::new(write) })
    }

    /// For a process that leads without a Lease, such as one in a test.
    pub fn set(&self, leads: bool) {
        self.change(if leads { Term::Until(Instant::now() + FOR_GOOD) } else { Term::None });
    }

    /// Leads until `end`, unless it is told something else before.
    pub fn hold_until(&self, end: Instant) {
        self.change(Term::Until(end));
    }

    /// When the term ends, where there is one that has not.
    #[must_use]
    pub fn end(&self) -> Option<Instant> {
        self.term.borrow().end().filter(|end| Instant::now() < *end)
    }

    /// Begins no write any more and waits for those under way, but not beyond the term. Then this replica does not lead.
    pub async fn resign(&self) {
        if let Some(end) = self.end() {
            self.change(Term::Ending(end));
            // `Leadership` itself holds one receiver, and its clones share it.
            let over = async {
                while self.writes.receiver_count() > 1 {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            let _ = tokio::time::timeout_at(end, over).await;
        }
        self.change(Term::None);
    }

    fn change(&self, term: Term) {
        self.term.send_if_modified(|now| std::mem::replace(now, term) != term);
    }
}

/// How often a resigning leader looks whether the last write is over.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Drop for Leading {
    fn drop(&mut self) {
        self.change(Term::None);
    }
}

impl Leadership {
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.term.borrow().leads()
    }

    /// Waits until this replica leads (`true`) or no longer does (`false`); `None` once the election is over for good.
    pub async fn wait_for(&mut self, leads: bool) -> Option<()> {
        loop {
            let term = *self.term.borrow_and_update();
            if term.leads() == leads {
                return Some(());
            }
            tokio::select! {
                changed = self.term.changed() => changed.ok()?,
                () = passed(term.end().filter(|_| !leads)) => {}
            }
        }
    }

    /// Runs a write for as long as this replica leads: it is not begun otherwise, and dropped when the term ends.
    ///
    /// # Errors
    /// [`NotLeading`] in both cases.
    pub async fn guard<F: Future>(&self, write: F) -> Result<F::Output, NotLeading> {
        // Before the look at the term: a leader that resigns either sees this write or keeps it from beginning.
        let _under_way = self.writes.as_ref().clone();
        if !self.is_leader() {
            return Err(NotLeading);
        }
        let mut term = self.term.clone();
        let lost = async {
            loop {
                let end = match *term.borrow_and_update() {
                    Term::None => return,
                    Term::Until(end) | Term::Ending(end) => end,
                };
                tokio::select! {
                    () = tokio::time::sleep_until(end) => return,
                    changed = term.changed() => if changed.is_err() { return },
                }
            }
        };
        tokio::select! {
            biased;
            () = lost => Err(NotLeading),
            done = write => Ok(done),
        }
    }
}

/// Waits for an instant; for ever where there is none.
async fn passed(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const TERM: Duration = Duration::from_millis(300);

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

    #[tokio::test]
    async fn an_election_that_dies_takes_the_leadership_with_it() {
        let (leading, mut leadership) = Leading::new();
        leading.set(true);
        let election = tokio::spawn(async move {
            let _leading = leading;
            panic!("a bug");
        });
        assert!(election.await.is_err());
        assert!(!leadership.is_leader());
        assert_eq!(leadership.wait_for(true).await, None);
    }

    #[tokio::test]
    async fn a_term_that_nobody_renews_ends_by_the_clock_alone() {
        let (leading, mut leadership) = Leading::new();
        leading.hold_until(Instant::now() + TERM);
        let end = leading.end().unwrap();
        assert!(leadership.is_leader());
        leadership.wait_for(false).await.unwrap();
        assert!(Instant::now() >= end);
        assert!(!leadership.is_leader() && leading.end().is_none());
    }

    #[tokio::test]
    async fn a_write_is_cut_short_when_the_term_ends_and_not_begun_after_it() {
        let (leading, leadership) = Leading::new();
        assert_eq!(leadership.guard(async {}).await, Err(NotLeading));
        leading.hold_until(Instant::now() + TERM);
        assert_eq!(leadership.guard(async { 7 }).await, Ok(7));
        let end = leading.end().unwrap();
        assert_eq!(leadership.guard(pending::<()>()).await, Err(NotLeading));
        assert!(Instant::now() >= end);
        assert_eq!(leadership.guard(async {}).await, Err(NotLeading));
    }

    #[tokio::test]
    async fn a_write_outlasts_the_term_it_began_in_when_that_is_renewed() {
        let (leading, leadership) = Leading::new();
        leading.hold_until(Instant::now() + TERM);
        let write = tokio::spawn(async move { leadership.guard(tokio::time::sleep(TERM * 2)).await });
        tokio::task::yield_now().await;
        leading.hold_until(Instant::now() + TERM * 100);
        assert_eq!(write.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_leader_that_resigns_lets_the_last_write_end_but_begins_none() {
        let (leading, leadership) = Leading::new();
        leading.hold_until(Instant::now() + TERM * 100);
        let write = tokio::spawn({
            let leadership = leadership.clone();
            let write = async {
                tokio::time::sleep(TERM).await;
                Instant::now()
            };
            async move { leadership.guard(write).await }
        });
        tokio::task::yield_now().await;
        let resigned = tokio::spawn(async move {
            leading.resign().await;
            Instant::now()
        });
        tokio::task::yield_now().await;
        assert!(!leadership.is_leader());
        assert_eq!(leadership.guard(async {}).await, Err(NotLeading));
        let written = write.await.unwrap().unwrap();
        assert!(resigned.await.unwrap() >= written);
    }

    #[tokio::test]
    async fn a_leader_that_resigns_waits_for_no_write_beyond_its_term() {
        let (leading, leadership) = Leading::new();
        leading.hold_until(Instant::now() + TERM);
        let write = tokio::spawn(async move { leadership.guard(pending::<()>()).await });
        tokio::task::yield_now().await;
        leading.resign().await;
        assert_eq!(write.await.unwrap(), Err(NotLeading));
    }
}
