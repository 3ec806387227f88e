//! Policies that fail while they run: the request is decided by their failure mode, in time, and the reader of the
//! denial is told where.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Target, run};
use super::folder::{Served, policy};
use super::reviews::{Answer, allowed, config_map, denied, message, warnings};

/// Each name is chosen by `data.run`.
const HANDLERS: &[(&str, &str)] = &[
    (
        "throws",
        "validate({ object }) {\n    const { a } = object.data;\n    throw new RangeError(`${a} is out of range`);\n  }",
    ),
    ("throws-text", "validate() { throw \"just words\"; }"),
    ("throws-object", "validate() { throw { reason: \"R\", code: 7 }; }"),
    ("throws-nothing", "validate() { throw undefined; }"),
    ("dereferences", "validate({ object }) {\n    return object.spec.containers.length;\n  }"),
    ("parses", "validate() {\n    JSON.parse(\"{nope\");\n  }"),
    ("loops", "validate() { for (;;); }"),
    ("loops-in-catch", "validate() { for (;;) { try { for (;;); } catch {} finally { for (;;); } } }"),
    ("loops-in-microtasks", "async validate() { for (;;) await undefined; }"),
    ("loops-in-builtin", "timeoutSeconds: 1, validate() { for (;;) Array(1e7).indexOf(1); }"),
    ("returns", "validate() { return { allowed: true }; }"),
    ("returns-promise", "async validate() { return false; }"),
    ("rejects", "async validate() {\n    await undefined;\n    throw new Error(\"too late\");\n  }"),
    ("leaves-rejection", "validate() { Promise.reject(new Error(\"nobody looked\")); }"),
    (
        "handles-rejection",
        "async validate({ deny }) { await Promise.reject(new Error(\"x\")).catch((error) => deny(error.message)); }",
    ),
    ("never-settles", "validate() { return new Promise(() => {}); }"),
    ("async", "async validate({ deny }) { await undefined; await Promise.all([1, 2]); deny(\"after waiting\"); }"),
    ("denies-then-throws", "validate({ deny }) { deny(\"no\"); throw new Error(\"and then\"); }"),
    ("denies-wrongly", "validate({ deny }) { deny(42); }"),
    ("denies-with-wrong-code", "validate({ deny }) { deny(\"no\", { code: 200 }); }"),
    ("denies-often", "validate({ deny }) { for (let n = 0; n < 100000; n += 1) deny(\"x\".repeat(100000)); }"),
    ("fills-memory", "validate() { const all = []; for (;;) all.push(new Array(10000).fill({})); }"),
    ("fills-buffers", "validate() { const all = []; for (;;) all.push(new Uint8Array(1 << 20)); }"),
    ("recurses", "validate() { const f = (n) => f(n + 1) + 1; f(0); }"),
];

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let chooses = |name: &str| {
        format!(
            "match: {{ resources: [\"configmaps\"], matchConditions: [{{ name: \"chosen\", expression: \"object.data.run == '{name}'\" }}] }},"
        )
    };
    let sources: Vec<(String, String)> = HANDLERS
        .iter()
        .map(|(name, handler)| {
            let source = policy(name, handler).replace("match: { resources: [\"configmaps\"] },", &chooses(name));
            (format!("{name}.ts"), source)
        })
        .collect();
    let neighbour = policy("neighbour", "validate({ object, warn }) { warn(`saw ${object.data.run}`); }");
    let allowing = policy(
        "allowing",
        "onError: \"Allow\",\n  validate({ object }) { if (object.data.run === \"allowed\") throw new Error(\"let it pass\"); }",
    );
    let mut files: Vec<(&str, &str)> = sources.iter().map(|(name, source)| (name.as_str(), source.as_str())).collect();
    files.extend([("neighbour.ts", neighbour.as_str()), ("allowing.ts", allowing.as_str())]);
    Served::new(&files, &[])
});

fn ask(name: &str) -> Answer {
    SERVED.server.post("/validate?timeout=5s", &config_map(json!({"run": name, "a": "17"})))
}

/// A denial by failure mode: its message without the prefix that all of them have.
#[track_caller]
fn failure(name: &str) -> String {
    let status = denied(ask(name));
    assert_eq!((&status["code"], &status["reason"]), (&json!(500), &json!("InternalError")), "{status}");
    let text = status["message"].as_str().unwrap().to_owned();
    assert_eq!(warnings(ask("nothing")), json!(["[neighbour.policies.example] saw nothing"]), "after {name}");
    let prefix = format!("[{name}.policies.example] policy failed: ");
    text.strip_prefix(&prefix).unwrap_or_else(|| panic!("{text:?} does not begin with {prefix:?}")).to_owned()
}

fn place(name: &str, line: u32, column: u32) -> String {
    format!("{}:{line}:{column}", SERVED.folder.argument(&format!("{name}.ts")))
}

#[test]
fn an_error_names_the_place_in_the_source_as_it_was_written() {
    assert_eq!(failure("throws"), format!("RangeError: 17 is out of range (at {})", place("throws", 7, 5)));
    let text = failure("dereferences");
    assert!(text.starts_with("TypeError: Cannot read properties of undefined (reading 'containers')"), "{text}");
    assert!(text.ends_with(&format!("(at {})", place("dereferences", 6, 24))), "{text}");
}

