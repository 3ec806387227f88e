//! What matching asks of one review, worked out at most once and only when a candidate asks.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::MatchError;
use super::activation::Activation;
use super::labels::{self, ObjectLabels};
use super::tenants::Around;
use crate::review::{AdmissionRequest, JsonText, Review};

type LabelsOrFault<'a> = Result<Option<ObjectLabels<'a>>, MatchError>;

pub(super) struct Facts<'a> {
    review: &'a Review,
    around: Around<'a>,
    object: OnceCell<LabelsOrFault<'a>>,
    old_object: OnceCell<LabelsOrFault<'a>>,
    namespace: OnceCell<Option<Arc<BTreeMap<String, String>>>>,
    activation: OnceCell<Result<Activation, String>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(review: &'a Review, around: impl Into<Around<'a>>) -> Self {
        Self {
            review,
            around: around.into(),
            object: OnceCell::new(),
            old_object: OnceCell::new(),
            namespace: OnceCell::new(),
            activation: OnceCell::new(),
        }
    }

    pub(super) const fn request(&self) -> &'a AdmissionRequest {
        &self.review.request
    }

    /// `None` when there is no object, or none with metadata.
    pub(super) fn object_labels(&self) -> Result<Option<&ObjectLabels<'a>>, MatchError> {
        let read = || read_labels("object", self.request().object.as_ref());
        self.object.get_or_init(read).as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    pub(super) fn old_object_labels(&self) -> Result<Option<&ObjectLabels<'a>>, MatchError> {
        let read = || read_labels("oldObject", self.request().old_object.as_ref());
        self.old_object.get_or_init(read).as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// The request of a Namespace carries its name in both fields, but a hand-made one may leave one out.
    pub(super) fn namespace_name(&self) -> &'a str {
        let request = self.request();
        if request.namespace.is_empty() { &request.name } else { &request.namespace }
    }

    /// `None` when the namespace is not known.
    pub(super) fn namespace_labels(&self) -> Option<&BTreeMap<String, String>> {
        self.namespace.get_or_init(|| self.around.namespaces.labels(self.namespace_name())).as_deref()
    }

    pub(super) const fn around(&self) -> Around<'a> {
        self.around
    }

    /// The variables of match conditions.
    pub(super) fn activation(&self) -> Result<&Activation, &str> {
        self.activation.get_or_init(|| Activation::of(self.review)).as_ref().map_err(String::as_str)
    }
}

fn read_labels<'a>(field: &'static str, object: Option<&'a JsonText>) -> LabelsOrFault<'a> {
    let Some(object) = object else { return Ok(None) };
    labels::read(object).map_err(|message| MatchError::Labels { field, message: message.to_owned() })
}
