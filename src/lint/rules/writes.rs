//! `mutation-conflict`: writes of a mutation that the API server refuses or drops, that a controller undoes, or that
//! make an object differ from its source for ever.
//!
//! The list names what is known to go wrong, each with its reason; whatever else a mutation does is its author's choice.

use oxc::ast::AstKind;
use oxc::ast::ast::{ArrayExpressionElement, AssignmentOperator, AssignmentTarget, Expression};
use oxc::span::Span;

use super::super::code::{Code, Part, Value, What, method};
use super::super::finding::Finding;
use super::super::rule::Rule;
use crate::policy::PolicySpec;
use crate::review::Operation;

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Whatever was there is replaced, or taken away.
    Replaced,
    /// Only where nothing was there (`??=`).
    Filled,
    /// An item is added to a list or taken from it.
    Extended,
}

/// Where a rule of the list applies.
#[derive(Clone, Copy)]
enum Of {
    Any,
    /// These resources.
    Resources(&'static [&'static str]),
}

struct Conflict {
    of: Of,
    /// Paths, a `*` for any one step, all that is below counted in.
    paths: &'static [&'static str],
    /// Whether filling it in where nothing was goes wrong too.
    even_filled: bool,
    /// Whether a list that is extended, not replaced, goes wrong too.
    even_extended: bool,
    why: &'static str,
    instead: &'static str,
}

const WORKLOADS: Of = Of::Resources(&[
    "deployments",
    "statefulsets",
    "daemonsets",
    "replicasets",
    "jobs",
    "cronjobs",
    "replicationcontrollers",
]);
const SCALED: Of = Of::Resources(&["deployments", "statefulsets", "replicasets", "replicationcontrollers"]);

const CONFLICTS: &[Conflict] = &[
    Conflict {
        of: Of::Any,
        paths: &[
            "metadata.managedFields",
            "metadata.resourceVersion",
            "metadata.uid",
            "metadata.generation",
            "metadata.creationTimestamp",
            "metadata.deletionTimestamp",
            "metadata.deletionGracePeriodSeconds",
            "metadata.selfLink",
        ],
        even_filled: true,
        even_extended: true,
        why: "the API server keeps this field itself: it drops what is written, or refuses the object",
        instead: "leave it alone",
    },
    Conflict {
        of: Of::Any,
        paths: &["apiVersion", "kind", "metadata.name", "metadata.namespace"],
        even_filled: true,
        even_extended: true,
        why: "a webhook cannot rename or move an object: the API server refuses the request",
        instead: "deny the request and say what the name must be",
    },
    Conflict {
        of: SCALED,
        paths: &["spec.replicas"],
        even_filled: true,
        even_extended: true,
        why: "a HorizontalPodAutoscaler, and whoever applies the manifest again, sets this back",
        instead: "let a HorizontalPodAutoscaler do it, or deny what is out of bounds",
    },
    Conflict {
        of: WORKLOADS,
        paths: &["spec.selector"],
        even_filled: true,
        even_extended: true,
        why: "the selector of a workload cannot be changed: the API server refuses the next update",
        instead: "deny the request and say what the selector must be",
    },
    Conflict {
        of: WORKLOADS,
        paths: &["spec.template", "spec.jobTemplate"],
        even_filled: false,
        even_extended: true,
        why: "a GitOps controller sees its manifest changed and applies it again, for ever; every change rolls the pods out",
        instead: "mutate the pods, or fill in with `??=` what the manifest leaves open",
    },
    Conflict {
        of: Of::Resources(&["pods"]),
        paths: &["spec.nodeName"],
        even_filled: true,
        even_extended: true,
        why: "the pod goes past the scheduler, and is refused where it does not fit",
        instead: "use nodeSelector or affinity",
    },
    Conflict {
        of: Of::Resources(&["pods"]),
        paths: &[
            "spec.volumes",
            "spec.tolerations",
            "spec.imagePullSecrets",
            "spec.containers.*.volumeMounts",
            "spec.initContainers.*.volumeMounts",
        ],
        even_filled: false,
        even_extended: false,
        why: "the API server has put the service account's volume and default tolerations into this list: they would be lost",
        instead: "add to the list what is missing",
    },
    Conflict {
        of: Of::Resources(&["services"]),
        paths: &[
            "spec.clusterIP",
            "spec.clusterIPs",
            "spec.ipFamilies",
            "spec.ports.*.nodePort",
            "spec.healthCheckNodePort",
        ],
        even_filled: false,
        even_extended: true,
        why: "the API server allocates this, and refuses to have it changed",
        instead: "leave it alone, or deny what must not be asked for",
    },
    Conflict {
        of: Of::Resources(&["persistentvolumeclaims"]),
        paths: &["spec.volumeName"],
        even_filled: false,
        even_extended: true,
        why: "the controller that binds claims to volumes keeps this field",
        instead: "leave it alone",
    },
    Conflict {
        of: Of::Resources(&["nodes"]),
        paths: &["spec.podCIDR", "spec.podCIDRs", "spec.providerID", "spec.unschedulable"],
        even_filled: true,
        even_extended: true,
        why: "the node controllers and the cloud provider keep this field",
        instead: "leave it alone",
    },
    Conflict {
        of: Of::Resources(&["namespaces"]),
        paths: &["spec.finalizers"],
        even_filled: true,
        even_extended: true,
        why: "only the API server clears this, when the namespace is gone: it would never be",
        instead: "use metadata.finalizers with a controller that clears them",
    },
    Conflict {
        of: Of::Any,
        paths: &[
            "metadata.labels.pod-template-hash",
            "metadata.labels.controller-revision-hash",
            "metadata.annotations.kubectl.kubernetes.io/last-applied-configuration",
            "metadata.annotations.deployment.kubernetes.io/revision",
            "metadata.annotations.argocd.argoproj.io/tracking-id",
        ],
        even_filled: true,
        even_extended: true,
        why: "a controller or a client keeps its own state here and finds its objects by it",
        instead: "use a key of your own",
    },
];

