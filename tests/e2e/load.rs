//! Creates through the webhook all the while that something goes wrong. What becomes of each is known beforehand, so that
//! every answer that is lost or wrong is counted.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, fs, thread};

use reqwest::Method;
use serde_json::json;

use super::api::Api;
use super::bylaw::path_in;
use super::objects::config_map;
use super::policies::{PolicyFile, policy};
use super::replicas::SetOnDrop;

/// What the guard says.
const REFUSAL: &str = "refused by the guard of the load";

const CLIENTS: usize = 3;

/// Between two creates of a client: the machine has something else to do as well.
const PAUSE: Duration = Duration::from_millis(5);

/// How long the load goes on when all is healed.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// Refuses what the load sends to be refused. As a file it is enforced whatever becomes of the objects of a cluster.
pub fn guard(namespace: &str) -> PolicyFile {
    let rest = r#"
        match: {
          resources: ["configmaps"], operations: ["CREATE"],
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "NAMESPACE" } },
        },
        validate({ object, deny, warn }) { if (object.data?.load === "bad") deny("REFUSAL"); else warn("judged"); },
        "#;
    policy("load-guard", &rest.replace("NAMESPACE", namespace).replace("REFUSAL", REFUSAL))
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creates {
    /// Every other one is to be refused.
    Both,
    /// All of them are: where nothing can be stored, these can still be answered.
    Refused,
}

/// Where the creates go.
pub struct Target<'w> {
    pub api: &'w Api,
    pub namespace: String,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Tally {
    /// Stored, as they should be.
    pub stored: usize,
    /// Refused by the guard, as they should be.
    pub refused: usize,
    /// Stored, and should have been refused.
    pub passed: usize,
    /// Neither stored nor refused by the guard.
    pub failed: usize,
    /// From the beginning to the last answer that was not as it should be, and the first such answer.
    pub wrong_until: Option<(Duration, String)>,
}

impl Tally {
    /// The cluster could answer all the while: every answer was as it should be.
    #[track_caller]
    pub fn is_whole(&self) {
        assert_eq!((self.passed, self.failed), (0, 0), "{:?}", self.wrong_until);
        assert!(self.refused > 10, "hardly anything was asked: {self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, refused, passed, failed, wrong_until } = self;
        write!(f, "{stored} stored, {refused} refused, {passed} wrongly let past, {failed} failed")?;
        match wrong_until {
            Some((until, _)) => write!(f, ", the last of them after {until:?}"),
            None => Ok(()),
        }
    }
}

#[derive(Default)]
struct Counts {
    number: AtomicUsize,
    tally: Mutex<Tally>,
}

impl Target<'_> {
    /// Waits until the guard is asked.
    pub fn await_guard(&self) {
        let path = format!("{}?dryRun=All", path_in(&self.namespace, "configmaps"));
        let bad = config_map("first", json!({"load": "bad"}));
        let asked = || self.api.post(&path, &bad);
        super::api::eventually("the guard is asked", asked, |reply| reply.message().contains(REFUSAL));
    }

    /// Lets `faults` happen under load, prints what became of the creates under the name `what`, and takes away what was
    /// stored.
    pub fn under_load<R>(&self, what: &str, creates: Creates, faults: impl FnOnce() -> R) -> (R, Tally) {
        self.await_guard();
        let (over, counts, begun) = (AtomicBool::new(false), Counts::default(), Instant::now());
        let client = || {
            while !over.load(Ordering::Relaxed) {
                self.create(creates, &counts, begun);
                thread::sleep(PAUSE);
            }
        };
        let result = thread::scope(|scope| {
            let _over = SetOnDrop(&over);
            for _ in 0..CLIENTS {
                scope.spawn(client);
            }
            let result = faults();
            thread::sleep(AFTERWARDS);
            result
        });
        let stored = format!("{}?labelSelector=load%3Dyes", path_in(&self.namespace, "configmaps"));
        drop(self.api.try_send(Method::DELETE, &stored, None));
        let tally = counts.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        eprintln!("fault: {what}: {tally}; {:?} in all", begun.elapsed());
        (result, tally)
    }

    fn create(&self, creates: Creates, counts: &Counts, begun: Instant) {
        let number = counts.number.fetch_add(1, Ordering::Relaxed);
        let is_bad = creates == Creates::Refused || number % 2 == 0;
        let data = if is_bad { json!({"load": "bad"}) } else { json!({}) };
        let mut object = config_map(&format!("load-{number}"), data);
        object["metadata"]["labels"] = json!({"load": "yes"});
        let path = path_in(&self.namespace, "configmaps");
        let reply = self.api.try_send(Method::POST, &path, Some(("application/json", &object)));
        let mut tally = counts.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wrong = match &reply {
            Ok(reply) if is_bad && reply.message().contains(REFUSAL) => {
                tally.refused += 1;
                false
            }
            Ok(reply) if !is_bad && reply.is_good() => {
                tally.stored += 1;
                false
            }
            Ok(reply) if is_bad && reply.is_good() => {
                tally.passed += 1;
                true
            }
            _ => {
                tally.failed += 1;
                true
            }
        };
        if is_wrong {
            let first = tally.wrong_until.take().map(|(_, first)| first);
            let first = first.unwrap_or_else(|| format!("create {number}, bad: {is_bad}: {reply:?}"));
            tally.wrong_until = Some((begun.elapsed(), first));
        }
    }
}

#[test]
fn every_fault_that_is_listed_names_a_test_that_there_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e");
    let sources: String = [folder.clone(), folder.join("operator")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    let rows = list.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")).skip(1);
    let named = rows.flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2)).collect::<Vec<_>>();
    assert!(named.len() > 20, "{named:?}");
    for test in named {
        assert!(sources.contains(&format!("#[test]\nfn {test}()")), "there is no test {test}");
    }
}
