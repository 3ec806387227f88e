//! Warnings reach the client and refuse nothing.

use serde_json::json;

use super::bylaw::with_bylaw;
use super::objects::config_map;
use super::policies::{js_policy, policy};

#[test]
fn kubectl_shows_the_warning_of_a_policy() {
    let gentle = policy(
        "gentle",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        validate({ object, warn }) { if (object.data?.old) warn("the key \"old\" goes away in 2027"); },
        "#,
    );
    with_bylaw([gentle], |bylaw| {
        let said = bylaw.kubectl(&["create", "configmap", "a", "--from-literal=old=1"], "");
        assert!(said.ok, "{said:?}");
        let line = r#"Warning: [gentle.e2e.example.com] the key "old" goes away in 2027"#;
        assert!(said.err.lines().any(|said| said == line), "{said:?}");
        assert!(bylaw.create("configmaps", &config_map("b", json!({}))).warnings.is_empty());
    });
}

#[test]
fn a_flood_of_warnings_is_cut_by_us_and_not_by_the_api_server() {
    let noisy = policy(
        "noisy",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        validate({ warn }) { for (let i = 0; i < 100; i += 1) warn(`${i} ${"ä".repeat(200)}`); },
        "#,
    );
    with_bylaw([noisy], |bylaw| {
        let reply = bylaw.create("configmaps", &config_map("a", json!({})));
        assert!(reply.is_good(), "{reply:?}");
        let (last, whole) = reply.warnings.split_last().expect("there are warnings");
        assert!(
            whole.len() >= 10 && whole.iter().all(|text| text.len() <= 256 && text.starts_with("[noisy")),
            "{whole:?}"
        );
        assert_eq!(*last, format!("and {} more warnings", 100 - whole.len()));
    });
}

#[test]
fn a_policy_on_trial_warns_of_what_it_would_refuse() {
    let handler = r#"if (request.object.data?.bad) deny("bad data");"#;
    let trial = js_policy("trial", "operations: [CREATE]\nresources: [configmaps]\nviolationPolicy: warn", handler);
    let module = policy(
        "module-trial",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        enforcement: "Warn",
        validate({ object, deny }) { if (object.data?.bad) deny("bad data"); },
        "#,
    );
    with_bylaw([trial, module], |bylaw| {
        let reply = bylaw.create("configmaps", &config_map("a", json!({"bad": "1"})));
        assert_eq!(reply.warnings, ["[module-trial.e2e.example.com] bad data", "[trial.e2e.example.com] bad data"]);
        assert!(reply.is_good(), "{reply:?}");
    });
}