/// Fields of a pod's spec that an update may change.
const CHANGEABLE: [&str; 6] = [
    "spec.containers.[].image",
    "spec.initContainers.[].image",
    "spec.activeDeadlineSeconds",
    "spec.terminationGracePeriodSeconds",
    "spec.tolerations",
    "spec.schedulingGates",
];

/// Methods that change a list.
const EXTENDING: [&str; 3] = ["push", "unshift", "splice"];
const REPLACING: [&str; 6] = ["pop", "shift", "sort", "reverse", "fill", "copyWithin"];

pub(super) fn check(code: &Code<'_, '_>, found: &mut Vec<Finding>) {
    each(code, &mut |spec, path, manner, span| found.extend(judge(code, spec, path, manner, span)));
}

/// Told of a policy, the field that it writes, how, and where.
type Seer<'s> = dyn FnMut(&PolicySpec, &[String], Manner, Span) + 's;

/// Every place where a mutation writes into the object.
pub(super) fn each(code: &Code<'_, '_>, seen: &mut Seer<'_>) {
    for node in code.semantic.nodes().iter() {
        let written: Option<(Value, Manner, Span)> = match node.kind() {
            AstKind::AssignmentExpression(assignment) => {
                let manner = match assignment.operator {
                    AssignmentOperator::LogicalNullish | AssignmentOperator::LogicalOr => Manner::Filled,
                    _ => given(code, &assignment.left, &assignment.right),
                };
                // Assigning to a name changes no object.
                (!matches!(assignment.left, AssignmentTarget::AssignmentTargetIdentifier(_)))
                    .then(|| (code.values.target(&assignment.left), manner, assignment.span))
            }
            AstKind::UpdateExpression(update) => {
                Some((code.values.simple_target(&update.argument), Manner::Replaced, update.span))
            }
            AstKind::UnaryExpression(unary) if unary.operator.is_delete() => {
                Some((code.values.of(&unary.argument), Manner::Replaced, unary.span))
            }
            AstKind::CallExpression(call) => method(call).and_then(|(of, name)| {
                let manner = match name {
                    name if EXTENDING.contains(&name) => Manner::Extended,
                    name if REPLACING.contains(&name) => Manner::Replaced,
                    _ => return None,
                };
                let is_new = matches!(of.get_inner_expression(), Expression::ArrayExpression(_));
                (!is_new).then(|| (code.values.of(of), manner, call.span))
            }),
            _ => None,
        };
        let Some((Value { what: What::Part { policy, part: Part::Object, path }, .. }, manner, span)) = written else {
            continue;
        };
        let Some(spec) = code.declared.get(policy).and_then(|declared| declared.spec.as_deref()) else { continue };
        if spec.mutates && !path.is_empty() {
            seen(spec, &path, manner, span);
        }
    }
}

