//! Policies are told of the namespace that they were matched by, however new it is.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::host::Objects;
use crate::isolate::Limits;
use crate::isolate::testing::{PATIENCE, host, messages, validate};
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

fn verdict(policy: Arc<Revision>, scope: &Scope) -> Verdict {
    let metrics = Arc::new(Metrics::default());
    let catalog = Catalog { revisions: vec![policy], generation: 1, ..Catalog::default() };
    let catalog = Arc::new(ArcSwap::from_pointee(catalog));
    let pool_of = PoolSize { threads: 1, spares: 0, apart_threads: 1, waiting_threads: 1, ..PoolSize::for_cores(1) };
    let limits = Arc::new(Limits::default());
    let pool =
        Pool::start(pool_of, host(Objects::Nowhere), limits, Arc::clone(&catalog), Arc::clone(&metrics)).unwrap();
    let known = Arc::new(Passing { looks: AtomicUsize::new(0), until: 2 });
    let engine = Engine::new(pool, catalog, known, metrics, false);
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": "x", "namespace": "shop",
            "operation": "CREATE", "userInfo": {"username": "admin"}, "object": {"metadata": {"name": "x"}}
        }
    });
    let review = parse(body.to_string().into(), &review::Limits::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    while !engine.pool().ready() {
        std::thread::yield_now();
    }
    let mut judgement = runtime.block_on(engine.judge(&review, scope, Instant::now() + PATIENCE, false));
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
