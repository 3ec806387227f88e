//! Policies, reviews and cells for the tests of this folder and of the pool.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Cell, Evaluated, Input, Limits, Slot, Spare, Vantage, no_tenant};
use crate::cluster::Inventory;
use crate::decision::{Cause, Effect, Verdict};
use crate::host::{Host, HostLimits, Objects};
use crate::matching::Matcher;
use crate::policy::{
    About, ClosedScript, Code, Dialect, Enforcement, HostMutations, Isolation, MatchSpec, OnError, Permissions,
    PolicySpec, Revision, WebhookFailure,
};
use crate::review::JsonText;

/// Long enough for anything that ends, on a machine with better things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn host(objects: Objects) -> Host {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let new = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    super::init();
    super::set_sdk(crate::bundle::link_sdk().unwrap().script.clone());
    Host::new(RUNTIME.get_or_init(new).handle().clone(), objects, HostLimits::default())
}

/// One `ConfigMap`, for policies that read.
pub(crate) fn inventory() -> Objects {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "known", "namespace": "shop"}, "data": {"key": "found"}});
    Objects::Inventory(Arc::new(Inventory::from_objects([map]).unwrap()))
}

/// A policy in the making.
#[derive(Clone)]
pub(crate) struct Draft {
    pub spec: PolicySpec,
    script: String,
    source_map: Option<Arc<str>>,
}

/// A module whose default export has these handlers: `validate({ deny }) { … }`.
pub(crate) fn module(handlers: &str) -> Draft {
    bundle(&format!("\"use strict\";({{ default: {{ {handlers} }} }})"))
}

/// The body of `validate`, with the context as `c`.
pub(crate) fn validate(body: &str) -> Draft {
    module(&format!("validate(c) {{ {body} }}"))
}

/// The body of `mutate`, with the context as `c`.
pub(crate) fn mutate(body: &str) -> Draft {
    module(&format!("mutate(c) {{ {body} }}"))
}

/// A linked bundle, as the linker leaves it: a script whose completion value is the namespace.
pub(crate) fn bundle(script: &str) -> Draft {
    draft(Dialect::Module, script.to_owned())
}

/// A jsPolicy script.
pub(crate) fn script(source: &str) -> Draft {
    draft(Dialect::Script, crate::bundle::inline_script("p.yaml", source).unwrap().script)
}

/// The script of a bundle, as it is.
pub(crate) fn raw_script(script: &str) -> Draft {
    draft(Dialect::Script, script.to_owned())
}

fn draft(dialect: Dialect, script: String) -> Draft {
    let spec = PolicySpec {
        name: Arc::from("p.example.com"),
        dialect,
        validates: true,
        mutates: true,
        reconciles: false,
        rules: MatchSpec::default(),
        priority: 0,
        enforcement: Enforcement::Deny,
        on_error: OnError::Deny,
        timeout: PATIENCE,
        parameters: Arc::new(json!({})),
        permissions: Permissions::default(),
        isolation: Isolation::Shared,
        keeps_state: false,
        host_mutations: HostMutations::default(),
        tenant: None,
    };
    Draft { spec, script, source_map: None }
}

impl Draft {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut PolicySpec)) -> Self {
        change(&mut self.spec);
        self
    }

    pub(crate) fn named(self, name: &str) -> Self {
        self.with(|spec| spec.name = Arc::from(name))
    }

    pub(crate) fn mapped(mut self, source_map: &str) -> Self {
        self.source_map = Some(Arc::from(source_map));
        self
    }

    pub(crate) fn made(self) -> Arc<Revision> {
        let Self { spec, script, source_map } = self;
        let closed = if spec.dialect == Dialect::Script { ClosedScript::of(&script) } else { None };
        let code = Code {
            dialect: spec.dialect,
            origin: Arc::from("p.js"),
            script: Arc::from(script),
            hash: Arc::from("0"),
            entry: 0,
            source_map,
            closed,
        };
        let Permissions { read, write, net, files, quota, env: _, codegen: _, service_account: _, within: _ } =
            &spec.permissions;
        let may_wait = match code.proof() {
            Some(proof) => proof.reads,
            None => {
                spec.dialect == Dialect::Script
                    || [read, write, net, files, quota].iter().any(|grants| !grants.is_empty())
            }
        };
        let domain = spec.domain();
        Arc::new(Revision {
            matcher: Arc::new(Matcher::compile(&spec.rules).unwrap()),
            spec: Arc::new(spec),
            code: Arc::new(code),
            about: About::default(),
            webhook_failure: WebhookFailure::Fail,
            is_reinvoked: false,
            oversight: Arc::default(),
            source: Arc::new(PathBuf::from("p.js")),
            schema: None,
            may_wait,
            conduct: Arc::default(),
            domain,
        })
    }
}

