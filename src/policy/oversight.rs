//! What is kept of a policy's verdicts, and where they count for less or more than elsewhere: the fields of a JsPolicy
//! that concern those who oversee policies, not the code.

use serde_json::Value;

use crate::matching::{MatchError, Overrides};

use super::declaration::ENFORCEMENTS;
use super::fields::{Faults, Fields, clip};
use super::live::ConfigMapRef;
use super::rules;
use super::spec::{Enforcement, LabelSelector, TenantsSpec};

/// What jsPolicy keeps of a policy where `auditLogSize` says nothing (research: its CRD says 10, its code 20).
pub const DEFAULT_LOG_SIZE: usize = 20;

/// Entries of `spec.enforcement`: each is looked at for every review that the policy minds.
const MOST_OVERRIDES: usize = 32;

/// The annotation by which a policy refuses to be excepted from.
const EXCEPTIONS: &str = "bylaw.dev/exceptions";

/// How the verdicts of one policy are overseen.
#[derive(Debug, Default)]
pub struct Oversight {
    /// `spec.enforcement`.
    pub overrides: Overrides,
    /// `spec.auditPolicy: Skip`.
    pub is_unlogged: bool,
    /// `spec.auditLogSize`.
    pub log_size: Option<usize>,
    /// `spec.background`: what exists already is judged too.
    pub background: bool,
    /// No exception holds, whatever the server is told to allow.
    pub refuses_exceptions: bool,
    /// `spec.parametersFrom`; the namespace is empty for Bylaw's own.
    pub config_map: Option<ConfigMapRef>,
}

impl Oversight {
    /// How many violations are kept.
    #[must_use]
    pub fn log_size(&self) -> usize {
        self.log_size.unwrap_or(DEFAULT_LOG_SIZE)
    }
}

/// One entry of `spec.enforcement`.
#[derive(Debug, Clone, PartialEq)]
pub struct OverrideSpec {
    pub namespace_selector: Option<LabelSelector>,
    pub tenants: Option<TenantsSpec>,
    pub action: Enforcement,
    /// Milliseconds since 1970; the entry counts before that.
    pub until: Option<i64>,
}

/// The same fields before they are compiled, each optional.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct OversightDraft {
    pub overrides: Vec<OverrideSpec>,
    pub is_unlogged: bool,
    pub log_size: Option<usize>,
    pub background: bool,
    pub refuses_exceptions: bool,
    pub config_map: Option<ConfigMapRef>,
}

impl OversightDraft {
    pub(super) fn compile(&self) -> Result<Oversight, MatchError> {
        let Self { overrides, is_unlogged, log_size, background, refuses_exceptions, config_map } = self;
        let overrides = Overrides::compile(overrides)?;
        let (is_unlogged, log_size) = (*is_unlogged, *log_size);
        let (background, refuses_exceptions) = (*background, *refuses_exceptions);
        let config_map = config_map.clone();
        Ok(Oversight { overrides, is_unlogged, log_size, background, refuses_exceptions, config_map })
    }
}

/// Reads the fields of a JsPolicy's `spec`.
pub(super) fn oversight(spec: &Fields<'_, '_>) -> OversightDraft {
    let is_unlogged = spec.choice("auditPolicy", &[("Log", false), ("Skip", true)]).unwrap_or_default();
    let log_size = spec.integer("auditLogSize", 1..=40).and_then(|size| usize::try_from(size).ok());
    let background = spec.boolean("background").unwrap_or_default();
    let entries = spec.list("enforcement").unwrap_or_default();
    if entries.len() > MOST_OVERRIDES {
        spec.fault("enforcement", format!("has {} entries; at most {MOST_OVERRIDES} are looked at", entries.len()));
    }
    let read = |(index, entry): (usize, &Value)| {
        override_entry(entry, &spec.path(&format!("enforcement[{index}]")), spec.faults())
    };
    let overrides = entries.iter().take(MOST_OVERRIDES).enumerate().filter_map(read).collect();
    OversightDraft { overrides, is_unlogged, log_size, background, ..OversightDraft::default() }
}

