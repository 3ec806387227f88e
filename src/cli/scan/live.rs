//! A live cluster: the kinds that policies match, listed page by page.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use super::ScanArgs;
use super::judge::Judge;
use super::manifests::engine;
use super::progress::Progress;
use super::work::{Intake, Work, process};
use crate::cli::runtime::Stage;
use crate::cluster::{
    Accounts, CacheLimits, Cluster, ClusterError, ClusterNamespaces, Connection, Listed, Survey, connect_bare_too,
    connect_to_context,
};
use crate::host::Objects;
use crate::policy::Catalog;
use crate::scan::report::Report;
use crate::scan::{Target, names_group, targets};

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
        let connected = match &args.context {
            Some(context) => connect_to_context(kubeconfig, context).await?,
            None => connect_bare_too(&Connection::Kubeconfig(kubeconfig.to_owned())).await?,
        };
        let (client, accounts) = (connected.client.clone(), Accounts::new(&connected, None));
        let survey = Survey::new(client.clone());
        // Before anything that would wait in vain where there is no API server.
        let served = survey.served(|group, _| catalog.revisions.iter().any(|one| names_group(one, group))).await?;
        let namespaces = ClusterNamespaces::watch(client.clone(), stage.handle());
        if survey.sees_namespaces().await {
            namespaces.wait_until_ready(NAMESPACES_WITHIN).await;
        }
        let objects =
            Objects::Cluster(Cluster::with_accounts(client, accounts, stage.handle(), CacheLimits::default()));
        let engine = engine(stage, catalog, Arc::new(namespaces), objects)?;
        let judge = Judge { engine, catalog: Arc::clone(catalog), asking: args.asking(), defined: HashMap::new() };
        let mut report = Report::on(catalog);
        for (version, error) in served.unknown {
            report.skip(version, error.to_string());
        }
        let targets = targets(&catalog.revisions, &served.resources, args.operation);
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