/// The creation of this object in the namespace `shop`.
pub(crate) fn creation(object: &Value) -> Value {
    let kind = object["kind"].as_str().unwrap_or("Pod");
    let (group, version) = object["apiVersion"].as_str().unwrap_or("v1").split_once('/').unwrap_or(("", "v1"));
    json!({
        "uid": "1", "operation": "CREATE", "namespace": "shop", "name": "web",
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())},
        "userInfo": {"username": "jane", "groups": ["staff"]}, "object": object,
    })
}

pub(crate) fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}]},
    })
}

pub(crate) fn input_of(request: impl Into<String>) -> Input {
    Input {
        request: JsonText::parse(request.into()).unwrap(),
        namespace: Some(Arc::from(r#"{"name":"shop","labels":{"team":"a"}}"#)),
        tenant: no_tenant(),
        vantage: Vantage::Host,
        view: None,
        dry_run: false,
        now: 1_700_000_000_000.0,
        measure: false,
        reserving: None,
        deadline: Instant::now() + PATIENCE,
    }
}

/// The creation of a pod.
pub(crate) fn input() -> Input {
    input_of(creation(&pod()).to_string())
}

/// A cell, and the thread's slot.
pub(crate) struct Rig {
    pub cell: Cell,
    pub slot: Arc<Slot>,
    pub limits: Arc<Limits>,
    host: Host,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), Objects::Nowhere)
    }

    pub(crate) fn with(limits: Limits, objects: Objects) -> Self {
        let (host, limits) = (host(objects), Arc::new(limits));
        let slot = Slot::register(|_| {});
        let cell = Cell::new(host.clone(), Arc::clone(&slot), Arc::clone(&limits));
        Self { cell, slot, limits, host }
    }

    /// A new cell on the same thread, as the pool does after a kill.
    pub(crate) fn renew(&mut self) {
        self.cell = Cell::new(self.host.clone(), Arc::clone(&self.slot), Arc::clone(&self.limits));
    }

    /// Runs one policy by its dialect and the handlers it has.
    pub(crate) fn run(&mut self, draft: Draft) -> Verdict {
        self.run_on(&input(), draft)
    }

    pub(crate) fn run_on(&mut self, input: &Input, draft: Draft) -> Verdict {
        let revision = draft.made();
        if revision.code.dialect == Dialect::Script {
            return self.cell.run_script(input, &revision).verdict;
        }
        let mutating = revision.code.script.contains("mutate(c)");
        let revisions = [revision];
        let mut verdicts =
            if mutating { self.cell.mutate(input, &revisions) } else { self.cell.validate(input, &revisions) };
        assert_eq!(verdicts.len(), 1);
        verdicts.remove(0).verdict
    }

    /// The verdicts of validating policies named a, b, c, … in one batch.
    pub(crate) fn batch(&mut self, drafts: impl IntoIterator<Item = Draft>) -> Vec<Verdict> {
        verdicts(self.cell.validate(&input(), &named(drafts)))
    }

    /// The same for mutating ones.
    pub(crate) fn chain(&mut self, drafts: impl IntoIterator<Item = Draft>) -> Vec<Verdict> {
        verdicts(self.cell.mutate(&input(), &named(drafts)))
    }

    /// What a body of `validate` denies with: the way in which tests read values out of a realm.
    pub(crate) fn told(&mut self, body: &str) -> Vec<String> {
        messages(&self.run(validate(body)))
    }

    /// The same in the realm of a script.
    pub(crate) fn script_told(&mut self, source: &str) -> Vec<String> {
        messages(&self.run(script(source)))
    }

    /// What the pool does after a reply.
    pub(crate) fn tend(&mut self) {
        while self.cell.tend(Spare::Script) {}
    }
}

fn named(drafts: impl IntoIterator<Item = Draft>) -> Vec<Arc<Revision>> {
    drafts.into_iter().zip('a'..).map(|(draft, name)| draft.named(&name.to_string()).made()).collect()
}

fn verdicts(evaluated: Vec<Evaluated>) -> Vec<Verdict> {
    evaluated.into_iter().map(|one| one.verdict).collect()
}

/// The messages of a denial.
pub(crate) fn messages(verdict: &Verdict) -> Vec<String> {
    match &verdict.effect {
        Effect::Deny(denials) => denials.iter().map(|denial| denial.message.clone()).collect(),
        other => panic!("not a denial: {other:?}"),
    }
}

/// Cause and message of an error.
pub(crate) fn error(verdict: &Verdict) -> (Cause, &str) {
    match &verdict.effect {
        Effect::Error(error) => (error.cause, &error.message),
        other => panic!("not an error: {other:?}"),
    }
}
