//! What a controller is told of an object, in the form of an AdmissionRequest: scripts exactly as jsPolicy told them, with
//! the last state of what is gone as `oldObject`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::queue::Key;
use crate::cluster::StoredObject;
use crate::policy::Dialect;
use crate::review::{self, Limits, Operation, Review, ReviewError};

/// An object as a controller is to see it.
pub struct Subject<'a> {
    pub key: &'a Key,
    pub plural: &'a str,
    /// `None` where it is gone.
    pub object: Option<&'a StoredObject>,
    /// How it last was, where it is gone and that is known.
    pub last: Option<&'a Arc<str>>,
}

impl Subject<'_> {
    /// There is no third: what changed is told like what is new (jsPolicy).
    #[must_use]
    pub fn operation(&self) -> Operation {
        let stays = self.object.is_some_and(|object| !super::gate::is_going(&object.text));
        if stays { Operation::Create } else { Operation::Delete }
    }

    /// The text of the request. `run` tells one run from another.
    #[must_use]
    pub fn request(&self, dialect: Dialect, is_dry: bool, run: u64) -> String {
        let Self { key, plural, object, last } = self;
        let (group, version) = (key.kind.group(), key.kind.version());
        let kind = json!({ "group": group, "version": version, "kind": key.kind.kind() });
        let mut request =
            json!({ "uid": "", "kind": kind, "resource": { "group": "", "version": "", "resource": "" } });
        let mut set = |field: &str, value: Value| {
            if let Some(fields) = request.as_object_mut() {
                fields.insert(field.to_owned(), value);
            }
        };
        if dialect == Dialect::Module {
            set("uid", format!("{}-{run}", self.uid()).into());
            set("resource", json!({ "group": group, "version": version, "resource": plural }));
        }
        set("name", (*key.name).into());
        if !key.namespace.is_empty() {
            set("namespace", (*key.namespace).into());
        }
        set("operation", self.operation().as_str().into());
        set("userInfo", json!({}));
        set("options", Value::Null);
        if is_dry {
            set("dryRun", true.into());
        }
        let mut text = request.to_string();
        // The objects as they are, without a tree in between.
        text.pop();
        let null: Arc<str> = Arc::from("null");
        let object = object.map_or(&null, |object| &object.text);
        let last = last.filter(|_| self.object.is_none()).unwrap_or(&null);
        text.push_str(",\"object\":");
        text.push_str(object);
        text.push_str(",\"oldObject\":");
        text.push_str(last);
        text.push('}');
        text
    }

    /// The same as a review, for whoever reads one.
    ///
    /// # Errors
    /// Where the object is more than a review may hold.
    pub fn review(&self) -> Result<Review, ReviewError> {
        let request = self.request(Dialect::Module, false, 0);
        let review = format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{request}}}"#);
        review::parse(review.into(), &Limits::default())
    }

    fn uid(&self) -> String {
        #[derive(Deserialize)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            #[serde(default)]
            uid: String,
        }
        let text = self.object.map(|object| &object.text).or(self.last);
        let object = text.and_then(|text| serde_json::from_str::<Object>(text).ok());
        object.map_or_else(String::new, |object| object.metadata.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Kind;

    fn stored(more: &str) -> StoredObject {
        let text = format!(r#"{{"metadata":{{"name":"web","namespace":"shop","uid":"u"{more}}},"n":1.10}}"#);
        StoredObject::from_text(&text, &Kind::parse("apps/v1/Deployment").unwrap()).unwrap()
    }

    fn key() -> Key {
        Key { kind: Kind::parse("apps/v1/Deployment").unwrap(), namespace: "shop".into(), name: "web".into() }
    }

    fn value(subject: &Subject<'_>, dialect: Dialect) -> Value {
        serde_json::from_str(&subject.request(dialect, false, 7)).unwrap()
    }

    #[test]
    fn scripts_are_told_what_jspolicy_told_them() {
        let (key, object) = (key(), stored(""));
        let subject = Subject { key: &key, plural: "deployments", object: Some(&object), last: None };
        let told = value(&subject, Dialect::Script);
        let expected = json!({
            "uid": "", "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "", "version": "", "resource": ""}, "name": "web", "namespace": "shop",
            "operation": "CREATE", "userInfo": {}, "options": null, "oldObject": null,
            "object": serde_json::from_str::<Value>(&object.text).unwrap(),
        });
        assert_eq!(told, expected);
        assert!(subject.request(Dialect::Script, false, 1).contains("1.10"), "numbers stay what they were");
    }

    #[test]
    fn what_is_going_or_gone_is_a_deletion() {
        let (key, going) = (key(), stored(r#","deletionTimestamp":"2026-01-01T00:00:00Z""#));
        let subject = Subject { key: &key, plural: "deployments", object: Some(&going), last: None };
        assert_eq!(value(&subject, Dialect::Script)["operation"], "DELETE");
        assert!(value(&subject, Dialect::Script)["object"].is_object());
        let gone = Subject { key: &key, plural: "deployments", object: None, last: Some(&going.text) };
        let told = value(&gone, Dialect::Module);
        assert_eq!((&told["operation"], &told["object"]), (&json!("DELETE"), &Value::Null));
        assert_eq!((&told["oldObject"]["metadata"]["name"], &told["uid"]), (&json!("web"), &json!("u-7")));
        let unknown = Subject { last: None, ..gone };
        assert_eq!(value(&unknown, Dialect::Module)["oldObject"], Value::Null);
    }

    #[test]
    fn it_can_be_read_as_a_review() {
        let (key, object) = (key(), stored(""));
        let subject = Subject { key: &key, plural: "deployments", object: Some(&object), last: None };
        let review = subject.review().unwrap();
        assert_eq!((&*review.request.resource.resource, &*review.request.namespace), ("deployments", "shop"));
    }
}
