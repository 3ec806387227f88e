//! An API server that is away, at the start or later: what is known is enforced, and what happened meanwhile is caught up
//! with.

use serde_json::json;

use super::super::api::eventually;
use super::wire::Wire;
use super::*;

/// Asks the server itself, for the API server's own way to it does not go through the wire.
fn page(operator: &Operator) -> (u16, String) {
    let url = format!("{}?verbose", operator.server().health_url());
    operator.server().get(&url)
}

#[test]
fn what_was_known_is_enforced_with_the_api_server_away_at_the_start() {
    with_cluster(|operator| {
        let wire = Wire::cut(operator.world, operator.folder.path());
        wire.mend();
        operator.give(&["--listen", "127.0.0.1:0"]);
        operator.serve_at(&wire.kubeconfig.display().to_string());
        operator.put("guard", &refusing("known from before"));
        operator.reaches("guard", "Synced");
        operator.put("broken", &refusing("good once"));
        operator.reaches("broken", "Synced");
        operator.put("broken", &json!({"javascript": "deny(;"}));
        operator.reaches("broken", "Failed");
        let file = operator.folder.path().join("state/cluster-policies.cache");
        let kept = || std::fs::read_to_string(&file).unwrap_or_default();
        eventually("it is kept", kept, |text| text.contains("known from before") && text.contains("good once"));
        let address = operator.server().url().trim_start_matches("https://").to_owned();
        operator.stop();
        wire.sever();

        operator.give(&["--listen", &address]);
        operator.arguments.drain(..2);
        operator.serve_at(&wire.kubeconfig.display().to_string());
        let (status, page_before) = page(operator);
        assert_eq!(status, 200, "{page_before}");
        assert!(page_before.contains("2 policies are enforced as they were known before"), "{page_before}");
        operator.refuses(json!({"bad": "yes"}), "known from before");
        operator.refuses(json!({"bad": "yes"}), "good once");
        operator.put("guard", &refusing("new meanwhile"));
        operator.put("another", &refusing("another"));
        operator.refuses(json!({"bad": "yes"}), "known from before");
        wire.mend();
        operator.refuses(json!({"bad": "yes"}), "new meanwhile");
        operator.refuses(json!({"bad": "yes"}), "another");
        operator.refuses(json!({"bad": "yes"}), "good once");
        operator.reaches("guard", "Synced");
        eventually("it says so no more", || page(operator).1, |page| !page.contains("known before"));
    });
}

#[test]
fn an_api_server_that_goes_away_takes_nothing_along() {
    with_cluster(|operator| {
        let wire = Wire::cut(operator.world, operator.folder.path());
        wire.mend();
        operator.serve_at(&wire.kubeconfig.display().to_string());
        operator.put("guard", &refusing("before"));
        operator.reaches("guard", "Synced");
        wire.sever();
        operator.put("guard", &refusing("meanwhile"));
        operator.refuses(json!({"bad": "yes"}), "before");
        eventually(
            "it is said",
            || page(operator),
            |(status, page)| *status == 200 && page.contains("what was seen last"),
        );
        wire.mend();
        operator.refuses(json!({"bad": "yes"}), "meanwhile");
        operator.reaches("guard", "Synced");
    });
}

#[test]
fn it_is_said_no_more_of_an_api_server_that_is_back_though_nothing_happens_there() {
    with_cluster(|operator| {
        let wire = Wire::cut(operator.world, operator.folder.path());
        wire.mend();
        operator.serve_at(&wire.kubeconfig.display().to_string());
        operator.put("guard", &refusing("guarded"));
        operator.reaches("guard", "Synced");
        wire.snap();
        wire.sever();
        eventually("it is said", || page(operator).1, |page| page.contains("what was seen last"));
        wire.mend();
        eventually("it is said no more", || page(operator).1, |page| !page.contains("what was seen last"));
    });
}
