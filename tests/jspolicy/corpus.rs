//! Runs a file of cases: sends each, compares all, and tells every miss at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use super::case::{Case, Cases};
use super::expect::{Answer, misses};
use super::servers::Station;

const FOLDER: &str = "tests/jspolicy/cases";

/// Runs `cases/<name>.yaml`, underscores of the name being hyphens of the file.
pub fn run(name: &str, station: &Station) {
    let path = root().join(FOLDER).join(file_name(name));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let Cases { policy, mut cases } =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!cases.is_empty(), "{name} has no cases");
    for case in cases.iter_mut().filter(|case| case.policy.is_empty()) {
        case.policy.clone_from(&policy);
    }
    let names: BTreeSet<_> = cases.iter().map(|case| (case.path(), case.title())).collect();
    assert_eq!(names.len(), cases.len(), "two cases of {name} have the same name");
    let _alone = station.alone();
    let faults: Vec<String> =
        cases.iter().enumerate().filter_map(|(at, case)| fault(&format!("{name}-{at}"), case, station)).collect();
    assert!(faults.is_empty(), "{} of {} cases differ:\n\n{}", faults.len(), cases.len(), faults.join("\n\n"));
}

/// Checks that `names` are all the files of cases that there are.
pub fn assert_files(names: &[&str]) {
    let run: BTreeSet<String> = names.iter().map(|name| file_name(name)).collect();
    let entries = fs::read_dir(root().join(FOLDER)).expect("there are cases");
    let found: BTreeSet<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(run, found);
}

/// The folder of the package.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn file_name(name: &str) -> String {
    format!("{}.yaml", name.replace('_', "-"))
}

fn fault(uid: &str, case: &Case, station: &Station) -> Option<String> {
    let mark = station.server.log_length();
    station.forget_writes();
    let begun = Instant::now();
    let text = case.review(uid);
    let (http, review) = station.server.post_text(&case.path(), text.clone());
    let answer = Answer { uid, http, review, took: begun.elapsed(), writes: station.writes() };
    let mut misses = misses(case, &answer);
    for text in &case.expect.log {
        misses.extend(station.server.wait_for_log(mark, text).err());
    }
    // Where a realm is shared must not be seen.
    if let Some(apart) = station.apart() {
        let mark = apart.log_length();
        let (other_http, other) = apart.post_text(&case.path(), text);
        if (other_http, comparable(case, other.clone())) != (http, comparable(case, answer.review.clone())) {
            misses.push(format!("in a realm of its own: {other_http} {other}"));
        }
        for text in &case.expect.log {
            misses.extend(apart.wait_for_log(mark, text).err());
        }
    }
    if misses.is_empty() {
        return None;
    }
    let answered = serde_json::to_string_pretty(&answer.review).unwrap();
    Some(format!("{}: {}\n  {}\n{answered}", case.path(), case.title(), misses.join("\n  ")))
}

/// Where any message will do, the words may differ from one run to the next.
fn comparable(case: &Case, mut review: Value) -> Value {
    if case.expect.message_contains.as_deref() == Some("")
        && let Some(message) = review.pointer_mut("/response/status/message")
    {
        *message = Value::Null;
    }
    review
}
