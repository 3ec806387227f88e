//! What one place says of a policy, each field optional: the module's default export, or the JsPolicy object around
//! it. Laid over one another and completed with defaults they make a [`PolicySpec`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::review::Operation;

use super::about::About;
use super::catalog::WebhookFailure;
use super::confined::{self, confine};
use super::error::{FieldError, PolicyError};
use super::oversight::OversightDraft;
use super::parameters;
use super::spec::{
    Dialect, Enforcement, HostMutations, Isolation, LabelSelector, MatchCondition, MatchPolicy, MatchSpec, OnError,
    Permissions, PolicySpec, Scope, TenantsSpec, Vantage,
};

/// jsPolicy's default, and the API server's.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The handlers of a policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Handlers {
    pub validates: bool,
    pub mutates: bool,
    pub reconciles: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Draft {
    pub name: Option<String>,
    pub about: About,
    pub handlers: Handlers,
    pub operations: Option<Vec<Operation>>,
    pub api_groups: Option<Vec<String>>,
    pub api_versions: Option<Vec<String>>,
    pub resources: Option<Vec<String>>,
    pub scope: Option<Scope>,
    pub namespace_selector: Option<LabelSelector>,
    pub object_selector: Option<LabelSelector>,
    pub match_policy: Option<MatchPolicy>,
    pub exclude_users: Option<Vec<String>>,
    pub match_conditions: Option<Vec<MatchCondition>>,
    pub workloads: Option<bool>,
    pub vantage: Option<Vantage>,
    pub tenants: Option<TenantsSpec>,
    pub schema: Option<Value>,
    pub parameters: Option<Value>,
    pub permissions: Option<Permissions>,
    pub priority: Option<i32>,
    pub enforcement: Option<Enforcement>,
    pub on_error: Option<OnError>,
    pub timeout: Option<Duration>,
    pub isolation: Option<Isolation>,
    pub host_mutations: Option<HostMutations>,
    pub webhook_failure: Option<WebhookFailure>,
    /// `reinvocationPolicy: IfNeeded`.
    pub is_reinvoked: Option<bool>,
    pub oversight: Option<OversightDraft>,
    /// The namespace of a tenant's own policy, which it never reaches beyond.
    pub home: Option<Arc<str>>,
    /// Said to the reader, not wrong.
    pub notes: Vec<String>,
}

/// A policy complete but for its code.
#[derive(Debug, Clone)]
pub(super) struct Complete {
    pub spec: PolicySpec,
    pub about: About,
    pub schema: Option<Arc<Value>>,
    pub webhook_failure: WebhookFailure,
    pub is_reinvoked: bool,
    pub oversight: OversightDraft,
}

impl Draft {
    /// Each field of `self`, or where it is absent, of `base`: a JsPolicy object stands over its module (contract §3).
    /// The handlers are the module's.
    pub(super) fn over(self, base: Self) -> Self {
        Self {
            name: self.name.or(base.name),
            about: self.about.over(base.about),
            handlers: base.handlers,
            operations: self.operations.or(base.operations),
            api_groups: self.api_groups.or(base.api_groups),
            api_versions: self.api_versions.or(base.api_versions),
            resources: self.resources.or(base.resources),
            scope: self.scope.or(base.scope),
            namespace_selector: self.namespace_selector.or(base.namespace_selector),
            object_selector: self.object_selector.or(base.object_selector),
            match_policy: self.match_policy.or(base.match_policy),
            exclude_users: self.exclude_users.or(base.exclude_users),
            match_conditions: self.match_conditions.or(base.match_conditions),
            workloads: self.workloads.or(base.workloads),
            vantage: self.vantage.or(base.vantage),
            tenants: self.tenants.or(base.tenants),
            schema: base.schema,
            parameters: layered(base.parameters, self.parameters),
            permissions: self.permissions.or(base.permissions),
            priority: self.priority.or(base.priority),
            enforcement: self.enforcement.or(base.enforcement),
            on_error: self.on_error.or(base.on_error),
            timeout: self.timeout.or(base.timeout),
            isolation: self.isolation.or(base.isolation),
            host_mutations: self.host_mutations.or(base.host_mutations),
            webhook_failure: self.webhook_failure.or(base.webhook_failure),
            is_reinvoked: self.is_reinvoked.or(base.is_reinvoked),
            oversight: self.oversight.or(base.oversight),
            home: self.home,
            notes: self.notes.into_iter().chain(base.notes).collect(),
        }
    }

