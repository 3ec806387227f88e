//! Policies are told of the namespace that they were matched by, however new it is.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::host::Objects;
use crate::isolate::Limits;
use crate::isolate::testing::{PATIENCE, host, messages, module, validate};
use crate::pool::PoolSize;
use crate::review::parse;

/// A namespace that is found only by looking it up, and forgotten as soon as it has been looked at so many times.
struct Passing {
    looks: AtomicUsize,
    until: usize,
}

impl NamespaceLabels for Passing {
    fn labels(&self, _namespace: &str) -> Option<Arc<BTreeMap<String, String>>> {
        let seen = self.looks.fetch_add(1, Ordering::Relaxed);
        (1..self.until).contains(&seen).then(|| Arc::new(BTreeMap::from([("stage".into(), "production".into())])))
    }

    fn learn<'a>(&'a self, _namespace: &'a str, _deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }
}

fn engine(policy: Arc<Revision>) -> Engine {
    engine_of([policy], Arc::new(Passing { looks: AtomicUsize::new(0), until: 2 }))
}

/// An engine that serves these policies.
pub(super) fn engine_of(policies: impl IntoIterator<Item = Arc<Revision>>, known: Arc<dyn NamespaceLabels>) -> Engine {
    let metrics = Arc::new(Metrics::default());
    let mut revisions: Vec<_> = policies.into_iter().collect();
    revisions.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let catalog = Catalog { revisions, generation: 1, ..Catalog::default() };
    let catalog = Arc::new(ArcSwap::from_pointee(catalog));
    let pool_of = PoolSize { threads: 1, spares: 0, apart_threads: 1, waiting_threads: 1, ..PoolSize::for_cores(1) };
    let limits = Arc::new(Limits::default());
    let pool =
        Pool::start(pool_of, host(Objects::Nowhere), limits, Arc::clone(&catalog), Arc::clone(&metrics)).unwrap();
    let engine = Engine::new(pool, catalog, known, metrics, false);
    while !engine.pool().ready() {
        std::thread::yield_now();
    }
    engine
}

fn review() -> Review {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": "x", "namespace": "shop",
            "operation": "CREATE", "userInfo": {"username": "admin"}, "object": {"metadata": {"name": "x"}}
        }
    });
    parse(body.to_string().into(), &review::Limits::default()).unwrap()
}

pub(super) fn wait<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(answer)
}

fn verdict(policy: Arc<Revision>, scope: &Scope) -> Verdict {
    let engine = engine(policy);
    let mut judgement = wait(engine.judge(&review(), scope, Instant::now() + PATIENCE, false));
    judgement.evaluated.remove(0).verdict
}

#[test]
fn the_labels_of_a_namespace_made_a_moment_ago_are_told() {
    let told = || {
        validate("c.deny(`it is ${c.namespace.labels.stage}`)").named("told").with(|spec| {
            spec.mutates = false;
            spec.rules.resources.push("pods".to_owned());
        })
    };
    let selects = || {
        told().with(|spec| {
            spec.rules.namespace_selector.match_labels.insert("stage".to_owned(), "production".to_owned());
        })
    };
    for policy in [told(), selects()] {
        let verdict = verdict(policy.made(), &Scope::Validate);
        assert_eq!(messages(&verdict), ["it is production"]);
    }
    let verdict = verdict(told().made(), &Scope::Only("told".into()));
    assert_eq!(messages(&verdict), ["it is production"]);
}

#[test]
fn a_controller_is_told_them_too() {
    let controller = module("reconcile(c) { c.deny(`it is ${c.namespace.labels.stage}`) }").with(|spec| {
        (spec.validates, spec.mutates, spec.reconciles) = (false, false, true);
    });
    let controller = controller.made();
    let engine = engine(Arc::clone(&controller));
    let told =
        Told { request: review().text, namespace: "shop".into(), dry_run: false, deadline: Instant::now() + PATIENCE };
    let verdict = wait(engine.reconcile(&controller, told)).verdict;
    assert_eq!(messages(&verdict), ["it is production"]);
}
