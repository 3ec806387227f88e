//! Code from text: closed by V8's own switch, open for whoever has the permission, and only in a realm of their own.

use std::sync::Arc;

use super::super::testing::{Draft, Rig, bundle, error, host, input, messages, module, script, validate};
use super::super::{Inspector, Limits};
use crate::decision::{Effect, Verdict};
use crate::host::Objects;
use crate::policy::{Dialect, Inspect as _};

/// Every way from text to code that ECMAScript has, each giving 7.
const WAYS: [&str; 9] = [
    "eval('7')",
    "(0, eval)('7')",
    "Function('return 7')()",
    "new Function('a', 'return a')(7)",
    "(() => {}).constructor('return 7')()",
    "Reflect.construct(Function, ['return 7'])()",
    "(function* () {}).constructor('yield 7')().next().value",
    "((async () => {}).constructor('return 7')(), 7)",
    "((async function* () {}).constructor('yield 7')(), 7)",
];

fn permitted(draft: Draft) -> Draft {
    draft.with(|spec| spec.permissions.codegen = true)
}

fn fresh(rig: &mut Rig, draft: Draft) -> Verdict {
    rig.cell.run_fresh(&input(), false, &draft.made()).remove(0).verdict
}

#[test]
fn text_becomes_no_code_in_a_shared_realm_whatever_the_policy_may_do() {
    let mut rig = Rig::new();
    for way in WAYS {
        for draft in [validate(way), permitted(validate(way))] {
            let verdict = rig.run(draft);
            assert!(error(&verdict).1.contains("EvalError"), "{way}: {verdict:?}");
        }
    }
}

#[test]
fn text_becomes_code_with_the_permission_in_a_realm_of_its_own() {
    let mut rig = Rig::new();
    for way in WAYS {
        let body = format!("c.deny(String({way}))");
        assert_eq!(messages(&fresh(&mut rig, permitted(validate(&body)))), ["7"], "{way}");
        let verdict = fresh(&mut rig, validate(&body));
        assert!(error(&verdict).1.contains("EvalError"), "the next one has it too: {way}: {verdict:?}");
    }
}

#[test]
fn text_becomes_code_in_scripts_with_the_permission() {
    let mut rig = Rig::new();
    rig.tend();
    for way in WAYS {
        let source = format!("deny(String({way}))");
        assert_eq!(messages(&rig.run(permitted(script(&source)))), ["7"], "{way}");
        let verdict = rig.run(script(&source));
        assert!(error(&verdict).1.starts_with("Uncaught EvalError"), "{way}: {verdict:?}");
    }
}

/// Code that was text a moment ago finds what the rest finds: frozen intrinsics, no global to write to.
#[test]
fn code_from_text_is_locked_down_as_well() {
    let mut rig = Rig::new();
    for body in [
        "new Function('Array.prototype.push = 1; Object.prototype.leak = 1')()",
        "(0, eval)('leak = 1; var other = 2')",
        "(0, eval)('function leak() {}')",
        "(0, eval)('delete Object.prototype.toString')",
    ] {
        drop(fresh(&mut rig, permitted(validate(body))));
        let check = format!(
            "try {{ {body} }} catch {{}} if ([].push.name !== 'push' || 'leak' in globalThis || typeof Object.prototype.toString !== 'function') c.deny('changed')"
        );
        assert_eq!(fresh(&mut rig, permitted(validate(&check))).effect, Effect::Allow, "{body}");
    }
    let escape = "c.deny(typeof new Function('return typeof WebAssembly + typeof Deno + typeof SharedArrayBuffer')() + new Function('return this')().Array.isArray([]))";
    assert_eq!(messages(&fresh(&mut rig, permitted(validate(escape)))), ["stringtrue"]);
}

fn inspected(script: &str) -> Result<Vec<serde_json::Value>, String> {
    let inspector = Inspector::start(host(Objects::Nowhere), Arc::new(Limits::default())).unwrap();
    inspector.inspect("p.js", script, Dialect::Module).map_err(|error| error.message)
}

#[test]
fn a_module_that_needs_it_to_load_says_so_and_gets_it() {
    let source = |permissions: &str| {
        format!(
            "\"use strict\";({{ default: {{ name: new Function('return \"made\"')(), {permissions} validate() {{}} }} }})"
        )
    };
    let declared = inspected(&source("permissions: { codegen: true },")).unwrap();
    assert_eq!(declared[0]["name"], "made");
    let told = inspected(&source("")).unwrap_err();
    assert!(
        told.starts_with("EvalError") && told.ends_with("needs `permissions: { codegen: true }`"),
        "the mend is not named: {told}"
    );
    let one_of_two = "\"use strict\"; eval('1'); ({ default: [{ permissions: { codegen: true }, validate() {} }, { validate() {} }] })";
    assert!(inspected(one_of_two).is_err());
    assert_eq!(inspected("\"use strict\"; throw new Error('own')").unwrap_err(), "Error: own");
}

#[test]
fn a_policy_with_the_permission_may_need_it_at_load() {
    let mut rig = Rig::new();
    let needs = "\"use strict\"; const seven = new Function('return 7'); ({ default: { validate(c) { c.deny(String(seven())); } } })";
    assert_eq!(messages(&fresh(&mut rig, permitted(bundle(needs)))), ["7"]);
    assert_eq!(fresh(&mut rig, module("validate(c) {}")).effect, Effect::Allow);
}
