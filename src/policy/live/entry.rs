//! One JsPolicy of a cluster made into a policy: out of its own source, or of a bundle.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::object::{BundleObject, PolicyObject};
use super::parameters::{ConfigMapRef, parameters};
use super::report::BundleState;
use super::{Live, NotSeen, source_of};
use crate::bundle::content_hash;
use crate::bundle::npm::Lock;
use crate::policy::catalog::Revision;
use crate::policy::confined;
use crate::policy::draft::layered;
use crate::policy::error::PolicyError;
use crate::policy::files::{BuildResult, Settings};
use crate::policy::jspolicy::{CodeSource, PolicyType, js_policy_of_cluster};
use crate::policy::manifest::{BundleItem, PolicyItem};
use crate::policy::module::Built;
use crate::policy::objects::{Context, build_bundled, build_inline, bundle_code};
use crate::policy::packages::Orders;

/// When the engine is asked again about what it refused, which it may have done for being busy: after the first pause,
/// then doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What its code came from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Source,
    /// A bundle, by the hash of what is in it.
    Bundle(String),
    Nowhere,
}

/// A JsPolicy, and what it came to.
pub(super) struct Entry {
    pub object: Arc<PolicyObject>,
    pub source: Arc<PathBuf>,
    item: Option<PolicyItem>,
    origin: Origin,
    pub built: BuildResult,
    pub packages: Lock,
    pub bundle: BundleState,
    /// The object as it was when it was last good.
    pub good: Option<Arc<PolicyObject>>,
    /// What it was when it was last good, from its bundle: where it is broken from the start of this process on.
    pub fallback: Option<Arc<Revision>>,
    /// When to try again, and how long was waited for that.
    pub retry: Option<(Instant, Duration)>,
}

impl Entry {
    /// `before` is what the object of that name came to last; `is_touched`: something that it waited for has arrived.
    pub(super) fn build(
        object: &Arc<PolicyObject>,
        live: &Live,
        settings: &Settings,
        before: Option<&Self>,
        is_touched: bool,
    ) -> Self {
        let source = before.map_or_else(|| Arc::new(source_of(&object.name)), |before| Arc::clone(&before.source));
        let own = live.bundle(&object.name);
        let mut entry = Self {
            object: Arc::clone(object),
            source,
            item: None,
            origin: Origin::Nowhere,
            built: Err(Arc::new(PolicyError::Pending)),
            packages: Lock::default(),
            bundle: state_of(own.as_deref(), object, None),
            good: before.and_then(|before| before.good.clone()),
            fallback: None,
            retry: None,
        };
        let item = match item_of(object, live) {
            Ok(item) => item,
            Err(error) => {
                entry.built = Err(Arc::new(error));
                entry.find_fallback(own.as_deref(), settings, before);
                return entry;
            }
        };
        entry.bundle = state_of(own.as_deref(), object, Some(&item.policy.code));
        let bundle = bundle_for(&item, object, own.as_ref(), live);
        entry.origin = match (&bundle, &item.policy.code) {
            (Some(bundle), _) => Origin::Bundle(content_hash(&bundle.encoded)),
            (None, CodeSource::Bundle | CodeSource::BundleRef(_)) => Origin::Nowhere,
            (None, _) => Origin::Source,
        };
        // A change that changes nothing must not cost the engine what it has compiled.
        let same = before.filter(|before| before.item.as_ref() == Some(&item) && before.origin == entry.origin);
        if let Some(before) = same.filter(|before| before.built.is_ok()) {
            entry.built.clone_from(&before.built);
            entry.packages = before.packages.clone();
        } else {
            let is_new = same.is_none() && !is_touched;
            let known = own.as_deref().map(packages_of).unwrap_or_default();
            (entry.built, entry.packages) = made(&entry.source, &item, bundle.as_deref(), settings, is_new, known);
        }
        entry.item = Some(item);
        if entry.built.is_ok() {
            entry.good = Some(Arc::clone(object));
        } else {
            entry.find_fallback(own.as_deref(), settings, before);
        }
        entry.retry = entry.next_try(before);
        entry
    }

    pub(super) fn kind(&self) -> PolicyType {
        self.item.as_ref().map(|item| item.policy.kind).unwrap_or_default()
    }

    /// Whether it refers to a bundle by what is in it.
    pub(super) fn is_by_hash(&self) -> bool {
        self.item.as_ref().is_some_and(|item| matches!(item.policy.code, CodeSource::BundleRef(_)))
    }

    /// Whether both come to the same policy.
    pub(super) fn serves_like(&self, other: &Self) -> bool {
        crate::policy::files::are_alike(&self.built, &other.built)
            && self.fallback.is_some() == other.fallback.is_some()
    }

    fn find_fallback(&mut self, own: Option<&BundleObject>, settings: &Settings, before: Option<&Self>) {
        self.fallback = match before {
            Some(before) => before.fallback.clone(),
            None => own.and_then(|own| last_good(&self.object, own, &self.source, settings)),
        };
    }

    fn next_try(&self, before: Option<&Self>) -> Option<(Instant, Duration)> {
        let error = self.built.as_ref().err()?;
        if !matches!(**error, PolicyError::Inspection(_)) {
            return None;
        }
        let waited = before.filter(|before| before.item == self.item).and_then(|before| before.retry);
        let pause = waited.map_or(FIRST_PAUSE, |(_, pause)| (pause * 2).min(LONGEST_PAUSE));
        Some((Instant::now() + pause, pause))
    }
}

