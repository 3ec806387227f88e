//! Each stage of a review by itself, with the floor that it stands on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bylaw::decision::{Decision, Denial, Document, Judged, Mutation, Status, Style, Verdict, merge};
use bylaw::isolate::Floor;
use bylaw::matching::{Index, Matcher, Phase};
use bylaw::policy::{LabelSelector, MatchSpec, PolicySpec, Revision};
use bylaw::review::{self, Limits};
use bylaw::tenancy::{Registry, Tenancy, VirtualCluster};

use super::{FLOOR, Setting, row};
use crate::options::Options;
use crate::table::Table;

/// Policies that do not match, where they are counted in.
const MANY: usize = 5_000;

/// What V8 takes to enter an isolate and to parse the request, with nothing of ours around it.
pub fn floor(options: &Options, table: &mut Table, setting: &Setting) -> anyhow::Result<Duration> {
    let mut floor = Floor::new();
    row(options, table, "stage/enter", || floor.enter())?;
    row(options, table, FLOOR, || assert!(floor.parse(setting.input.request.as_str())))
}

pub fn run(options: &Options, table: &mut Table, setting: &mut Setting) -> anyhow::Result<()> {
    let limits = Limits::default();
    let body = bytes::Bytes::from(setting.body.clone());
    row(options, table, "stage/envelope", || review::parse(body.clone(), &limits).expect("a review"))?;
    matching(options, table, setting)?;
    tenants(options, table, setting)?;
    isolate(options, table, setting)?;

    let allowed = || setting.sixteen.iter().map(|one| judged(&one.spec)).collect::<Vec<_>>();
    row(options, table, "stage/merge, 16 allow", || merge(allowed(), Style::Merged, Vec::new()))?;

    let object = setting.review.request.object.clone().expect("a pod");
    let before: serde_json::Value = serde_json::from_str(object.as_str())?;
    let mut after = before.clone();
    *after.pointer_mut("/metadata/labels/pod-template-hash").expect("a label") = "changed".into();
    let mutation = Mutation { before: before.to_string(), after: after.to_string() };
    row(options, table, "stage/diff, one label", || {
        let mut document = Document::parse(&object).expect("an object");
        document.apply(&mutation).expect("a mutation");
        document.patch_from_original().expect("a patch")
    })?;

    row(options, table, "stage/reply, allowed", || review::reply(&setting.review, &Decision::allow()))?;
    let denied = denied();
    row(options, table, "stage/reply, denied", || review::reply(&setting.review, &denied))?;
    Ok(())
}

fn judged(spec: &PolicySpec) -> Judged {
    Judged::by(spec, Verdict::allow(Arc::clone(&spec.name)))
}

fn denied() -> Decision {
    let denial =
        Denial { message: "web is privileged".to_owned(), field: Some("spec".to_owned()), ..Denial::default() };
    let message = "[privileged.bench.bylaw.dev] web is privileged".to_owned();
    let status = Status { code: 403, reason: Some("Forbidden".to_owned()), message, causes: vec![denial] };
    Decision { allowed: false, status: Some(status), ..Decision::default() }
}

fn matching(options: &Options, table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    let namespaces: BTreeMap<String, Arc<BTreeMap<String, String>>> = BTreeMap::new();
    let elsewhere = |at: usize| MatchSpec { resources: vec![format!("kinds{}", at % 50)], ..MatchSpec::default() };
    let other_labels = |at: usize| {
        let labels = BTreeMap::from([("example.com/team".to_owned(), format!("team-{at}"))]);
        let object_selector = LabelSelector { match_labels: labels, ..LabelSelector::default() };
        MatchSpec { resources: vec!["pods".to_owned()], object_selector, ..MatchSpec::default() }
    };
    let none: Vec<MatchSpec> = Vec::new();
    for (name, others) in [
        ("stage/match, 16 of 16", none),
        ("stage/match, 16 of 5,016, others on other resources", (0..MANY).map(elsewhere).collect()),
        ("stage/match, 16 of 5,016, others on pods by label", (0..MANY).map(other_labels).collect()),
    ] {
        let mut policies: Vec<(Arc<PolicySpec>, Arc<Matcher>)> =
            setting.sixteen.iter().map(|one| (Arc::clone(&one.spec), Arc::clone(&one.matcher))).collect();
        let Some((like, _)) = policies.first().cloned() else { continue };
        for (at, rules) in others.into_iter().enumerate() {
            let matcher = Arc::new(Matcher::compile(&rules)?);
            let name = Arc::from(format!("other-{at}.bench.bylaw.dev"));
            policies.push((Arc::new(PolicySpec { name, rules, ..(*like).clone() }), matcher));
        }
        let index = Index::build(policies);
        row(options, table, name, || {
            let found = index.candidates(&setting.review, Phase::Validate, &namespaces);
            assert_eq!((found.matched.len(), found.failed.len()), (16, 0));
        })?;
    }
    Ok(())
}

