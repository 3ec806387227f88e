//! What a run of a controller came to, and when the object is looked at again for it.

use std::time::{Duration, Instant};

use super::pace::Pace;
use super::queue::{Key, Next, back_off};
use crate::decision::{Cause, Effect, Requeue, Verdict};
use crate::review::clip::clip;
use crate::telemetry::Reconciled;

/// jsPolicy's pauses where a policy asks to see an object again, and how fast it may ask (client-go's defaults).
const FIRST_REQUEUE: Duration = Duration::from_millis(5);
const LONGEST_REQUEUE: Duration = Duration::from_secs(1_000);
const REQUEUES: Pace = Pace::new(10.0, 100.0);

/// The pauses after an error, which jsPolicy forgot.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_mins(5);

/// Somebody else was quicker: what is read next is newer.
const FIRST_AFTER_CONFLICT: Duration = Duration::from_millis(20);
const LONGEST_AFTER_CONFLICT: Duration = Duration::from_secs(10);

/// What of a message is logged.
const LOGGED: usize = 300;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Requeued(Requeue),
    /// It said that something is wrong with the object. That is told, and not done again (jsPolicy).
    Denied,
    Failed,
    /// There was no isolate for it, which is not its fault.
    Unasked,
    Conflicted,
}

impl Outcome {
    pub fn of(verdict: &Verdict, has_conflict: bool) -> Self {
        match (&verdict.effect, &verdict.requeue) {
            (Effect::Error(_), _) if has_conflict => Self::Conflicted,
            (Effect::Error(error), _) => match error.cause {
                Cause::Overload | Cause::Shunned | Cause::Internal => Self::Unasked,
                _ => Self::Failed,
            },
            (_, Some(requeue)) => Self::Requeued(requeue.clone()),
            (Effect::Deny(_), None) => Self::Denied,
            (Effect::Allow, None) => Self::Done,
        }
    }

    pub const fn counted(&self) -> Reconciled {
        match self {
            Self::Done => Reconciled::Done,
            Self::Requeued(_) => Reconciled::Requeued,
            Self::Denied => Reconciled::Denied,
            Self::Failed | Self::Unasked => Reconciled::Failed,
            Self::Conflicted => Reconciled::Conflicted,
        }
    }

    /// Whether it is told in the cluster.
    pub const fn is_told(&self) -> bool {
        matches!(self, Self::Denied | Self::Failed)
    }

    pub fn log(&self, policy: &str, key: &Key, verdict: &Verdict) {
        let Key { kind, namespace, name } = key;
        let (namespace, name) = (&**namespace, &**name);
        for warning in verdict.warnings.iter().take(3) {
            tracing::warn!(policy, %kind, namespace, name, "{}", clip(warning, LOGGED));
        }
        match (self, &verdict.effect) {
            (Self::Requeued(Requeue { message, .. }), _) if !message.is_empty() => {
                tracing::info!(policy, %kind, namespace, name, "asks to see it again: {}", clip(message, LOGGED));
            }
            (Self::Failed | Self::Unasked, Effect::Error(error)) => {
                tracing::warn!(policy, %kind, namespace, name, "failed, and is asked again: {}", clip(&error.message, LOGGED));
            }
            (_, _) => tracing::debug!(policy, %kind, namespace, name, outcome = ?self, "reconciled"),
        }
    }
}

/// When one controller's objects are looked at again.
pub(super) struct Waits {
    requeues: Pace,
}

impl Default for Waits {
    fn default() -> Self {
        Self { requeues: REQUEUES }
    }
}

impl Waits {
    /// `attempts` did not come to an end before.
    pub fn next(&mut self, outcome: &Outcome, attempts: u32, now: Instant) -> Next {
        match outcome {
            Outcome::Done | Outcome::Denied => Next::Never,
            Outcome::Requeued(Requeue { after: Some(after), .. }) => Next::Anew(*after),
            Outcome::Requeued(Requeue { after: None, .. }) => {
                let pause = back_off(attempts, FIRST_REQUEUE, LONGEST_REQUEUE);
                let turn = self.requeues.wait(now);
                self.requeues.spend(now);
                Next::Again(pause.max(turn))
            }
            Outcome::Failed | Outcome::Unasked => Next::Again(back_off(attempts, FIRST_RETRY, LONGEST_RETRY)),
            Outcome::Conflicted => Next::Again(back_off(attempts, FIRST_AFTER_CONFLICT, LONGEST_AFTER_CONFLICT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Denial;

    fn allow() -> Verdict {
        Verdict::allow("a.b.c".into())
    }

    fn failed(cause: Cause) -> Verdict {
        Verdict::error("a.b.c".into(), cause, "why")
    }

    #[test]
    fn errors_and_timeouts_are_tried_again_and_denials_are_told_once() {
        let denied = Verdict { effect: Effect::Deny(vec![Denial::default()]), ..allow() };
        let requeue = Requeue { after: Some(Duration::from_secs(9)), message: String::new() };
        let requeued = Verdict { requeue: Some(requeue.clone()), ..allow() };
        let both = Verdict { requeue: Some(requeue.clone()), ..denied.clone() };
        for (verdict, has_conflict, outcome, wait) in [
            (allow(), true, Outcome::Done, Next::Never),
            (denied, false, Outcome::Denied, Next::Never),
            (requeued, false, Outcome::Requeued(requeue.clone()), Next::Anew(Duration::from_secs(9))),
            (both, false, Outcome::Requeued(requeue), Next::Anew(Duration::from_secs(9))),
            (failed(Cause::Exception), false, Outcome::Failed, Next::Again(FIRST_RETRY)),
            (failed(Cause::Timeout), false, Outcome::Failed, Next::Again(FIRST_RETRY)),
            (failed(Cause::Exception), true, Outcome::Conflicted, Next::Again(FIRST_AFTER_CONFLICT)),
            (failed(Cause::Overload), false, Outcome::Unasked, Next::Again(FIRST_RETRY)),
        ] {
            let found = Outcome::of(&verdict, has_conflict);
            assert_eq!(found, outcome, "{verdict:?}");
            assert_eq!(Waits::default().next(&found, 0, Instant::now()), wait, "{verdict:?}");
        }
        let later = Waits::default().next(&Outcome::Failed, 20, Instant::now());
        assert_eq!(later, Next::Again(LONGEST_RETRY));
    }

    #[test]
    fn who_asks_again_and_again_asks_ten_times_a_second_in_the_end() {
        let (mut waits, now) = (Waits::default(), Instant::now());
        let soon = Outcome::Requeued(Requeue::default());
        assert_eq!(waits.next(&soon, 0, now), Next::Again(FIRST_REQUEUE));
        for _ in 0..200 {
            waits.next(&soon, 0, now);
        }
        let Next::Again(wait) = waits.next(&soon, 0, now) else { panic!("it asked again") };
        assert!(wait > Duration::from_secs(9), "{wait:?}");
    }
}
