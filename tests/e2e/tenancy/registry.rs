//! Virtual clusters come and go, and Bylaw knows at once.

use serde_json::{Value, json};

use super::chart::workload;
use super::{talkative, telling};
use crate::api::{Reply, eventually};
use crate::bylaw::{Bylaw, path_in, with_bylaw};

/// What is said to whoever asks for a pod as the syncer of `dev` in the namespace of this run.
fn as_syncer(bylaw: &Bylaw) -> String {
    let (namespace, host) = (&*bylaw.name, "web-x-team-a-x-dev");
    let mut pod: Value = bylaw.placed(talkative(host));
    pod["metadata"]["labels"]["vcluster.loft.sh/managed-by"] = "dev".into();
    pod["metadata"]["annotations"] = json!({
        "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a",
        "vcluster.loft.sh/object-host-name": host, "vcluster.loft.sh/object-host-namespace": namespace,
    });
    let user = format!("--as=system:serviceaccount:{namespace}:vc-dev");
    bylaw.kubectl(&["create", "--dry-run=server", "-f", "-", &user, "--as-group=system:masters"], &pod.to_string()).err
}

#[test]
fn a_virtual_cluster_is_known_once_it_is_there_and_forgotten_once_it_is_gone() {
    with_bylaw([telling()], |bylaw| {
        let path = path_in(&bylaw.name, "apps/v1/statefulsets");
        for _ in 0..10 {
            let is_nobody = |said: &String| said.contains("forged-objects.tenancy.bylaw.dev");
            eventually("nobody is its syncer", || as_syncer(bylaw), is_nobody);
            bylaw.world.api.post(&path, &workload("dev")).object();
            eventually("it is known", || as_syncer(bylaw), |said| said.contains("telling.e2e.example.com"));
            assert!(bylaw.delete("apps/v1/statefulsets/dev").is_good());
            let gone = |reply: &Reply| reply.status == 404;
            eventually("it is gone", || bylaw.get("apps/v1/statefulsets/dev"), gone);
        }
    });
}