/// Whose request it is, on a host of a thousand virtual clusters: of one that belongs to none, and of a syncer's.
fn tenants(options: &Options, table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    let namespaces: BTreeMap<String, Arc<BTreeMap<String, String>>> = BTreeMap::new();
    let vcluster = |at: usize| VirtualCluster::new(&format!("vc-{at}"), "dev", None, "0.36.0").map(Arc::new);
    let tenancy = Tenancy::default();
    tenancy.publish(Registry::new((0..1_000).map(vcluster).collect::<Result<Vec<_>, _>>()?, [], []));
    row(options, table, "stage/tenant, none", || {
        assert!(tenancy.resolve(&setting.review, &namespaces).synced.is_none());
    })?;
    let mut review: serde_json::Value = serde_json::from_str(&setting.body)?;
    let request = &mut review["request"];
    let name = request["object"]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    request["userInfo"]["username"] = "system:serviceaccount:vc-7:vc-dev".into();
    for at in ["/namespace", "/object/metadata/namespace"] {
        if let Some(namespace) = request.pointer_mut(at) {
            *namespace = "vc-7".into();
        }
    }
    request["object"]["metadata"]["labels"]["vcluster.loft.sh/managed-by"] = "dev".into();
    request["object"]["metadata"]["annotations"]["vcluster.loft.sh/object-name"] = "web".into();
    request["object"]["metadata"]["annotations"]["vcluster.loft.sh/object-namespace"] = "team-a".into();
    request["object"]["metadata"]["annotations"]["vcluster.loft.sh/object-host-name"] = name.into();
    let review = review::parse(review.to_string().into(), &Limits::default())?;
    row(options, table, "stage/tenant, a syncer's pod", || tenancy.resolve(&review, &namespaces))?;
    let resolved = tenancy.resolve(&review, &namespaces);
    let (synced, object) = (resolved.synced.expect("a syncer's"), review.request.object.clone().expect("a pod"));
    row(options, table, "stage/tenant, its view", || synced.view(&object))?;
    Ok(())
}

/// What each policy after the first adds, and what is left of the first without that: reading the request.
fn isolate(options: &Options, table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    const READ: &str = "stage/parse and freeze";
    const RUN: &str = "stage/run, each of 16";
    const POD_SECURITY: &str = "stage/run, podSecurity restricted";
    if ![READ, RUN, POD_SECURITY].iter().any(|row| options.wants(row)) {
        return Ok(());
    }
    let mut cell = setting.cell();
    let mut median = |revisions: &[Arc<Revision>]| -> anyhow::Result<Duration> {
        let times = super::time(options.repeats(), || {
            assert_eq!(cell.validate(&setting.input, revisions).len(), revisions.len());
        })?;
        Ok(Duration::from_nanos(times.value_at_quantile(0.5)))
    };
    let one = median(setting.sixteen.get(..1).unwrap_or_default())?;
    let each = median(&setting.sixteen)?.saturating_sub(one) / 15;
    let read = one.saturating_sub(each);
    table.micros(RUN, "mean", each);
    table.micros(READ, "p50", read);
    let security = median(std::slice::from_ref(&setting.pod_security))?;
    table.micros(POD_SECURITY, "median", security.saturating_sub(read));
    Ok(())
}
