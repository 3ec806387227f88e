//! What a replica makes of the Lease it reads. Nothing here asks anybody for the time.
//!
//! Clocks of other machines may say anything, so the times that stand in a Lease are written for people and never
//! compared: a Lease has lapsed when it has not changed for its duration by the local monotonic clock, whatever it says.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use tokio::time::Instant;

/// A Lease that asks others to wait longer than this is not believed: one wrong number must not leave a cluster without
/// a leader for good.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Who stands for the leadership, and for how long a term is.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub identity: String,
    pub duration: Duration,
}

/// The Lease as it was last seen to change, and when.
#[derive(Debug, Default)]
pub(super) struct Observed(Option<(LeaseSpec, Instant)>);

/// What to do about a Lease.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Write it: nobody holds it, or its holder has not renewed it, or it is our own.
    Write(Box<LeaseSpec>),
    /// Somebody else holds it, until that instant at least.
    Wait { holder: String, until: Instant },
}

impl Observed {
    /// Looks at the Lease as it was just read.
    pub(super) fn decide(&mut self, lease: &Lease, candidate: &Candidate, now: Instant) -> Step {
        let spec = lease.spec.clone().unwrap_or_default();
        let since = match &self.0 {
            Some((seen, since)) if *seen == spec => *since,
            _ => now,
        };
        self.0 = Some((spec.clone(), since));
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if holder == candidate.identity {
            return Step::Write(Box::new(candidate.renewal(&spec)));
        }
        let until = since + wait_of(&spec, candidate.duration);
        if holder.is_empty() || now >= until {
            return Step::Write(Box::new(candidate.term(&spec)));
        }
        Step::Wait { holder, until }
    }

    /// The Lease is not there. Whoever was seen to hold it does not know yet, and leads for as long as if it were.
    pub(super) fn missing(&self, candidate: &Candidate, now: Instant) -> Option<Step> {
        let (spec, since) = self.0.as_ref()?;
        let holder =
            spec.holder_identity.clone().filter(|holder| !holder.is_empty() && *holder != candidate.identity)?;
        let until = *since + wait_of(spec, candidate.duration);
        (now < until).then_some(Step::Wait { holder, until })
    }
}

impl Candidate {
    /// The first Lease of that name.
    pub(super) fn new_lease(&self, name: &str) -> Lease {
        let labels = [("app.kubernetes.io/managed-by".to_owned(), "bylaw".to_owned())];
        let metadata = ObjectMeta { name: Some(name.to_owned()), labels: Some(labels.into()), ..ObjectMeta::default() };
        Lease { metadata, spec: Some(LeaseSpec { lease_transitions: Some(0), ..self.term(&LeaseSpec::default()) }) }
    }

    /// A new term after another holder's, or after nobody's.
    fn term(&self, before: &LeaseSpec) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(before.lease_transitions.unwrap_or_default().saturating_add(1)),
            ..self.renewal(before)
        }
    }

    fn renewal(&self, before: &LeaseSpec) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(seconds(self.duration)),
            renew_time: Some(MicroTime(Timestamp::now())),
            acquire_time: before.acquire_time.clone(),
            lease_transitions: before.lease_transitions,
            ..LeaseSpec::default()
        }
    }
}

/// What the holder leaves when it goes: nobody's Lease, as client-go leaves it.
pub(super) fn released(before: &LeaseSpec) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        renew_time: Some(MicroTime(Timestamp::now())),
        ..before.clone()
    }
}

/// How long others wait for the holder of a Lease. Its own word counts, for replicas may be set up differently in the
/// middle of an update.
fn wait_of(spec: &LeaseSpec, own: Duration) -> Duration {
    let said = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default();
    own.max(Duration::from_secs(said).min(LONGEST_WAIT))
}

