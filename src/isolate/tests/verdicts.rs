//! What a validating module policy says, and what becomes of it.

use serde_json::json;

use super::super::testing::{Rig, bundle, creation, error, input, input_of, messages, module, pod, validate};
use crate::decision::{Cause, Denial, Effect};

#[test]
fn a_policy_that_says_nothing_allows() {
    let verdict = Rig::new().run(validate(""));
    assert_eq!(verdict.effect, Effect::Allow);
    assert!(verdict.warnings.is_empty() && verdict.audit.is_empty() && verdict.mutation.is_none());
}

#[test]
fn everything_a_policy_records_is_in_its_verdict_in_order() {
    let verdict = Rig::new().run(validate(
        r#"c.deny("first", { field: "spec.a", reason: "Invalid", code: 422 });
           c.warn("mind the gap"); c.deny("second"); c.audit("key", "value"); c.warn("twice");"#,
    ));
    let first = Denial {
        message: "first".into(),
        field: Some("spec.a".into()),
        reason: Some("Invalid".into()),
        code: Some(422),
    };
    let second = Denial { message: "second".into(), ..Denial::default() };
    assert_eq!(verdict.effect, Effect::Deny(vec![first, second]));
    assert_eq!(verdict.warnings, ["mind the gap", "twice"]);
    assert_eq!(verdict.audit, [("key".to_owned(), "value".to_owned())]);
}

