// `json!` reads better without `&`.
#![allow(clippy::needless_pass_by_value)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::*;
use crate::policy::catalog::Catalog;
use crate::policy::loader::{LoadOptions, Loader};
use crate::policy::testing::{Folder, declares, engine, manifest, plain};

fn object(name: &str, spec: Value) -> PolicyObject {
    let mut whole = json!({"operations": ["CREATE"], "resources": ["pods"]});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let value = json!({"metadata": {"name": name, "uid": format!("uid of {name}"), "generation": 1}, "spec": whole});
    PolicyObject::of(&value, "own").unwrap()
}

fn script(name: &str, code: &str) -> PolicyObject {
    object(name, json!({ "javascript": code }))
}

fn loader(live: &Live, folders: Vec<PathBuf>) -> Loader {
    Loader::new(folders, engine(), LoadOptions::default()).with_cluster(live.clone())
}

fn reload(loader: &mut Loader) -> Option<Arc<Catalog>> {
    loader.reload(&BTreeSet::new())
}

fn standing(live: &Live, name: &str) -> String {
    format!("{:?}", live.reports().borrow().objects.get(name).map(|report| report.standing.clone()))
}

fn pack(text: &str) -> String {
    crate::bundle::pack(text).unwrap()
}

#[test]
fn objects_are_served_and_followed() {
    let live = Live::default();
    live.put(script("a.b.c", "deny('one')")).unwrap();
    let mut loader = loader(&live, Vec::new());
    let first = loader.load().unwrap();
    assert!(first.get("a.b.c").unwrap().code.script.contains("one"));
    assert_eq!(&*first.get("a.b.c").unwrap().code.origin, "JsPolicy a.b.c");
    assert!(reload(&mut loader).is_none(), "nothing changed");
    live.put(script("a.b.c", "deny('two')")).unwrap();
    live.put(object("d.e.f", json!({"typescript": format!("export default {};", declares(&plain("x.y.z")))}))).unwrap();
    let second = reload(&mut loader).unwrap();
    assert!(second.get("a.b.c").unwrap().code.script.contains("two"));
    assert!(second.get("d.e.f").is_some(), "the object's name stands over the module's");
    live.remove("a.b.c");
    assert!(reload(&mut loader).unwrap().get("a.b.c").is_none());
}

#[test]
fn one_changed_object_leaves_the_others_as_they_were() {
    let (live, engine) = (Live::default(), engine());
    live.replace((0..100).map(|n| script(&format!("n{n}.b.c"), "deny('x')")).collect()).unwrap();
    let mut loader =
        Loader::new(Vec::new(), Arc::clone(&engine) as _, LoadOptions::default()).with_cluster(live.clone());
    let before = loader.load().unwrap();
    assert_eq!((before.revisions.len(), engine.asked.load(Ordering::Relaxed)), (100, 100));
    live.put(script("n7.b.c", "deny('y')")).unwrap();
    let after = reload(&mut loader).unwrap();
    assert_eq!(engine.asked.load(Ordering::Relaxed), 101);
    let same = |name: &str| Arc::ptr_eq(before.get(name).unwrap(), after.get(name).unwrap());
    assert!(same("n8.b.c") && !same("n7.b.c"));
}

#[test]
fn what_is_told_of_a_policy_is_made_anew_only_where_something_changed() {
    let live = Live::default();
    live.replace(["a.b.c", "d.e.f"].map(|name| script(name, "deny('x')")).into()).unwrap();
    let mut loader = loader(&live, Vec::new());
    loader.load().unwrap();
    let report = |name: &str| Arc::clone(&live.reports().borrow().objects[name]);
    let (before, other) = (report("a.b.c"), report("d.e.f"));
    live.put(script("a.b.c", "deny('y')")).unwrap();
    reload(&mut loader);
    assert!(Arc::ptr_eq(&report("d.e.f"), &other) && !Arc::ptr_eq(&report("a.b.c"), &before));
    assert_ne!(report("a.b.c").code.as_ref().unwrap().hash, before.code.as_ref().unwrap().hash);
    live.remove("a.b.c");
    reload(&mut loader);
    assert_eq!(live.reports().borrow().objects.len(), 1);
    live.put(script("a.b.c", "deny('y')")).unwrap();
    reload(&mut loader);
    assert!(matches!(report("a.b.c").standing, Standing::Serving));
}

