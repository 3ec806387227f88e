//! The way from a request to the reports: it never waits, and holds no more than there is room for.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::violation::{Action, Asked, Violation};
use crate::decision::Judged;
use crate::review::{AdmissionRequest, Review};
use crate::telemetry::Metrics;

/// Reviews that are on their way. Each takes some kilobytes; what reads them does nothing else.
const ROOM: usize = 1_024;

/// Policies of one review that are told of.
const MOST_OF_REVIEW: usize = 50;

/// The groups of what is written here. A policy that denies those writes must not cause more of them.
const OWN_GROUPS: [&str; 4] = ["policy.jspolicy.com", "wgpolicyk8s.io", "openreports.io", "events.k8s.io"];

/// Takes in violations; cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    sender: mpsc::Sender<Vec<Violation>>,
    metrics: Arc<Metrics>,
}

impl Recorder {
    pub(super) fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Vec<Violation>>) {
        let (sender, receiver) = mpsc::channel(ROOM);
        (Self { sender, metrics }, receiver)
    }

    /// Tells of what stands against the object of a review. Where there is no room it is counted and forgotten.
    pub fn record(&self, review: &Review, objections: &[Judged]) {
        if is_own(&review.request) {
            return;
        }
        let told = objections.get(..MOST_OF_REVIEW).unwrap_or(objections);
        self.metrics.reports_dropped.add(count(objections.len() - told.len()));
        // First the room, then the texts: a flood must not pay for what nobody will read.
        match self.sender.try_reserve() {
            Ok(room) => room.send(Violation::all(review, told)),
            Err(_) => self.metrics.reports_dropped.add(count(told.len())),
        }
    }

    /// Tells of what a controller said of an object.
    pub fn record_controller(&self, review: &Review, judged: &Judged) {
        if is_own(&review.request) {
            return;
        }
        for violation in Violation::all(review, std::slice::from_ref(judged)) {
            let asked = Asked { username: String::new(), user_uid: String::new(), ..(*violation.asked).clone() };
            self.tell(Violation { action: Action::Controller, asked: Arc::new(asked), ..violation });
        }
    }

    /// Tells of one that came about otherwise.
    pub fn tell(&self, violation: Violation) {
        if self.sender.try_send(vec![violation]).is_err() {
            self.metrics.reports_dropped.increment();
        }
    }
}

fn is_own(request: &AdmissionRequest) -> bool {
    let resource = &request.resource;
    let is_event = resource.group.is_empty() && resource.resource == "events";
    is_event || OWN_GROUPS.contains(&&*resource.group)
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{denied, review};
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted() {
        let metrics = Arc::new(Metrics::default());
        let (recorder, mut receiver) = Recorder::new(Arc::clone(&metrics));
        let review = review(&json!({}));
        for _ in 0..ROOM + 10 {
            recorder.record(&review, &[denied("a.b.c", &["no"]), denied("d.e.f", &["no"])]);
        }
        assert_eq!(metrics.reports_dropped.get(), 20);
        assert_eq!(receiver.try_recv().unwrap().len(), 2);
        recorder.record(&review, &vec![denied("a.b.c", &["no"]); 60]);
        assert_eq!((metrics.reports_dropped.get(), receiver.len()), (30, ROOM));
    }

    #[test]
    fn a_policy_that_denies_what_is_written_here_causes_no_more_of_it() {
        let (recorder, mut receiver) = Recorder::new(Arc::default());
        for (group, resource) in [("", "events"), ("events.k8s.io", "events"), ("wgpolicyk8s.io", "policyreports")] {
            let resource = json!({"group": group, "version": "v1", "resource": resource});
            recorder.record(&review(&json!({"resource": resource})), &[denied("a.b.c", &["no"])]);
        }
        assert!(receiver.try_recv().is_err());
    }
}
