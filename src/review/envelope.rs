//! Cuts an AdmissionReview out of a request's body: one borrowed pass, objects left as slices.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::only_object::OnlyObject;
use super::{
    AdmissionRequest, GroupVersionKind, GroupVersionResource, JsonText, Limits, Operation, Review, ReviewError,
    ReviewVersion, UserInfo,
};

/// Reads one AdmissionReview of `admission.k8s.io/v1` or `v1beta1`.
///
/// Unknown fields pass, as newer API servers may send them; a known field that stands twice does not, because two
/// readers could then see two requests.
///
/// # Errors
/// Says which field is wrong and what was expected; the caller answers 400 (413 for [`ReviewError::TooLarge`]).
#[expect(
    clippy::needless_pass_by_value,
    reason = "the review lives off the body, its sender has no further use for it"
)]
pub fn parse(body: Bytes, limits: &Limits) -> Result<Review, ReviewError> {
    if body.is_empty() {
        return Err(ReviewError::Empty);
    }
    limits.check(&body)?;
    let text = std::str::from_utf8(&body).map_err(|error| ReviewError::NotUtf8 { at: error.valid_up_to() })?;
    let envelope = Envelope::read(text)?;
    let version = envelope.version()?;
    let (request_text, fields) = envelope.request.ok_or(ReviewError::Missing { field: "request" })?;
    let request = fields.into_request(&body)?;
    Ok(Review { version, request, text: JsonText::slice_of(&body, request_text) })
}

/// The top level of the body. It is walked by hand because the request is wanted twice, as fields and as text, and
/// serde alone would have to scan it twice for that.
#[derive(Default)]
struct Envelope<'a> {
    api_version: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    request: Option<(&'a str, RequestFields<'a>)>,
}

impl<'a> Envelope<'a> {
    fn read(text: &'a str) -> Result<Self, ReviewError> {
        let mut envelope = Self::default();
        let mut cursor = Cursor { text, at: 0 };
        if !cursor.take(b'{') {
            return Err(cursor.not_an_object());
        }
        let mut first = true;
        while !cursor.take(b'}') {
            if !first {
                cursor.expect(b',', "expected `,` or `}`")?;
            }
            first = false;
            let key: Cow<'a, str> = cursor.value()?.1;
            cursor.expect(b':', "expected `:`")?;
            match &*key {
                "apiVersion" => cursor.field("apiVersion", &mut envelope.api_version, |(_, value)| value)?,
                "kind" => cursor.field("kind", &mut envelope.kind, |(_, value)| value)?,
                "request" => {
                    let fields = |(text, OnlyObject(fields))| (text, fields);
                    cursor.field("request", &mut envelope.request, fields)?;
                }
                _ => drop(cursor.value::<IgnoredAny>()?),
            }
        }
        if cursor.peek().is_some() { Err(cursor.error("trailing characters after the review")) } else { Ok(envelope) }
    }

    fn version(&self) -> Result<ReviewVersion, ReviewError> {
        match self.kind.as_deref() {
            Some("AdmissionReview") => {}
            Some(found) => return Err(ReviewError::WrongKind { found: found.to_owned() }),
            None => return Err(ReviewError::Missing { field: "kind" }),
        }
        let found = self.api_version.as_deref().ok_or(ReviewError::Missing { field: "apiVersion" })?;
        [ReviewVersion::V1, ReviewVersion::V1beta1]
            .into_iter()
            .find(|version| version.as_str() == found)
            .ok_or_else(|| ReviewError::UnsupportedVersion { found: found.to_owned() })
    }
}

