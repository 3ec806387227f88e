//! `POST /crds`: whether an object of ours may be stored.

use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::decision::{Decision, Denial, Status};
use crate::policy::FieldError;
use crate::review::{AdmissionRequest, Review};

use super::check::faults;

/// Policies that are parsed at once: each takes a core for some milliseconds, and reviews need them too.
static PARSERS: Semaphore = Semaphore::const_new(2);

/// Things that are told of one object.
const MOST: usize = 10;

/// A message longer than this is cut: it travels through the API server to a terminal.
const LONGEST: usize = 1 << 10;

/// The decision on an object of ours, in time. No code of a policy is run.
pub async fn judge(review: &Review, deadline: Instant) -> Decision {
    let request = review.request.clone();
    let found = tokio::time::timeout_at(deadline.into(), async {
        let _turn = PARSERS.acquire().await;
        tokio::task::spawn_blocking(move || faults(&request, Timestamp::now())).await
    })
    .await;
    match found {
        Ok(Ok(faults)) if faults.is_empty() => Decision::allow(),
        Ok(Ok(faults)) => {
            say(&review.request, &faults);
            denied(faults)
        }
        Ok(Err(_)) => unchecked("it could not be checked; please report this with the log"),
        Err(_) => unchecked("it could not be checked in time; try again"),
    }
}

/// Fields only: messages show the code.
fn say(request: &AdmissionRequest, faults: &[FieldError]) {
    let fields: Vec<&str> = faults.iter().take(MOST).map(|fault| fault.field.as_str()).collect();
    let (kind, name, user) = (&request.kind.kind, &request.name, &request.user.username);
    tracing::info!(%kind, %name, %user, fields = fields.join(", "), "an object of ours is refused");
}

fn denied(faults: Vec<FieldError>) -> Decision {
    let more = faults.len().saturating_sub(MOST);
    let told: Vec<FieldError> = faults
        .into_iter()
        .take(MOST)
        .map(|fault| FieldError { field: cut(&fault.field), message: cut(&fault.message) })
        .collect();
    let mut message = told.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if more > 0 {
        message = format!("{message}; and {more} more");
    }
    let causes = told.into_iter().map(|fault| Denial {
        message: fault.message,
        field: Some(fault.field),
        reason: Some("FieldValueInvalid".to_owned()),
        code: None,
    });
    status(422, "Invalid", message, causes.collect())
}

fn unchecked(message: &str) -> Decision {
    status(503, "ServiceUnavailable", message.to_owned(), Vec::new())
}

fn status(code: u16, reason: &str, message: String, causes: Vec<Denial>) -> Decision {
    Decision { status: Some(Status { code, reason: Some(reason.to_owned()), message, causes }), ..Decision::default() }
}

/// Short, and without what a terminal would obey.
fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST);
    let (kept, rest) = text.split_at(end);
    let clean = kept.replace(|c: char| c.is_control() && c != '\n', " ");
    if rest.is_empty() { clean } else { clean + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_bounded_and_harmless_to_a_terminal() {
        let fault = FieldError { field: "spec.x".to_owned(), message: format!("\u{1b}[2J{}", "ä".repeat(5_000)) };
        let decision = denied(vec![fault; 25]);
        let status = decision.status.unwrap();
        assert!(!decision.allowed && status.code == 422 && status.causes.len() == MOST);
        assert!(status.message.ends_with("; and 15 more"), "{}", status.message);
        assert!(status.message.len() < 12 << 10 && !status.message.contains('\u{1b}'));
    }
}