#[test]
fn an_error_of_a_built_in_names_the_place_of_the_call() {
    let text = failure("parses");
    assert!(text.starts_with("SyntaxError: Expected property name or '}' in JSON at position 1"), "{text}");
    assert!(text.ends_with(&format!("(at {})", place("parses", 6, 10))), "{text}");
}

#[test]
fn whatever_is_thrown_is_told() {
    assert!(failure("throws-text").starts_with("just words (at "));
    assert!(failure("throws-object").starts_with(r#"an object was thrown: {"reason":"R","code":7} (at "#));
    assert!(failure("throws-nothing").starts_with("undefined (at "));
}

#[test]
fn a_policy_that_never_ends_is_denied_within_the_deadline_and_its_neighbours_are_answered() {
    // A server of its own: other tests would hold further threads of a shared one.
    let server = SERVED.folder.serve(&[]);
    let target = Target::of(&server);
    for name in ["loops", "loops-in-catch", "loops-in-microtasks", "loops-in-builtin"] {
        let begun = Instant::now();
        let (looping, asked) = run(async {
            let review = config_map(json!({"run": name}));
            let mut connection = target.http1().await;
            let looping = tokio::spawn(async move { connection.post("/validate?timeout=5s", &review).await });
            let mut neighbour = target.http1().await;
            let mut asked = 0;
            while !looping.is_finished() {
                let answer = neighbour.post("/validate?timeout=5s", &config_map(json!({"run": "other"}))).await;
                assert_eq!(warnings(answer), json!(["[neighbour.policies.example] saw other"]));
                asked += 1;
            }
            (looping.await.unwrap(), asked)
        });
        let text = message(looping);
        assert!(text.starts_with(&format!("[{name}.policies.example] policy failed: ")), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{name}: {:?}", begun.elapsed());
        // One that had to wait for the end would be the only one, or nearly.
        assert!(asked > 5, "{name} held up its neighbours: {asked} were answered");
    }
}

#[test]
fn the_deadline_is_that_of_the_api_server_where_it_is_shorter() {
    let begun = Instant::now();
    let answer = SERVED.server.post("/validate?timeout=300ms", &config_map(json!({"run": "loops"})));
    assert_eq!(denied(answer)["code"], 500);
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[test]
fn a_value_returned_is_an_error_that_says_what_to_do_instead() {
    assert!(failure("returns").starts_with("TypeError: validate returned object: call deny(), it must return nothing"));
    assert!(
        failure("returns-promise")
            .starts_with("TypeError: validate returned boolean: call deny(), it must return nothing")
    );
}

#[test]
fn a_rejected_promise_is_an_error_handled_or_not() {
    assert!(failure("rejects").starts_with("Error: too late"));
    assert!(failure("leaves-rejection").starts_with("Error: nobody looked"));
    assert_eq!(message(ask("handles-rejection")), "[handles-rejection.policies.example] x");
}

#[test]
fn a_promise_that_cannot_settle_is_found_out_at_once() {
    let begun = Instant::now();
    assert_eq!(failure("never-settles"), "its promise waits for something that can never come");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn an_async_handler_is_waited_for() {
    assert_eq!(message(ask("async")), "[async.policies.example] after waiting");
}

#[test]
fn a_policy_that_throws_after_denying_has_failed() {
    assert!(failure("denies-then-throws").starts_with("Error: and then (at "));
}

#[test]
fn deny_takes_a_text_and_a_code_of_an_error() {
    assert!(failure("denies-wrongly").starts_with("TypeError: deny: message must be a string, not number"));
    assert!(failure("denies-with-wrong-code").starts_with("TypeError: deny: code must be an integer from 400 to 599"));
    // Whoever makes an object with many faults must not turn the denial into a failure.
    let (status, answer) = ask("denies-often");
    assert!(answer.to_string().len() < 1 << 20);
    assert_eq!(denied((status, answer))["code"], 403);
}

#[test]
fn a_policy_that_fills_the_memory_costs_its_own_request_only() {
    for name in ["fills-memory", "fills-buffers", "recurses"] {
        let answer = SERVED
            .server
            .post(&format!("/policy/{name}.policies.example?timeout=5s"), &config_map(json!({"run": name})));
        assert_eq!(denied(answer)["code"], 500, "{name}");
        assert_eq!(warnings(ask("nothing")), json!(["[neighbour.policies.example] saw nothing"]), "after {name}");
    }
    assert!(failure("recurses").starts_with("RangeError: Maximum call stack size exceeded"));
}

#[test]
fn on_error_allow_lets_the_request_pass_with_a_warning() {
    let response = allowed(ask("allowed"));
    let warning =
        response["warnings"].as_array().unwrap().iter().find(|text| text.as_str().unwrap().contains("allowing"));
    let text = warning.and_then(Value::as_str).unwrap();
    assert!(text.starts_with("[allowing.policies.example] policy failed: Error: let it pass"), "{text}");
    let audit = response["auditAnnotations"]["allowing.policies.example.error"].as_str().unwrap();
    assert!(audit.starts_with("exception: Error: let it pass"), "{audit}");
}
