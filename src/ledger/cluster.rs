//! Books as `QuotaLedger` objects in Bylaw's namespace: of a kind of our own, so that no policy is asked about them and no
//! other watch sees them change.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, Error};
use serde_json::{Value, json};

use super::book::Book;
use super::store::{Store, StoreError, Stored};

const FIELD_MANAGER: &str = "bylaw";

pub struct ClusterStore {
    api: Api<DynamicObject>,
    kind: ApiResource,
}

impl ClusterStore {
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        let kind = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("bylaw.dev", "v1alpha1", "QuotaLedger"),
            "quotaledgers",
        );
        Self { api: Api::namespaced_with(client, namespace, &kind), kind }
    }

    async fn load(&self, shard: usize) -> Result<Stored, StoreError> {
        match self.api.get(&name_of(shard)).await {
            Ok(object) => Ok(Stored { version: object.metadata.resource_version, book: book_of(shard, &object.data) }),
            Err(Error::Api(status)) if status.code == 404 => {
                // Of an object it names the object.
                let names_object = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
                if names_object { Ok(Stored::default()) } else { Err(StoreError::NotInstalled) }
            }
            Err(error) => Err(StoreError::Unreachable(error.to_string())),
        }
    }

    async fn save(&self, shard: usize, over: Option<&str>, book: &Book) -> Result<String, StoreError> {
        let name = name_of(shard);
        let mut object = DynamicObject::new(&name, &self.kind);
        object.data = json!({ "spec": book });
        object.metadata.resource_version = over.map(str::to_owned);
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = match over {
            Some(_) => self.api.replace(&name, &parameters, &object).await,
            None => self.api.create(&parameters, &object).await,
        };
        match written {
            Ok(object) => {
                let missing = || StoreError::Unreachable("the API server answered without a version".to_owned());
                object.metadata.resource_version.ok_or_else(missing)
            }
            // Gone is what somebody deleted since.
            Err(Error::Api(status)) if matches!(status.code, 409 | 410) => Err(StoreError::Conflict),
            Err(Error::Api(status)) if status.code == 404 => {
                Err(if over.is_some() { StoreError::Conflict } else { StoreError::NotInstalled })
            }
            Err(error) => Err(StoreError::Unreachable(error.to_string())),
        }
    }
}

impl Store for ClusterStore {
    fn read(&self, shard: usize) -> BoxFuture<'_, Result<Stored, StoreError>> {
        self.load(shard).boxed()
    }

    fn write<'a>(
        &'a self,
        shard: usize,
        over: Option<&'a str>,
        book: &'a Book,
    ) -> BoxFuture<'a, Result<String, StoreError>> {
        self.save(shard, over, book).boxed()
    }
}

fn name_of(shard: usize) -> String {
    format!("shard-{shard:02}")
}

/// What somebody spoilt holds nothing: the next write mends it, and reservations of before are lost for their short life.
fn book_of(shard: usize, data: &Value) -> Book {
    let Some(spec) = data.get("spec") else { return Book::default() };
    serde_json::from_value(spec.clone()).unwrap_or_else(|error| {
        tracing::warn!(shard = name_of(shard), %error, "a QuotaLedger cannot be read; it is begun anew");
        Book::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_spoilt_is_an_empty_book() {
        for data in [json!({}), json!({"spec": {}}), json!({"spec": {"reservations": "none"}}), json!({"spec": 1})] {
            assert_eq!(book_of(0, &data), Book::default(), "{data}");
        }
    }
}
