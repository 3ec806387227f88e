//! Puts a mutated object into a review, between two stages of mutating policies.

use bytes::Bytes;

use super::{AdmissionRequest, JsonText, Review, ReviewError};

impl Review {
    /// The same review with `object` in the place of `request.object`; the rest of the request's text is copied
    /// byte for byte.
    ///
    /// # Errors
    /// [`ReviewError::NothingToReplace`] for a review without an object (a DELETE).
    pub fn with_object(&self, object: &JsonText) -> Result<Self, ReviewError> {
        let old = self.request.object.as_ref().ok_or(ReviewError::NothingToReplace)?;
        let start = offset(&self.text, old).ok_or(ReviewError::NothingToReplace)?;
        let end = start + old.len();
        let (Some(head), Some(tail)) = (self.text.bytes().get(..start), self.text.bytes().get(end..)) else {
            return Err(ReviewError::NothingToReplace);
        };

        let text = Bytes::from([head, object.bytes(), tail].concat());
        let moved = |slice: &JsonText| -> Option<JsonText> {
            let at = offset(&self.text, slice)?;
            let at = if at < start { at } else { at + object.len() - old.len() };
            JsonText::cut(&text, at, slice.len())
        };
        let request = AdmissionRequest {
            object: JsonText::cut(&text, start, object.len()),
            old_object: self.request.old_object.as_ref().and_then(moved),
            ..self.request.clone()
        };
        let text = JsonText::whole(text);
        Ok(Self { version: self.version, request, text })
    }
}

/// Where `inner` begins in `outer`, when it is a slice of it.
fn offset(outer: &JsonText, inner: &JsonText) -> Option<usize> {
    let at = inner.bytes().as_ptr().addr().checked_sub(outer.bytes().as_ptr().addr())?;
    (at + inner.len() <= outer.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Limits, parse};
    use super::*;

    fn review(fields: &str) -> Review {
        let body = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u",
            "kind":{{"version":"v1","kind":"Pod"}},"resource":{{"version":"v1","resource":"pods"}},
            "operation":"UPDATE",{fields},"dryRun":true}}}}"#
        );
        parse(body.into(), &Limits::default()).unwrap()
    }

    #[test]
    fn replaces_the_object_and_nothing_else() {
        for fields in [
            r#""object":{"a":1},"oldObject":{"old":2},"name":"{\"a\":1}""#,
            r#""oldObject":{"old":2}, "object": {"a":1} , "name":"{\"a\":1}""#,
        ] {
            let review = review(fields);
            for object in [r#"{"a":{"longer":[1,2,3]}}"#, "{}"] {
                let object = JsonText::parse(object).unwrap();
                let changed = review.with_object(&object).unwrap();
                assert_eq!(changed.request.object, Some(object.clone()));
                assert_eq!(changed.request.old_object, review.request.old_object);

                let mut expected: Value = serde_json::from_str(review.text.as_str()).unwrap();
                expected["object"] = serde_json::from_str(object.as_str()).unwrap();
                assert_eq!(serde_json::from_str::<Value>(changed.text.as_str()).unwrap(), expected);

                let back = changed.with_object(review.request.object.as_ref().unwrap()).unwrap();
                assert_eq!(back.text, review.text);
                assert_eq!(back.request.old_object, review.request.old_object);
            }
        }
    }

    #[test]
    fn a_review_without_an_object_can_not_be_mutated() {
        let review = review(r#""object":null,"oldObject":{}"#);
        let object = JsonText::of(&json!({}));
        assert_eq!(review.with_object(&object).unwrap_err(), ReviewError::NothingToReplace);
    }
}
