//! A verdict on its way out of a worker, and why it is believed no further than the policy itself.
//!
//! A policy may break out of its realm and speak for its worker. It then says what it could have said before: its own
//! verdict. Whose verdict it is, how long it may be and what it may do to the object is decided here, out of its reach;
//! a JSON patch is never taken from a worker, it is computed from the two objects.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::decision::{Cause, Denial, Effect, EvaluationError, Mutation, Requeue, Verdict};
use crate::isolate::Evaluated;

/// What a realm lets a policy record (`module.js`) of each kind, and more than a script's array of warnings needs.
const MAX_RECORDS: usize = 4_096;

/// Bytes of an error's message: a text of 2 KiB and a place.
const MAX_MESSAGE: usize = 16 << 10;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictHead {
    effect: EffectHead,
    warnings: Vec<String>,
    audit: Vec<(String, String)>,
    requeue: Option<RequeueHead>,
    /// Bytes of the object as it was; the rest of the body is the object as it is.
    before: Option<usize>,
    nanos: u64,
    allocated: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum EffectHead {
    Allow,
    Deny(Vec<DenialHead>),
    Error { cause: String, message: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DenialHead {
    message: String,
    field: Option<String>,
    reason: Option<String>,
    code: Option<u16>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequeueHead {
    after: Option<Duration>,
    message: String,
}

/// Why a verdict is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    #[error("a denial without a message")]
    EmptyDenial,
    #[error("more than {MAX_RECORDS} records")]
    TooMany,
    #[error("an error's message of more than {MAX_MESSAGE} bytes")]
    TooLong,
    #[error("a cause that no worker can know of")]
    Cause,
    #[error("a mutation by a policy that was not asked for one")]
    Unasked,
    #[error("a mutation that is no text of two objects")]
    NoObjects,
}

/// What a worker may give as the cause of an error; the others are found by its supervisor.
const CAUSES: [Cause; 7] =
    [Cause::Exception, Cause::Timeout, Cause::Cpu, Cause::Memory, Cause::Unsettled, Cause::BadResult, Cause::Internal];

impl VerdictHead {
    /// The head of a verdict, and the parts of its body.
    pub fn of(evaluated: Evaluated) -> (Self, [String; 2]) {
        let Evaluated { verdict, time, allocated, .. } = evaluated;
        let Verdict { policy: _, effect, warnings, audit, mutation, requeue } = verdict;
        let effect = match effect {
            Effect::Allow => EffectHead::Allow,
            Effect::Deny(denials) => EffectHead::Deny(denials.into_iter().map(DenialHead::of).collect()),
            Effect::Error(EvaluationError { cause, message }) => {
                EffectHead::Error { cause: cause.as_str().to_owned(), message }
            }
        };
        let before = mutation.as_ref().map(|mutation| mutation.before.len());
        let body = mutation.map_or_else(Default::default, |Mutation { before, after }| [before, after]);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let requeue = requeue.map(|Requeue { after, message }| RequeueHead { after, message });
        (Self { effect, warnings, audit, requeue, before, nanos, allocated }, body)
    }

    /// The verdict of the policy that was asked, whose run took no longer than `elapsed`.
    ///
    /// # Errors
    /// Where it is one that no run can come to.
    pub fn into_evaluated(
        self,
        policy: Arc<str>,
        body: &Bytes,
        may_mutate: bool,
        elapsed: Duration,
    ) -> Result<Evaluated, VerdictError> {
        let Self { effect, warnings, audit, requeue, before, nanos, allocated } = self;
        if warnings.len() > MAX_RECORDS || audit.len() > MAX_RECORDS {
            return Err(VerdictError::TooMany);
        }
        let effect = match effect {
            EffectHead::Allow => Effect::Allow,
            EffectHead::Deny(denials) if denials.is_empty() => return Err(VerdictError::EmptyDenial),
            EffectHead::Deny(denials) if denials.len() > MAX_RECORDS => return Err(VerdictError::TooMany),
            EffectHead::Deny(denials) => Effect::Deny(denials.into_iter().map(DenialHead::into_denial).collect()),
            EffectHead::Error { message, .. } if message.len() > MAX_MESSAGE => return Err(VerdictError::TooLong),
            EffectHead::Error { cause, message } => {
                let cause = CAUSES.into_iter().find(|known| known.as_str() == cause).ok_or(VerdictError::Cause)?;
                Effect::Error(EvaluationError { cause, message })
            }
        };
        let mutation = match before {
            None if body.is_empty() => None,
            None => return Err(VerdictError::NoObjects),
            Some(_) if !may_mutate => return Err(VerdictError::Unasked),
            Some(before) => Some(mutation(body, before).ok_or(VerdictError::NoObjects)?),
        };
        let requeue = requeue.map(|RequeueHead { after, message }| Requeue { after, message });
        if requeue.as_ref().is_some_and(|requeue| requeue.message.len() > MAX_MESSAGE) {
            return Err(VerdictError::TooLong);
        }
        let verdict = Verdict { policy, effect, warnings, audit, mutation, requeue };
        Ok(Evaluated { time: Duration::from_nanos(nanos).min(elapsed), allocated, ..verdict.into() })
    }
}

impl DenialHead {
    fn of(denial: Denial) -> Self {
        let Denial { message, field, reason, code } = denial;
        Self { message, field, reason, code }
    }

    fn into_denial(self) -> Denial {
        let Self { message, field, reason, code } = self;
        Denial { message, field, reason, code }
    }
}

/// Whether they are JSON at all is seen where they are compared.
fn mutation(body: &[u8], before: usize) -> Option<Mutation> {
    let object = |text: &[u8]| {
        let text = std::str::from_utf8(text).ok()?;
        text.starts_with('{').then(|| text.to_owned())
    };
    let (before, after) = body.split_at_checked(before)?;
    Some(Mutation { before: object(before)?, after: object(after)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn taken(verdict: Verdict, may_mutate: bool) -> Result<Evaluated, VerdictError> {
        let evaluated = Evaluated { time: Duration::from_secs(5), allocated: Some(7), ..verdict.into() };
        let (head, body) = VerdictHead::of(evaluated);
        let head = serde_json::from_str::<VerdictHead>(&serde_json::to_string(&head).unwrap()).unwrap();
        head.into_evaluated("asked".into(), &Bytes::from(body.concat()), may_mutate, LONG)
    }

    fn allow() -> Verdict {
        Verdict::allow("claimed".into())
    }

    fn mutated(before: &str, after: &str) -> Verdict {
        Verdict { mutation: Some(Mutation { before: before.to_owned(), after: after.to_owned() }), ..allow() }
    }

    #[test]
    fn a_verdict_comes_back_as_it_was_under_the_name_that_was_asked() {
        let denial = Denial {
            message: "no".to_owned(),
            field: Some("spec".to_owned()),
            reason: Some("Invalid".to_owned()),
            code: Some(422),
        };
        let verdict = Verdict {
            effect: Effect::Deny(vec![denial, Denial::default()]),
            warnings: vec!["hm".to_owned()],
            audit: vec![("key".to_owned(), "value".to_owned())],
            requeue: Some(Requeue { after: Some(LONG), message: "later".to_owned() }),
            ..mutated(r#"{"a":"é"}"#, r#"{"a":"ü"}"#)
        };
        let back = taken(verdict.clone(), true).unwrap();
        assert_eq!(back.verdict, Verdict { policy: "asked".into(), ..verdict });
        assert_eq!((back.time, back.allocated), (Duration::from_secs(5), Some(7)));
        for cause in CAUSES {
            let back = taken(Verdict::error("claimed".into(), cause, "why"), false).unwrap();
            assert_eq!(back.verdict, Verdict::error("asked".into(), cause, "why"));
        }
    }

    #[test]
    fn a_verdict_that_no_run_can_come_to_is_not_taken() {
        let refused = |verdict, may_mutate| taken(verdict, may_mutate).unwrap_err();
        assert_eq!(refused(Verdict { effect: Effect::Deny(vec![]), ..allow() }, false), VerdictError::EmptyDenial);
        let many = vec![Denial::default(); MAX_RECORDS + 1];
        assert_eq!(refused(Verdict { effect: Effect::Deny(many), ..allow() }, false), VerdictError::TooMany);
        let many = vec![String::new(); MAX_RECORDS + 1];
        assert_eq!(refused(Verdict { warnings: many, ..allow() }, false), VerdictError::TooMany);
        let many = vec![<(String, String)>::default(); MAX_RECORDS + 1];
        assert_eq!(refused(Verdict { audit: many, ..allow() }, false), VerdictError::TooMany);
        for cause in [Cause::Matching, Cause::Overload] {
            assert_eq!(refused(Verdict::error("p".into(), cause, ""), false), VerdictError::Cause);
        }
        let long = "x".repeat(MAX_MESSAGE + 1);
        assert_eq!(refused(Verdict::error("p".into(), Cause::Exception, long), false), VerdictError::TooLong);
        assert_eq!(refused(mutated("{}", "{}"), false), VerdictError::Unasked);
        assert_eq!(refused(mutated("{}", "[]"), true), VerdictError::NoObjects);
        assert_eq!(refused(mutated("", "{}"), true), VerdictError::NoObjects);
    }

    #[test]
    fn a_body_that_does_not_fit_its_head_is_not_taken() {
        let head = |before| VerdictHead { before, ..VerdictHead::of(allow().into()).0 };
        let take = |before, body: &'static [u8]| {
            head(before).into_evaluated("p".into(), &Bytes::from_static(body), true, LONG).map(drop)
        };
        assert_eq!(take(None, b"{}"), Err(VerdictError::NoObjects));
        assert_eq!(take(Some(5), b"{}{}"), Err(VerdictError::NoObjects));
        assert_eq!(take(Some(2), b"{}{\xff}"), Err(VerdictError::NoObjects));
        assert_eq!(take(Some(2), b"{}{}"), Ok(()));
    }

    #[test]
    fn nobody_runs_longer_than_was_waited_for_it() {
        let evaluated = Evaluated { time: LONG * 2, ..allow().into() };
        let back = VerdictHead::of(evaluated).0.into_evaluated("p".into(), &Bytes::new(), false, LONG);
        assert_eq!(back.unwrap().time, LONG);
    }
}