    /// Fills in the defaults. `given` are parameters from the command line, which stand over all others.
    pub(super) fn complete(self, dialect: Dialect, given: Option<&Value>) -> Result<Complete, PolicyError> {
        let name = self.name.unwrap_or_default();
        let subject = if name.is_empty() { "a policy".to_owned() } else { format!("policy {name}") };
        let wrong = |field: &str, message: &str| PolicyError::Invalid {
            subject: subject.clone(),
            errors: vec![FieldError { field: field.to_owned(), message: message.to_owned() }],
        };
        if name.is_empty() {
            return Err(wrong("name", "is missing; add one, such as `name: \"no-privileged.pods.example.com\"`"));
        }
        if self.home.is_none() && name.ends_with(confined::SUFFIX) {
            return Err(wrong(
                "name",
                "ends like the names of tenants' own policies, `.tenants.bylaw.dev`; choose another",
            ));
        }
        let resources = self.resources.filter(|resources| !resources.is_empty());
        let resources = resources.ok_or_else(|| {
            wrong("match.resources", "is missing; say what the policy judges, such as `resources: [\"pods\"]`")
        })?;
        let parameters = parameters::complete(self.schema.as_ref(), self.parameters.as_ref(), given, "parameters")
            .map_err(|errors| PolicyError::Invalid { subject: subject.clone(), errors })?;
        let webhook_failure = self.webhook_failure.unwrap_or_default();
        // jsPolicy denies on any error of a script, whatever its failurePolicy says; modules follow it.
        let on_error = match (dialect, webhook_failure) {
            (Dialect::Module, WebhookFailure::Ignore) => OnError::Allow,
            _ => OnError::Deny,
        };
        let permissions = self.permissions.unwrap_or_default();
        let isolation = match (dialect, self.isolation) {
            (Dialect::Script, asked) => asked.filter(|asked| *asked > Isolation::Fresh).unwrap_or(Isolation::Fresh),
            (Dialect::Module, Some(Isolation::Shared)) if permissions.codegen => {
                let mend = "is never given in a shared realm; leave `isolation` out, or write `isolation: \"Fresh\"`";
                return Err(wrong("permissions.codegen", mend));
            }
            (Dialect::Module, None) if permissions.codegen => Isolation::Fresh,
            (Dialect::Module, asked) => asked.unwrap_or_default(),
        };
        let rules = MatchSpec {
            operations: self.operations.unwrap_or_default(),
            api_groups: self.api_groups.unwrap_or_default(),
            api_versions: self.api_versions.unwrap_or_default(),
            resources,
            scope: self.scope.unwrap_or_default(),
            namespace_selector: self.namespace_selector.unwrap_or_default(),
            object_selector: self.object_selector.unwrap_or_default(),
            match_policy: self.match_policy.unwrap_or_default(),
            exclude_users: self.exclude_users.unwrap_or_default(),
            match_conditions: self.match_conditions.unwrap_or_default(),
            workloads: self.workloads.unwrap_or_default(),
            vantage: self.vantage,
            tenants: self.tenants,
        };
        let spec = PolicySpec {
            name: name.into(),
            dialect,
            validates: self.handlers.validates,
            mutates: self.handlers.mutates,
            reconciles: self.handlers.reconciles,
            rules,
            priority: self.priority.unwrap_or_default(),
            enforcement: self.enforcement.unwrap_or_default(),
            on_error: self.on_error.unwrap_or(on_error),
            timeout: self.timeout.unwrap_or(DEFAULT_TIMEOUT),
            parameters: Arc::new(parameters),
            permissions,
            isolation,
            keeps_state: false,
            host_mutations: self.host_mutations.unwrap_or_default(),
            tenant: None,
        };
        let schema = self.schema.map(Arc::new);
        let is_reinvoked = self.is_reinvoked.unwrap_or_default();
        let oversight = self.oversight.unwrap_or_default();
        let mut complete = Complete { spec, about: self.about, schema, webhook_failure, is_reinvoked, oversight };
        if let Some(home) = &self.home {
            confine(&mut complete, home).map_err(|errors| PolicyError::Invalid { subject, errors })?;
        }
        Ok(complete)
    }
}

