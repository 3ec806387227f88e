//! A live cluster: the kinds that policies match, listed page by page.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use super::ScanArgs;
use super::judge::Judge;
use super::manifests::engine;
use super::progress::Progress;
use super::work::{Intake, Target, Work, process};
use crate::cli::runtime::Stage;
use crate::cluster::{
    CacheLimits, Cluster, ClusterError, ClusterNamespaces, Connection, Listed, Survey, connect, connect_to_context,
};
use crate::host::Objects;
use crate::matching::WORKLOADS;
use crate::policy::{Catalog, Revision, Vantage};
use crate::review::{GroupVersionResource, Operation, Served};
use crate::scan::report::Report;

/// Objects that one task judges: few enough that a page keeps all cores busy.
const PORTION: usize = 50;

const NAMESPACES_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn scan(
    args: &ScanArgs,
    kubeconfig: &Path,
    stage: &Stage,
    catalog: &Arc<Catalog>,
    progress: &Progress,
) -> anyhow::Result<Report> {
    stage.block_on(async {
        let client = match &args.context {
            Some(context) => connect_to_context(kubeconfig, context).await?,
            None => connect(&Connection::Kubeconfig(kubeconfig.to_owned())).await?,
        };
        let survey = Survey::new(client.clone());
        // Before anything that would wait in vain where there is no API server.
        let served = survey.served(|group, _| catalog.revisions.iter().any(|one| names_group(one, group))).await?;
        let namespaces = ClusterNamespaces::watch(client.clone(), stage.handle());
        if survey.sees_namespaces().await {
            namespaces.wait_until_ready(NAMESPACES_WITHIN).await;
        }
        let objects = Objects::Cluster(Cluster::new(client, stage.handle(), CacheLimits::default()));
        let engine = engine(stage, catalog, Arc::new(namespaces), objects)?;
        let judge = Judge { engine, catalog: Arc::clone(catalog), asking: args.asking(), defined: HashMap::new() };
        let mut report = Report::on(catalog);
        for (version, error) in served.unknown {
            report.skip(version, error.to_string());
        }
        let targets = targets(catalog, &served.resources, args.operation);
        let namespace = args.namespace.clone();
        let kinds = targets.iter().filter(|(listed, _)| namespace.is_none() || listed.namespaced).count();
        let report =
            process(judge, report, progress, args.fail_fast, |intake| feed(survey, targets, namespace, intake));
        let report = report.await?;
        if kinds > 0 && report.counts.objects == 0 && report.skipped.len() >= kinds {
            let first = report.skipped.first().map(|skipped| format!("{}: {}", skipped.kind, skipped.cause));
            bail!("none of the kinds that policies match could be listed: {}", first.unwrap_or_default());
        }
        Ok(report)
    })
}

/// Whether the policy may care for a group of the API.
fn names_group(revision: &Revision, group: &str) -> bool {
    let rules = &revision.spec.rules;
    let named = rules.api_groups.is_empty() || rules.api_groups.iter().any(|name| name == group || name == "*");
    named || rules.workloads && WORKLOADS.iter().any(|(of, _)| *of == group)
}

/// What is listed, and which policies are to judge it: an object is served in every version of its kind, and each policy
/// sees it in one, the first that it matches.
fn targets(catalog: &Catalog, resources: &[Listed], operation: Operation) -> Vec<(Listed, Arc<Target>)> {
    let mut versions: BTreeMap<(&str, &str), Vec<&Listed>> = BTreeMap::new();
    for listed in resources {
        versions.entry((listed.kind.group(), &listed.plural)).or_default().push(listed);
    }
    let mut targets = Vec::new();
    for versions in versions.values() {
        let mut takers: Vec<BTreeSet<Arc<str>>> = vec![BTreeSet::new(); versions.len()];
        for revision in &catalog.revisions {
            let first = versions.iter().position(|listed| may_take(revision, listed, operation));
            if let Some(takers) = first.and_then(|at| takers.get_mut(at)) {
                takers.insert(Arc::clone(&revision.spec.name));
            }
        }
        let is_split = takers.iter().filter(|takers| !takers.is_empty()).count() > 1;
        let taken = versions.iter().zip(takers).filter(|(_, takers)| !takers.is_empty());
        targets.extend(taken.map(|(listed, takers)| {
            let served = Served { plural: listed.plural.clone(), namespaced: listed.namespaced };
            ((*listed).clone(), Arc::new(Target { served, only: is_split.then_some(takers) }))
        }));
    }
    targets
}

fn may_take(revision: &Revision, listed: &Listed, operation: Operation) -> bool {
    let (spec, kind) = (&revision.spec, &listed.kind);
    let resource = GroupVersionResource {
        group: kind.group().to_owned(),
        version: kind.version().to_owned(),
        resource: listed.plural.clone(),
    };
    (spec.validates || spec.mutates)
        && spec.rules.vantage != Some(Vantage::Virtual)
        && revision.matcher.may_take(&resource, listed.namespaced, operation)
}

async fn feed(survey: Survey, targets: Vec<(Listed, Arc<Target>)>, namespace: Option<String>, intake: Intake) {
    for (listed, of) in targets {
        if namespace.is_some() && !listed.namespaced {
            continue;
        }
        let mut pages = survey.pages(&listed, namespace.as_deref());
        loop {
            let texts = match pages.next().await {
                Ok(Some(texts)) => texts,
                Ok(None) => break,
                Err(error) => {
                    let is_over = matches!(error, ClusterError::Unreachable(_) | ClusterError::Timeout)
                        || matches!(error, ClusterError::Api { code: 401, .. });
                    let (kind, cause) = (listed.kind.to_string(), error.to_string());
                    let work = if is_over { Work::Broken(error.into()) } else { Work::Skip { kind, cause } };
                    if !intake.put(work).await || is_over {
                        return;
                    }
                    break;
                }
            };
            for texts in texts.chunks(PORTION) {
                if !intake.put(Work::Objects { texts: texts.to_vec(), of: Arc::clone(&of) }).await {
                    return;
                }
            }
        }
    }
}