/// `list = list ?? []` fills in, `list = [...list, item]` extends.
fn given<'a>(code: &Code<'_, 'a>, target: &'a AssignmentTarget<'a>, given: &'a Expression<'a>) -> Manner {
    let own = code.values.target(target).what;
    let is_own = |part: &'a Expression<'a>| own != What::Unknown && code.values.of(part).what == own;
    match given.get_inner_expression() {
        Expression::LogicalExpression(either) if is_own(&either.left) => Manner::Filled,
        Expression::ArrayExpression(list) => {
            let keeps = list.elements.iter().any(|element| match element {
                ArrayExpressionElement::SpreadElement(spread) => is_own(&spread.argument),
                _ => false,
            });
            if keeps { Manner::Extended } else { Manner::Replaced }
        }
        whole @ Expression::CallExpression(_) if is_own(whole) => Manner::Extended,
        _ => Manner::Replaced,
    }
}

fn judge(code: &Code<'_, '_>, spec: &PolicySpec, path: &[String], manner: Manner, span: Span) -> Option<Finding> {
    let told = path.join(".").replace(".[]", "[]");
    let finding = |why: &str, instead: &str| {
        let diagnostic = code.source.diagnostic(span, format!("{told}: {why}"));
        Some(Finding::new(Rule::MutationConflict, diagnostic).with_help(instead).of_policy(&spec.name))
    };
    let resources = &spec.rules.resources;
    let is_status = resources.iter().all(|resource| resource.ends_with("/status"));
    if path.first().is_some_and(|first| first == "status") && !is_status {
        return finding(
            "the API server drops what is written to the status here",
            "match the subresource `…/status`, or leave it to the controller whose it is",
        );
    }
    for conflict in CONFLICTS {
        let applies = match conflict.of {
            Of::Any => true,
            Of::Resources(names) => resources.iter().any(|resource| names.contains(&resource.as_str())),
        };
        let goes_wrong = match manner {
            Manner::Replaced => true,
            Manner::Filled => conflict.even_filled,
            Manner::Extended => conflict.even_extended,
        };
        if applies && goes_wrong && conflict.paths.iter().any(|pattern| is_below(path, pattern, conflict)) {
            return finding(conflict.why, conflict.instead);
        }
    }
    let operations = &spec.rules.operations;
    let judges_updates = operations.is_empty() || operations.contains(&Operation::Update);
    let is_pod_spec =
        resources.iter().any(|resource| resource == "pods") && path.first().is_some_and(|first| first == "spec");
    let joined = path.join(".");
    let is_changeable = CHANGEABLE.iter().any(|known| joined.starts_with(known));
    if is_pod_spec && judges_updates && !is_changeable && !asks_for_operation(code) {
        return finding(
            "a pod's spec cannot be changed once it is there: the API server refuses updates of pods that are older than this policy",
            "match CREATE only, or look at `operation` first",
        );
    }
    None
}

/// Whether the code tells operations apart, wherever it does.
fn asks_for_operation(code: &Code<'_, '_>) -> bool {
    code.semantic.nodes().iter().any(|node| match node.kind() {
        AstKind::IdentifierReference(name) => name.name == "operation" || name.name == "oldObject",
        AstKind::StaticMemberExpression(member) => {
            matches!(member.property.name.as_str(), "operation" | "oldObject")
        }
        _ => false,
    })
}

fn is_below(path: &[String], pattern: &str, conflict: &Conflict) -> bool {
    // Keys of labels and annotations have dots of their own.
    let steps: Vec<&str> = match pattern.strip_prefix("metadata.labels.").map(|key| ("labels", key)) {
        Some((map, key)) => vec!["metadata", map, key],
        None => match pattern.strip_prefix("metadata.annotations.") {
            Some(key) => vec!["metadata", "annotations", key],
            None => pattern.split('.').collect(),
        },
    };
    let fits = |(step, wanted): (&String, &&str)| *wanted == "*" || step == *wanted;
    let is_prefix = path.len() >= steps.len() && path.iter().zip(&steps).all(fits);
    // Where only a list as a whole matters, its items are free.
    is_prefix && (conflict.even_extended || path.len() == steps.len())
}
