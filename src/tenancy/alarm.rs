//! Says on the host that somebody has tampered with what a virtual cluster is told: as a violation, and as an Event on the
//! object that registers it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::json;

use super::VirtualCluster;
use crate::reports::{Action, Asked, Recorder, Violation};

/// The name under which it is counted, in the form of a policy's.
const POLICY: &str = "registration.tenancy.bylaw.dev";

const WITHIN: Duration = Duration::from_secs(5);

/// What happened.
pub(super) struct Alarm<'a> {
    pub vcluster: &'a VirtualCluster,
    /// Of the objects that were changed or taken away.
    pub kinds: &'a [String],
}

impl Alarm<'_> {
    fn message(&self) -> String {
        let VirtualCluster { namespace, name, .. } = self.vcluster;
        let kinds = self.kinds.join(", ");
        format!(
            "somebody in the virtual cluster {namespace}/{name} changed or deleted what registers it ({kinds}); it is put right"
        )
    }
}

pub(super) async fn sound(host: &Client, recorder: Option<&Recorder>, alarm: &Alarm<'_>) {
    let (vcluster, message) = (alarm.vcluster, alarm.message());
    let uid = vcluster.access.as_ref().map(|access| access.uid.to_string()).unwrap_or_default();
    if let Some(recorder) = recorder {
        let asked = Asked {
            api_version: "bylaw.dev/v1alpha1".to_owned(),
            kind: "VirtualCluster".to_owned(),
            namespace: vcluster.namespace.to_string(),
            name: vcluster.name.to_string(),
            operation: "UPDATE",
            object_uid: uid.clone(),
            ..Asked::default()
        };
        recorder.tell(Violation {
            policy: POLICY.into(),
            action: Action::Warn,
            is_failure: false,
            exception: None,
            code: 403,
            reason: "RegistrationTampered".to_owned(),
            message: message.clone(),
            asked: Arc::new(asked),
            at: Timestamp::now().as_second(),
            times: 1,
        });
    }
    let now = Timestamp::now();
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": { "name": format!("{}.{:x}", vcluster.name, now.as_nanosecond()), "namespace": &*vcluster.namespace },
        "involvedObject": {
            "apiVersion": "bylaw.dev/v1alpha1", "kind": "VirtualCluster", "namespace": &*vcluster.namespace,
            "name": &*vcluster.name, "uid": uid,
        },
        "type": "Warning", "reason": "RegistrationTampered", "message": message, "count": 1,
        "firstTimestamp": at, "lastTimestamp": at, "source": { "component": "bylaw" },
    });
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Event"), "events");
    let api: Api<DynamicObject> = Api::namespaced_with(host.clone(), &vcluster.namespace, &resource);
    let Ok(event) = serde_json::from_value::<DynamicObject>(event) else { return };
    let params = PostParams::default();
    let written = tokio::time::timeout(WITHIN, api.create(&params, &event)).await;
    if !matches!(written, Ok(Ok(_))) {
        tracing::info!("the event of it could not be written");
    }
}
