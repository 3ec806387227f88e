//! Every rule of merging, one test each.

use serde_json::json;

use super::super::Cause;
use super::*;

fn judged(policy: &str, effect: Effect) -> Judged {
    let verdict = Verdict { effect, ..Verdict::allow(policy.into()) };
    Judged { verdict, enforcement: Enforcement::Deny, on_error: OnError::Deny, exception: None }
}

fn denial(message: &str) -> Denial {
    Denial { message: message.to_owned(), ..Denial::default() }
}

fn denies(policy: &str, messages: &[&str]) -> Judged {
    judged(policy, Effect::Deny(messages.iter().map(|message| denial(message)).collect()))
}

fn fails(policy: &str) -> Judged {
    let error = EvaluationError { cause: Cause::Exception, message: "TypeError: x is undefined".to_owned() };
    judged(policy, Effect::Error(error))
}

fn warns(policy: &str, warning: &str) -> Judged {
    let mut judged = judged(policy, Effect::Allow);
    judged.verdict.warnings.push(warning.to_owned());
    judged
}

fn merged(judged: Vec<Judged>) -> Decision {
    merge(judged, Style::Merged, Vec::new())
}

fn lone(judged: Judged) -> Decision {
    merge(vec![judged], Style::JsPolicy, Vec::new())
}

fn patch() -> Vec<PatchOp> {
    vec![PatchOp::Add { path: "/a".to_owned(), value: json!(1) }]
}

#[test]
fn nothing_said_is_a_plain_allow() {
    assert!(merged(vec![]).is_plain_allow());
    assert!(merged(vec![judged("a", Effect::Allow), judged("b", Effect::Allow)]).is_plain_allow());
}

#[test]
fn denials_are_joined_in_order_with_their_policies() {
    let decision = merged(vec![denies("a", &["one", "two"]), judged("b", Effect::Allow), denies("c", &["three"])]);
    assert!(!decision.allowed);
    let status = decision.status.unwrap();
    assert_eq!(status.message, "[a] one; [a] two; [c] three");
    assert_eq!((status.code, status.reason.as_deref()), (403, Some("Forbidden")));
    assert_eq!(status.causes.len(), 3);
}

#[test]
fn the_message_names_ten_denials_and_counts_the_rest() {
    let ten: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    let message = |judged| merged(judged).status.unwrap().message;
    assert!(message(vec![denies("a", &ten)]).ends_with("[a] 9"));
    assert!(message(vec![denies("a", &ten), denies("b", &["x", "y"])]).ends_with("; [a] 9; and 2 more"));
}

#[test]
fn the_first_denial_gives_code_and_reason() {
    let special = Denial { code: Some(422), reason: Some("Invalid".into()), ..denial("special") };
    let decision = merged(vec![
        fails("a"),
        judged("b", Effect::Deny(vec![special])),
        judged("c", Effect::Deny(vec![Denial { code: Some(400), ..denial("later") }])),
    ]);
    let status = decision.status.unwrap();
    assert_eq!((status.code, status.reason.as_deref()), (422, Some("Invalid")), "a denial goes before a failure");
}

#[test]
fn a_code_that_is_no_http_error_becomes_403() {
    for code in [0, 200, 399, 600, u16::MAX] {
        let decision = merged(vec![judged("a", Effect::Deny(vec![Denial { code: Some(code), ..denial("x") }]))]);
        assert_eq!(decision.status.unwrap().code, 403, "{code}");
    }
}

#[test]
fn causes_carry_field_message_and_reason() {
    let with_field = Denial { field: Some("spec.x".into()), ..denial("bad x") };
    let causes = merged(vec![judged("a", Effect::Deny(vec![with_field]))]).status.unwrap().causes;
    assert_eq!(
        causes,
        [Denial {
            message: "bad x".into(),
            field: Some("spec.x".into()),
            reason: Some("Forbidden".into()),
            code: None
        }]
    );
}

#[test]
fn an_endless_list_of_denials_is_bounded() {
    let long = "x".repeat(100_000);
    let status = merged(vec![denies("a", &[&*long; 1_000])]).status.unwrap();
    assert!(status.message.len() < 50_000, "{}", status.message.len());
    assert_eq!(status.causes.len(), 100);
    assert!(status.causes.iter().all(|cause| cause.message.len() <= 1_024));
}

#[test]
fn a_denial_drops_the_patch_and_an_allow_carries_it() {
    assert_eq!(merge(vec![denies("a", &["no"])], Style::Merged, patch()).patch, vec![]);
    let decision = merge(vec![warns("a", "careful")], Style::Merged, patch());
    assert!(decision.allowed && !decision.is_plain_allow());
    assert_eq!((decision.patch, decision.warnings), (patch(), vec!["[a] careful".to_owned()]));
}