#[test]
fn nobody_is_woken_by_what_changes_nothing() {
    let live = Live::default();
    let woken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    live.wake_with(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let woken = || woken.swap(0, Ordering::Relaxed);
    let packed = json!({"metadata": {"name": "a.b.c"}, "spec": {"bundle": pack("deny('x')")}});
    let bundle = || BundleObject::of(&packed).unwrap();
    let of = ConfigMapRef { namespace: "own".to_owned(), name: "m".to_owned() };
    let all = |live: &Live| {
        live.put(script("a.b.c", "deny('x')")).unwrap();
        live.put_bundle(bundle()).unwrap();
        live.put_config_map(&of, None);
        live.replace(vec![script("a.b.c", "deny('x')")]).unwrap();
        live.replace_bundles(vec![bundle()]).unwrap();
    };
    all(&live);
    assert_eq!(woken(), 3);
    all(&live);
    live.remove("never.was.there");
    live.remove_bundle("never.was.there");
    assert_eq!(woken(), 0, "as after a status that Bylaw itself has written");
    live.replace_bundles(Vec::new()).unwrap();
    live.replace(Vec::new()).unwrap();
    assert_eq!(woken(), 2);
}

#[test]
fn a_broken_edit_leaves_the_last_good_revision() {
    let live = Live::default();
    live.put(script("a.b.c", "deny('one')")).unwrap();
    let mut loader = loader(&live, Vec::new());
    loader.load().unwrap();
    assert!(standing(&live, "a.b.c").contains("Serving"));
    live.put(script("a.b.c", "const a = 1;\ndeny(;")).unwrap();
    let broken = reload(&mut loader).unwrap();
    assert!(broken.get("a.b.c").unwrap().code.script.contains("one"));
    assert!(broken.problems[0].serving_last_good);
    let told = broken.problems[0].to_string();
    assert!(told.contains("JsPolicy a.b.c:2:6: "), "{told}");
    assert!(standing(&live, "a.b.c").contains("last_good: true"));
    let good = live.reports().borrow().objects["a.b.c"].good.clone().unwrap();
    assert_eq!(good.spec()["javascript"], "deny('one')", "what is kept for a restart");
    live.put(script("a.b.c", "deny('two')")).unwrap();
    let mended = reload(&mut loader).unwrap();
    assert!(mended.problems.is_empty() && mended.get("a.b.c").unwrap().code.script.contains("two"));
}

#[test]
fn of_two_policies_with_one_name_that_of_a_file_is_served() {
    let folder = Folder::with(&[("x.yaml", &manifest("a.b.c", "  javascript: deny('file')"))]);
    let live = Live::default();
    live.put(script("a.b.c", "deny('object')")).unwrap();
    let mut loader = loader(&live, vec![folder.root().to_owned()]);
    let catalog = loader.load().unwrap();
    assert!(catalog.get("a.b.c").unwrap().code.script.contains("file"));
    assert!(catalog.problems[0].to_string().contains("and by JsPolicy a.b.c; the one of"), "{:?}", catalog.problems);
    assert!(standing(&live, "a.b.c").contains("Shadowed"));
    folder.remove("x.yaml");
    assert!(reload(&mut loader).unwrap().get("a.b.c").unwrap().code.script.contains("object"));
    assert!(standing(&live, "a.b.c").contains("Serving"));
}

#[test]
fn parameters_of_a_config_map_change_without_the_policy() {
    let live = Live::default();
    let module = format!("export default {};", declares(&plain("a.b.c")));
    let from = json!({"configMap": {"name": "limits"}});
    live.put(object("a.b.c", json!({"typescript": module, "parametersFrom": from, "parameters": {"b": 1}}))).unwrap();
    let mut loader = loader(&live, Vec::new());
    loader.load().unwrap();
    assert!(standing(&live, "a.b.c").contains("Pending"), "nobody knows yet");
    let of = live.config_maps().into_iter().next().unwrap();
    live.put_config_map(&of, None);
    let missing = reload(&mut loader).unwrap();
    assert!(missing.problems[0].message.contains("own/limits is not there"), "{:?}", missing.problems);
    let data = |a: &str| Some(BTreeMap::from([("a".to_owned(), a.to_owned()), ("b".to_owned(), "9".to_owned())]));
    for a in [1, 2] {
        live.put_config_map(&of, data(&a.to_string()));
        let catalog = reload(&mut loader).unwrap();
        assert_eq!(*catalog.get("a.b.c").unwrap().spec.parameters, json!({"a": a, "b": 1}));
    }
    live.put_config_map(&of, None);
    let gone = reload(&mut loader).unwrap();
    assert_eq!(*gone.get("a.b.c").unwrap().spec.parameters, json!({"a": 2, "b": 1}), "the last good ones stay");
}

#[test]
fn code_is_found_in_the_bundle_of_the_name_or_of_the_hash() {
    let live = Live::default();
    let bundle = |name: &str, text: &str| {
        BundleObject::of(&json!({"metadata": {"name": name}, "spec": {"bundle": pack(text)}})).unwrap()
    };
    let hash = crate::bundle::content_hash("deny('by hash')");
    live.put(object("a.b.c", json!({}))).unwrap();
    live.put(object("d.e.f", json!({"bundleRef": format!("sha256:{hash}")}))).unwrap();
    let mut loader = loader(&live, Vec::new());
    let without = loader.load().unwrap();
    assert_eq!((without.revisions.len(), without.problems.len()), (0, 2));
    live.put_bundle(bundle("a.b.c", "deny('by name')")).unwrap();
    live.put_bundle(bundle("shared.b.c", "deny('by hash')")).unwrap();
    let catalog = reload(&mut loader).unwrap();
    assert_eq!(&*catalog.get("a.b.c").unwrap().code.script, "deny('by name')");
    assert_eq!(&*catalog.get("d.e.f").unwrap().code.script, "deny('by hash')");
    live.remove_bundle("shared.b.c");
    assert!(reload(&mut loader).unwrap().problems[0].serving_last_good);
}

#[test]
fn packages_are_not_fetched_for_what_jspolicy_bundled() {
    let live = Live::default();
    let mut policy =
        object("a.b.c", json!({"javascript": "import _ from 'lodash';", "dependencies": {"lodash": "^4"}}));
    policy.bundle_hash = policy.source_hash();
    let bundle = json!({
        "metadata": {"name": "a.b.c", "ownerReferences": [{"kind": "JsPolicy", "uid": policy.uid}]},
        "spec": {"bundle": pack("deny('made by webpack')")},
    });
    live.put(policy).unwrap();
    live.put_bundle(BundleObject::of(&bundle).unwrap()).unwrap();
    let catalog = loader(&live, Vec::new()).load().unwrap();
    assert_eq!(&*catalog.get("a.b.c").unwrap().code.script, "deny('made by webpack')");
    assert_eq!(live.reports().borrow().objects["a.b.c"].bundle, BundleState::Fresh);
}

#[test]
fn a_policy_broken_from_the_start_on_is_what_its_bundle_says_it_was() {
    let live = Live::default();
    let policy = script("a.b.c", "deny(;");
    let packed = pack("deny('last good')");
    let bundle = json!({
        "metadata": {
            "name": "a.b.c", "ownerReferences": [{"kind": "JsPolicy", "uid": policy.uid}],
            "annotations": {
                SOURCE_ANNOTATION: "of an earlier source", CONTENT_ANNOTATION: crate::bundle::content_hash(&packed),
                SPEC_ANNOTATION: policy.bare_spec().to_string(),
            },
        },
        "spec": {"bundle": packed},
    });
    live.put(policy).unwrap();
    live.put_bundle(BundleObject::of(&bundle).unwrap()).unwrap();
    let catalog = loader(&live, Vec::new()).load().unwrap();
    assert_eq!(&*catalog.get("a.b.c").unwrap().code.script, "deny('last good')");
    assert!(catalog.problems[0].serving_last_good);
}

#[test]
fn a_bundle_of_ours_that_somebody_changed_is_told_apart() {
    let policy = script("a.b.c", "deny('x')");
    let packed = pack("deny('x')");
    let annotations = json!({
        SOURCE_ANNOTATION: policy.source_hash(), CONTENT_ANNOTATION: crate::bundle::content_hash(&packed),
    });
    let bundle = |text: &str| {
        let metadata = json!({"name": "a.b.c", "annotations": annotations});
        BundleObject::of(&json!({"metadata": metadata, "spec": {"bundle": pack(text)}})).unwrap()
    };
    assert!(bundle("deny('x')").is_of(&policy) && !bundle("deny('x')").is_edited());
    assert!(!bundle("allow()").is_of(&policy) && bundle("allow()").is_edited());
}

#[test]
fn an_object_of_a_cluster_reaches_no_files() {
    let live = Live::default();
    live.put(object("a.b.c", json!({"package": {"file": "../../etc/x.tgz"}}))).unwrap();
    live.put(script("d.e.f", "import './x.js';")).unwrap();
    let catalog = loader(&live, Vec::new()).load().unwrap();
    assert!(catalog.revisions.is_empty());
    assert!(catalog.problems[0].message.contains("a cluster has no files"), "{:?}", catalog.problems);
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let live = Live::default();
    let all = (0..MAX_OBJECTS).map(|n| script(&format!("n{n}.b.c"), "x")).collect();
    assert_eq!(live.replace(all), Ok(()));
    assert_eq!(live.put(script("more.b.c", "x")), Err(Full));
    assert_eq!(live.put(script("n1.b.c", "y")), Ok(()), "what is there may change");
    live.remove("n1.b.c");
    assert_eq!(live.put(script("more.b.c", "x")), Ok(()));
}