/// The fields of `over` over those of `base`.
pub(super) fn layered(base: Option<Value>, over: Option<Value>) -> Option<Value> {
    match (base, over) {
        (Some(Value::Object(mut base)), Some(Value::Object(over))) => {
            base.extend(over);
            Some(Value::Object(base))
        }
        (base, over) => over.or(base),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft() -> Draft {
        Draft {
            name: Some("a.b.c".to_owned()),
            resources: Some(vec!["pods".to_owned()]),
            handlers: Handlers { validates: true, ..Handlers::default() },
            ..Draft::default()
        }
    }

    #[test]
    fn defaults_are_those_of_the_admission_api() {
        let spec = draft().complete(Dialect::Module, None).unwrap().spec;
        assert_eq!((spec.timeout, spec.priority), (Duration::from_secs(10), 0));
        assert_eq!((spec.enforcement, spec.on_error), (Enforcement::Deny, OnError::Deny));
        assert_eq!((spec.rules.scope, spec.rules.match_policy), (Scope::All, MatchPolicy::Equivalent));
        assert_eq!((spec.isolation, &spec.permissions), (Isolation::Shared, &Permissions::default()));
        assert!(spec.rules.operations.is_empty() && spec.validates && !spec.mutates);
    }

    #[test]
    fn a_name_and_resources_must_be_given() {
        let nameless = Draft { name: None, ..draft() }.complete(Dialect::Module, None).unwrap_err().to_string();
        assert!(nameless.starts_with("a policy: name: is missing"), "{nameless}");
        let boundless = Draft { resources: None, ..draft() }.complete(Dialect::Module, None).unwrap_err().to_string();
        assert!(boundless.starts_with("policy a.b.c: match.resources: is missing"), "{boundless}");
    }

    #[test]
    fn code_from_text_is_for_realms_of_their_own() {
        let permissions = Permissions { codegen: true, ..Permissions::default() };
        let asking = |isolation| Draft { permissions: Some(permissions.clone()), isolation, ..draft() };
        for isolation in [None, Some(Isolation::Fresh)] {
            let spec = asking(isolation).complete(Dialect::Module, None).unwrap().spec;
            assert_eq!((spec.isolation, spec.permissions.codegen), (Isolation::Fresh, true));
        }
        let shared = asking(Some(Isolation::Shared)).complete(Dialect::Module, None).unwrap_err().to_string();
        assert_eq!(
            shared,
            "policy a.b.c: permissions.codegen: is never given in a shared realm; leave `isolation` out, or write `isolation: \"Fresh\"`"
        );
    }

    #[test]
    fn errors_follow_the_failure_policy_in_modules_and_deny_in_scripts() {
        let ignoring = Draft { webhook_failure: Some(WebhookFailure::Ignore), ..draft() };
        assert_eq!(ignoring.clone().complete(Dialect::Module, None).unwrap().spec.on_error, OnError::Allow);
        assert_eq!(ignoring.clone().complete(Dialect::Script, None).unwrap().spec.on_error, OnError::Deny);
        let asked = Draft { on_error: Some(OnError::Allow), ..draft() };
        assert_eq!(asked.complete(Dialect::Script, None).unwrap().spec.on_error, OnError::Allow);
    }

    #[test]
    fn an_object_stands_over_its_module() {
        let module = Draft {
            priority: Some(1),
            timeout: Some(Duration::from_secs(1)),
            parameters: Some(json!({"a": 1, "b": 1})),
            schema: Some(json!({"type": "object"})),
            ..draft()
        };
        let object = Draft {
            name: Some("x.y.z".to_owned()),
            priority: Some(2),
            parameters: Some(json!({"b": 2})),
            ..Draft::default()
        };
        let complete = object.over(module).complete(Dialect::Module, Some(&json!({"c": 3}))).unwrap();
        assert_eq!((&*complete.spec.name, complete.spec.priority), ("x.y.z", 2));
        assert_eq!(complete.spec.timeout, Duration::from_secs(1));
        assert_eq!(*complete.spec.parameters, json!({"a": 1, "b": 2, "c": 3}));
        assert!(complete.spec.validates && complete.schema.is_some());
    }
}
