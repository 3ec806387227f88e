//! Where a host has virtual clusters, nobody passes his objects off as a syncer's, whatever the policies mind.

use serde_json::{Value, json};

use super::{Operator, VALIDATING, with_operator};
use crate::api::{Reply, eventually};
use crate::bylaw::path_in;
use crate::tenancy::{as_user, editors, workload};

const TENANCY: &str = "bylaw-tenancy";

fn is_registered(operator: &Operator) -> Reply {
    operator.api().get(&format!("{VALIDATING}/{TENANCY}"))
}

/// A `Secret` as a syncer would have copied it; nobody has a policy about those.
fn forged(operator: &Operator) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {
        "name": "token-x-team-a-x-dev", "namespace": operator.namespace,
        "labels": {"vcluster.loft.sh/managed-by": "dev", "vcluster.loft.sh/namespace": "team-a"},
        "annotations": {"vcluster.loft.sh/object-name": "token", "vcluster.loft.sh/object-namespace": "team-a"},
    }})
}

#[test]
fn forged_objects_and_labels_of_owners_are_refused_without_any_policy() {
    with_operator(&[], |operator| {
        editors(operator.world);
        let api = operator.api();
        let plain = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain"}});
        assert_eq!(is_registered(operator).status, 404, "there are no tenants");

        api.post(&path_in(&operator.namespace, "apps/v1/statefulsets"), &workload("dev")).object();
        eventually("the webhook", || is_registered(operator), Reply::is_good);
        let secrets = path_in(&operator.namespace, "secrets");
        let dry = format!("{secrets}?dryRun=All");
        let is_refused = |reply: &Reply| reply.body["reason"] == "ForgedVirtualObject";
        let refused = eventually("it is refused", || api.post(&dry, &forged(operator)), is_refused);
        assert!(refused.message().contains("forged-objects.tenancy.bylaw.dev"), "{refused:?}");
        // What says nothing of a syncer is nobody's business, and neither is what was there before.
        api.post(&secrets, &plain).object();
        let path = format!("{secrets}/plain");
        assert!(api.merge(&path, &json!({"metadata": {"labels": {"a": "b"}}})).is_good());
        let marked = json!({"metadata": {"annotations": {"vcluster.loft.sh/object-name": "token"}}});
        assert!(is_refused(&api.merge(&path, &marked)));
        api.delete(&path).object();

        let labelled = |label: &str| {
            let arguments = ["label", "--overwrite", "--dry-run=server", "namespace", &operator.namespace, label];
            as_user(operator.world, "eve", &arguments, "")
        };
        let said = labelled("loft.sh/user=bob");
        assert!(!said.ok && said.err.contains("owner-labels.tenancy.bylaw.dev"), "{}", said.err);
        let said = labelled("stage=prod");
        assert!(said.ok, "{}", said.err);

        api.delete(&path_in(&operator.namespace, "apps/v1/statefulsets/dev")).object();
        eventually("the webhook goes with the last tenant", || is_registered(operator), |reply| reply.status == 404);
        assert!(api.post(&dry, &forged(operator)).is_good());
    });
}
