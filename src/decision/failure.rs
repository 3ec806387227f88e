//! What counts when a policy, or the server itself, gave no verdict.

use super::{Cause, Decision, Judged, Status, Verdict};
use crate::policy::spec::{OnError, PolicySpec};

impl Judged {
    /// A verdict, taken as its policy wants.
    #[must_use]
    pub const fn by(spec: &PolicySpec, verdict: Verdict) -> Self {
        Self { verdict, enforcement: spec.enforcement, on_error: spec.on_error }
    }

    /// A policy that could not be asked, or did not answer: no time, no room, a selector that could not be evaluated.
    /// Its own failure mode decides.
    #[must_use]
    pub fn unasked(spec: &PolicySpec, cause: Cause, message: impl Into<String>) -> Self {
        Self::by(spec, Verdict::error(spec.name.clone(), cause, message))
    }
}

/// The decision when no policy can be named: a fault of the server before or after all of them. `mode` is `Deny` when
/// any policy that might have matched would deny on an error.
#[must_use]
pub fn undecided(mode: OnError, message: &str) -> Decision {
    match mode {
        OnError::Allow => {
            Decision { warnings: vec![format!("policies were not evaluated: {message}")], ..Decision::allow() }
        }
        OnError::Deny => Decision {
            status: Some(Status {
                code: 500,
                reason: Some("InternalError".to_owned()),
                message: format!("policies could not be evaluated: {message}"),
                causes: Vec::new(),
            }),
            ..Decision::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failure_mode_decides_for_the_server_too() {
        let denied = undecided(OnError::Deny, "no isolate left");
        assert!(!denied.allowed);
        let status = denied.status.unwrap();
        assert_eq!((status.code, &*status.message), (500, "policies could not be evaluated: no isolate left"));

        let allowed = undecided(OnError::Allow, "no isolate left");
        assert!(allowed.allowed && allowed.status.is_none());
        assert_eq!(allowed.warnings, ["policies were not evaluated: no isolate left"]);
    }
}
