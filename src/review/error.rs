//! What can be wrong with a body that claims to be an AdmissionReview.

use thiserror::Error;

use super::{ReviewVersion, clip::quoted};

/// Why a body was refused. The text goes to the client as it is: it never holds more of the body than a clipped
/// name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReviewError {
    #[error("the body is empty: send an AdmissionReview as JSON")]
    Empty,
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body is not UTF-8: the byte at offset {at} does not belong")]
    NotUtf8 { at: usize },
    #[error("the body nests deeper than {limit} levels at byte {at}")]
    TooDeep { limit: usize, at: usize },
    #[error("an object of the body has more than {limit} keys at byte {at}")]
    TooManyKeys { limit: usize, at: usize },
    #[error("the body is not valid JSON of an AdmissionReview at byte {at}: {message}")]
    Json { at: usize, message: String },
    #[error("the body is not a JSON object: send an AdmissionReview")]
    NotAnObject,
    #[error("kind is {}, not \"AdmissionReview\"", quoted(found))]
    WrongKind { found: String },
    #[error(
        "apiVersion {} is not supported: set admissionReviewVersions of the webhook to {} or {}",
        quoted(found),
        ReviewVersion::V1.as_str(),
        ReviewVersion::V1beta1.as_str()
    )]
    UnsupportedVersion { found: String },
    #[error("{field} is missing")]
    Missing { field: &'static str },
    #[error("{field} must be a JSON object")]
    FieldNotAnObject { field: &'static str },
    #[error("the review has no request.object that could be replaced")]
    NothingToReplace,
}

impl ReviewError {
    /// Whether the body was refused for its size alone: HTTP 413, where every other refusal is a 400 (contract §2).
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }
}