#[test]
fn warnings_alone_allow() {
    let verdict = Rig::new().run(validate(r#"c.warn("mind the gap")"#));
    assert_eq!(verdict.effect, Effect::Allow);
    assert_eq!(verdict.warnings, ["mind the gap"]);
}

#[test]
fn what_is_recorded_in_a_microtask_counts() {
    let mut rig = Rig::new();
    let verdict = rig.run(validate(r#"Promise.resolve().then(() => c.deny("later"))"#));
    assert_eq!(messages(&verdict), ["later"]);
    let verdict = rig.run(module(r#"async validate(c) { await null; c.deny("after await"); }"#));
    assert_eq!(messages(&verdict), ["after await"]);
}

#[test]
fn nothing_of_one_run_is_left_in_the_next() {
    let mut rig = Rig::new();
    let verdicts = rig.batch([
        validate(r#"c.deny("a"); c.warn("a"); c.audit("a", "a")"#),
        validate(""),
        validate(r#"c.warn("c")"#),
    ]);
    assert_eq!(messages(&verdicts[0]), ["a"]);
    assert_eq!(verdicts[1].effect, Effect::Allow);
    assert!(verdicts[1].warnings.is_empty() && verdicts[1].audit.is_empty());
    assert_eq!((&verdicts[2].effect, &verdicts[2].warnings[..]), (&Effect::Allow, &["c".to_owned()][..]));
}

#[test]
fn wrong_arguments_are_errors_that_name_what_is_wrong() {
    let mut rig = Rig::new();
    for (body, told) in [
        ("c.deny()", "deny: message must be a string, not undefined"),
        ("c.deny({})", "deny: message must be a string, not object"),
        ("c.deny(null)", "deny: message must be a string, not null"),
        ("c.deny('x', { field: 1 })", "deny: field must be a string, not number"),
        ("c.deny('x', { reason: {} })", "deny: reason must be a string, not object"),
        ("c.deny('x', { code: '403' })", "deny: code must be an integer from 400 to 599"),
        ("c.deny('x', { code: 200 })", "deny: code must be an integer from 400 to 599"),
        ("c.warn(1)", "warn: message must be a string, not number"),
        ("c.audit('key')", "audit: value must be a string, not undefined"),
        ("return false", "validate returned boolean: call deny(), it must return nothing"),
        ("return { allowed: true }", "validate returned object: call deny(), it must return nothing"),
        ("return null", "validate returned object: call deny(), it must return nothing"),
    ] {
        let verdict = rig.run(validate(body));
        let (cause, message) = error(&verdict);
        assert_eq!(cause, Cause::Exception, "{body}");
        assert!(message.starts_with(&format!("TypeError: {told}")), "{body}: {message}");
    }
}

#[test]
fn an_async_handler_may_not_return_a_value_either() {
    let verdict = Rig::new().run(module("async validate() { return true; }"));
    assert!(error(&verdict).1.contains("validate returned boolean"), "{verdict:?}");
}

#[test]
fn an_exception_is_an_error_and_drops_what_was_recorded() {
    let mut rig = Rig::new();
    let verdicts =
        rig.batch([validate(r#"c.deny("x"); c.warn("y"); throw new RangeError("boom")"#), validate("c.deny('z')")]);
    let (cause, message) = error(&verdicts[0]);
    assert_eq!(cause, Cause::Exception);
    assert!(message.starts_with("RangeError: boom (at p.js:1:"), "{message}");
    assert!(verdicts[0].warnings.is_empty());
    assert_eq!(messages(&verdicts[1]), ["z"]);
}

#[test]
fn a_missing_handler_or_default_export_is_an_error() {
    let mut rig = Rig::new();
    for script in ["({})", "({ default: null })", "({ default: [] })", "undefined", "({ default: { name: 'x' } })"] {
        let verdict = rig.run(bundle(script));
        assert_eq!(error(&verdict).0, Cause::Exception, "{script}: {verdict:?}");
    }
}

#[test]
fn a_policy_sees_the_whole_context_of_its_review() {
    let mut request = creation(&pod());
    request["operation"] = json!("UPDATE");
    request["oldObject"] = json!({"metadata": {"name": "old"}});
    request["dryRun"] = json!(true);
    let draft = validate(
        "const { object, oldObject, request, operation, user, namespace, parameters, tenant, vantage, virtual, dryRun, template, now } = c;
         c.deny(JSON.stringify([object.metadata.name, oldObject.metadata.name, request.uid, operation, user.username, namespace.labels.team,
           parameters.level, tenant.kind, vantage, virtual === undefined, dryRun, template === undefined, now.getTime()]));",
    )
    .with(|spec| spec.parameters = json!({"level": 3}).into());
    let verdict = Rig::new().run_on(&input_of(request.to_string()), draft);
    let told = r#"["web","old","1","UPDATE","jane","a",3,"none","host",true,true,true,1700000000000]"#;
    assert_eq!(messages(&verdict), [told]);
}

#[test]
fn what_the_review_does_not_have_is_null_or_undefined() {
    let mut request = creation(&pod());
    request["object"].take();
    request.as_object_mut().unwrap().remove("object");
    let mut input = input_of(request.to_string());
    input.namespace = None;
    let body = "c.deny(`${c.object} ${c.oldObject} ${c.request.options} ${c.namespace} ${c.dryRun}`)";
    assert_eq!(messages(&Rig::new().run_on(&input, validate(body))), ["null null null undefined false"]);
}

#[test]
fn namespace_and_tenant_are_those_of_each_review() {
    let mut rig = Rig::new();
    let ask = |rig: &mut Rig, namespace: Option<&str>, tenant: &str| {
        let mut input = input();
        input.namespace = namespace.map(Into::into);
        input.tenant = tenant.into();
        messages(&rig.run_on(&input, validate("c.deny(`${c.namespace?.name} ${c.tenant.name}`)"))).remove(0)
    };
    let (one, two) = (r#"{"name":"one"}"#, r#"{"name":"two"}"#);
    assert_eq!(ask(&mut rig, Some(one), one), "one one");
    assert_eq!(ask(&mut rig, Some(one), one), "one one");
    assert_eq!(ask(&mut rig, Some(two), one), "two one");
    assert_eq!(ask(&mut rig, None, two), "undefined two");
    assert_eq!(ask(&mut rig, None, two), "undefined two");
    assert_eq!(ask(&mut rig, Some(one), two), "one two");
}

#[test]
fn now_belongs_to_one_policy() {
    let mut rig = Rig::new();
    let verdicts = rig.batch([validate("c.now.setTime(0)"), validate("c.deny(String(c.now.getTime()))")]);
    assert_eq!(messages(&verdicts[1]), ["1700000000000"]);
}

/// Whoever makes an object with many faults in it, or long ones, must not be able to turn the denial into an error,
/// which may mean that the request is allowed.
#[test]
fn too_much_to_say_is_cut_and_stays_a_denial() {
    let mut rig = Rig::new();
    let many = messages(&rig.run(validate("for (let i = 0; i < 100000; i += 1) c.deny(`fault ${i}`)")));
    assert_eq!((many.len(), many[0].as_str()), (256, "fault 0"));
    let long =
        messages(&rig.run(validate("c.deny('\u{1}'.repeat(10_000_000)); c.deny('x', { field: 'y'.repeat(1e6) })")));
    assert_eq!(long[0].chars().count(), 4096);
    assert!(long[0].ends_with('…'));
    let both = rig.run(validate("for (let i = 0; i < 1000; i += 1) { const s = '\u{1}'.repeat(1e6); c.warn(s); c.audit(s, s); c.deny(s, { field: s }); }"));
    assert!(!messages(&both).is_empty());
    assert!(!both.warnings.is_empty() && !both.audit.is_empty());
}

#[test]
fn half_a_surrogate_pair_in_a_message_stays_a_denial() {
    let mut request = creation(&pod()).to_string();
    request = request.replace("nginx:1.29", r"nginx\ud800");
    let input = input_of(request);
    let body = "c.deny(`image ${c.object.spec.containers[0].image}`, { field: '\\udc00' }); c.warn('\\udfff'); c.audit('\\ud800', '\\ud800')";
    let verdict = Rig::new().run_on(&input, validate(body));
    assert_eq!(messages(&verdict), ["image nginx\u{fffd}"]);
    assert_eq!(verdict.warnings, ["\u{fffd}"]);
}

#[test]
fn time_is_measured_and_allocations_where_asked_for() {
    let mut rig = Rig::new();
    let revision = validate("globalThis.structuredClone(Array(1000).fill(0).map((_, i) => ({ i })))").made();
    let mut input = input();
    let plain = rig.cell.validate(&input, std::slice::from_ref(&revision)).remove(0);
    assert!(plain.time > std::time::Duration::ZERO);
    assert_eq!(plain.allocated, None);
    input.measure = true;
    let measured = rig.cell.validate(&input, &[revision]).remove(0);
    assert!(measured.allocated.unwrap() > 10_000, "{measured:?}");
}

#[test]
fn a_policy_that_keeps_to_a_few_objects_is_not_charged_for_the_whole_buffer_they_lie_in() {
    let mut rig = Rig::new();
    let mut input = input();
    input.measure = true;
    let allocated = |rig: &mut Rig, body: &str| {
        let revision = validate(body).made();
        drop(rig.cell.validate(&input, std::slice::from_ref(&revision)));
        rig.cell.validate(&input, &[revision]).remove(0).allocated.unwrap()
    };
    let little = allocated(&mut rig, "[{}, {}].length");
    let much = allocated(&mut rig, "for (let i = 0; i < 1e6; i++) [i, i].includes(-1) || [{}].concat([{}])");
    assert!(little < 10_000 && much > 10_000_000, "{little} and {much}");
}
