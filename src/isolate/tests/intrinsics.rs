//! An oracle for the lockdown: every intrinsic that the npm package `ses` freezes is frozen here, or is not here.
//! `npm run intrinsics` in `sdk-ts` writes the list, and a test there says when the package has a longer one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::testing::{Rig, messages, validate};

const LIST: &str = include_str!("intrinsics.json");
const OVERRIDES: &str = include_str!("overrides.json");
const LOOK: &str = include_str!("intrinsics.js");

/// What `ses` adds to the language, or the language may get one day.
const NOT_HERE: [&str; 16] = [
    "%AbstractModuleSource%",
    "%AbstractModuleSourcePrototype%",
    "%AsyncIteratorHelperPrototype%",
    "%CompartmentPrototype%",
    "%InertCompartment%",
    "%InitialGetStackString%",
    "%ModuleSourcePrototype%",
    "%UniqueCompartment%",
    "%WrapForValidAsyncIteratorPrototype%",
    "AsyncIterator",
    "HandledPromise",
    "ModuleSource",
    // Taken away by our own lockdown.
    "escape",
    "harden",
    "lockdown",
    "unescape",
];

fn looked_at() -> Value {
    let body = format!("c.deny(JSON.stringify(({LOOK})({LIST}, {OVERRIDES})))");
    let told = messages(&Rig::new().run(validate(&body)));
    // A message has a bound; the lists are empty or short where all is well.
    serde_json::from_str(&told[0]).unwrap_or_else(|_| panic!("too much is loose: {}", told[0]))
}

#[test]
fn every_intrinsic_that_ses_freezes_is_frozen_or_absent() {
    let told = looked_at();
    assert_eq!(told["loose"], Value::Array(Vec::new()), "not frozen");
    assert!(told["seen"].as_u64().unwrap() > 900, "only {} were looked at", told["seen"]);
    let absent: BTreeSet<&str> = told["absent"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let is_known = |name: &&str| NOT_HERE.contains(name) || name.contains("Temporal");
    let surprising: Vec<&&str> = absent.iter().filter(|name| !is_known(name)).collect();
    assert!(surprising.is_empty(), "tell intrinsics.js where to find {surprising:?}");
}

#[test]
fn what_packages_override_may_be_assigned_on_their_own_objects() {
    assert_eq!(looked_at()["stuck"], Value::Array(Vec::new()), "the override mistake");
}

/// The look itself: something loose is told by its path.
#[test]
fn what_is_loose_is_told() {
    let look = LOOK.replace("return globalThis[name];", "return { inner: { get() {} }.get };");
    let body = format!("c.deny(JSON.stringify(({look})({{ made: ['inner'] }}, {{}})))");
    let told: Value = serde_json::from_str(&messages(&Rig::new().run(validate(&body)))[0]).unwrap();
    assert_eq!(told["loose"], serde_json::json!(["made", "made.inner.value"]));
}
