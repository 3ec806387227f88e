//! What counts when a policy, or the server itself, gave no verdict.

use super::{Decision, Effect, Judged, Status, Verdict};
use crate::policy::spec::{Enforcement, OnError, PolicySpec};

impl Judged {
    /// A verdict, taken as its policy wants where nothing else is said.
    #[must_use]
    pub const fn by(spec: &PolicySpec, verdict: Verdict) -> Self {
        Self { verdict, enforcement: spec.enforcement, on_error: spec.on_error, exception: None }
    }

    /// Whether this verdict alone denies the request.
    #[must_use]
    pub fn ends_request(&self) -> bool {
        self.enforcement == Enforcement::Deny
            && self.exception.is_none()
            && match &self.verdict.effect {
                Effect::Allow => false,
                Effect::Deny(_) => true,
                Effect::Error(_) => self.on_error == OnError::Deny,
            }
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
