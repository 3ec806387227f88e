//! The world a module policy runs in: what must be there is, what must not is not, and nothing in it can be changed.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::folder::Served;
use super::reviews::{config_map, message};

static SERVED: LazyLock<Served> =
    LazyLock::new(|| Served::new(&[("realm.ts", include_str!("policies/realm.ts"))], &[]));

/// What a check of `policies/realm.ts` found wrong.
#[track_caller]
fn faults(check: &str) -> Value {
    let text = message(SERVED.server.post("/policy/realm.policies.example", &config_map(json!({"check": check}))));
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn nothing_of_node_or_the_browser_is_there() {
    assert_eq!(faults("absent"), json!([]));
}

#[test]
fn what_the_contract_names_is_there_and_works() {
    assert_eq!(faults("present"), json!([]));
}

#[test]
fn no_text_becomes_code() {
    assert_eq!(faults("escapes"), json!([]));
}

#[test]
fn nothing_can_be_left_for_another_run() {
    // Several times, for a server has a realm on each of its threads.
    for _ in 0..8 {
        assert_eq!(faults("changes"), json!([]));
        assert_eq!(faults("seen"), json!([]));
    }
}

#[test]
fn the_checks_are_many() {
    let Value::Array(counts) = faults("counts") else { panic!("counts are a list") };
    assert!(counts.iter().all(|count| count.as_str().unwrap().parse::<usize>().unwrap() >= 10), "{counts:?}");
}

#[test]
fn data_named_after_the_prototype_is_data() {
    let raw = config_map(json!({})).to_string();
    let raw = raw.replacen("\"data\":{}", r#""data":{"check":"seen","__proto__":{"x":"yes"}}"#, 1);
    assert!(raw.contains("__proto__"), "{raw}");
    let (status, answer) = SERVED.server.post_text("/policy/realm.policies.example", raw);
    assert_eq!((status, &answer["response"]["status"]["message"]), (200, &json!("[]")));
}