fn override_entry(value: &Value, path: &str, faults: &Faults) -> Option<OverrideSpec> {
    let entry = Fields::of(value, path, faults);
    let namespace_selector = rules::selector(&entry, "namespaceSelector");
    let tenants = rules::tenants(&entry);
    let action = entry.choice("action", &ENFORCEMENTS);
    if action.is_none() && entry.value("action").is_none() {
        entry.fault("action", "must be given: Deny, Warn or Dry");
    }
    let until = match entry.string("until").map(|text| (text, instant(text))) {
        Some((text, None)) => {
            entry.fault("until", format!("`{}` must be a time such as 2027-01-31T00:00:00Z", clip(text)));
            None
        }
        Some((_, at)) => at,
        None => None,
    };
    entry.refuse_unknown();
    // What was meant for some and cannot be read must not count for all.
    if tenants.is_none() && entry.value("tenants").is_some() {
        return None;
    }
    Some(OverrideSpec { namespace_selector, tenants, action: action?, until })
}

/// `metadata.annotations["bylaw.dev/exceptions"]`.
pub(super) fn refuses_exceptions(annotations: &Fields<'_, '_>) -> bool {
    annotations.choice(EXCEPTIONS, &[("Allow", false), ("Forbid", true)]).unwrap_or_default()
}

/// An RFC 3339 time as milliseconds since 1970.
#[must_use]
pub fn instant(text: &str) -> Option<i64> {
    text.parse::<k8s_openapi::jiff::Timestamp>().ok().map(k8s_openapi::jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(spec: &Value) -> Result<OversightDraft, Vec<String>> {
        let faults = Faults::default();
        let draft = oversight(&Fields::of(spec, "spec", &faults));
        let told = |errors: Vec<super::super::error::FieldError>| errors.iter().map(ToString::to_string).collect();
        faults.into_result().map(|()| draft).map_err(told)
    }

    #[test]
    fn what_is_kept_and_where_it_counts_is_read() {
        let selector = json!({"matchLabels": {"stage": "dev"}});
        let spec = json!({
            "auditPolicy": "Skip", "auditLogSize": 40, "background": true,
            "enforcement": [{"namespaceSelector": selector, "action": "Warn", "until": "2027-01-31T00:00:00+01:00"}],
        });
        let draft = read(&spec).unwrap();
        assert!(draft.is_unlogged && draft.background);
        assert_eq!((draft.log_size, draft.overrides.len()), (Some(40), 1));
        assert_eq!((draft.overrides[0].action, draft.overrides[0].until), (Enforcement::Warn, Some(1_801_350_000_000)));
        assert_eq!(draft.compile().unwrap().log_size(), 40, "jsPolicy made 20 of 40");
        assert_eq!(read(&json!({})).unwrap().compile().unwrap().log_size(), 20);
    }

    #[test]
    fn an_entry_that_cannot_be_meant_is_refused_with_its_path() {
        let spec = json!({"enforcement": [{}, {"action": "warn"}, {"action": "Dry", "until": "tomorrow", "for": 1}]});
        let faults = read(&spec).unwrap_err();
        assert_eq!(
            faults,
            [
                "spec.enforcement[0].action: must be given: Deny, Warn or Dry",
                "spec.enforcement[1].action: `warn` must be one of Deny, Warn, Dry",
                "spec.enforcement[2].until: `tomorrow` must be a time such as 2027-01-31T00:00:00Z",
                "spec.enforcement[2].for: is not a field; there are namespaceSelector, tenants, action, until",
            ]
        );
    }

    #[test]
    fn an_entry_may_be_for_some_tenants() {
        let tenants = |tenants: Value| read(&json!({"enforcement": [{"action": "Dry", "tenants": tenants}]}));
        let named = tenants(json!(["a", "vc-a/a"])).unwrap();
        assert_eq!(named.overrides[0].tenants, Some(TenantsSpec::Names(vec!["a".to_owned(), "vc-a/a".to_owned()])));
        let labelled = tenants(json!({"matchLabels": {"tier": "gold"}})).unwrap();
        assert!(matches!(labelled.overrides[0].tenants, Some(TenantsSpec::Selector(_))));
        for (wrong, fault) in [
            (
                json!("a"),
                "spec.enforcement[0].tenants: must be names of tenants, or a selector on their labels, not a string",
            ),
            (json!([""]), "spec.enforcement[0].tenants[0]: must not be empty"),
            (json!([]), "spec.enforcement[0].tenants: must name at least one; leave it out for all"),
        ] {
            assert_eq!(tenants(wrong).unwrap_err(), [fault]);
        }
    }
}
