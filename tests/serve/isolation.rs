//! What the server says and does about policies that misbehave again and again.

use std::time::{Duration, Instant};

use serde_json::json;

use super::folder::{Folder, policy};
use super::reviews::{config_map, message};

#[test]
fn a_policy_that_never_ends_is_soon_not_asked_any_more_and_everybody_is_told() {
    let folder = Folder::new(&[
        ("loop.ts", &policy("loop", "validate() { for (;;); }")),
        ("good.ts", &policy("good", "validate({ deny }) { deny(\"no\"); }")),
    ]);
    let server = folder.serve(&[]);
    let ask = || server.post("/validate?timeout=10s", &config_map(json!({})));
    for _ in 0..5 {
        message(ask());
    }
    let begun = Instant::now();
    let told = message(ask());
    assert!(told.contains("[good") && told.contains("is not asked for another"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(1), "it was asked: {:?}", begun.elapsed());
    let report = |text: &str| server.get(&format!("{}?verbose", server.health_url())).1.contains(text);
    let deadline = Instant::now() + Duration::from_secs(2);
    while !report("is not asked for") {
        assert!(Instant::now() < deadline, "{}", server.get(&format!("{}?verbose", server.health_url())).1);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(server.get(server.metrics_url()).1.contains("bylaw_policies_shunned 1"));
    assert_eq!(server.get(server.health_url()).0, 200, "the others are served");
    // A new revision begins with a clean record.
    let mark = server.log_length();
    folder.write("loop.ts", &policy("loop", "validate({ deny }) { deny(\"mended\"); }"));
    server.wait_for_log(mark, "policies in force").unwrap();
    let told = message(ask());
    assert!(told.contains("mended"), "{told}");
}

#[test]
fn a_run_has_no_more_processor_time_than_the_operator_gives_it() {
    let busy = "validate() { let sum = 0; for (let at = 0; at < 1e8; at += 1) sum += at % 7; }";
    for isolation in ["Shared", "Process"] {
        let policy = policy("busy", busy).replace("validate()", &format!("isolation: \"{isolation}\", validate()"));
        let folder = Folder::new(&[("busy.ts", &policy)]);
        let server = folder.serve(&["--cpu-limit", "10ms"]);
        let told = message(server.post("/validate?timeout=30s", &config_map(json!({}))));
        assert!(told.contains("used more processor time than a run may"), "{isolation}: {told}");
    }
}

#[test]
fn memory_that_is_lost_for_ever_ends_the_process_in_order() {
    let bomb = |name: &str| policy(name, "validate() { new Array(1e8).fill(1).map((one) => [one]); }");
    let names = ["a", "b", "c", "d", "e", "f"];
    let files: Vec<_> = names.iter().map(|name| (format!("{name}.ts"), bomb(name))).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let folder = Folder::new(&files);
    // Less than one isolate takes at its end.
    let mut server = folder.serve(&["--memory-budget", "128Mi"]);
    message(server.post("/validate?timeout=30s", &config_map(json!({}))));
    let status = server.wait(Duration::from_mins(1));
    assert_eq!(status.code(), Some(2), "{}", server.log());
    assert!(server.log().contains("stopping in order"), "{}", server.log());
}