#[test]
fn a_failure_denies_with_500_unless_the_policy_says_allow() {
    let status = merged(vec![fails("a")]).status.unwrap();
    assert_eq!(status.message, "[a] policy failed: TypeError: x is undefined");
    assert_eq!((status.code, status.reason.as_deref()), (500, Some("InternalError")));

    let decision = merged(vec![Judged { on_error: OnError::Allow, ..fails("a") }]);
    assert!(decision.allowed);
    assert_eq!(decision.warnings, ["[a] policy failed: TypeError: x is undefined"]);
    assert_eq!(decision.audit, [("a.error".to_owned(), "exception: TypeError: x is undefined".to_owned())]);
}

#[test]
fn warn_turns_denials_and_failures_into_warnings() {
    let warn = |judged: Judged| Judged { enforcement: Enforcement::Warn, ..judged };
    let decision = merged(vec![warn(denies("a", &["one", "two"])), warn(fails("b")), warns("c", "own")]);
    assert!(decision.allowed);
    let failed = "[b] policy failed: TypeError: x is undefined";
    assert_eq!(decision.warnings, ["[a] one", "[a] two", failed, "[c] own"]);
}

#[test]
fn dry_says_nothing_but_what_the_policy_warned_itself() {
    let dry = |judged: Judged| Judged { enforcement: Enforcement::Dry, ..judged };
    let decision = merged(vec![dry(denies("a", &["no"])), dry(fails("b")), dry(warns("c", "own"))]);
    assert!(decision.allowed);
    assert_eq!(decision.warnings, ["[c] own"]);
}

#[test]
fn a_policy_that_only_warns_does_not_soften_one_that_denies() {
    let soft = Judged { enforcement: Enforcement::Warn, ..denies("a", &["soft"]) };
    let decision = merged(vec![soft, denies("b", &["hard"])]);
    assert_eq!(decision.status.unwrap().message, "[b] hard");
    assert_eq!(decision.warnings, ["[a] soft"]);
}

#[test]
fn audit_annotations_carry_the_policy() {
    let mut one = judged("a.example.com", Effect::Allow);
    one.verdict.audit.push(("checked".into(), "yes".into()));
    assert_eq!(merged(vec![one.clone()]).audit, [("a.example.com.checked".to_owned(), "yes".to_owned())]);
    assert_eq!(lone(one).audit, [("checked".to_owned(), "yes".to_owned())]);
}

#[test]
fn terminal_escapes_never_reach_a_client() {
    let status = merged(vec![denies("a", &["x\u{1b}[2Jy\n z"])]).status.unwrap();
    assert_eq!(status.message, "[a] x [2Jy\n z");
    assert_eq!(status.causes[0].message, "x [2Jy\n z");
}

#[test]
fn a_lone_policy_speaks_as_jspolicy_did() {
    let status = lone(denies("a", &["plain words"])).status.unwrap();
    assert_eq!(
        status,
        Status { code: 403, reason: Some("Forbidden".into()), message: "plain words".into(), causes: vec![] }
    );

    let given = Denial { code: Some(42), reason: Some("MyReason".into()), ..denial("") };
    let status = lone(judged("a", Effect::Deny(vec![given]))).status.unwrap();
    assert_eq!((status.code, status.reason.as_deref(), &*status.message), (42, Some("MyReason"), ""));

    assert_eq!(lone(warns("a", "careful")).warnings, ["[a]: careful"]);
}

#[test]
fn a_lone_script_that_fails_is_500_without_a_reason() {
    let status = lone(fails("a")).status.unwrap();
    let message = "TypeError: x is undefined".to_owned();
    assert_eq!(status, Status { code: 500, reason: None, message, causes: vec![] });
}

#[test]
fn a_lone_policy_under_warn_allows_with_the_message_last() {
    let mut warned = Judged { enforcement: Enforcement::Warn, ..denies("a", &["no"]) };
    warned.verdict.warnings.push("first".into());
    let decision = merge(vec![warned], Style::JsPolicy, patch());
    assert!(decision.allowed);
    assert_eq!(decision.warnings, ["[a]: first", "[a]: no"]);
    assert_eq!(decision.patch, patch(), "under Warn mutations pass");
}

#[test]
fn a_lone_policy_under_dry_loses_its_patch_and_keeps_its_warnings() {
    let dry = Judged { enforcement: Enforcement::Dry, ..warns("a", "careful") };
    let decision = merge(vec![dry], Style::JsPolicy, patch());
    assert!(decision.allowed && decision.patch.is_empty());
    assert_eq!(decision.warnings, ["[a]: careful"]);
}

#[test]
fn a_field_behind_a_lone_policy_becomes_a_cause() {
    let with_field = Denial { field: Some("spec.x".into()), ..denial("bad x") };
    let status = lone(judged("a", Effect::Deny(vec![denial("plain"), with_field]))).status.unwrap();
    assert_eq!(status.message, "plain; bad x");
    assert_eq!(status.causes.len(), 1);
}