/// A place in a JSON text, between two tokens.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, message: &str) -> Result<(), ReviewError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(message)) }
    }

    /// Reads one value; returns its text too.
    fn value<T: Deserialize<'a>>(&mut self) -> Result<(&'a str, T), ReviewError> {
        self.peek();
        let rest = self.rest();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<T>();
        match values.next() {
            Some(Ok(value)) => {
                let length = values.byte_offset();
                self.at += length;
                Ok((rest.get(..length).unwrap_or_default(), value))
            }
            Some(Err(error)) => Err(self.json_error(&error)),
            None => Err(self.error("the body ends too early")),
        }
    }

    fn field<T: Deserialize<'a>, R>(
        &mut self,
        name: &str,
        slot: &mut Option<R>,
        make: impl FnOnce((&'a str, T)) -> R,
    ) -> Result<(), ReviewError> {
        if slot.is_some() {
            return Err(self.error(&format!("duplicate field `{name}`")));
        }
        if self.rest_is_null() {
            self.value::<()>()?;
            return Ok(());
        }
        *slot = Some(make(self.value()?));
        Ok(())
    }

    fn rest_is_null(&mut self) -> bool {
        self.peek() == Some(b'n')
    }

    fn not_an_object(&mut self) -> ReviewError {
        match self.value::<IgnoredAny>() {
            Ok(_) => ReviewError::NotAnObject,
            Err(error) => error,
        }
    }

    fn error(&self, message: &str) -> ReviewError {
        ReviewError::Json { at: self.at, message: message.to_owned() }
    }

    /// serde counts lines and columns from where it began; a body is one long line, so an offset says more.
    fn json_error(&self, error: &serde_json::Error) -> ReviewError {
        let line_start: usize =
            self.rest().split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = (self.at + line_start + error.column().saturating_sub(1)).min(self.text.len());
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
        // serde repeats what it found: a word that is none of an enum's.
        let message = super::clip::clip(message, 512).replace(char::is_control, " ");
        ReviewError::Json { at, message }
    }
}

/// The AdmissionRequest as it is written. `null` counts as absent, as it does for Go.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestFields<'a> {
    uid: Option<String>,
    kind: Option<OnlyObject<GroupVersionKind>>,
    resource: Option<OnlyObject<GroupVersionResource>>,
    sub_resource: Option<String>,
    request_kind: Option<OnlyObject<GroupVersionKind>>,
    request_resource: Option<OnlyObject<GroupVersionResource>>,
    request_sub_resource: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    operation: Option<Operation>,
    user_info: Option<OnlyObject<UserFields>>,
    dry_run: Option<bool>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    old_object: Option<&'a RawValue>,
    #[serde(borrow)]
    options: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct UserFields {
    username: Option<String>,
    groups: Option<Vec<String>>,
    #[serde(rename = "uid")]
    _uid: Option<IgnoredAny>,
    #[serde(rename = "extra")]
    _extra: Option<IgnoredAny>,
}

impl RequestFields<'_> {
    fn into_request(self, body: &Bytes) -> Result<AdmissionRequest, ReviewError> {
        let missing = |field| ReviewError::Missing { field };
        let user = self.user_info.map_or_else(UserInfo::default, |OnlyObject(user)| UserInfo {
            username: user.username.unwrap_or_default(),
            groups: user.groups.unwrap_or_default(),
        });
        Ok(AdmissionRequest {
            uid: self.uid.filter(|uid| !uid.is_empty()).ok_or(missing("request.uid"))?,
            kind: self.kind.map(|OnlyObject(kind)| kind).ok_or(missing("request.kind"))?,
            resource: self
                .resource
                .map(|OnlyObject(resource)| resource)
                .filter(|resource| !resource.resource.is_empty())
                .ok_or(missing("request.resource"))?,
            sub_resource: self.sub_resource.unwrap_or_default(),
            request_kind: self.request_kind.map(|OnlyObject(kind)| kind),
            request_resource: self.request_resource.map(|OnlyObject(resource)| resource),
            request_sub_resource: self.request_sub_resource,
            name: self.name.unwrap_or_default(),
            namespace: self.namespace.unwrap_or_default(),
            operation: self.operation.ok_or(missing("request.operation"))?,
            user,
            dry_run: self.dry_run.unwrap_or_default(),
            object: object(body, "request.object", self.object)?,
            old_object: object(body, "request.oldObject", self.old_object)?,
            options: self.options.map(|raw| JsonText::slice_of(body, raw.get())),
        })
    }
}

fn object(body: &Bytes, field: &'static str, raw: Option<&RawValue>) -> Result<Option<JsonText>, ReviewError> {
    let Some(raw) = raw else { return Ok(None) };
    let text = JsonText::slice_of(body, raw.get());
    if text.is_object() { Ok(Some(text)) } else { Err(ReviewError::FieldNotAnObject { field }) }
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