/// The field holds whole seconds: rounded up, so that nobody takes the Lease early.
fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis().div_ceil(1_000).max(1)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Duration = Duration::from_secs(15);

    fn me() -> Candidate {
        Candidate { identity: "me".to_owned(), duration: TERM }
    }

    /// Held by another, renewed at the second `renewed` since 1970.
    fn held(renewed: i64, seconds: i32) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some("other".to_owned()),
            lease_duration_seconds: Some(seconds),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            lease_transitions: Some(4),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    fn is_write(step: &Step) -> bool {
        matches!(step, Step::Write(_))
    }

    #[test]
    fn a_lease_lapses_by_the_local_clock_and_by_nothing_that_it_says() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for lie in [0, 4_102_444_800, Timestamp::now().as_second()] {
            let mut observed = Observed::default();
            let wait = Step::Wait { holder: "other".to_owned(), until: at(15) };
            assert_eq!(observed.decide(&held(lie, 15), &me(), at(0)), wait, "a first look proves nothing");
            assert_eq!(observed.decide(&held(lie, 15), &me(), at(14)), wait);
            assert!(is_write(&observed.decide(&held(lie, 15), &me(), at(15))));
        }
    }

    #[test]
    fn a_holder_that_renews_is_waited_for_though_its_clock_goes_backwards() {
        let start = Instant::now();
        let mut observed = Observed::default();
        for look in 0..100_u32 {
            let step = observed.decide(&held(1_000 - i64::from(look), 15), &me(), start + TERM * look);
            assert!(!is_write(&step), "look {look}");
        }
    }

    #[test]
    fn the_longer_of_both_durations_counts_but_not_an_absurd_one() {
        let start = Instant::now();
        for (said, waits) in [(60, 60), (1, 15), (-5, 15), (i32::MAX, 300)] {
            let step = Observed::default().decide(&held(0, said), &me(), start);
            let until = start + Duration::from_secs(waits);
            assert_eq!(step, Step::Wait { holder: "other".to_owned(), until }, "{said}");
        }
    }

    #[test]
    fn a_released_an_empty_and_an_own_lease_are_taken_at_once() {
        let now = Instant::now();
        let other = held(0, 15).spec.unwrap();
        let free = Lease { spec: Some(released(&other)), ..Lease::default() };
        for lease in [free, Lease::default()] {
            let Step::Write(spec) = Observed::default().decide(&lease, &me(), now) else { panic!("not taken") };
            assert_eq!(spec.holder_identity.as_deref(), Some("me"));
            assert!(spec.acquire_time.is_some() && spec.renew_time.is_some());
        }
        let mine = LeaseSpec { holder_identity: Some("me".to_owned()), ..other };
        let step = Observed::default().decide(&Lease { spec: Some(mine.clone()), ..Lease::default() }, &me(), now);
        let Step::Write(spec) = step else { panic!("not renewed") };
        assert_eq!((spec.lease_transitions, spec.lease_duration_seconds), (Some(4), Some(15)));
        assert_ne!(spec.renew_time, mine.renew_time);
    }

    #[test]
    fn a_lease_that_is_deleted_is_not_made_anew_beside_its_holder() {
        let start = Instant::now();
        let mut observed = Observed::default();
        assert_eq!(observed.missing(&me(), start), None, "nobody was ever seen to hold it");
        observed.decide(&held(0, 15), &me(), start);
        let wait = Step::Wait { holder: "other".to_owned(), until: start + TERM };
        assert_eq!(observed.missing(&me(), start + TERM / 2), Some(wait));
        assert_eq!(observed.missing(&me(), start + TERM), None);
        let mut own = held(0, 15).spec.unwrap();
        own.holder_identity = Some("me".to_owned());
        observed.decide(&Lease { spec: Some(own), ..Lease::default() }, &me(), start);
        assert_eq!(observed.missing(&me(), start), None, "the holder itself may");
    }

    #[test]
    fn a_new_term_is_counted_and_its_duration_rounded_up() {
        let mut observed = Observed::default();
        let candidate = Candidate { duration: Duration::from_millis(2_100), ..me() };
        let start = Instant::now();
        observed.decide(&held(0, 1), &candidate, start);
        let Step::Write(spec) = observed.decide(&held(0, 1), &candidate, start + TERM) else { panic!("not taken") };
        assert_eq!((spec.lease_transitions, spec.lease_duration_seconds), (Some(5), Some(3)));
        assert_eq!(candidate.new_lease("x").spec.unwrap().lease_transitions, Some(0));
    }
}
