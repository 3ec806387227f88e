//! Writing configurations, as the leader alone.

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use serde_json::Value;

use super::render::{INSTANCE, MANAGED_BY, Phase};
use crate::operator::feed::api_of;
use crate::operator::{FIELD_MANAGER, Leadership};

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::operator) enum WriteError {
    #[error("this replica does not lead")]
    NotLeading,
    /// The API server does not take such an object.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Api(String),
}

#[derive(Clone)]
pub(in crate::operator) struct Write {
    client: Client,
    leadership: Leadership,
}

impl Write {
    pub(in crate::operator) fn new(client: Client, leadership: Leadership) -> Self {
        Self { client, leadership }
    }

    /// Server-side apply. The object as it is then.
    pub(super) async fn apply(&self, phase: Phase, name: &str, object: &Value) -> Result<Value, WriteError> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let applied = self.as_leader(self.api(phase).patch(name, &params, &Patch::Apply(object))).await?;
        serde_json::to_value(applied).map_err(|error| WriteError::Api(error.to_string()))
    }

    /// A JSON patch.
    pub(super) async fn edit(&self, phase: Phase, name: &str, operations: Vec<Value>) -> Result<(), WriteError> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let operations = serde_json::from_value(Value::Array(operations));
        let patch: Patch<()> = Patch::Json(operations.map_err(|error| WriteError::Invalid(error.to_string()))?);
        self.as_leader(self.api(phase).patch(name, &params, &patch)).await.map(drop)
    }

    /// Deletes that very object; it is as good where it is gone.
    pub(super) async fn delete(&self, phase: Phase, name: &str, uid: &str) -> Result<(), WriteError> {
        let preconditions = Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        let params = DeleteParams { preconditions, ..DeleteParams::default() };
        let deleted = self.leadership.guard(async { self.api(phase).delete(name, &params).await }).await;
        match deleted.map_err(|_| WriteError::NotLeading)? {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(error) => Err(told(&error)),
        }
    }

    fn api(&self, phase: Phase) -> Api<DynamicObject> {
        api_of(&self.client, "admissionregistration.k8s.io", "v1", phase.kind(), phase.plural())
    }

    async fn as_leader<T>(&self, write: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteError> {
        let written = self.leadership.guard(write).await.map_err(|_| WriteError::NotLeading)?;
        written.map_err(|error| told(&error))
    }
}

/// Takes the configurations of that name out of a cluster, whoever leads: their server is about to go. What was removed.
///
/// # Errors
/// What the API server says.
pub async fn take_away(client: &Client, name: &str) -> Result<Vec<String>, kube::Error> {
    let labels = format!("{}={},{INSTANCE}={name}", MANAGED_BY.0, MANAGED_BY.1);
    let mut removed = Vec::new();
    for phase in Phase::BOTH {
        let api = api_of(client, "admissionregistration.k8s.io", "v1", phase.kind(), phase.plural());
        for found in api.list_metadata(&ListParams::default().labels(&labels)).await? {
            let name = found.metadata.name.unwrap_or_default();
            match api.delete(&name, &DeleteParams::default()).await {
                Ok(_) => removed.push(format!("{} {name}", phase.kind())),
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(removed)
}

fn told(error: &kube::Error) -> WriteError {
    match error {
        kube::Error::Api(status) if status.code == 422 => WriteError::Invalid(status.message.clone()),
        kube::Error::Api(status) => WriteError::Api(status.message.clone()),
        other => WriteError::Api(other.to_string()),
    }
}