/// The object, checked, with its parameters.
fn item_of(object: &PolicyObject, live: &Live) -> Result<PolicyItem, PolicyError> {
    let subject = match &object.home {
        Some((home, name)) => format!("{} {home}/{name}", confined::KIND),
        None => format!("JsPolicy {}", object.name),
    };
    let invalid = |errors| PolicyError::Invalid { subject: subject.clone(), errors };
    let read = match &object.home {
        Some(_) => confined::tenant_policy(&object.value, js_policy_of_cluster),
        None => js_policy_of_cluster(&object.value),
    };
    let mut policy = read.map_err(invalid)?;
    if let Some(of) = &object.config_map {
        let ConfigMapRef { namespace, name } = of;
        let unknown = |NotSeen| PolicyError::Awaited { what: format!("the ConfigMap {namespace}/{name}") };
        let data = live.config_map(of).map_err(unknown)?;
        let from = parameters(object.spec(), of, data.as_deref()).map_err(|error| invalid(vec![error]))?;
        policy.draft.parameters = layered(Some(from), policy.draft.parameters.take());
    }
    let lines = inline(&policy.code).lines();
    let places = (1..).zip(lines).map(|(line, _)| (line, 1)).collect();
    Ok(PolicyItem { name: object.name.to_string(), policy, places })
}

fn inline(code: &CodeSource) -> &str {
    match code {
        CodeSource::JavaScript(source) | CodeSource::TypeScript(source) => source,
        CodeSource::Package(_) | CodeSource::Bundle | CodeSource::BundleRef(_) => "",
    }
}

/// The bundle that stands for the policy's code, if one does: one that it names, or one that holds the packages that would
/// have to be fetched.
fn bundle_for(
    item: &PolicyItem,
    object: &PolicyObject,
    own: Option<&Arc<BundleObject>>,
    live: &Live,
) -> Option<Arc<BundleObject>> {
    let has_packages = matches!(item.policy.code, CodeSource::Package(_)) || !item.policy.dependencies.is_empty();
    match &item.policy.code {
        CodeSource::Bundle => own.cloned(),
        CodeSource::BundleRef(hash) => {
            own.filter(|own| own.has_content(hash)).cloned().or_else(|| live.bundle_by_hash(hash))
        }
        _ => own.filter(|own| has_packages && own.is_of(object)).cloned(),
    }
}

fn state_of(own: Option<&BundleObject>, object: &PolicyObject, code: Option<&CodeSource>) -> BundleState {
    if object.home.is_some() {
        return BundleState::Theirs;
    }
    match (own, code) {
        (_, Some(CodeSource::Bundle | CodeSource::BundleRef(_))) => BundleState::Theirs,
        (Some(own), _) if own.is_edited() => BundleState::Edited,
        (Some(own), _) if own.is_of(object) => BundleState::Fresh,
        _ => BundleState::Stale,
    }
}

fn made(
    source: &Arc<PathBuf>,
    item: &PolicyItem,
    bundle: Option<&BundleObject>,
    settings: &Settings,
    is_new: bool,
    known: Lock,
) -> (BuildResult, Lock) {
    let text = inline(&item.policy.code);
    let context = context(source, text, settings, is_new, known);
    let built = match bundle {
        Some(bundle) => from_bundle(&context, item, bundle),
        None => match build_inline(&context, item) {
            Some(built) => built,
            None => Err(without_bundle(item)),
        },
    };
    let packages = match bundle {
        Some(bundle) => packages_of(bundle),
        None => context.orders.finish(),
    };
    (built.map_err(Arc::new), packages)
}

fn context<'c>(
    source: &'c Arc<PathBuf>,
    text: &'c str,
    settings: &'c Settings,
    is_new: bool,
    known: Lock,
) -> Context<'c> {
    Context {
        source: Arc::clone(source),
        file: source.to_str().unwrap_or_default(),
        text,
        inspect: &*settings.inspect,
        given: &settings.given,
        compat: settings.compat,
        scripts_apart: settings.scripts_apart,
        orders: Orders::of_object(&settings.packages, source, is_new, known),
    }
}

fn from_bundle(context: &Context<'_>, item: &PolicyItem, bundle: &BundleObject) -> Result<Built, PolicyError> {
    let packed = BundleItem { name: bundle.name.to_string(), encoded: bundle.encoded.to_string() };
    build_bundled(context, item, Arc::new(bundle_code(&packed)?))
}

fn without_bundle(item: &PolicyItem) -> PolicyError {
    let reason = match &item.policy.code {
        CodeSource::BundleRef(hash) => format!("there is no JsPolicyBundle with the content sha256:{hash}"),
        _ => "has no code of its own, and there is no JsPolicyBundle of its name".to_owned(),
    };
    PolicyError::NoCode { policy: item.name.clone(), reason }
}

/// What a bundle says of the packages in it.
fn packages_of(bundle: &BundleObject) -> Lock {
    let text = bundle.packages.as_deref().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

/// The policy as it was when its bundle was made.
fn last_good(
    object: &PolicyObject,
    bundle: &BundleObject,
    source: &Arc<PathBuf>,
    settings: &Settings,
) -> Option<Arc<Revision>> {
    if bundle.is_edited() || bundle.owner.as_deref() != Some(object.uid.as_str()) {
        return None;
    }
    let spec = serde_json::from_str(bundle.spec.as_deref()?).ok()?;
    let then = object.with_spec(spec);
    let mut policy = js_policy_of_cluster(&then.value).ok()?;
    if matches!(policy.code, CodeSource::JavaScript(_) | CodeSource::TypeScript(_)) {
        return None;
    }
    policy.draft.notes.clear();
    let item = PolicyItem { name: object.name.to_string(), policy, places: Vec::new() };
    let context = context(source, "", settings, false, Lock::default());
    let built = from_bundle(&context, &item, bundle).ok()?;
    built.revisions.into_iter().next()
}
