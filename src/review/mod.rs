//! What was asked: one AdmissionReview, its small fields typed, its objects left as raw JSON text.
//!
//! The body is parsed once, borrowed, and cut into slices of the same buffer: an object of a megabyte costs a
//! scan, never a tree. Only the isolate (and a selector that needs labels) looks inside.

pub(crate) mod clip;
mod envelope;
mod error;
mod limits;
mod manifest;
pub(crate) mod only_object;
mod reply;
mod splice;
mod text;
mod tree;

use serde::{Deserialize, Serialize};

pub use envelope::parse;
pub use error::ReviewError;
pub use limits::Limits;
pub use manifest::{Asked, ManifestError, Served, of_manifest};
pub use reply::{Reply, reply};
pub use text::JsonText;
pub use tree::tree;

/// The dialect of the review, echoed in the answer. Both are decoded into the same fields, as the API server's
/// own webhooks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewVersion {
    /// `admission.k8s.io/v1`
    V1,
    /// `admission.k8s.io/v1beta1`
    V1beta1,
}

impl ReviewVersion {
    /// The `apiVersion` of the review and of its answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "admission.k8s.io/v1",
            Self::V1beta1 => "admission.k8s.io/v1beta1",
        }
    }
}

/// One AdmissionReview as it came in.
#[derive(Debug, Clone)]
pub struct Review {
    pub version: ReviewVersion,
    pub request: AdmissionRequest,
    /// The whole AdmissionRequest, as sent: what a policy sees as `request`.
    pub text: JsonText,
}

/// The fields of `k8s.io/api/admission/v1.AdmissionRequest` that matching and replies need.
#[derive(Debug, Clone)]
pub struct AdmissionRequest {
    pub uid: String,
    pub kind: GroupVersionKind,
    pub resource: GroupVersionResource,
    pub sub_resource: String,
    /// What the client asked for, where the API server converted it (`matchPolicy: Equivalent`).
    pub request_kind: Option<GroupVersionKind>,
    pub request_resource: Option<GroupVersionResource>,
    pub request_sub_resource: Option<String>,
    /// Empty where the server is to choose it (`generateName`).
    pub name: String,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    pub operation: Operation,
    pub user: UserInfo,
    pub dry_run: bool,
    /// `None` where the review has `null` or nothing.
    pub object: Option<JsonText>,
    pub old_object: Option<JsonText>,
    /// `CreateOptions` and their like, and what a virtual cluster adds to them.
    pub options: Option<JsonText>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct GroupVersionKind {
    pub group: String,
    pub version: String,
    pub kind: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct GroupVersionResource {
    pub group: String,
    pub version: String,
    pub resource: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    /// The word of the admission API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserInfo {
    pub username: String,
    pub groups: Vec<String>,
}
