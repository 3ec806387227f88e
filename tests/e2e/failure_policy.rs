//! What becomes of requests while no server is there is what the policies chose: `failurePolicy`.

use serde_json::json;

use super::api::{Reply, eventually};
use super::bylaw::with_bylaw;
use super::objects::{config_map, secret};
use super::policies::js_policy;

#[test]
fn fail_refuses_and_ignore_lets_through_until_the_server_is_back() {
    let minding = |name: &str, resource: &str, failure: &str| {
        let spec = format!("operations: [CREATE]\nresources: [{resource}]\nfailurePolicy: {failure}");
        js_policy(name, &spec, r#"if (request.object.metadata.name.startsWith("bad")) deny("a bad name");"#)
    };
    let strict = minding("strict", "configmaps", "Fail");
    let lenient = minding("lenient", "secrets", "Ignore");
    with_bylaw([strict, lenient], |bylaw| {
        assert!(bylaw.rejects("configmaps", &config_map("bad", json!({}))).contains("a bad name"));
        assert!(bylaw.rejects("secrets", &secret("bad", json!({}))).contains("a bad name"));

        let url = bylaw.server().url().to_owned();
        bylaw.stop();
        let refusal = bylaw.rejects("configmaps", &config_map("good", json!({})));
        assert!(refusal.contains("failed calling webhook"), "{refusal}");
        bylaw.accepts("secrets", &secret("bad-but-let-through", json!({})));

        bylaw.serve_again(&url);
        let good = config_map("good", json!({}));
        eventually("the webhook is called again", || bylaw.create("configmaps", &good), Reply::is_good);
        assert!(bylaw.rejects("secrets", &secret("bad", json!({}))).contains("a bad name"));
    });
}

#[test]
fn a_script_that_ignores_failures_still_denies_by_its_own_errors() {
    // jsPolicy: failurePolicy is about the webhook; an error of the script is a denial.
    let spec = "operations: [CREATE]\nresources: [secrets]\nfailurePolicy: Ignore";
    with_bylaw([js_policy("throwing", spec, r#"throw new Error("lost my way");"#)], |bylaw| {
        let refusal = bylaw.rejects("secrets", &secret("a", json!({})));
        assert!(refusal.contains("lost my way"), "{refusal}");
    });
}
