//! What goes wrong in a cluster, under a load of creates: how many of them are lost or wrongly answered, and how long it
//! takes to heal. Where the cluster could answer at all, none may be.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::api::eventually;
use super::super::load::{Creates, Target, guard};
use super::packages::hanging;
use super::wire::Wire;
use super::*;

/// An operator that also serves the guard of the load, which is a file.
fn guarded(test: impl FnOnce(&mut Operator, &Target)) {
    prepared(|operator, target| {
        operator.serve();
        test(operator, target);
    });
}

/// The same before it serves.
fn prepared(test: impl FnOnce(&mut Operator, &Target)) {
    with_cluster(|operator| {
        let target = prepare(operator);
        test(operator, &target);
    });
}

/// Gives an operator the guard of the load.
pub fn prepare<'w>(operator: &mut Operator<'w>) -> Target<'w> {
    let file = guard(&operator.namespace);
    let folder = operator.folder.path().join("guard");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(&file.name), &file.text).unwrap();
    operator.give(&["--operator", "--policies", &folder.display().to_string()]);
    Target { api: &operator.world.api, namespace: operator.namespace.clone() }
}

#[test]
fn a_configuration_deleted_by_hand_leaves_a_moment_unguarded_and_fails_no_create() {
    guarded(|operator, target| {
        operator.put("guard", &refusing("guarded"));
        operator.reaches("guard", "Synced");
        let uid = |found: &Value| found["metadata"]["uid"].clone();
        let (times, tally) = target.under_load("webhook configuration deleted by hand", Creates::Both, || {
            let delete = || {
                let before = uid(&operator.configuration());
                operator.api().delete(&format!("{VALIDATING}/bylaw")).object();
                let deleted = Instant::now();
                let is_back = |found: &Value| found["webhooks"].is_array() && uid(found) != before;
                eventually("it is back", || operator.configuration(), is_back);
                operator.refuses(json!({"bad": "yes"}), "guarded");
                let healed = deleted.elapsed();
                thread::sleep(Duration::from_secs(1));
                healed
            };
            [delete(), delete(), delete()]
        });
        eprintln!("  guarded again after {times:?}");
        // Nobody asks while there is none: what is created then is let past.
        assert_eq!(tally.failed, 0, "{:?}", tally.wrong_until);
        assert!(tally.passed < tally.refused, "{tally}");
    });
}

#[test]
fn a_kind_that_is_deleted_and_comes_back_costs_no_create() {
    guarded(|operator, target| {
        operator.put("guard", &refusing("before"));
        operator.reaches("guard", "Synced");
        let (healed, tally) = target.under_load("CRD deleted", Creates::Both, || {
            operator.api().delete(&format!("{DEFINITIONS}/jspolicies.policy.jspolicy.com")).object();
            eventually("the kind is gone", || operator.api().get(POLICIES), |reply| reply.status == 404);
            operator.allows(json!({"bad": "yes"}));
            operator.define();
            let defined = Instant::now();
            operator.put("guard", &refusing("after"));
            operator.refuses(json!({"bad": "yes"}), "after");
            defined.elapsed()
        });
        eprintln!("  its policies are enforced {healed:?} after it is there again");
        tally.is_whole();
    });
}

#[test]
fn a_bundle_edited_by_hand_costs_no_create() {
    guarded(|operator, target| {
        operator.put("guard", &refusing("guarded"));
        operator.reaches("guard", "Synced");
        let is_there = |bundle: &Value| bundle["spec"]["bundle"].is_string();
        let written = eventually("its bundle", || operator.bundle("guard"), is_there);
        let (times, tally) = target.under_load("bundle edited by hand", Creates::Both, || {
            let edit = |_| {
                let edit = json!({"spec": {"bundle": bylaw::bundle::pack("allow()").unwrap()}});
                operator.api().merge(&format!("{BUNDLES}/{}", full("guard")), &edit).object();
                let edited = Instant::now();
                let mended = |bundle: &Value| bundle["spec"] == written["spec"];
                while !mended(&operator.bundle("guard")) {
                    assert!(operator.ask(json!({"bad": "yes"})).message().contains("guarded"));
                    assert!(edited.elapsed() < Duration::from_secs(30), "it is never mended");
                }
                edited.elapsed()
            };
            (0..3).map(edit).collect::<Vec<_>>()
        });
        eprintln!("  mended after {times:?}");
        tally.is_whole();
    });
}

#[test]
fn a_registry_that_hangs_costs_no_create() {
    let registry = hanging();
    prepared(|operator, target| {
        operator.environment = vec![("npm_config_registry".into(), registry), ("BUNDLE_TIMEOUT".into(), "3".into())];
        operator.serve();
        let (healed, tally) = target.under_load("registry hanging", Creates::Both, || {
            operator.put("packed", &json!({"javascript": "import x from 'x';", "dependencies": {"x": "1"}}));
            thread::sleep(Duration::from_millis(500));
            let put = Instant::now();
            operator.put("plain", &refusing("plain"));
            operator.refuses(json!({"bad": "yes"}), "plain");
            let healed = put.elapsed();
            operator.reaches("packed", "Failed");
            healed
        });
        eprintln!("  another policy is enforced after {healed:?} meanwhile");
        tally.is_whole();
    });
}

