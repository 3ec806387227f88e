//! Many policies, and many changes of one.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

#[test]
fn a_policy_edited_a_hundred_times_a_second_ends_as_it_was_left() {
    const EDITS: u32 = 300;
    with_operator(&[], |operator| {
        operator.put("guard", &refusing("edit 0."));
        operator.reaches("guard", "Synced");
        let first: u64 = version(&operator.policy("guard"));
        let start = Instant::now();
        for edit in 1..=EDITS {
            // Every third is broken: the one before it holds.
            let spec = if edit % 3 == 1 { json!({"javascript": "deny(;"}) } else { refusing(&format!("edit {edit}.")) };
            operator.put("guard", &spec);
            assert!(operator.ask(json!({"bad": "yes"})).message().contains("edit "), "unguarded at edit {edit}");
            thread::sleep((start + Duration::from_millis(10) * edit).saturating_duration_since(Instant::now()));
        }
        operator.refuses(json!({"bad": "yes"}), &format!("edit {EDITS}."));
        operator.reaches("guard", "Synced");
        let writes = version(&operator.policy("guard")) - first;
        // Of the object, its bundle, events: what is not the storm itself is far less than it.
        assert!(writes < u64::from(EDITS) * 2, "{writes} writes for {EDITS} edits");
    });
}

#[test]
fn a_thousand_policies_made_at_once_are_enforced_and_deleted() {
    const POLICIES_MADE: usize = 1_000;
    const CLIENTS: usize = 8;
    with_operator(&[], |operator| {
        let operator = &*operator;
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope.spawn(move || {
                    for number in (client..POLICIES_MADE).step_by(CLIENTS) {
                        let code = format!("if (request.object.data?.n === '{number}') deny('refused by {number}');");
                        operator.put(&format!("p{number}"), &json!({"javascript": code}));
                    }
                });
            }
        });
        for number in [0, 500, POLICIES_MADE - 1] {
            operator.refuses(json!({"n": number.to_string()}), &format!("refused by {number}"));
            operator.reaches(&format!("p{number}"), "Synced");
        }
        let webhooks = operator.configuration()["webhooks"].as_array().unwrap().len();
        assert!(webhooks <= 8, "{webhooks} webhooks");
        operator.api().delete(POLICIES).object();
        operator.allows(json!({"n": "500"}));
        eventually("the configuration goes", || operator.configuration(), |found| found["code"] == 404);
    });
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}