#[test]
fn a_policy_edited_a_hundred_times_a_second_costs_no_create() {
    const EDITS: u32 = 300;
    guarded(|operator, target| {
        operator.put("guard", &refusing("edit 0."));
        operator.reaches("guard", "Synced");
        let (healed, tally) = target.under_load("policy edited 100 times a second", Creates::Both, || {
            let start = Instant::now();
            for edit in 1..=EDITS {
                operator.put("guard", &refusing(&format!("edit {edit}.")));
                thread::sleep((start + Duration::from_millis(10) * edit).saturating_duration_since(Instant::now()));
            }
            let last = Instant::now();
            eprintln!("  {EDITS} edits in {:?}", start.elapsed());
            operator.refuses(json!({"bad": "yes"}), &format!("edit {EDITS}."));
            last.elapsed()
        });
        eprintln!("  the last one is enforced after {healed:?}");
        tally.is_whole();
    });
}

#[test]
fn a_thousand_policies_made_at_once_and_deleted_cost_no_create() {
    const MADE: usize = 1_000;
    const CLIENTS: usize = 8;
    guarded(|operator, target| {
        let operator = &*operator;
        let ((), tally) = target.under_load("1,000 policies created at once and deleted", Creates::Both, || {
            let begun = Instant::now();
            thread::scope(|scope| {
                for client in 0..CLIENTS {
                    scope.spawn(move || {
                        for number in (client..MADE).step_by(CLIENTS) {
                            let code = format!("if (request.object.data?.n === '{number}') deny('by {number}.');");
                            operator.put(&format!("p{number}"), &json!({"javascript": code}));
                        }
                    });
                }
            });
            let made = Instant::now();
            for number in [0, MADE / 2, MADE - 1] {
                operator.refuses(json!({"n": number.to_string()}), &format!("by {number}."));
            }
            eprintln!("  made in {:?}, the last enforced {:?} later", made - begun, made.elapsed());
            let deleting = Instant::now();
            operator.api().delete(POLICIES).object();
            let deleted = Instant::now();
            operator.allows(json!({"n": (MADE - 1).to_string()}));
            eprintln!("  deleted in {:?}, none enforced {:?} later", deleted - deleting, deleted.elapsed());
        });
        tally.is_whole();
    });
}

#[test]
fn a_policy_that_a_file_stands_before_costs_no_create_as_the_file_comes_and_goes() {
    guarded(|operator, target| {
        let file = operator.folder.path().join("guard/pair.yaml");
        let text = js_policy("pair", &refusing("says the file")).to_string();
        operator.put("pair", &refusing("says the object"));
        operator.refuses(json!({"bad": "yes"}), "says the object");
        let (times, tally) = target.under_load("two policies with one name", Creates::Both, || {
            let until = |message: &str| {
                let begun = Instant::now();
                loop {
                    let reply = operator.ask(json!({"bad": "yes"}));
                    assert!(reply.message().contains("says the "), "neither is asked: {reply:?}");
                    if reply.message().contains(message) {
                        return begun.elapsed();
                    }
                    assert!(begun.elapsed() < Duration::from_secs(30), "{message}: never");
                }
            };
            let turn = |_| {
                std::fs::write(&file, &text).unwrap();
                let came = until("says the file");
                std::fs::remove_file(&file).unwrap();
                (came, until("says the object"))
            };
            (0..3).map(turn).collect::<Vec<_>>()
        });
        eprintln!("  changed over after {times:?}");
        tally.is_whole();
    });
}

#[test]
fn watches_closed_every_second_cost_no_create_and_keep_no_change_back() {
    const SECONDS: u32 = 12;
    prepared(|operator, target| {
        let wire = Wire::cut(operator.world, operator.folder.path());
        wire.mend();
        operator.serve_at(&wire.kubeconfig.display().to_string());
        operator.put("guard", &refusing("edit 0."));
        operator.reaches("guard", "Synced");
        let (mut times, tally) = target.under_load("watch closed every second", Creates::Both, || {
            let begun = Instant::now();
            let edit = |second: u32| {
                thread::sleep((begun + Duration::from_secs(1) * second).saturating_duration_since(Instant::now()));
                wire.snap();
                let edited = Instant::now();
                operator.put("guard", &refusing(&format!("edit {second}.")));
                operator.refuses(json!({"bad": "yes"}), &format!("edit {second}."));
                edited.elapsed()
            };
            (1..=SECONDS).map(edit).collect::<Vec<_>>()
        });
        times.sort_unstable();
        eprintln!("  a change is enforced after {:?} to {:?}", times[0], times[times.len() - 1]);
        tally.is_whole();
        operator.reaches("guard", "Synced");
        let page = operator.server().get(&format!("{}?verbose", operator.server().health_url())).1;
        assert!(!page.contains("cannot be watched"), "each watch was taken up again:\n{page}");
    });
}
